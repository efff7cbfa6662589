"""Registers the data sets of labelled 2D joints, one file format each, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

PACKAGE = "hps_datasets.labelled_2d"
LEEDS = ("mmhuman3d", "spin")
OPENPOSE = {"openpose": ""}  # folder of OpenPose's JSON files, which SPIN stores beside the labels
ZERO = {"zero_based": False}  # true: take 1 px from coordinates that MATLAB counts from 1


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> Look Into Person, Leeds Sports Pose, MPII, Penn Action, InstaVariety and VLOG."""
    return [
        dataset(
            "hps_datasets:cards/lip.toml",
            people=f"{PACKAGE}.lip:lip",
            references=("hmr-benchmarks",),
            options={"least_joints": 5},  # that must be visible
        ),
        dataset(
            "hps_datasets:cards/lsp.toml",
            people=f"{PACKAGE}.leeds:lsp",
            references=LEEDS,
            options={**ZERO, **OPENPOSE},
        ),
        dataset(
            "hps_datasets:cards/lsp-extended.toml",
            people=f"{PACKAGE}.leeds:lsp_extended",
            references=LEEDS,
            options={**ZERO, **OPENPOSE},
        ),
        dataset(
            "hps_datasets:cards/mpii.toml",
            people=f"{PACKAGE}.mpii:mpii",
            references=LEEDS,
            options={**ZERO, "least_joints": 1, **OPENPOSE},
        ),
        dataset(
            "hps_datasets:cards/penn-action.toml",
            people=f"{PACKAGE}.penn_action:penn_action",
            references=("mmhuman3d",),
            # frames from one person to the next; true: published training sets hold all videos
            options={"every": 10, "all_videos": True, **ZERO},
        ),
        dataset(
            "hps_datasets:cards/insta-variety.toml",
            people=f"{PACKAGE}.clips:insta_variety",
            references=("hmr-benchmarks",),
        ),
        dataset(
            "hps_datasets:cards/vlog.toml",
            people=f"{PACKAGE}.clips:vlog",
            references=("hmr-benchmarks",),
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official converters make of tiny downloads."""
    return [*_mmhuman3d(), *_spin(), *_hmr_benchmarks(), _mpii_structure()]


def _mmhuman3d() -> list[GoldenSpec]:
    cases = (
        ("lsp__lsp_train", "lsp", "lsp", "train"),
        ("lsp__lsp_test", "lsp", "lsp", "test"),
        ("lspet__lspet_train", "lsp-extended", "lspet", "train"),
        ("mpii__mpii_train", "mpii", "mpii", "train"),
        ("penn_action__penn_action_train", "penn-action", "penn_action", "train"),
    )
    return [
        expected(f"human_data/{name}.npz", data_set, fixture, split, "mmhuman3d")
        for name, data_set, fixture, split in cases
    ]


def _spin() -> list[GoldenSpec]:
    cases = (
        ("lsp_dataset_original_train", "lsp", "lsp", "train", "lsp"),
        ("lsp_dataset_test", "lsp", "lsp", "test", ""),
        ("hr-lspet_train", "lsp-extended", "lspet", "train", "hrlspet"),
        ("mpii_train", "mpii", "mpii", "train", "mpii"),
    )
    return [
        expected(
            f"spin/{name}.npz",
            data_set,
            fixture,
            split,
            "spin",
            form="spin",
            openpose=f"../openpose/{detections}" if detections else "",
        )
        for name, data_set, fixture, split, detections in cases
    ]


def _hmr_benchmarks() -> list[GoldenSpec]:
    cases = (
        ("lip__lip_train", "lip", "lip", "train"),
        ("lip__lip_val", "lip", "lip", "validation"),
        ("insta_variety__instavariety_train", "insta-variety", "insta_variety", "train"),
        ("vlog__vlog_train", "vlog", "vlog", "train"),
    )
    folder = "human_data_hmr_benchmarks"
    return [
        expected(f"{folder}/{name}.npz", data_set, fixture, split, "hmr-benchmarks")
        for name, data_set, fixture, split in cases
    ]


def _mpii_structure() -> GoldenSpec:
    form = f"{PACKAGE}.mpii:as_derived"
    return expected("derived/mpii_mat.npz", "mpii", "mpii", "train", "", form=form)
