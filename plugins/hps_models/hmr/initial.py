"""Backbones to start a training from: image classifiers and pose networks of other programs.

They fill a part of the model. What they have besides (classifier, heads of a pose network) is
dropped by name; what hmr-benchmarks adds to a backbone starts at random.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from hps_models.hmr.backbone_names import backbone_rows
from hps_models.hmr.network import build
from hps_models.hmr.plugin import PRESETS
from hps_models.hmr.weights import HEAD, Shapes, backbone_of
from hpscli.nn.layouts import Row, on_meta, rows_from_module

# In our names below `trunk.`: layers that pose networks leave out, as they read the finest map only.
OPTIONAL = re.compile(r"^stage4\.2\.fuse_layers\.[123]\.|^norm_after_stage3\.|^norm\d\.|^upsample_")
OTHER_HEADS = ("smpl_head.", "keypoint_deconv_layers.", "discriminator.")


def guess_timm(shapes: Shapes) -> dict[str, Any] | None:
    """Keys without prefix, in the names of timm and torchvision -> options, or None."""
    name = _name(shapes)
    theirs = ("stages.", "layers.0.0.", "layers.0.conv.", "layers.0.ln1.", "position_encodings.")
    if name is None or any(key.startswith(theirs) for key in shapes):
        return None
    return None if _published_swin(shapes) else _options(name)


def guess_openmmlab(shapes: Shapes) -> dict[str, Any] | None:
    """Keys without prefix, in OpenMMLab's names where these are others than timm's -> options."""
    name = _name(shapes)
    own = ("efficientnet-b5", "vit-b", "swin-t", "twins-svt", "twins-pcpvt")
    theirs = ("stages.", "layers.")
    if name not in own or not any(key.startswith(theirs) for key in shapes):
        return None
    if any(key.startswith("layers.0.blocks.") for key in shapes):
        return None  # Swin in the names of its authors or of timm
    return _options(name)


def guess_swin(shapes: Shapes) -> dict[str, Any] | None:
    """Keys without prefix, of Swin-T as its authors publish it -> options, or None."""
    return _options("swin-t") if _name(shapes) and _published_swin(shapes) else None


def rows_timm(options: Mapping[str, Any]) -> list[Row]:
    """Complete options -> the tensors of the backbone under timm's names."""
    wrapped = "trunk."
    module = _backbone(options)
    rows = rows_from_module(module, lambda key: key.removeprefix(wrapped))
    inside = any(row.ours.startswith(wrapped) for row in rows)
    return [
        _for_model(row, row.theirs)
        for row in rows
        if not inside or row.ours.startswith(wrapped)  # the rest is hmr-benchmarks' own
    ]


def rows_openmmlab(options: Mapping[str, Any]) -> list[Row]:
    """Complete options -> the tensors of the backbone under OpenMMLab's names."""
    return [
        _for_model(row, row.theirs) if row.ours else row
        for row in backbone_rows(str(options["backbone"]), _backbone(options))
    ]


def rows_swin(options: Mapping[str, Any]) -> list[Row]:
    """Complete options -> Swin-T's own names: patches are merged at the end of a stage."""
    return list(_published(rows_timm(options)))


def _published(rows: list[Row]) -> Iterator[Row]:
    for row in rows:
        stage = re.match(r"^layers\.(\d+)\.downsample\.", row.theirs)
        if stage:
            theirs = f"layers.{int(stage[1]) - 1}." + row.theirs[len(f"layers.{stage[1]}.") :]
            row = replace(row, theirs=theirs)
        yield row


def _for_model(row: Row, theirs: str) -> Row:
    required = False if OPTIONAL.match(theirs) else None
    return replace(row, ours=f"backbone.{row.ours}", required=required)


def _backbone(options: Mapping[str, Any]) -> Any:
    module: Any = on_meta(lambda: build(**options))
    return module.backbone


def _name(shapes: Shapes) -> str | None:
    """-> the backbone of a file that holds one and no head of ours or of another family."""
    if any(key.startswith((*HEAD, *OTHER_HEADS)) for key in shapes):
        return None
    return backbone_of(shapes)


def _published_swin(shapes: Shapes) -> bool:
    return "layers.0.downsample.reduction.weight" in shapes


def _options(name: str | None) -> dict[str, Any]:
    return {**PRESETS.get(name or "", {}), "backbone": name}
