"""Checkpoints of SPIN, mmhuman3d and hmr-benchmarks: which options made them, and every tensor."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from hps_models.hmr.backbone_names import backbone_rows
from hps_models.hmr.discriminator import Discriminator
from hps_models.hmr.network import CAMERA, POSE, SHAPE, build
from hps_models.hmr.plugin import PRESETS
from hpscli.nn.layouts import Row, on_meta, rows_from_module

Shapes = Mapping[str, tuple[int, ...]]

HEAD = ("fc1.", "fc2.", "decpose.", "decshape.", "deccam.", "init_pose", "init_shape", "init_cam")
STATE = POSE + SHAPE + CAMERA
DISCRIMINATOR = "the discriminator: it is used in training only"
# Bottleneck ResNets by the highest block of stage 3; those of two convolutions a block.
DEPTHS = ((5, "resnet50"), (22, "resnet101"), (35, "resnet152"))
SHALLOW = ((1, "resnet18"), (5, "resnet34"))
RESNEXT_WIDTH = 256  # of the first 3x3 convolution: 32 groups of 8; ResNet has 64


def guess_spin(shapes: Shapes) -> dict[str, Any] | None:
    """Keys without prefix -> options, when ResNet and head lie side by side."""
    head = {key: shape for key, shape in shapes.items() if key.startswith(HEAD)}
    if not head or not any(key.startswith("layer") for key in shapes):
        return None
    depth = resnet_of(shapes)
    if depth not in ("resnet50", "resnet101", "resnet152"):
        return None
    return {**PRESETS["spin"], "backbone": depth, **_head_options(head, depth)}


def rows_spin(options: Mapping[str, Any]) -> list[Row]:
    """Complete options -> the tensors of `model` in SPIN's files."""
    return _rows(options, backbone="", head="")


def guess_mmhuman3d(shapes: Shapes) -> dict[str, Any] | None:
    """Keys -> options, when they begin with `backbone.`, `head.` (and `disc.`)."""
    backbone = _below("backbone.", shapes)
    head = {key: s for key, s in _below("head.", shapes).items() if key.startswith(HEAD)}
    others = any(key.startswith("head.") and key[5:] not in head for key in shapes)
    if others or not backbone or not (head or _below("disc.", shapes)):
        return None  # PARE lies in such files too, with other heads
    name = backbone_of(backbone)
    preset = PRESETS.get(name or "", {})
    if not name or "losses" not in preset:
        return None
    return {**preset, **_head_options(head, name)}


def rows_mmhuman3d(options: Mapping[str, Any]) -> list[Row]:
    """Complete options -> the tensors of `state_dict` in files of mmhuman3d and hmr-benchmarks."""
    judge = on_meta(Discriminator)
    training_only = [
        replace(row, ours="", why=DISCRIMINATOR)
        for row in rows_from_module(judge, lambda key: f"disc.{key}")
    ]
    return [*_rows(options, backbone="backbone.", head="head."), *training_only]


def _rows(options: Mapping[str, Any], *, backbone: str, head: str) -> list[Row]:
    module: Any = on_meta(lambda: build(**options))
    rows = [
        replace(row, theirs=backbone + row.theirs, ours=row.ours and f"backbone.{row.ours}")
        for row in backbone_rows(str(options["backbone"]), module.backbone)
    ]
    for row in rows_from_module(module.regressor, lambda key: head + key):
        rows.append(replace(row, ours=f"regressor.{row.ours}"))
    return rows


def _below(prefix: str, shapes: Shapes) -> dict[str, tuple[int, ...]]:
    return {k.removeprefix(prefix): s for k, s in shapes.items() if k.startswith(prefix)}


def _head_options(head: Shapes, backbone: str) -> dict[str, Any]:
    """-> hidden and feature_width where they are not those of the preset."""
    shape = head.get("fc1.weight", ())
    if len(shape) != 2 or shape[1] <= STATE:
        return {}
    width = PRESETS[backbone].get("feature_width", 0) if backbone in PRESETS else 0
    known = width or WIDTHS.get(backbone, 0)
    options: dict[str, Any] = {} if shape[0] == 1024 else {"hidden": shape[0]}
    return options if shape[1] - STATE == known else {**options, "feature_width": shape[1] - STATE}


WIDTHS = {  # channels of the maps whose average is taken
    **dict.fromkeys(("resnet50", "resnet101", "resnet152", "resnext101", "efficientnet-b5"), 2048),
    "twins-svt": 768,
    "twins-pcpvt": 512,
}


def backbone_of(keys: Shapes) -> str | None:
    """Keys of a backbone, in OpenMMLab's or timm's names -> its name here, or None."""
    if any(key.startswith(("stage3.", "stage4.", "transition")) for key in keys):
        return "hrnet-w32"
    if any(key.startswith(("layer1.", "layer4.")) for key in keys):
        return resnet_of(keys)
    if any(".depthwise_conv." in key or ".conv_dw." in key for key in keys):
        return "efficientnet-b5"
    if any(key.startswith(("patch_embeds.", "position_encodings.", "pos_block.")) for key in keys):
        return "twins-svt" if any(".attn.qkv." in key for key in keys) else "twins-pcpvt"
    if any("relative_position" in key or re.match(r"stages\.\d+\.blocks\.", key) for key in keys):
        return "swin-t"
    if "cls_token" in keys or "pos_embed" in keys:
        return "vit-b"
    return None


def resnet_of(keys: Iterable[str]) -> str | None:
    """Keys of a ResNet in torchvision's names -> its name here, as well as a part of one tells."""
    shapes = keys if isinstance(keys, Mapping) else {}
    blocks = [int(found[1]) for key in keys if (found := re.match(r"layer3\.(\d+)\.", key))]
    deep = any(".conv3." in key for key in keys)
    first = shapes.get("layer1.0.conv1.weight", ())
    if first and first[0] == RESNEXT_WIDTH:
        return "resnext101"
    highest = max(blocks, default=0)
    table = DEPTHS if deep else SHALLOW
    return next((name for most, name in table if highest <= most), None)
