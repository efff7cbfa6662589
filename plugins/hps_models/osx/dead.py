"""What lies in the decoders' part of an official file and is never computed with.

The decoders are built from a pose-estimation toolbox, which brings along its backbone and heads.
Source: the manifests of the official classes (reference osx, keys/).
"""

from collections.abc import Iterator

import torch

from hpscli.nn.layouts import Row, on_meta, rows_from_module

BACKBONE = "a ResNet-50 that the decoder is built with and never runs"
FLOW = "a normalising flow that no step computes"
BRANCH = "a branch that no step computes"
FLOWS = (("enc_flow2d", 2), ("enc_flow3d", 3), ("dec_flow2d", 2), ("dec_flow3d", 3))
FLOW_STEPS, FLOW_WIDTH = 6, 64


def dead_rows(prefix: str, joints: int, width: int, layers: int) -> list[Row]:
    """ "hand_decoder.", its joints, width and layers -> the rows that nothing uses."""
    head = prefix + "keypoint_head."
    return [
        *_backbone(prefix + "backbone."),
        *_transformer(head + "transformer.", joints, width),
        *(row for name, size in FLOWS for row in _flow(f"{head}{name}.", size)),
        *_branches(head, width, layers),
    ]


def _backbone(prefix: str) -> Iterator[Row]:
    import timm

    resnet: torch.nn.Module = on_meta(
        lambda: timm.create_model("resnet50", pretrained=False, num_classes=0)
    )
    for row in rows_from_module(resnet, lambda key: prefix + key):
        yield Row(row.theirs, row.shape, parameter=row.parameter, why=BACKBONE)


def _linear(name: str, inputs: int, outputs: int, why: str) -> Iterator[Row]:
    yield Row(f"{name}.weight", (outputs, inputs), why=why)
    yield Row(f"{name}.bias", (outputs,), why=why)


def _transformer(prefix: str, joints: int, width: int) -> Iterator[Row]:
    for name in ("fc_sigma", "fc_coord"):
        yield from _linear(f"{prefix}{name}.linear", width, 3 * joints, BRANCH)
    yield from _linear(f"{prefix}pos_trans", 2 * width, width, BRANCH)
    for name in ("weight", "bias"):
        yield Row(f"{prefix}pos_trans_norm.{name}", (width,), why=BRANCH)


def _flow(prefix: str, size: int) -> Iterator[Row]:
    yield Row(f"{prefix}mask", (FLOW_STEPS, size), parameter=False, why=FLOW)
    for kind in ("t", "s"):
        for step in range(FLOW_STEPS):
            widths = ((0, size, FLOW_WIDTH), (2, FLOW_WIDTH, FLOW_WIDTH), (4, FLOW_WIDTH, size))
            for index, inputs, outputs in widths:
                yield from _linear(f"{prefix}{kind}.{step}.{index}", inputs, outputs, FLOW)


def _branches(prefix: str, width: int, layers: int) -> Iterator[Row]:
    for layer in range(layers):
        for name in ("fc_coord_branches", "fc_coord_output_branches"):
            for index, outputs in ((0, width), (2, width), (4, 3)):
                yield from _linear(f"{prefix}{name}.{layer}.{index}", width, outputs, BRANCH)
        sigma = f"{prefix}fc_sigma_branches.{layer}."
        yield from _linear(f"{sigma}0", width, width, BRANCH)
        yield from _linear(f"{sigma}1", width, width, BRANCH)
        yield from _linear(f"{sigma}2.linear", width, 3, BRANCH)
