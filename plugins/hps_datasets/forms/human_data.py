"""People out of HumanData .npz files: mmhuman3d, hmr-benchmarks, SMPLer-X and others write them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.forms.annotations import (
    ROWS,
    Names,
    annotation_file,
    as_text,
    broken_row,
    check_rows,
    column,
    finite_confidence,
    open_annotations,
    whole_file,
)
from hps_datasets.forms.bodies import (
    BODIES,
    HANDS,
    flatten_hands,
    gender_of,
    is_row_of,
    length_of,
    parameters,
    plain,
    stated_hands,
)
from hps_datasets.forms.cameras import Cameras, pinhole
from hps_datasets.forms.joints import Joints, about_root, chosen_joints, in_metres
from hpscli.data.containers.archives import Archive
from hpscli.data.people import ABSENT, scaled_box, stem_of
from hpscli.data.sample import MESHES
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, UsageError
from hpscli.records import Person, Picture

PART_BOXES = ("lhand_bbox_xywh", "rhand_bbox_xywh", "face_bbox_xywh")
HAS = ("has_smpl", "has_smplx", "has_mano")  # the first is SPIN's, the others our own
ROW_ENTRIES = ("bbox_xywh", "vertices", *HAS, *PART_BOXES)
MOST_PEOPLE = 1 << 24  # the largest file of this form has a million
WORDS = ("image_id", "frame_idx", "video_path")
SIZE_WORDS = ("height", "width", "focal_length", "principal_point")  # of `meta`, in SMPLer-X
NOT_META = ("height", "width", "image_path", "dataset", "split", "key")
OWN = "extra.human_data."  # what goes back into a file of this form as it is


@dataclass(frozen=True, kw_only=True)
class File:
    """What is read once of a file: everything but the long columns."""

    archive: Archive
    rows: int
    names: Names
    joints: tuple[Joints, ...]
    bodies: Mapping[str, Mapping[str, np.ndarray]]
    meta: Mapping[str, np.ndarray]
    misc: Mapping[str, Any]
    cameras: Cameras
    reference: str
    hand: str
    hands: str  # what hand poses are relative to: flat | mean
    box_scale: float


def people(
    root: Path,
    split: str,
    *,
    reference: str = "",
    annotations: str = "",
    images: str = "",
    strip: str = "",
    points2d: str = "",
    points3d: str = "",
    box_scale: float = 1.0,
    hand: str = "right",
    hands: str = "",
) -> Iterator[Person | HpsError]:
    """A HumanData file -> its people, in the order of the file; `split` is only a name."""
    if hands not in ("", *HANDS):
        raise UsageError(f"hands={hands} is none of {', '.join(HANDS)}.")
    path = annotation_file(root, annotations)
    names = Names(images, strip)
    with open_annotations(path, "image_path") as archive, whole_file(path):
        ranges = _ranges(archive)
        file = _open(archive, names, (points2d, points3d), reference, (hand, hands), box_scale)
        for number, row in _rows(file, ranges):
            try:
                yield _person(file, number, row)
            except BAD_RECORD as error:
                yield broken_row(path, number, error)


def _open(
    archive: Archive,
    names: Names,
    wanted: tuple[str, str],
    reference: str,
    hands: tuple[str, str],
    box_scale: float,
) -> File:
    compressed = bool(np.any(archive.get("__keypoints_compressed__", False)))
    groups = zip(("keypoints2d", "keypoints3d"), wanted, strict=True)
    joints = [chosen_joints(archive, group, entry, compressed) for group, entry in groups]
    found = tuple(one for one in joints if one is not None)
    rows = _count(archive)
    nested: dict[str, dict[str, Any]] = {}
    for body in (*BODIES, "meta", "misc"):
        stored = archive.get(body, {})
        if not isinstance(stored, Mapping):
            raise InvalidData(f"{archive.path} entry '{body}' is no dictionary.")
        nested[body] = {str(part): value for part, value in stored.items()}
    for body in BODIES:
        for part, value in nested[body].items():
            check_rows(archive.path, f"{body}.{part}", length_of(value), rows)
    cameras = Cameras(archive.get("cam_param"))
    if cameras.rows() >= 0:
        check_rows(archive.path, "cam_param", cameras.rows(), rows)
    return File(
        archive=archive,
        rows=rows,
        names=names,
        joints=found,
        bodies={body: nested[body] for body in BODIES if nested[body]},
        meta={part: np.asarray(v) for part, v in nested["meta"].items() if is_row_of(v, rows)},
        misc=nested["misc"],
        cameras=cameras,
        reference=reference,
        hand=hands[0],
        hands=hands[1] or stated_hands(nested["misc"]),
        box_scale=box_scale,
    )


def _count(archive: Archive) -> int:
    """-> how many people the file says it has, by its longest kind of entry."""
    stated = np.asarray(archive.get("__data_len__", -1))
    if stated.size == 1 and stated.dtype.kind in "iu" and int(stated.item()) >= 0:
        return _possible(archive, int(stated.item()))
    for name in ("bbox_xywh", "keypoints2d", "image_path"):
        if name in archive and archive.header(name).rows >= 0:
            return _possible(archive, archive.header(name).rows)
    return len(np.atleast_1d(np.asarray(archive["image_path"])))


def _possible(archive: Archive, rows: int) -> int:
    if rows > MOST_PEOPLE:
        raise InvalidData(f"{archive.path} would hold {rows} people.", "The file is damaged.")
    return rows


def _ranges(archive: Archive) -> np.ndarray | None:
    """-> (M,2) rows of the people of each picture, in files with several people a picture."""
    if "frame_range" not in archive:
        return None
    ranges = np.asarray(archive["frame_range"])
    if ranges.ndim != 2 or ranges.shape[1] != 2 or ranges.dtype.kind not in "iu":
        raise InvalidData(f"{archive.path} entry 'frame_range' is {ranges.shape}, not (M, 2).")
    return ranges


def _rows(file: File, ranges: np.ndarray | None) -> Iterator[tuple[int, dict[str, Any]]]:
    """-> number and entries of each person; long columns are read block by block."""
    archive, whole = file.archive, _picture_names(file, ranges)
    long = [joints.entry for joints in file.joints]
    for name in (*ROW_ENTRIES, *WORDS, "image_path"):
        if name not in archive or name in whole:
            continue
        rows = archive.header(name).rows
        if rows < 0:  # a list that was wrapped as one object
            whole[name] = column(archive, name, archive[name], file.rows)
        else:
            long.append(name)
    for name in long:
        check_rows(archive.path, name, archive.header(name).rows, file.rows)
    start = 0
    for block in archive.blocks(long, ROWS) if long else [{"": np.empty(file.rows)}]:
        for offset in range(len(next(iter(block.values())))):
            row = {name: values[offset] for name, values in block.items()}
            number = start + offset
            yield number, row | {name: values[number] for name, values in whole.items()}
        start += len(next(iter(block.values())))


def _picture_names(file: File, ranges: np.ndarray | None) -> dict[str, np.ndarray]:
    """-> the names by person, where the file has them by picture."""
    archive = file.archive
    if ranges is None:
        return {}
    names = np.asarray(archive["image_path"])
    if ranges.size and not (ranges.min() >= 0 and ranges.max() <= file.rows):
        raise InvalidData(f"{archive.path} entry 'frame_range' leaves the {file.rows} people.")
    if len(names) == file.rows:
        return {}
    check_rows(archive.path, "frame_range", len(ranges), len(names))
    spread = np.full(file.rows, "", object)
    for name, (first, end) in zip(names, ranges, strict=True):
        spread[first:end] = str(name)
    return {"image_path": spread}


def _person(file: File, number: int, row: Mapping[str, Any]) -> Person:
    image = file.names.name(row["image_path"])
    meta = _meta(file, number, row)
    camera, size = file.cameras.of(number, image)
    arrays: dict[str, np.ndarray] = dict(camera)
    words = {word: file.meta[word][number] for word in SIZE_WORDS if word in file.meta}
    if "focal_length" in words and "principal_point" in words and not camera:
        arrays["camera.intrinsics"] = pinhole(words["focal_length"], words["principal_point"])
    if "height" in words and "width" in words:
        size = int(words["height"]), int(words["width"])
    for joints in file.joints:
        arrays |= _joints(file, joints, row, meta)
    arrays |= _bodies(file, number, row, meta)
    for name in PART_BOXES:
        if name in row and row[name][-1] > 0:
            arrays[f"extra.{name}"] = np.asarray(row[name], np.float64)
    if "vertices" in row:
        mesh = next((n for n, count in MESHES.items() if count == len(row["vertices"])), "")
        arrays[mesh or f"{OWN}vertices"] = np.asarray(row["vertices"])
    box = np.asarray(row["bbox_xywh"], np.float64)[:4] if "bbox_xywh" in row else None
    return Person(
        key=f"{stem_of(image)}-{number}",
        image=as_text(row["image_path"]).removeprefix(file.names.strip)
        if file.reference
        else image,
        picture=Picture(path=file.names.path(image)),
        arrays=arrays,
        meta=meta,
        box=None if box is None else scaled_box(box, file.box_scale),
        image_size_px=size,
    )


def _joints(
    file: File, joints: Joints, row: Mapping[str, Any], meta: dict[str, Any]
) -> dict[str, np.ndarray]:
    points = joints.points(row[joints.entry])
    found: dict[str, np.ndarray] = {}
    if joints.mask is not None:
        found[f"extra.{joints.group}_mask"] = joints.mask
    if not file.reference:
        if not points.any():  # nobody looked: absent is absent
            return {}
        points, stored = finite_confidence(points)
        if stored is not None and joints.group == "keypoints2d":
            found["extra.visibility"] = stored
        if joints.group == "keypoints3d":
            points = in_metres(points)
            if about_root(points, file.misc, joints.entry):
                meta["root_relative"] = True
    return found | {f"{joints.group}.{joints.joint_set}": points}


def _bodies(
    file: File, number: int, row: Mapping[str, Any], meta: dict[str, Any]
) -> dict[str, np.ndarray]:
    """-> smpl.*, smplx.*, mano.* of one person, and what they need said."""
    found: dict[str, np.ndarray] = {}
    for body, entries in file.bodies.items():
        has = bool(row.get(f"has_{body}", True))
        if not has and not file.reference:
            continue
        for part, values in entries.items():
            given = parameters(body, part, values[number])
            found |= given if has else {f"{ABSENT}{name}": v for name, v in given.items()}
    if "has_smpl" in row and file.reference:
        found[f"{OWN}has_smpl"] = np.asarray(row["has_smpl"])
    if any(name.startswith(("smpl.", "smplx.", "mano.")) for name in found):
        meta.setdefault("body_source", "imported")
    if any(name.startswith("mano.") for name in found):
        sides = ("left", "right")
        stored = str(meta.get("hand", ""))
        left = "left_hand_pose" in file.bodies["mano"]
        meta["hand"] = stored if stored in sides else ("left" if left else file.hand)
    if file.hands == "mean" and not file.reference:
        flatten_hands(found, str(meta.get("hand", "right")))
    return found


def _meta(file: File, number: int, row: Mapping[str, Any]) -> dict[str, Any]:
    meta: dict[str, Any] = {}
    for word, values in file.meta.items():
        value = plain(values[number])
        if word == "gender":
            if gender := gender_of(value):
                meta["gender"] = gender
            if file.reference and value is not None:
                meta["human_data.gender"] = value
        elif value not in (None, "") and word not in NOT_META:
            meta[word] = value
    for word in WORDS:
        if word in row and (value := plain(row[word])) is not None:
            meta[word] = value
    return meta
