"""Mesh Graphormer: how it is built from the network that it shares with METRO."""

from collections.abc import Sequence

from hpscli.body.kit import BodyKit, body_kit
from hpscli.nn.mesh.target import mesh_target
from hpscli.nn.mesh.transformer.network import MeshTransformer, Method


def build(
    target: str,
    backbone: str,
    input_px: int,
    widths: Sequence[int],
    outputs: Sequence[int],
    feed_forward: Sequence[int],
    graph: Sequence[int],
    layers: int,
    heads: int,
    dropout: float,
    upsampling: str,
    deviation: float,
    kit: BodyKit | None = None,
) -> MeshTransformer:
    """Options of the model, the body it is built around -> the network with random weights."""
    method = Method(
        target=mesh_target(target).name,
        backbone=backbone,
        input_px=input_px,
        values="pooled",
        grid_tokens=True,
        graph=tuple(bool(flag) for flag in graph),
        widths=tuple(widths),
        outputs=tuple(outputs),
        feed_forward=tuple(feed_forward),
        layers=layers,
        heads=heads,
        dropout=dropout,
        upsampling=upsampling,
        deviation=deviation,
    )
    return MeshTransformer(method, kit or body_kit(mesh_target(target).kind))
