"""Registers the data sets in COCO's layout, and their goldens."""

from hpscli.cards import dataset
from hpscli.hooks import DatasetSpec, GoldenSpec, hookimpl
from hpscli.testing.expected import expected

READERS = "hps_datasets.coco_like.people"


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> data sets whose labels are a JSON of images and annotations."""
    return [
        dataset(
            "hps_datasets:cards/coco.toml",
            people=f"{READERS}:coco",
            references=("mmhuman3d", "spin"),
            options={"least_joints": 12},  # of the 12 below the head that must be labelled
        )
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official converters make of tiny downloads."""
    return [
        expected("human_data/coco__coco_2014_train.npz", "coco", "coco", "train", "mmhuman3d"),
        expected("spin/coco_2014_train.npz", "coco", "coco", "train", "spin", form="spin"),
    ]
