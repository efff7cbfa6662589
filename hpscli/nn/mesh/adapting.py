"""What the options of a mesh network change of its record. Light: nothing here imports torch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpscli.hooks import ModelSpec

KINDS = {"body": "smpl", "hand": "mano"}
ASSETS = {
    "body": ("smpl-neutral", "sampling-smpl", "regressor-h36m"),
    "hand": ("mano-right", "sampling-mano"),
}


def adapt(spec: ModelSpec, options: Mapping[str, Any]) -> ModelSpec:
    """Complete options with `target` and `input_px` -> the record: body, input size, assets."""
    target = options["target"]
    if target not in KINDS:  # the network refuses it, in words
        return spec
    side = options["input_px"]
    changed = replace(spec, body=KINDS[target], input_size=(side, side), assets=ASSETS[target])
    # Nobody's numbers depend on the crop and the files of a network of our own.
    return replace(changed, crop="fast", assets=()) if options["backbone"] == "small" else changed
