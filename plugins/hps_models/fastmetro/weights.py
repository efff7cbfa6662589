"""The authors' files -> ours: names are the same, but for the backbone's."""

import re
from collections.abc import Mapping
from typing import Any

from hps_models.fastmetro.network import build
from hpscli.body.kit import body_kit
from hpscli.nn.layouts import Row, on_meta, renamed, rows_from_module
from hpscli.nn.mesh.target import mesh_target

Shapes = Mapping[str, tuple[int, ...]]

# Their ResNet is a list of layers without names; of timm's it is (as torchvision's) these.
RESNET = (
    ("backbone.conv1.", "backbone.0."),
    ("backbone.bn1.", "backbone.1."),
    *((f"backbone.layer{stage}.", f"backbone.{stage + 3}.") for stage in (1, 2, 3, 4)),
)
CLASSES, HRNET_WIDTH = 1000, 2048
UNUSED = "ImageNet classifier of HRNet: saved and counted, never used"
MARKS = (  # beginnings of keys that only FastMETRO has
    "cam_token_embed.",
    "joint_token_embed.",
    "vertex_token_embed.",
    "transformer_1.",
    "transformer_2.",
    "dim_reduce_enc_",
    "coarse2intermediate_upsample.",
    "smpl_parameter_regressor.",
)
LAYER = re.compile(r"transformer_[12]\.(?:en|de)coder\.layers\.(\d+)\.")


def rows(options: Mapping[str, Any]) -> list[Row]:
    """-> every tensor of the authors' file at these options."""
    # Sizes are those of the official mesh levels, which the free ones share.
    kit = body_kit(mesh_target(options["target"]).kind, "free")
    module = on_meta(lambda: build(**options, kit=kit))
    table = RESNET if options["backbone"].startswith("resnet") else ()
    found = rows_from_module(module, lambda key: renamed(key, table))
    if options["backbone"].startswith("hrnet"):
        found += [
            Row("backbone.classifier.weight", (CLASSES, HRNET_WIDTH), why=UNUSED),
            Row("backbone.classifier.bias", (CLASSES,), why=UNUSED),
        ]
    return found


def guess(shapes: Shapes) -> dict[str, Any] | None:
    """Keys and shapes of a file -> the options that differ from the defaults; None: not FastMETRO."""
    if sum(any(key.startswith(mark) for key in shapes) for mark in MARKS) < 2:
        return None
    layers = [int(found[1]) + 1 for key in shapes if (found := LAYER.match(key))]
    options = {
        "layers": max(layers, default=1),
        "backbone": "hrnet_w64" if any(".stage4." in key for key in shapes) else "resnet50",
    }
    if _is_hand(shapes):
        options["target"] = "hand"
    if any(key.startswith("smpl_parameter_regressor.") for key in shapes):
        options["smpl_parameters"] = True
    return options | _widths(shapes)


def _is_hand(shapes: Shapes) -> bool:
    """The joints of a hand are 21; without them a body is told by its learned upsampling."""
    for key, body in (("joint_token_embed.weight", 14), ("vertex_token_embed.weight", 431)):
        if key in shapes:
            return shapes[key][0] != body
    return not any(key.startswith("coarse2intermediate_upsample.") for key in shapes)


def _widths(shapes: Shapes) -> dict[str, Any]:
    """-> the widths of the transformers, when they are not the authors'."""
    found = {}
    for option, official, key in (
        ("width", 512, "dim_reduce_dec.weight"),
        ("second_width", 128, "xyz_regressor.weight"),
    ):
        if key in shapes and len(shapes[key]) == 2 and shapes[key][1] != official:
            found[option] = shapes[key][1]
    return found
