"""A small family of models whose authors name their tensors otherwise: for tests of checkpoints."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from hpscli.hooks import Layout, ModelSpec, Weights, hookimpl
from hpscli.nn.layouts import Row, on_meta, rows_from_module
from hpscli.records import Prediction
from hpscli.registry import get_registry

NAME = "stick_family"
TABLE = 5  # rows of the position table in the authors' files; the first is folded into the others


class Stick(nn.Module):
    """image (B,3,H,W) -> camera and SMPL parameters at rest."""

    def __init__(self, width: int, decoder: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3)
        self.norm = nn.BatchNorm2d(width)
        self.positions = nn.Parameter(torch.randn(TABLE - 1, width))
        self.decoder = nn.Linear(width, width) if decoder else nn.Identity()
        self.head = nn.Linear(width, 13)

    def forward(self, image: Tensor) -> Prediction:
        """image (B,3,H,W) -> Prediction(camera, global_orient, body_pose, betas)."""
        features = self.norm(self.stem(image)).mean(dim=(2, 3)) + self.positions.mean(dim=0)
        numbers = self.head(self.decoder(features))
        rest = torch.eye(3).expand(len(numbers), 24, 3, 3)
        return Prediction(
            camera=numbers[:, :3],
            parameters={
                "global_orient": rest[:, 0],
                "body_pose": rest[:, 1:],
                "betas": numbers[:, 3:],
            },
        )


def build(width: int, decoder: bool) -> Stick:
    return Stick(width, decoder)


def guess(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    """-> width and whether there is a decoder; None: nothing of this family."""
    if not any(key.startswith(("trunk.", "fc.", "plan.")) for key in shapes):
        return None
    widths = [shapes[key][0] for key in ("trunk.conv.weight", "plan.weight") if key in shapes]
    return {"width": widths[0] if widths else 8, "decoder": "plan.weight" in shapes}


def rows(options: Mapping[str, Any]) -> list[Row]:
    """-> every tensor of their file."""
    found = [_row(row) for row in rows_from_module(on_meta(lambda: Stick(**options)), rename)]
    return [*found, Row("pooler.weight", (4, 4), why="left from another model")]


def trunk(options: Mapping[str, Any]) -> list[Row]:
    """-> every tensor of a file with the first layers alone."""
    return [row for row in rows(options) if row.theirs.startswith("trunk.")]


def guess_trunk(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any] | None:
    return guess(shapes) if "trunk.conv.weight" in shapes else None


def _row(row: Row) -> Row:
    if row.ours != "positions":
        return row
    shape = (TABLE, row.shape[1])
    return Row("pos", shape, "positions", why="row 0 is added to the others", read=fold, write=wide)


def fold(table: Tensor) -> Tensor:
    return table[1:] + table[:1]


def wide(table: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(table[:1]), table])


def rename(key: str) -> str:
    for ours, theirs in (
        ("stem.", "trunk.conv."),
        ("norm.", "trunk.bn."),
        ("head.", "fc."),
        ("decoder.", "plan."),
    ):
        if key.startswith(ours):
            return theirs + key.removeprefix(ours)
    return key


def authors_file(seed: int = 0, *, width: int = 8, decoder: bool = True) -> dict[str, Tensor]:
    """-> the tensors of a file as the authors write it."""
    random = torch.Generator().manual_seed(seed)
    tensors = {}
    for row in rows({"width": width, "decoder": decoder}):
        value = torch.randn(row.shape, generator=random)
        if row.theirs.endswith("num_batches_tracked"):
            value = torch.tensor(7)
        tensors[row.theirs] = value.abs() if "running_var" in row.theirs else value
    return tensors


MODEL = ModelSpec(
    name="stick",
    build=f"{NAME}:build",
    summary="A test model.",
    body="smpl",
    input_size=(32, 32),
    licence="CC0-1.0",
    outputs=("camera", "parameters"),
    defaults={"width": 8, "decoder": True},
    presets={"plain": {}, "wide": {"width": 12}, "bare": {"decoder": False}},
    layouts=(
        Layout(
            name="official",
            summary="Stick's file",
            guess=f"{NAME}:guess",
            rows=f"{NAME}:rows",
            ignored={"body.*": "arrays of a licensed body"},
            container="net/module.",
            entries={"epoch": 3},
        ),
        Layout(
            name="trunk",
            summary="Stick's first layers",
            guess=f"{NAME}:guess_trunk",
            rows=f"{NAME}:trunk",
            partial=True,
        ),
    ),
    weights=(
        Weights(
            tag="h36m",
            preset="plain",
            official_file="stick_h36m_state_dict.bin",
            licence="research only",
            results={"Human3.6M P2 PA-MPJPE": 34.5},
            source="the paper, table 2",
        ),
    ),
)


@hookimpl
def hps_models() -> list[ModelSpec]:
    """-> the model of this file."""
    return [MODEL]


@contextmanager
def installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The family is a plugin of this process while the context lasts."""
    monkeypatch.setenv("HPS_PLUGINS", str(Path(__file__)))
    monkeypatch.syspath_prepend(Path(__file__).parent)
    get_registry.cache_clear()
    try:
        yield
    finally:
        get_registry.cache_clear()
