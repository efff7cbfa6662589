"""Joints of a HumanData file: which entry, which slots, and the smallest joint set that holds them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from hpscli.body.joints import COMMON, joint_set, joint_set_names
from hpscli.data.containers.archives import Archive, Header
from hpscli.errors import HpsError, InvalidData

SLOTS = 190
COLUMNS = {"keypoints2d": 3, "keypoints3d": 4}
# SMPLer-X keeps several; this is the order in which its loader takes them.
PRIORITY = {
    "keypoints2d": ("", "_smplx", "_smpl", "_original"),
    "keypoints3d": ("_cam", "", "_smplx", "_smpl", "_original"),
}
USUAL = ("coco17", "h36m17_lfirst", "lsp14", "mpii16", "smpl24", "smplx127", "smplx144")
MILLIMETRES_FROM = 20.0  # metres between two joints of one person: nobody is so large


@dataclass(frozen=True)
class Joints:
    """One entry with joints: how its columns lie in a joint set."""

    entry: str
    group: str
    joint_set: str
    index: np.ndarray  # (J,) column of each joint of the set; -1: zero
    mask: np.ndarray | None  # (190,) where the set has more than the file

    def points(self, row: np.ndarray) -> np.ndarray:
        """A row (K,C) of the entry -> (J,C) of the set."""
        points: np.ndarray = np.asarray(row, np.float64)[np.maximum(self.index, 0)]
        points[self.index < 0] = 0
        return points


def chosen_joints(archive: Archive, group: str, wanted: str, compressed: bool) -> Joints | None:
    """-> the entry of this group that is read: `wanted`, or the first in the order of SMPLer-X."""
    entries = [wanted] if wanted else [group + suffix for suffix in PRIORITY[group]]
    entry = next((name for name in entries if name in archive), None)
    if entry is None:
        if wanted:
            raise InvalidData(f"{archive.path} has no entry '{wanted}'.")
        return None
    header = archive.header(entry)
    if (
        len(header.shape) != 3
        or header.shape[2] != COLUMNS[group]
        or header.dtype.kind not in "fiu"
    ):
        raise InvalidData(
            f"{archive.path} entry '{entry}' is {header.dtype} {header.shape}, expected "
            f"(N, K, {COLUMNS[group]})."
        )
    return _columns(archive, entry, group, header, compressed)


def _columns(archive: Archive, entry: str, group: str, header: Header, compressed: bool) -> Joints:
    count = header.shape[1]
    convention = _text(archive, f"{entry}_convention", COMMON)
    if count != SLOTS and not compressed and convention != COMMON:
        return _named(archive, entry, group, convention, count)
    mask = _mask(archive, f"{entry}_mask", count)
    present = np.flatnonzero(mask) if count != SLOTS else np.arange(SLOTS)
    if len(present) != count:
        raise InvalidData(
            f"{archive.path} entry '{entry}' has {count} joints, its mask {len(present)}.",
            "Compressed files have one for each 1 of the mask, others 190.",
        )
    column = np.full(SLOTS, -1)
    column[present] = np.arange(count)
    name = smallest_set(tuple(np.flatnonzero(mask).tolist()))
    slots = np.array(joint_set(name).slots)
    return Joints(entry, group, name, column[slots], mask if name == COMMON else None)


def _named(archive: Archive, entry: str, group: str, convention: str, count: int) -> Joints:
    try:
        known = joint_set(convention)
    except HpsError as error:
        raise InvalidData(f"{archive.path} entry '{entry}': {error.problem}", error.fix) from None
    if len(known) != count:
        raise InvalidData(
            f"{archive.path} entry '{entry}' has {count} joints, '{convention}' {len(known)}."
        )
    return Joints(entry, group, known.name, np.arange(count), None)


def _mask(archive: Archive, name: str, count: int) -> np.ndarray:
    if name not in archive:
        if count != SLOTS:
            raise InvalidData(f"{archive.path} has no entry '{name}' for its {count} joints.")
        return np.ones(SLOTS, np.uint8)
    mask = np.asarray(archive[name])
    if mask.shape != (SLOTS,) or mask.dtype.kind not in "biuf":
        raise InvalidData(
            f"{archive.path} entry '{name}' is {mask.dtype} {mask.shape}, not (190,)."
        )
    return (mask > 0).astype(np.uint8)


def _text(archive: Archive, name: str, default: str) -> str:
    return str(archive[name]) if name in archive else default


@lru_cache(maxsize=32)
def smallest_set(slots: tuple[int, ...]) -> str:
    """Common slots that a file has -> the joint set that has exactly these, or the set of all 190."""
    for name in (*USUAL, *joint_set_names()):
        known = joint_set(name).slots
        if len(known) == len(slots) and tuple(sorted(known)) == slots:
            return name
    return COMMON


def in_metres(points: np.ndarray) -> np.ndarray:
    """Joints (J,4) -> the same in metres: what spans many metres was stored in millimetres."""
    seen = points[points[:, 3] > 0, :3]
    if len(seen) > 1 and float(np.ptp(seen, axis=0).max()) > MILLIMETRES_FROM:
        points = points * np.array([1e-3, 1e-3, 1e-3, 1])
    return points


def about_root(points: np.ndarray, misc: Mapping[str, Any], entry: str) -> bool:
    """Whether joints (J,4) are relative to the root: the file says so, or they lie about the origin."""
    stated = misc.get("kps3d_root_aligned")
    if isinstance(stated, bool | np.bool_):
        return bool(stated)
    seen = points[points[:, 3] > 0, :3]
    if entry.endswith("_cam") or not len(seen):
        return False
    return float(np.abs(np.median(seen, axis=0)).max()) < NEAR_ORIGIN


NEAR_ORIGIN = 0.8  # metres: nobody stands so near to a camera that sees the whole person
