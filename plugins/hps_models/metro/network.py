"""METRO: how its two networks, for the body and for the hand, are built from the shared one."""

from collections.abc import Sequence

from hpscli.body.kit import BodyKit, body_kit
from hpscli.nn.mesh.target import mesh_target
from hpscli.nn.mesh.transformer.network import MeshTransformer, Method

# Widths of the three encoders, and between their layers. The body's are those of the authors'
# `legacy_setting`, which cannot be switched off; the hand's are four times the width.
WIDTHS = {"body": (1024, 256, 128), "hand": (1024, 256, 64)}
FEED_FORWARD = {"body": (3072, 3072, 3072), "hand": (4096, 1024, 256)}


def build(
    target: str,
    backbone: str,
    input_px: int,
    widths: Sequence[int],
    outputs: Sequence[int],
    feed_forward: Sequence[int],
    layers: int,
    heads: int,
    dropout: float,
    upsampling: str,
    kit: BodyKit | None = None,
) -> MeshTransformer:
    """Options of the model, the body it is built around -> the network; empty widths: the authors'."""
    name = mesh_target(target).name
    method = Method(
        target=name,
        backbone=backbone,
        input_px=input_px,
        # Every query of the body has its own mixture of the picture's cells; of the hand, their mean.
        values="mixed" if name == "body" else "pooled",
        grid_tokens=False,
        graph=(False,) * len(outputs),
        widths=tuple(widths) or WIDTHS[name],
        outputs=tuple(outputs),
        feed_forward=tuple(feed_forward) or FEED_FORWARD[name],
        layers=layers,
        heads=heads,
        dropout=dropout,
        upsampling=upsampling,
    )
    return MeshTransformer(method, kit or body_kit(mesh_target(target).kind))
