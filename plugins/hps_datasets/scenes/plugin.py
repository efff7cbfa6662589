"""Registers data sets of people in scenes: 3DPW, PROX, MTP, UP-3D, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

FOLDER = "hps_datasets.scenes"
CARDS = "hps_datasets:cards"


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> data sets that are recorded, not taken from the web, outside of studios."""
    return [
        dataset(
            f"{CARDS}/3dpw.toml",
            people=f"{FOLDER}.threedpw:threedpw",
            references=("mmhuman3d", "spin"),
        ),
        dataset(
            f"{CARDS}/prox.toml",
            people=f"{FOLDER}.prox:prox",
            references=("hmr-benchmarks",),
            options={"mirrored": True, "slots": ""},  # pictures are, as the owner ships them
        ),
        dataset(
            f"{CARDS}/mtp.toml",
            people=f"{FOLDER}.mtp:mtp",
            references=("hmr-benchmarks",),
            options={"slots": ""},
        ),
        dataset(
            f"{CARDS}/up-3d.toml",
            people=f"{FOLDER}.up3d:up3d",
            references=("mmhuman3d",),
        ),
        dataset(f"{CARDS}/rich.toml", people=f"{FOLDER}.rich:rich"),
        dataset(
            f"{CARDS}/amass.toml",
            poses=f"{FOLDER}.amass:amass",
            options={"fps": 5.0},  # neighbouring frames of 60 to 250 a second say the same
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official converters make of tiny downloads."""
    ours, theirs = "human_data", "human_data_hmr_benchmarks"
    return [
        expected(f"{ours}/pw3d__pw3d_train.npz", "3dpw", "pw3d", "train", "mmhuman3d"),
        expected(f"{ours}/pw3d__pw3d_test.npz", "3dpw", "pw3d", "test", "mmhuman3d"),
        expected("spin/3dpw_test.npz", "3dpw", "pw3d", "test", "spin", form="spin"),
        expected(f"{theirs}/prox__prox_train.npz", "prox", "prox", "train", "hmr-benchmarks"),
        expected(f"{theirs}/mtp__mtp_train.npz", "mtp", "mtp", "train", "hmr-benchmarks"),
        expected(f"{theirs}/mtp__mtp_val.npz", "mtp", "mtp", "validation", "hmr-benchmarks"),
        expected(f"{ours}/up3d__up3d_trainval.npz", "up-3d", "up3d", "trainval", "mmhuman3d"),
        expected(f"{ours}/up3d__up3d_test.npz", "up-3d", "up3d", "test", "mmhuman3d"),
    ]
