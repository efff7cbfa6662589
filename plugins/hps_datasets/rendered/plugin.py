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
            options={"body": "smplx", "resolution": "auto", "invalid": "drop"},
        ),
        dataset(
            "hps_datasets:cards/surreal.toml",
            people=f"{READERS}.surreal:surreal",
            references=("mmhuman3d",),
            options={"run": "all"},
        ),
        dataset(
            "hps_datasets:cards/3dpeople.toml",
            people=f"{READERS}.people3d:people3d",
            references=("hmr-benchmarks",),
            options={"unit_m": 1.0},  # of its 3D joints
        ),
        dataset("hps_datasets:cards/gta-human.toml", people=f"{READERS}.gta_human:gta_human"),
        dataset(
            "hps_datasets:cards/humman.toml",
            people=f"{READERS}.humman:humman",
            options={"every": 10},  # the published converter takes one frame in ten
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official converters make of tiny downloads."""
    agora = [
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
    surreal = [
        expected(
            f"human_data/surreal__surreal_{name}_run0.npz",
            "surreal",
            "surreal",
            split,
            "mmhuman3d",
            run="0",
        )
        for split, name in (("train", "train"), ("validation", "val"), ("test", "test"))
    ]
    people3d = [
        expected(
            "human_data_hmr_benchmarks/people3d__people3d_train.npz",
            "3dpeople",
            "people3d",
            "train",
            "hmr-benchmarks",
        ),
        expected(
            "derived/people3d_owner_columns.npz",
            "3dpeople",
            "people3d",
            "train",
            "",
            form=f"{READERS}.goldens:owner_columns",
        ),
    ]
    return [*agora, *surreal, *people3d]
