"""METRO's own files: which network they are of, and the names of their tensors."""

from collections.abc import Mapping
from typing import Any

from hps_models.metro.network import build
from hpscli.body.kit import body_kit
from hpscli.nn.layouts import Row
from hpscli.nn.mesh.target import mesh_target
from hpscli.nn.mesh.transformer.layout import (
    guessed_backbone,
    guessed_target,
    has_graph,
    is_family,
    official_rows,
)


def guess(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """Shapes of a file by key -> target and backbone, None for other families."""
    if not is_family(shapes) or has_graph(shapes):
        return None
    return {"target": guessed_target(shapes), "backbone": guessed_backbone(shapes)}


def rows(options: Mapping[str, Any]) -> list[Row]:
    """Complete options -> every tensor of METRO's file."""
    # Sizes are those of the official mesh levels, which the free ones share.
    kit = body_kit(mesh_target(options["target"]).kind, "free")
    return official_rows(lambda: build(**options, kit=kit))
