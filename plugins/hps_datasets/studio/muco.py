"""MuCo-3DHP: people of MPI-INF-3DHP composed into pictures, with SMPL fits, as Moon et al. share them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from hps_datasets.studio.labels import MM_PER_M, rooted
from hpscli.data.containers.json_records import json_value, json_values
from hpscli.data.people import BOX_SCALE, scaled_box, square_box
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person, Picture

LABELS = ("MuCo-3DHP.json", "extras/MuCo-3DHP.json", "muco/MuCo-3DHP.json")
FITS = ("SMPLX/smpl_param.json", "smpl_param.json", "muco/SMPLX/smpl_param.json")
PICTURES = ("images/", "", "muco/images/", "muco/")  # before augmented_set/ and unaugmented_set/
PLAIN = "unaugmented_set"
JOINTS, ROOT = 21, 14
SET = "muco21"
Places = dict[str, tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of the data set, and where in them each record begins and ends."""

    labels: BinaryIO
    images: Places
    fits: BinaryIO | None
    fitted: Places
    folder: str  # of pictures


def muco_3dhp(root: Path, split: str, *, reference: str) -> Iterator[Person | HpsError]:
    """MuCo-3DHP -> people of the composed pictures, the augmented ones, or both."""
    labels = next((root / name for name in LABELS if (root / name).is_file()), None)
    if labels is None:
        raise MissingError(
            f"{root} has no {LABELS[0]}.", "hps datasets show muco-3dhp says what to get"
        )
    fits = next((root / name for name in FITS if (root / name).is_file()), None)
    images = {}
    for value in json_values(labels, ("images", "annotations")):
        if value.name == "images" and value.listed:
            if not isinstance(value.value, dict) or "id" not in value.value:
                yield InvalidData(f"{labels.name} image at byte {value.start} has no id.")
                continue
            images[str(value.value["id"])] = value.start, value.stop
    fitted: Places = {}
    if fits is not None:
        fitted = {value.name: (value.start, value.stop) for value in json_values(fits, ())}
    with labels.open("rb") as stream:
        second = fits.open("rb") if fits is not None else None
        try:
            files = Files(
                labels=stream, images=images, fits=second, fitted=fitted, folder=_pictures(root)
            )
            yield from _people(labels, files, split, reference)
        finally:
            if second is not None:
                second.close()


def _pictures(root: Path) -> str:
    """-> what stands before the names of pictures."""
    sets = ("augmented_set", PLAIN)
    there = (folder for folder in PICTURES for name in sets if (root / folder / name).is_dir())
    return next(there, "")


def _people(labels: Path, files: Files, split: str, reference: str) -> Iterator[Person | HpsError]:
    for entry in _entries(labels, files, reference):
        name = (
            f"{labels.name} annotation {entry.get('id', '?') if isinstance(entry, dict) else '?'}"
        )
        try:
            image = json_value(files.labels, *files.images[str(entry["image_id"])])
            plain = PLAIN in image["file_name"]
            if plain != (split == "train-unaugmented") and split != "train":
                continue
            person = _person(files, entry, image, reference)
        except BAD_RECORD as error:
            yield InvalidData(f"{name}: {in_words(error)}.")
            continue
        if person is not None:
            yield person


def _entries(labels: Path, files: Files, reference: str) -> Iterator[Any]:
    """-> annotations as they stand; by picture, in the order of the pictures, as hmr-benchmarks."""
    values = json_values(labels, ("images", "annotations"))
    listed = (value for value in values if value.name == "annotations" and value.listed)
    if not reference:
        yield from (value.value for value in listed)
        return
    ranks = {image: rank for rank, image in enumerate(files.images)}
    places = []
    for value in listed:
        image = value.value.get("image_id") if isinstance(value.value, dict) else None
        places.append((ranks.get(str(image), len(ranks)), value.start, value.stop))
    yield from (json_value(files.labels, *place) for _, *place in sorted(places))


def _person(files: Files, entry: Any, image: Any, reference: str) -> Person | None:
    """-> one person; None for whom hmr-benchmarks leaves out."""
    flat = np.array(entry["keypoints_img"], np.float64).reshape(JOINTS, 2)
    points = np.array(entry["keypoints_cam"], np.float64).reshape(JOINTS, 3)
    visible = np.array(entry["keypoints_vis"], np.float64).reshape(JOINTS, 1)
    if reference:
        visible = np.trunc(visible)
    body = _fit(files, str(entry["id"]))
    if reference and (not body or visible[ROOT, 0] != 1):
        return None
    box = np.array(entry["bbox"], np.float64)
    solid = rooted(points, ROOT) if reference else points / MM_PER_M  # official: millimetres
    unit = 1.0 if reference else MM_PER_M
    if reference:
        body.pop("smpl.transl", None)
    (fx, fy), (cx, cy) = image["f"], image["c"]
    arrays = {
        f"keypoints2d.{SET}": np.concatenate([flat, visible], axis=1),
        f"keypoints3d.{SET}": np.concatenate([solid, visible], axis=1),
        "camera.intrinsics": np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]], np.float64),
        "camera.rotation": np.array(image["R"], np.float64).reshape(3, 3),
        "camera.translation": np.array(image["T"], np.float64).reshape(3) / unit,
        **body,
    }
    side = BOX_SCALE * box[2:].max()
    name = str(image["file_name"])
    meta: dict[str, Any] = {"augmented": PLAIN not in name, "annotation": entry["id"]}
    meta |= {"gender": "neutral", "body_source": "imported"} if body else {}
    return Person(
        key=f"muco-{entry['id']}",
        image=f"images/{name}" if reference else files.folder + name,
        picture=Picture(path=files.folder + name),
        image_size_px=(int(image["height"]), int(image["width"])),
        arrays=arrays,
        meta=meta | ({"root_relative": True} if reference else {}),
        box=scaled_box(box, 1.0) if reference else square_box(box[:2] + box[2:] / 2, side),
    )


def _fit(files: Files, key: str) -> dict[str, np.ndarray]:
    """-> SMPL in the camera's frame; nothing without a fit, or when it has no numbers."""
    if files.fits is None or key not in files.fitted:
        return {}
    fit = json_value(files.fits, *files.fitted[key])
    pose = np.array(fit["pose"], np.float64).reshape(72)
    betas = np.array(fit["shape"], np.float64).reshape(10)
    transl = np.array(fit["trans"], np.float64).reshape(3)
    if not all(np.isfinite(numbers).all() for numbers in (pose, betas, transl)):
        return {}
    return {
        "smpl.global_orient": pose[:3],
        "smpl.body_pose": pose[3:],
        "smpl.betas": betas,
        "smpl.transl": transl,
    }
