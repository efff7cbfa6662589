"""The layouts of PARE's files: the authors', mmhuman3d's, the course project's."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hps_models.pare.network import build
from hpscli.nn.layouts import Row, on_meta, rows_from_module
from hpscli.nn.pose_hrnet import official_key

Shapes = Mapping[str, tuple[int, ...]]

HEAD = ("keypoint_", "smpl_deconv", "smpl_final", "pose_mlp", "shape_mlp", "cam_mlp")
RESNETS = {6: "resnet50", 23: "resnet101", 36: "resnet152"}  # blocks of layer3
MEAN = "mean parameters, which a regression in one step does not start from"
SMPL = "arrays of the licensed SMPL model: bodies come from the asset store"
FIRST = "head.keypoint_deconv_layers.0.weight"
# The layer that the official model carries (smplx, SMPL-neutral, with SPIN's extra regressor). It
# calls 82 zeros (shape and pose) parameters, which no count of the network should contain.
SMPL_SHAPES: Mapping[str, tuple[int, ...]] = {
    "betas": (1, 10),
    "global_orient": (1, 3),
    "body_pose": (1, 69),
    "shapedirs": (6890, 3, 10),
    "faces_tensor": (13776, 3),
    "v_template": (6890, 3),
    "J_regressor": (24, 6890),
    "posedirs": (207, 20670),
    "parents": (24,),
    "lbs_weights": (6890, 24),
    "J_regressor_extra": (9, 6890),
    "vertex_joint_selector.extra_joints_idxs": (21,),
}


def guess(shapes: Shapes) -> dict[str, Any] | None:
    """Shapes of a file -> the options that they speak of, or None when it is no PARE."""
    own = any(key.startswith(tuple(f"head.{part}" for part in HEAD)) for key in shapes)
    if not own and not _bare(shapes):
        return None
    return {**_backbone(shapes), **_head(shapes)}


def guess_mmhuman3d(shapes: Shapes) -> dict[str, Any] | None:
    """As `guess`, with mmhuman3d's own crop."""
    options = guess(shapes)
    return None if options is None else {**options, "crop": "mmhuman3d"}


def _bare(shapes: Shapes) -> bool:
    """-> whether there is an HRNet and nothing else: the first half of a file, perhaps."""
    return any(key.startswith("backbone.stage2.") for key in shapes) and all(
        key.startswith(("backbone.", "smpl.")) for key in shapes
    )


def _backbone(shapes: Shapes) -> dict[str, Any]:
    blocks = {key.split(".")[2] for key in shapes if key.startswith("backbone.layer3.")}
    if not blocks:
        return {"backbone": "small" if "backbone.stem.weight" in shapes else "hrnet-w32"}
    return {"backbone": RESNETS.get(len(blocks), "resnet50")}


def _head(shapes: Shapes) -> dict[str, Any]:
    prefix = "head.keypoint_deconv_layers."
    widths = [
        shape[0]
        for key, shape in shapes.items()
        if key.startswith(prefix) and key.endswith("running_var")
    ]
    options: dict[str, Any] = {}
    if widths:
        options |= {"layers": len(widths), "width": widths[0]}
    if kernel := shapes.get(FIRST):
        options["growth"] = "deconv" if kernel[-1] % 2 == 0 else "none"
    elif f"{prefix}1.weight" in shapes and len(shapes[f"{prefix}1.weight"]) > 1:
        options["growth"] = "upsample"
    if final := shapes.get("head.smpl_final_layer.weight"):
        options["features"] = final[0]
    if maps := shapes.get("head.keypoint_final_layer.weight"):
        # Points and unlabelled attention have the same tensors: the trainer's default is taken.
        options["maps"] = "parts" if maps[0] == 25 else "softargmax"
    return options


def guess_official(shapes: Shapes) -> dict[str, Any] | None:
    """As `guess`, of files that carry the official model's own SMPL."""
    return guess(shapes) if any(key.startswith("smpl.smpl.") for key in shapes) else None


def rows(options: Mapping[str, Any]) -> list[Row]:
    """Options -> every tensor of network and head, as mmhuman3d lays them out."""
    module = on_meta(lambda: build(**options))
    table = rows_from_module(module, _their_name)
    if options["backbone"] == "hrnet-w32":
        dead = "heat maps of the pose network that HRNet was, without effect"
        table += [
            Row("backbone.final_layer.weight", (24, 32, 1, 1), why=dead),
            Row("backbone.final_layer.bias", (24,), why=dead),
        ]
    if options["maps"] != "softargmax":
        unread = "temperature of the soft arg-max, which attention does not have"
        table.append(Row("head.temperature", (), parameter=False, why=unread))
    starts = {"init_pose": 144, "init_shape": 10, "init_cam": 3}
    return table + [
        Row(f"head.{name}", (1, count), parameter=False, why=MEAN) for name, count in starts.items()
    ]


def rows_official(options: Mapping[str, Any]) -> list[Row]:
    """Options -> every tensor of the official model, below `model.`."""
    return rows(options) + [
        Row(f"smpl.smpl.{name}", shape, parameter=False, why=SMPL)
        for name, shape in SMPL_SHAPES.items()
    ]


def guess_backbone(shapes: Shapes) -> dict[str, Any] | None:
    """Bare names of an HRNet -> options, or None; ResNets need no layout, their names are ours."""
    return {} if "transition1.0.0.weight" in shapes else None


def rows_backbone(options: Mapping[str, Any]) -> list[Row]:
    """Options -> every tensor of the backbone under bare names; its last convolutions may lack."""
    return [
        replace(
            row,
            theirs=row.theirs.removeprefix("backbone."),
            required=False if ".upsample_stage_" in row.theirs else None,
        )
        for row in rows(options)
        if row.theirs.startswith("backbone.") and row.ours
    ]


def _their_name(key: str) -> str:
    part, _, rest = key.partition(".")
    return f"{part}.{official_key(rest)}"
