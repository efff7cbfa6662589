"""The layout of HMR2.0's files: the Lightning checkpoint of 4D-Humans."""

import math
from collections.abc import Mapping
from typing import Any

from hps_models.hmr2.decoder import HEAD_WIDTH
from hps_models.hmr2.discriminator import Discriminator
from hps_models.hmr2.network import UNSEEN, build
from hpscli.nn.layouts import Row, on_meta, rows_from_module
from hpscli.nn.vit import PATCH_PX, vit_rows

Shapes = Mapping[str, tuple[int, ...]]

VIT_HEADS = {768: 12, 1024: 16, 1280: 16}  # of ViTPose's B, L, H; shapes do not tell
VIT_H_DEPTH, VIT_H_DROP_PATH = 32, 0.55
HEAD = "smpl_head."
LAYERS = f"{HEAD}transformer.transformer.layers."
ADVERSARY = "the adversary of training, which inference does not need"
SMPL = "arrays of the licensed SMPL model: bodies come from the asset store"
# smplx's SMPL layer, with the 19 joints of SMPL_to_J19 and the order of OpenPose's 25.
SMPL_SHAPES: Mapping[str, tuple[int, ...]] = {
    "shapedirs": (6890, 3, 10),
    "faces_tensor": (13776, 3),
    "v_template": (6890, 3),
    "J_regressor": (24, 6890),
    "posedirs": (207, 20670),
    "parents": (24,),
    "lbs_weights": (6890, 24),
    "joint_regressor_extra": (19, 6890),
    "joint_map": (25,),
    "vertex_joint_selector.extra_joints_idxs": (21,),
}


def guess(shapes: Shapes) -> dict[str, Any] | None:
    """Shapes of a file -> the options that they speak of, or None when it is no HMR2.0."""
    if not any(key.startswith(f"{HEAD}transformer.") for key in shapes) and not _vit(shapes):
        return None
    return {**_backbone(shapes), **_head(shapes)}


def guess_backbone(shapes: Shapes) -> dict[str, Any] | None:
    """Bare names of ViTPose's encoder -> the options that they speak of, or None."""
    named = {f"backbone.{key}": shape for key, shape in shapes.items()}
    return _backbone(named) if _vit(named) else None


def rows_backbone(options: Mapping[str, Any]) -> list[Row]:
    """Options -> every tensor of the encoder under bare names."""
    module = on_meta(lambda: build(**options))
    return vit_rows(module.backbone, ours="backbone.", theirs="")


def _vit(shapes: Shapes) -> bool:
    """-> whether there is ViTPose's encoder without the tokens that others lay before it."""
    needed = ("backbone.pos_embed", "backbone.patch_embed.proj.weight")
    others = ("backbone.cls_token", "backbone.task_tokens")
    return all(key in shapes for key in needed) and not any(key in shapes for key in others)


def _backbone(shapes: Shapes) -> dict[str, Any]:
    options: dict[str, Any] = {}
    if table := shapes.get("backbone.pos_embed"):
        patches, width = table[1] - 1, table[2]
        options |= {"width": width, "heads": VIT_HEADS.get(width, max(width // HEAD_WIDTH, 1))}
        rows = math.isqrt(patches * UNSEEN // (UNSEEN - 2))
        options["size"] = rows * PATCH_PX
    if "backbone.patch_embed.stem.0.weight" in shapes:
        options["stem"] = "convolutions"
    # The norm comes last: without it the file may end inside the transformer.
    if "backbone.last_norm.weight" in shapes and (depth := _count(shapes, "backbone.blocks.")):
        options |= {"depth": depth, "drop_path": VIT_H_DROP_PATH if depth == VIT_H_DEPTH else 0.0}
    return options


def _head(shapes: Shapes) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for key, shape in shapes.items():
        if key.startswith(LAYERS) and key.endswith(".fn.to_q.weight"):
            options |= {"decoder_heads": shape[0] // HEAD_WIDTH, "decoder_width": shape[1]}
        if key.startswith(LAYERS) and key.endswith(".fn.net.0.weight"):
            options["decoder_hidden"] = shape[0]
    if depth := _count(shapes, LAYERS):
        options["decoder_depth"] = depth
    return options


def _count(shapes: Shapes, prefix: str) -> int:
    """-> one more than the largest number that follows the prefix."""
    numbers = {
        int(number)
        for key in shapes
        if key.startswith(prefix) and (number := key[len(prefix) :].split(".")[0]).isdigit()
    }
    return max(numbers, default=-1) + 1


def rows(options: Mapping[str, Any]) -> list[Row]:
    """Options -> every tensor of the official model."""
    module = on_meta(lambda: build(**options))
    head = rows_from_module(module.get_submodule("smpl_head"), lambda key: key)
    adversary = rows_from_module(on_meta(Discriminator), lambda key: f"discriminator.{key}")
    return [
        Row("initialized", (), parameter=False, why="a flag of layers that this model lacks"),
        *vit_rows(module.backbone, ours="backbone.", theirs="backbone."),
        *(Row(HEAD + row.theirs, row.shape, HEAD + row.ours, row.parameter) for row in head),
        *(Row(row.theirs, row.shape, why=ADVERSARY) for row in adversary),
        *(
            Row(f"smpl.{name}", shape, parameter=False, why=SMPL)
            for name, shape in SMPL_SHAPES.items()
        ),
    ]
