"""EFT: SMPL fitted to pictures that other data sets label in 2D; JSON lists of fits, streamed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.eft.tables import (
    EFT_COCO,
    EFT_COCO_PART,
    EFT_LSPET,
    EFT_MPII,
    EFT_OCHUMAN,
    EFT_POSETRACK,
    Fits,
)
from hpscli.data.containers.json_records import json_values
from hpscli.data.forms.spin import BOX_UNIT
from hpscli.data.people import inside, square_box
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person, Picture

JOINTS = 24  # of SMPL
SPIN_JOINTS = 49
BESIDES = (  # what nobody needs: entry, our array, numbers
    ("parm_cam", "extra.weak_camera", 3),
    ("joint_validity_openpose18", "extra.openpose18_valid", 18),  # OpenPose's older set
)
ROTATION_ERROR = 0.05  # of an entry of a matrix; rounding to 7 digits gives 1e-7
WITHOUT_SMPL = ("hmr-benchmarks",)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Everything that turns an entry into a person."""

    root: Path
    fits: Fits
    reference: str
    places: tuple[Picture, ...]  # folders where the pictures may lie; `path` is a prefix


def people(
    splits: Mapping[str, Fits], root: Path, split: str, *, reference: str, images: str = ""
) -> Iterator[Person | HpsError]:
    """A folder with EFT's files -> the people of one of them; `images`: the parent's folder."""
    fits = splits[split]
    if images and not (root / images).is_dir():
        raise MissingError(f"no folder {root / images}.", "images= is seen from the data set's.")
    official = fits.official_files.get(reference)
    path = file_below(root, (official,) if official else fits.files)
    reader = Reader(root=root, fits=fits, reference=reference, places=picture_places(fits, images))
    number, found = -1, False
    for name, value, start, _, listed in json_values(path, ("data",)):
        found |= name == "data" and (listed or value == [])
        if name != "data" or not listed:
            continue
        number += 1
        where = f"{path.name} fit {number} (byte {start})"
        try:
            person = person_of(reader, value, number)
        except BAD_RECORD as error:
            yield InvalidData(f"{where}: {in_words(error)}.")
        except HpsError as error:
            yield InvalidData(f"{where}: {error.problem}", error.fix)
        else:
            yield person
    if not found:
        raise InvalidData(f"{path.name} has no list 'data'.", "Is this a file of EFT?")


eft_coco = partial(people, EFT_COCO)
eft_coco_part = partial(people, EFT_COCO_PART)
eft_lspet = partial(people, EFT_LSPET)
eft_ochuman = partial(people, EFT_OCHUMAN)
eft_posetrack = partial(people, EFT_POSETRACK)
eft_mpii = partial(people, EFT_MPII)


def file_below(root: Path, names: Sequence[str]) -> Path:
    """-> the first of these files in the folder or in a folder of it."""
    for name in names:
        for path in (root / name, *sorted(root.glob(f"*/{name}"))):
            if path.is_file():
                return path
    raise MissingError(f"{root} has no {names[0]} (fits).", "See its download on its page.")


def picture_places(fits: Fits, images: str) -> tuple[Picture, ...]:
    """-> folders to look for pictures in: the user's, else ours, the parent's in it and beside it."""
    folders = (fits.folder, *fits.other_folders)
    usual = [*fits.parents, "", *(f"../{parent}" for parent in fits.parents)]
    tops = [images] if images else usual
    return tuple(Picture(folder=top, path=folder) for top in tops for folder in folders)


def person_of(reader: Reader, entry: Mapping[str, Any], number: int) -> Person:
    """A fit -> the person; an exception names what is wrong with it."""
    if not isinstance(entry, Mapping):
        raise TypeError("no object")
    fits, name = reader.fits, entry["imageName"]
    if not isinstance(name, str) or not name:
        raise ValueError(f"{str(name)[:40]!r} is no name of a picture")
    inside(reader.root, name)
    prefix = fits.folder
    if reader.reference and fits.official_folder is not None:
        prefix = fits.official_folder
    center, scale = numbers(entry["bbox_center"], (2,)), numbers(entry["bbox_scale"], ())
    if not reader.reference and not scale > 0:
        raise ValueError(f"bbox_scale is {scale}")
    arrays = {"keypoints2d.spin49": numbers(entry["gt_keypoint_2d"], (SPIN_JOINTS, 3))}
    meta: dict[str, Any] = {"root_frame": "crop"}
    if reader.reference not in WITHOUT_SMPL:
        arrays |= body_of(entry)
        meta |= {"gender": "neutral", "body_source": "imported"}
    for theirs, ours, count in BESIDES:
        if np.shape(entry.get(theirs, ())) == (count,):  # some releases have others, or none
            arrays[ours] = numbers(entry[theirs], (count,))
    for theirs, ours in (("annotId", "annotation"), ("subjectId", "subject")):
        if isinstance(entry.get(theirs), str | int):
            meta[ours] = entry[theirs]
    return Person(
        key=f"{fits.name}-{number:06d}",
        image=f"{prefix}{name}",
        picture=place_of(reader, name),
        arrays=arrays,
        box=square_box(center, float(scale) * BOX_UNIT),
        meta=meta,
    )


def place_of(reader: Reader, name: str) -> Picture:
    """-> where the picture of this name is; the first place when it is nowhere."""
    found = (Picture(folder=p.folder, path=f"{p.path}{name}") for p in reader.places)
    places = list(found)
    there = (p for p in places if is_file(reader.root / p.folder / p.path))
    return next(there, places[0])


def is_file(path: Path) -> bool:
    """-> whether there is such a file; a name that no file can have has none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def body_of(entry: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """-> SMPL's parameters; rotations become axis-angle."""
    from scipy.spatial.transform import Rotation

    given = numbers(entry["parm_pose"], (JOINTS, 3, 3))
    if not np.isfinite(given).all():  # LAPACK may never come back from these
        raise ValueError("parm_pose has numbers that are not finite")
    left, _, right = np.linalg.svd(given)
    rotations = left @ right  # the nearest: text rounds them
    if np.abs(rotations - given).max() > ROTATION_ERROR or np.linalg.det(rotations).min() < 0:
        raise ValueError("parm_pose holds a matrix that is no rotation")
    pose = Rotation.from_matrix(rotations).as_rotvec()
    return {
        "smpl.global_orient": pose[0],
        "smpl.body_pose": pose[1:].reshape(-1),
        "smpl.betas": numbers(np.ravel(entry["parm_shape"]), (10,)),
    }


def numbers(values: Any, shape: tuple[int, ...]) -> np.ndarray:
    """-> an array of this shape; anything else is refused."""
    array = np.asarray(values, np.float64)
    if array.shape != shape:
        raise ValueError(f"numbers of shape {array.shape} where {shape} is expected")
    return array
