"""hps predict: people in your images -> pictures, meshes, numbers."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hpscli.cli.output import CropOption, JsonOption, Output, QuietOption, table
from hpscli.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hpscli.nn.checkpoints import LoadedModel
    from hpscli.run.predicting.images import Detector, Done, Plan

SAVE = "overlay,turntable,json,npz,glb"


def predict(
    source: Annotated[Path, typer.Argument(help="Image or folder of images.")],
    checkpoint: Annotated[
        str, typer.Option(help="File, model.tag or RUN; default: the one that ships.")
    ] = "",
    bbox: Annotated[
        list[str] | None, typer.Option(help="x,y,w,h px of a person; may be repeated.")
    ] = None,
    boxes: Annotated[Path | None, typer.Option(help="COCO JSON with the people's boxes.")] = None,
    detector: Annotated[str, typer.Option(help="A detector plugin that finds the people.")] = "",
    hand: Annotated[str, typer.Option(help="left or right, for hand models.")] = "",
    fov: Annotated[float, typer.Option(min=0, max=179, help="Horizontal field of view.")] = 0.0,
    focal: Annotated[float, typer.Option(min=0, help="Focal length in pixels.")] = 0.0,
    save: Annotated[
        str,
        typer.Option(
            help="Some of: overlay, turntable, json, npz, obj, ply, glb; commas between.",
            show_default="all but obj and ply",
        ),
    ] = SAVE,
    out: Annotated[
        Path | None, typer.Option(help="Folder; default runs/predict/NAME.", show_default=False)
    ] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda; default: the best there is.")] = "",
    dtype: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    flip: Annotated[bool, typer.Option("--flip", help="Average with the mirrored crop.")] = False,
    crop: CropOption = "",
    force: Annotated[bool, typer.Option("--force", help="Overwrite files in --out.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Draw and save the people in an image, or in every image of a folder.

    Without a box or a detector the whole image is one person. A broken image is named, the rest goes
    on, and the exit code is 5.
    """
    from hpscli.run.inference import check_crop, said_crop
    from hpscli.run.places import RUNS, dated_folder
    from hpscli.run.predict import check_hand
    from hpscli.run.predicting.images import Plan, list_images
    from hpscli.run.predicting.save import parse_kinds

    output = Output(json, quiet)
    if fov and focal:
        raise UsageError("--fov and --focal say the same thing twice.", "Give one of them.")
    check_crop(crop)
    check_hand(hand)
    images, kinds = list_images(source), parse_kinds(save)
    people = _typed_boxes(images, bbox or [], boxes, detector)
    model = _load(output, checkpoint, device, dtype, hand)
    output.say("crop", said_crop(model, crop, boxes=bool(people or detector)))
    plan = Plan(
        folder=out or dated_folder(RUNS / "predict" / (source.resolve().stem or "images")),
        kinds=kinds,
        boxes=people,
        detector=_detector(detector, device),
        hand=hand,
        fov_degrees=fov,
        focal_px=focal,
        flip=flip,
        dtype=dtype,  # type: ignore[arg-type]  # checked by _load
        crop=crop,  # type: ignore[arg-type]  # by check_crop
        force=force,
    )
    if not people and not detector:
        output.say("people", "no box and no detector: each whole image is taken as one person")
    _predict_all(output, model, images, plan)


def _predict_all(output: Output, model: "LoadedModel", images: list[Path], plan: "Plan") -> None:
    """Every image, then the table; ends with an error when some images failed."""
    from hpscli.run.predicting.images import failures, predict_images

    done: list[Done] = []
    with output.progress("images", len(images), "images") as advance:
        for entry in predict_images(model, images, plan):
            done.append(entry)
            advance(1)
    _show(output, done, plan.folder)
    if error := failures(done):
        raise error
    output.next("hps predict IMAGE --bbox x,y,w,h --save obj")


def _typed_boxes(
    images: list[Path], typed: list[str], coco: Path | None, detector: str
) -> dict[Path, "NDArray[np.float64]"]:
    """-> boxes by image from --bbox or --boxes; at most one of the three ways may be used."""
    import numpy as np

    from hpscli.run.predicting.boxes import parse_box, read_coco_boxes

    if sum(map(bool, (typed, coco, detector))) > 1:
        raise UsageError("--bbox, --boxes and --detector exclude each other.", "Use one of them.")
    if typed and len(images) > 1:
        raise UsageError(
            f"--bbox is for one image, here are {len(images)}.",
            "For a folder: --boxes coco.json or --detector NAME",
        )
    if typed:
        return {images[0]: np.stack([parse_box(text) for text in typed])}
    return read_coco_boxes(coco, images) if coco else {}


def _load(output: Output, checkpoint: str, device: str, dtype: str, hand: str) -> "LoadedModel":
    from hpscli.nn.checkpoints import load_model
    from hpscli.registry import get_registry
    from hpscli.run.places import best_device, check_dtype, shipped_checkpoint

    check_dtype(dtype)
    body = "mano" if hand else ""
    name = checkpoint or shipped_checkpoint(get_registry(), body)
    output.say("loading", name)
    model = load_model(name, device=best_device(device))
    note = "" if checkpoint else "   the one that comes with hps"
    output.say(
        "checkpoint", f"{model.name}{note}   model {model.spec.name}, body {model.body.kind}"
    )
    if model.body.source == "free":
        output.say("", "body source free: made without licensed files, not to be measured on")
    return model


def _detector(name: str, device: str) -> "Detector | None":
    if not name:
        return None
    from hpscli.registry import get_registry, resolve
    from hpscli.run.places import best_device

    spec = get_registry().get("detector", name)
    return resolve(spec.build)(best_device(device))  # type: ignore[no-any-return]


def _named(files: list[Path]) -> str:
    """-> the first two names, and how many more there are."""
    more = f" and {len(files) - 2} more" if len(files) > 2 else ""
    return " ".join(path.name for path in files[:2]) + more


def _show(output: Output, done: list["Done"], folder: Path) -> None:
    """The table of images; with --json one document."""
    good = [entry for entry in done if not entry.problem]

    def draw() -> None:
        rows = [
            (
                entry.image.name,
                entry.people if not entry.problem else None,
                entry.about.get("focal_source", ""),
                entry.problem or _named(list(entry.files.values())),
            )
            for entry in done
        ]
        table(("image", "people", "focal length", "files"), rows)

    document = {
        "folder": str(folder),
        "images": len(done),
        "failed": len(done) - len(good),
        "people": sum(entry.people for entry in good),
        "results": [
            {
                "image": str(entry.image),
                "people": entry.people,
                "problem": entry.problem,
                "files": {what: str(path) for what, path in entry.files.items()},
            }
            for entry in done
        ],
    }
    output.result("predict-run", document, draw)
    if any(entry.about.get("focal_source") == "assumed" for entry in good):
        output.say("camera", "focal length assumed (the image diagonal): --fov DEG or --focal PX")
    if undrawn := sum(entry.undrawn for entry in good):
        output.say("note", f"people at or behind the camera, not drawn: {undrawn}")
    if good:
        output.say("saved", folder)
