"""Mimic-The-Pose: one person for each picture, with a SMPL fit and the joints of OpenPose."""

from collections.abc import Iterator
from pathlib import Path

from hps_datasets.scenes.labels import (
    check_slots,
    converted_confidences,
    converted_joints,
    detected,
    first_openpose,
    flat,
    mapping,
    read_json,
)
from hpscli.data.containers.pickles import load_pickle
from hpscli.data.people import inside, padded_box, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, in_words
from hpscli.records import Person

LISTS = {"train": "train", "validation": "val"}  # ours -> what train_val_split.json calls it


def mtp(root: Path, split: str, *, reference: str, slots: str) -> Iterator[Person | HpsError]:
    """MTP -> the person of every picture of the list in whom OpenPose found somebody."""
    check_slots(slots, reference)
    name = "train_val_split.json"
    document = mapping(read_json(root / name, name), name)
    names = document.get(LISTS[split])
    if not isinstance(names, list):
        raise InvalidData(f"{name} has no list '{LISTS[split]}'.")
    for identity in names:
        try:
            person = _person(root, str(identity), reference, slots)
        except HpsError as error:
            yield error
        except BAD_RECORD as error:
            yield InvalidData(f"{name} '{identity}': {in_words(error)}.")
        else:
            if person is not None:
                yield person


def _person(root: Path, identity: str, reference: str, slots: str) -> Person | None:
    """-> the person of a picture, or None when OpenPose found nobody."""
    part = identity.split("_")[1]  # s0_p1_001 lies in p1
    labels = f"keypoints/openpose/{part}/{identity}.json"
    points = first_openpose(inside(root, labels), labels)
    if points is None:
        return None
    path = f"smplify-xmc/smpl/params/{part}/{identity}.pkl"
    fit = mapping(load_pickle(inside(root, path)), path)
    pose = flat(fit["pose"], 72)
    if reference:
        points = converted_confidences(points)
    around = points[points[:, 2] > 0, :2] if reference else detected(points)
    if len(around) == 0:
        raise InvalidData(f"{labels}: not a joint was detected.")
    return Person(
        key=stem_of(identity),
        image=f"images/{part}/{identity}.png",
        arrays={
            **converted_joints(points, slots),
            "smpl.global_orient": pose[:3],
            "smpl.body_pose": pose[3:],
            "smpl.betas": flat(fit["betas"], 10),
        },
        box=padded_box(around),
        meta={} if reference else {"body_source": "imported", "part": part},
    )
