"""Registers data sets whose pictures were rendered, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

READERS = "hps_datasets.rendered"


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> data sets of rendered people."""
    return [
        dataset(
            "hps_datasets:cards/agora.toml",
            people=f"{READERS}.agora:agora",
            references=("mmhuman3d",),
            options={"body": "smplx", "resolution": "auto"},
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official converters make of tiny downloads."""
    return [
        expected(
            f"human_data/agora__agora_{split}_{body}.npz",
            "agora",
            "agora",
            split,
            "mmhuman3d",
            boxes=3e-4,  # the reference scales float32 in place
            body=body,
            resolution=resolution,
        )
        for split in ("train", "validation")
        for body, resolution in (("smplx", "1280x720"), ("smpl", "3840x2160"))
    ]
