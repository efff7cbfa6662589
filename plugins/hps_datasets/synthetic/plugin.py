"""Registers the data set `synthetic`; nothing heavy is imported before somebody asks for it."""

from typing import Any

from hpscli.hooks import DatasetSpec, hookimpl

# split -> samples by default; its place here goes into the seed, so people are never shared
SPLITS = {"train": 8000, "validation": 400, "test": 600}
OPTIONS: dict[str, Any] = {
    "body": "smpl",  # smpl | mano | smplx
    "hand": "right",  # of mano: right | left | both (in turns)
    "count": 0,  # 0: as many as the split has by default
    "size_px": 96,  # side of the stored image
    "yaw_degrees": 70.0,  # 70: seen from in front; 180: from all sides
    "seed": 0,
    "jpeg_quality": 92,
    "scene": "any",  # any: rooms, meadows, things in front; plain: a dark empty room
}


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> people, hands and whole bodies that never lived."""
    return [
        DatasetSpec(
            name="synthetic",
            samples="hps_datasets.synthetic.generate:samples",
            parallel="hps_datasets.synthetic.generate:indexed",
            splits=tuple(SPLITS),
            summary="Rendered free people, hands and whole bodies with exact labels of every kind",
            licence="CC0-1.0 (bodies derived from MakeHuman; pictures and labels made here)",
            access="generated",
            homepage="https://static.makehumancommunity.org/about/license.html",
            body="smpl",
            options=OPTIONS,
            needs_root=False,
        ),
        DatasetSpec(
            name="free-poses",
            poses="hps_datasets.synthetic.free_poses:motions",
            splits=("train",),
            summary="2000 free poses drawn by hand-made rules, in free shapes: for adversaries",
            licence="CC0-1.0 (made here; no motion capture)",
            access="generated",
            homepage="https://static.makehumancommunity.org/about/license.html",
            body="smpl",
            options={"copies": 1, "seed": 0},  # copies: all poses again, in other shapes
            needs_root=False,
        ),
    ]
