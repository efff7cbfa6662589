"""`hps info`: the conventions, in one place: joint sets, cameras, file formats, the sample schema."""

from collections.abc import Sequence
from typing import Annotated

import typer

from hpscli.cli.output import JsonOption, Output, pairs, table

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Conventions: joints, cameras, formats, schema.",
)

CAMERAS: tuple[tuple[str, str], ...] = (
    ("camera frame", "x right, y down, z forward; metres"),
    ("image", "pixels of the original image; origin at the centre of the top-left pixel"),
    ("box", "box.center (x, y) px and box.size px: a square window, the model's crop"),
    ("crop", "image.affine (2,3) maps the original image to the crop; a flip is part of it"),
    ("crop units", "x_n = 2 x / W - 1,  y_n = 2 y / H - 1   for a crop of H x W pixels"),
    ("weak camera", "(s, tx, ty):  u = s (X + tx),  v = s (Y + ty) W / H  in crop units"),
    ("translation", "(tx, ty, 2 f / (W s + 1e-9))  with f in crop pixels"),
    ("full camera", "intrinsics [[f,0,cx],[0,f,cy],[0,0,1]] px and a translation in metres"),
    ("unknown focal", "the image diagonal in pixels, marked as assumed"),
)
FORMATS: tuple[tuple[str, str, str], ...] = (
    ("shard", "*.tar + index.json", "samples: an image and one safetensors record each"),
    ("checkpoint", "*.safetensors", "weights; model, body and recipe as JSON in the header"),
    ("recipe", "*.toml", "an experiment: model, data, optimiser, schedule"),
    ("result", "result.json", "numbers with their protocol and body: hps/eval/1"),
    ("predictions", "*.npz", "what was predicted about people: hps info predictions"),
    ("asset", "$HPS_HOME/assets/*.safetensors", "licensed files of yours, imported once"),
    ("mesh", "*.obj  *.ply  *.glb", "what predict and export write"),
)


@app.command("joints")
def joints(
    name: Annotated[str, typer.Argument(help="One joint set; without it, all of them.")] = "",
    json: JsonOption = False,
) -> None:
    """Joint sets: names, order, mirror, and which sets convert into which.

    For example: hps info joints lsp14
    """
    from hpscli.body.joints import joint_set, joint_set_names

    output = Output(json=json)
    if name:
        _one_set(name, output)
        return
    sets = [joint_set(each) for each in joint_set_names()]
    document = {
        "joint_sets": [
            {"name": s.name, "joints": len(s), "source": s.source, "note": s.note} for s in sets
        ]
    }
    output.result(
        "joints",
        document,
        lambda: table(["set", "joints", "source"], [(s.name, len(s), s.source) for s in sets]),
    )
    if not json:
        output.next("hps info joints lsp14")


def _one_set(name: str, output: Output) -> None:
    from hpscli.body.joints import conversion_index, convertible_sets, joint_set, joint_set_names

    chosen = joint_set(name)
    common = chosen.common_names()
    gives = convertible_sets(chosen.name)
    full = [other for other, count in gives.items() if count == len(joint_set(other))]
    comes = [
        other
        for other in joint_set_names()
        if other != chosen.name and (conversion_index(other, chosen.name) >= 0).all()
    ]
    document = {
        "name": chosen.name,
        "joints": list(chosen.joints),
        "common_names": list(common),
        "mirror": list(chosen.mirror),
        "source": chosen.source,
        "note": chosen.note,
        "converts_to": full,
        "comes_from": comes,
    }

    def draw() -> None:
        rows = [
            (i, joint, chosen.joints[chosen.mirror[i]], common[i])
            for i, joint in enumerate(chosen.joints)
        ]
        table(["", "joint", "mirror", "common name"], rows, title=chosen.name)
        about: list[tuple[str, object]] = [("source", chosen.source)]
        about += [("note", chosen.note)] if chosen.note else []
        about += [
            ("gives all joints of", ", ".join(full) or "no other set"),
            ("comes whole out of", ", ".join(comes) or "no other set"),
        ]
        pairs(about)

    output.result("joint-set", document, draw)


@app.command("cameras")
def cameras(json: JsonOption = False) -> None:
    """Camera conventions: frames, units, crops, weak and full perspective.

    For example: hps info cameras
    """
    Output(json=json).result("cameras", dict(CAMERAS), lambda: pairs(CAMERAS))


@app.command("formats")
def formats(json: JsonOption = False) -> None:
    """Files that hps reads and writes.

    For example: hps info formats
    """
    document = {
        "formats": [dict(zip(("name", "files", "what"), row, strict=True)) for row in FORMATS]
    }
    Output(json=json).result(
        "formats", document, lambda: table(["format", "files", "what it is"], FORMATS)
    )


# Our own file of predictions, hps/predictions/1: entries of an .npz; N people, J joints, V vertices.
PREDICTIONS: tuple[tuple[str, str, str], ...] = (
    ("hps.json", "()", "text: schema, body (kind, gender, source), about, meta of each person"),
    ("hps.keys", "(N,) or (0,)", "text: keys of the people in shards; none: the order of the list"),
    ("vertices", "(N,V,3)", "m, camera axes, any origin"),
    ("joints.SET", "(N,J,3)", "m, the same frame; SET: hps info joints"),
    ("joints2d.SET", "(N,J,2)", "px of the original picture"),
    ("parameters.global_orient", "(N,3,3)", "rotation matrix in the camera frame"),
    ("parameters.body_pose", "(N,23,3,3)", "rotation matrices; (N,21,3,3) of SMPL-X"),
    ("parameters.hand_pose", "(N,15,3,3)", "of MANO; SMPL-X: left_hand_pose, right_hand_pose"),
    ("parameters.jaw_pose", "(N,3,3)", "of SMPL-X; so are leye_pose, reye_pose"),
    ("parameters.betas", "(N,10)", "standard deviations; parameters.expression (N,10) of SMPL-X"),
    ("camera", "(N,3)", "s, tx, ty of the crop: hps info cameras"),
    ("affine", "(N,2,3)", "original picture px -> crop px"),
    ("crop_size_px", "(N,2)", "height, width of the crop"),
    ("score", "(N,)", "of a detector, 0 to 1"),
)


@app.command("predictions")
def predictions(
    name: Annotated[str, typer.Argument(help="One layout; without it, all of them.")] = "",
    json: JsonOption = False,
) -> None:
    """Files of predictions that `hps eval FILE` and `hps export-preds --checkpoint FILE` read.

    For example: hps info predictions spin-results
    """
    from hpscli.registry import get_registry

    output, registry = Output(json=json), get_registry()
    if name and name != "ours":
        _one_layout(name, output)
        return
    others = [] if name else registry.all("prediction file")
    document = {
        "ours": [dict(zip(("entry", "shape", "what"), row, strict=True)) for row in PREDICTIONS],
        "others": [
            {"name": spec.name, "files": list(spec.suffixes), "what": spec.summary}
            for spec in others
        ],
    }

    def draw() -> None:
        table(
            ["entry", "shape", "what it is"],
            PREDICTIONS,
            title="ours: hps/predictions/1, an .npz; every entry but the first two may be absent",
        )
        if others:
            rows = [(spec.name, " ".join(spec.suffixes), spec.summary) for spec in others]
            table(["of others", "files", "what it is"], rows)

    output.result("prediction-files", document, draw)
    if others and not json:
        output.next(f"hps info predictions {others[0].name}")


def _one_layout(name: str, output: Output) -> None:
    """What is known about the files of one other program."""
    import inspect

    from hpscli.registry import get_registry, resolve

    registry = get_registry()
    spec = registry.get("prediction file", name)
    read = resolve(spec.read)
    module = inspect.getmodule(read)
    rows = {
        "layout": spec.name,
        "files": " ".join(spec.suffixes).replace("/", "folders"),
        "what": spec.summary,
        "written by": " ".join((inspect.getdoc(module) or "").split()),
        "read as": " ".join((inspect.getdoc(read) or "").split()),
        "from": registry.origin("prediction file", name),
    }
    output.result("prediction-file", rows, lambda: pairs(rows.items()))
    if not output.json:
        output.next("hps eval FILE --testset NAME")


@app.command("schema")
def schema(json: JsonOption = False) -> None:
    """The arrays of a sample in a shard: names, shapes, units.

    For example: hps info schema --json
    """
    from hpscli.data.sample import MESHES, REQUIRED, SHAPES

    shapes: dict[str, tuple[int | str, ...]] = {
        "keypoints2d.SET": ("J", 3),
        "keypoints3d.SET": ("J", 4),
        **SHAPES,
        **{name: (count, 3) for name, count in MESHES.items()},
    }
    arrays = [
        {
            "name": name,
            "shape": list(shape),
            "unit": _unit(name),
            "required": name in REQUIRED,
        }
        for name, shape in shapes.items()
    ]

    def draw() -> None:
        rows = [(n, _shape(shape), _unit(n), n in REQUIRED) for n, shape in shapes.items()]
        table(["array", "shape", "unit", "required"], rows)
        pairs([("SET", "a joint set; J its joints. See: hps info joints")])

    Output(json=json).result("sample-schema", {"arrays": arrays}, draw)


# What the numbers of an array are, by the longest name that fits.
UNITS = {
    "keypoints2d": "px, px, confidence",
    "keypoints3d": "m, m, m, confidence",
    "vertices": "m",
    "transl": "m",
    "box": "px",
    "camera.intrinsics": "px",
    "image.affine": "original px -> stored px",
    "betas": "standard deviations",
    "expression": "standard deviations",
    "kid": "share, 0 adult .. 1 kid",
}


def _unit(name: str) -> str:
    for part, unit in UNITS.items():
        if name.startswith(part) or name.endswith(part):
            return unit
    return "axis-angle, radians"


def _shape(shape: Sequence[int | str]) -> str:
    return "(" + ",".join(str(size) for size in shape) + ("," if len(shape) == 1 else "") + ")"
