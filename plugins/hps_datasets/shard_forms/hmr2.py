"""4D-Humans' training shards: tars with a picture, a pickle of the people in it, and masks of them.

Their loader filters and changes people; each of its steps is an option here. Without one nothing is
filtered; as reference `hmr2` an option that is not given has the value of their released training.
"""

import io
import math
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.shard_forms.tars import Entry, entries, found_tars
from hpscli.data.containers.pickles import loads_pickle
from hpscli.data.people import ABSENT, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, in_words
from hpscli.records import Person, Picture

JOINTS, COUNT = "hmr2_44", 44
BOX_UNIT = 200.0  # px: scale * 200 is width and height of the box
PICTURES = ("jpg", "jpeg", "png")
LABELS, MASKS = "data.pyd", "detection.npz"
NOT_GIVEN = -1.0
LARGEST_MASKS = 1 << 28  # bytes
# Pictures of AI Challenger that do not fit their labels, by name in 4D-Humans' image_dataset.py
BROKEN_PICTURES = {
    f"{folder}/{name}"
    for folder in ("aic-train", "aic-train-vitpose")
    for name in (
        "0a047f0124ae48f8eee15a9506ce1449ee1ba669",
        "1a703aa174450c02fbc9cfbf578a5435ef403689",
        "0394e6dc4df78042929b891dbc24f0fd7ffb6b6d",
        "5c032b9626e410441544c7669123ecc4ae077058",
        "ca018a7b4c5f53494006ebeeff9b4c0917a55f07",
        "4a77adb695bef75a5d34c04d589baf646fe2ba35",
        "a0689017b1065c664daef4ae2d14ea03d543217e",
        "39596a45cbd21bed4a5f9c2342505532f8ec5cbb",
        "3d33283b40610d87db660b62982f797d50a7366b",
    )
}
RECORD_ERRORS = (*BAD_RECORD, RuntimeError)
ARCHIVE_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    OSError,
    EOFError,
    NotImplementedError,  # zipfile, for compressions that it does not know
    SyntaxError,
)


@dataclass(frozen=True)
class Filters:
    """The steps of their loader, in its order; 0 leaves a step out."""

    least_confidence: float = 0.0  # 2D joints below it lose theirs
    largest_beta: float = 0.0  # a shape with a larger number is no shape
    both: float = 0.0  # pose and shape, or neither
    only_with_pose: float = 0.0
    joints_more_than: float = 0.0  # with confidence
    loss_below: float = 0.0  # of the fit's projection, where it is known
    box_larger_than: float = 0.0  # px, its smaller side
    mean_shape: float = 0.0  # for who has none


# The released training's. That of the box is not in our sources: their loader drops 20 px, keeps 54.
OFFICIAL = Filters(
    least_confidence=0.3,
    largest_beta=3.0,
    both=1.0,
    joints_more_than=4.0,
    loss_below=31000.0,
    box_larger_than=32.0,
    mean_shape=1.0,
)


@dataclass(frozen=True)
class Found:
    """One person of a pickle."""

    points: np.ndarray  # (44,3) px
    joints: np.ndarray  # (44,4) m
    center: np.ndarray  # (2,) px
    scale: np.ndarray  # (2,)
    pose: np.ndarray  # (72,)
    betas: np.ndarray  # (10,)
    has_pose: bool
    has_betas: bool
    loss: float | None
    mask: int | None


def hmr2(
    root: Path, split: str, *, reference: str, tars: str, masks: bool, **steps: float
) -> Iterator[Person | HpsError]:
    """Tars of a folder -> the people of every picture, in the order of the tars."""
    official = OFFICIAL if reference else Filters()
    given = {name: value for name, value in steps.items() if value != NOT_GIVEN}
    filters = replace(official, **given)
    for tar in found_tars(root, tars):
        for entry in entries(root, tar):
            if isinstance(entry, InvalidData):
                yield entry
            elif entry.key not in BROKEN_PICTURES:
                yield from _people(root, entry, filters, reference, masks)


def _people(
    root: Path, entry: Entry, filters: Filters, reference: str, masks: bool
) -> Iterator[Person | HpsError]:
    """One picture -> its people that pass."""
    record = f"{entry.tar}: {entry.key}"
    try:
        part = next(part for part in PICTURES if part in entry.parts)
        people = loads_pickle(entry.read(root, LABELS), f"{record}.{LABELS}")
        shown = _masks(entry.read(root, MASKS)) if masks and MASKS in entry.parts else None
        if not isinstance(people, list):
            raise InvalidData(f"{record}.{LABELS} holds no list of people.")
    except StopIteration:
        yield InvalidData(f"{record} has no picture.")
        return
    except KeyError:
        yield InvalidData(f"{record} has no {LABELS}.")
        return
    except (InvalidData, *RECORD_ERRORS, *ARCHIVE_ERRORS) as error:
        yield InvalidData(
            error.problem if isinstance(error, HpsError) else f"{record}: {in_words(error)}."
        )
        return
    for number, labels in enumerate(people):
        try:
            found = filtered(read_person(labels), filters)
            if found is not None:
                yield _person(entry, part, number, found, reference, shown)
        except RECORD_ERRORS as error:
            yield InvalidData(f"{record} person {number}: {in_words(error)}.")


def read_person(labels: Mapping[str, Any]) -> Found:
    """One dictionary of the pickle -> its numbers, shapes checked."""
    extra = labels.get("extra_info") or {}
    losses = np.asarray(extra.get("fitting_loss", {}), object)
    loss = losses.item() if losses.shape == () else {}
    loss = loss.get("reprojection_loss") if isinstance(loss, dict) else None
    mask = extra.get("detection_npz_idx")
    return Found(
        points=np.array(labels["keypoints_2d"], np.float64).reshape(COUNT, 3),
        joints=np.array(labels["keypoints_3d"], np.float64).reshape(COUNT, 4),
        center=np.array(labels["center"], np.float64).reshape(2),
        scale=np.array(labels["scale"], np.float64).reshape(2),
        pose=np.array(labels["body_pose"], np.float64).reshape(72),
        betas=np.array(labels["betas"], np.float64).reshape(10),
        has_pose=float(np.asarray(labels["has_body_pose"])) > 0,
        has_betas=float(np.asarray(labels["has_betas"])) > 0,
        loss=None if loss is None else float(loss),
        mask=None if mask is None else int(mask),
    )


def filtered(found: Found, filters: Filters) -> Found | None:
    """-> the person as the steps leave it, None when one drops it."""
    points = found.points.copy()
    points[points[:, 2] < filters.least_confidence, 2] = 0
    has_pose, has_betas = found.has_pose, found.has_betas
    if filters.largest_beta and (np.abs(found.betas) > filters.largest_beta).any():
        has_betas = False
    if filters.both:
        has_pose = has_betas = has_pose and has_betas
    if filters.only_with_pose and not has_pose:
        return None
    if filters.joints_more_than and (points[:, 2] > 0).sum() <= filters.joints_more_than:
        return None
    if filters.loss_below and found.loss is not None and not found.loss < filters.loss_below:
        return None
    if filters.box_larger_than and not found.scale.min() * BOX_UNIT > filters.box_larger_than:
        return None
    betas = found.betas
    if filters.mean_shape and not has_betas:
        has_betas, betas = True, np.zeros(10)
    return replace(found, points=points, betas=betas, has_pose=has_pose, has_betas=has_betas)


def _person(
    entry: Entry, part: str, number: int, found: Found, reference: str, masks: np.ndarray | None
) -> Person:
    """-> the person; as reference, what its flags call absent is kept where no training looks."""
    arrays = {f"keypoints2d.{JOINTS}": found.points}
    meta: dict[str, Any] = {}
    labels = {
        f"keypoints3d.{JOINTS}": (found.joints, (found.joints[:, 3] > 0).any()),
        "smpl.global_orient": (found.pose[:3], found.has_pose),
        "smpl.body_pose": (found.pose[3:], found.has_pose),
        "smpl.betas": (found.betas, found.has_betas),
    }
    for name, (values, has) in labels.items():
        if has:
            arrays[name] = values
        elif reference:
            arrays[ABSENT + name] = values
    if not reference:
        meta |= {"root_relative": True} if f"keypoints3d.{JOINTS}" in arrays else {}
        meta |= {"gender": "neutral", "body_source": "imported"} if found.has_pose else {}
    if masks is not None and found.mask is not None:
        arrays["extra.mask"] = masks[found.mask].astype(np.uint8)
    offset, length = entry.parts[part]
    size = found.scale * BOX_UNIT
    image = f"{entry.key}.{part}"
    return Person(
        key=f"{stem_of(image)}-{number}",
        image=image,
        picture=Picture(path=entry.tar, offset=offset, length=length),
        arrays=arrays,
        meta=meta,
        box=np.concatenate([found.center - size / 2, size]),
    )


def _masks(data: bytes) -> np.ndarray:
    """detection.npz -> masks (n,H,W) bool."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo("masks.npy")
        if info.file_size > LARGEST_MASKS:
            raise InvalidData(f"masks of {info.file_size} bytes.")
        stream = io.BytesIO(archive.read(info))
    np.lib.format.read_magic(stream)
    shape, _, kind = np.lib.format.read_array_header_1_0(stream)
    if math.prod(shape) * kind.itemsize > info.file_size:  # or the memory would be taken first
        raise InvalidData(f"masks of {shape} announced.")
    stream.seek(0)
    found = np.lib.format.read_array(stream, allow_pickle=False)
    if found.ndim != 3 or found.dtype.kind not in "bu":
        raise InvalidData(f"masks of shape {found.shape}, {found.dtype}.")
    return np.asarray(found)
