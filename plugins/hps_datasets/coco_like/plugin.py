"""Registers the data sets in COCO's layout, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

READERS = "hps_datasets.coco_like.people"
CARDS = "hps_datasets:cards"


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> data sets whose labels are JSON lists of pictures and people."""
    return [
        dataset(
            f"{CARDS}/coco.toml",
            people=f"{READERS}:coco",
            references=("mmhuman3d", "hmr-benchmarks", "spin"),
            # of the 12 below the head that must be labelled; folder of OpenPose's detections
            options={"least_joints": 12, "openpose": ""},
        ),
        dataset(
            f"{CARDS}/coco-wholebody.toml",
            people=f"{READERS}:coco_wholebody",
            references=("mmhuman3d",),
            options={"least_joints": 12},
        ),
        dataset(
            f"{CARDS}/crowdpose.toml",
            people=f"{READERS}:crowdpose",
            references=("mmhuman3d",),
            options={"least_joints": 14},  # of all 14, inside the picture
        ),
        dataset(
            f"{CARDS}/posetrack18.toml",
            people=f"{READERS}:posetrack18",
            references=("mmhuman3d",),
            options={"least_joints": 12},
        ),
        dataset(
            f"{CARDS}/ai-challenger.toml",
            people=f"{READERS}:ai_challenger",
            references=("hmr-benchmarks",),
            options={"least_joints": 1},
        ),
        dataset(
            f"{CARDS}/ochuman.toml",
            people=f"{READERS}:ochuman",
            references=("hmr-benchmarks",),
            options={"least_joints": 1},
        ),
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official converters make of tiny downloads."""
    main, benchmarks = "human_data", "human_data_hmr_benchmarks"
    goldens = [
        expected(f"{main}/coco__coco_2014_train.npz", "coco", "coco", "train", "mmhuman3d"),
        expected(
            "spin/coco_2014_train.npz",
            *("coco", "coco", "train", "spin"),
            form="spin",
            openpose="../openpose/coco",
        ),
        expected(
            f"{benchmarks}/ochuman__ochuman_train.npz",
            *("ochuman", "ochuman", "train", "hmr-benchmarks"),
        ),
    ]
    for short, dataset_name, folder, form, reference in (
        ("coco_wholebody", "coco-wholebody", "coco_wholebody", main, "mmhuman3d"),
        ("crowdpose", "crowdpose", "crowdpose", main, "mmhuman3d"),
        ("posetrack", "posetrack18", "posetrack", main, "mmhuman3d"),
        ("aic", "ai-challenger", "aic", benchmarks, "hmr-benchmarks"),
    ):
        for split in SPLITS[short]:
            file = f"{form}/{short}__{short}_{split}.npz"
            ours = "validation" if split == "val" else split
            goldens.append(expected(file, dataset_name, folder, ours, reference))
    return goldens


SPLITS = {  # of the official files
    "coco_wholebody": ("train", "val"),
    "crowdpose": ("train", "val", "trainval", "test"),
    "posetrack": ("train", "val"),
    "aic": ("train", "validation"),
}
