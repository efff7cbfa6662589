"""People out of the .npz files of SPIN and its heirs: PARE, CLIFF's real data, HMR 2.0's evaluation."""

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
    finite_confidence,
    open_annotations,
    whole_file,
)
from hps_datasets.forms.bodies import gender_of, plain
from hps_datasets.forms.joints import about_root, in_metres
from hpscli.data.containers.archives import Archive, load_npz
from hpscli.data.forms.spin import BOX_UNIT
from hpscli.data.people import ABSENT, square_box, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, UsageError
from hpscli.records import Person, Picture

# entry: its array, or the part of an array that two entries make up
JOINTS = {
    "part": ("keypoints2d", "spin_gt24"),
    "openpose": ("keypoints2d", "openpose25"),
    "S": ("keypoints3d", "spin_gt24"),
}
PAIRS = {  # HMR 2.0: 25 of OpenPose, then 19 more
    "keypoints2d.hmr2_44": ("body_keypoints_2d", "extra_keypoints_2d"),
    "keypoints3d.hmr2_44": ("body_keypoints_3d", "extra_keypoints_3d"),
}
SIZES = {"spin_gt24": 24, "openpose25": 25}
HALVES = (25, 19)
COLUMNS = {"keypoints2d": 3, "keypoints3d": 4}
OPENPOSE_TWICE = slice(1, 15)  # HMR 2.0 does not score what its own 19 joints have too
POSES, SHAPES = ("pose", "body_pose"), ("shape", "betas")
FLAGS = {"pose": "has_smpl", "body_pose": "has_body_pose", "shape": "", "betas": "has_betas"}
WORDS = ("maskname", "partname", "personid")
OTHERS = ("center", "scale", "gender", "cam_int", "width", "height", "trans_cam", "body_source")
POSE, SHAPE = 72, 10
OWN = "extra.human_data."
RENAMED = "mpi_inf_3dhp"  # of the files, that one's pictures get other names in mmhuman3d


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How rows become people."""

    names: Names
    reference: str
    renamed: bool  # by mmhuman3d
    scale: str


def people(
    root: Path,
    split: str,
    *,
    reference: str = "",
    annotations: str = "",
    images: str = "",
    strip: str = "",
    fits: str = "",
    scale: str = "auto",
) -> Iterator[Person | HpsError]:
    """A SPIN file -> its people, in the order of the file; `split` is only a name."""
    if scale not in ("auto", "200", "px"):
        raise UsageError(f"scale={scale} is none of auto, 200, px.")
    path = annotation_file(root, annotations)
    renamed = reference == "mmhuman3d" and RENAMED in path.name
    if reference == "hmr2" and scale == "auto":
        scale = "px"
    reading = Reading(names=Names(images, strip), reference=reference, renamed=renamed, scale=scale)
    with open_annotations(path, "imgname") as archive, whole_file(path):
        rows = archive.header("imgname").rows
        found = _fits(root, fits, rows) if fits else None
        for number, row in _rows(archive, rows):
            if found is not None and not ("pose" in row and row.get("has_smpl", True)):
                row |= {"pose": found[number, :POSE], "shape": found[number, POSE:][:SHAPE]}
                row |= {"has_smpl": True, "fitted": True}
            try:
                yield _person(reading, number, row)
            except BAD_RECORD as error:
                yield broken_row(path, number, error)


def _rows(archive: Archive, rows: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """-> number and entries of each person."""
    known = [*JOINTS, *(name for pair in PAIRS.values() for name in pair), *POSES, *SHAPES]
    known += [flag for flag in FLAGS.values() if flag]
    names = [name for name in ("imgname", *known, *WORDS, *OTHERS) if name in archive]
    for name in names:
        check_rows(archive.path, name, archive.header(name).rows, rows)
    for lacking in ("center", "scale"):
        if lacking not in archive:
            raise InvalidData(f"{archive.path} has no entry '{lacking}'.")
    number = 0
    for block in archive.blocks(names, ROWS):
        for offset in range(len(block["imgname"])):
            yield number, {name: values[offset] for name, values in block.items()}
            number += 1


def _fits(root: Path, name: str, rows: int) -> np.ndarray:
    """SPIN's static fits -> (N, 82 or more): pose and shape, row by row those of the .npz."""
    path = root / name if (root / name).is_file() else Path(name).expanduser()
    found = np.asarray(load_npz(path).get("", ()))
    if found.ndim != 2 or found.shape[1] < POSE + SHAPE or found.dtype.kind != "f":
        raise InvalidData(f"{path} is {found.dtype} {found.shape}, expected (N, 82).")
    check_rows(path, "", len(found), rows)
    return found


def _person(reading: Reading, number: int, row: Mapping[str, Any]) -> Person:
    stored = reading.names.name(row["imgname"])
    meta: dict[str, Any] = {word: str(plain(row[word])) for word in WORDS if word in row}
    if "fitted" in row:  # a training may doubt it: hpscli.train.losses.fits
        meta["fitted"] = True
    arrays = _joints(reading, row, meta) | _body(reading, row, meta)
    if "gender" in row and (gender := _gender(reading, row["gender"])):
        meta["gender"] = gender
    if "cam_int" in row and np.any(row["cam_int"]):
        arrays["camera.intrinsics"] = np.asarray(row["cam_int"], np.float64).reshape(3, 3)
    size = None
    if "width" in row and "height" in row and row["width"] > 0 and row["height"] > 0:
        size = int(row["height"]), int(row["width"])
    return Person(
        key=f"{stem_of(stored)}-{number}",
        image=_official_name(reading, row["imgname"], stored),
        picture=Picture(path=reading.names.path(stored)),
        arrays=arrays,
        meta=meta,
        box=_box(row["center"], row["scale"], reading.scale),
        image_size_px=size,
    )


def _official_name(reading: Reading, given: Any, stored: str) -> str:
    """Programs keep a name as it is; mmhuman3d's converter makes MPI-INF-3DHP's those of its folders."""
    if not reading.reference:
        return stored
    name = as_text(given).removeprefix(reading.names.strip)
    if not reading.renamed:
        return name
    return name.replace("imageFrames/", "").replace("frame_", "")


def _box(center: Any, scale: Any, unit: str) -> np.ndarray:
    """Centre (2,), scale in 1/200 or (2,) width and height px -> x, y, width, height px."""
    center, scale = np.asarray(center, np.float64).reshape(2), np.asarray(scale, np.float64).ravel()
    if scale.size not in (1, 2):
        raise ValueError(f"its scale has {scale.size} numbers")
    in_px = unit == "px" or (unit == "auto" and scale.size == 2)
    size = scale if in_px else scale * BOX_UNIT
    if size.size == 1:
        return square_box(center, float(size[0]))
    return np.concatenate([center - size / 2, size])


def _joints(
    reading: Reading, row: Mapping[str, Any], meta: dict[str, Any]
) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for entry, (group, joints) in JOINTS.items():
        if entry in row:
            found[f"{group}.{joints}"] = _points(entry, row[entry], group, SIZES[joints])
    for name, halves in PAIRS.items():
        if reading.reference == "hmr2" or any(half in row for half in halves):
            group = name.partition(".")[0]
            absent = np.zeros((max(HALVES), COLUMNS[group]))  # as their loader has it
            parts = zip(halves, HALVES, strict=True)
            points = [_points(half, row.get(half, absent[:n]), group, n) for half, n in parts]
            found[name] = np.concatenate(points)
    if reading.reference == "hmr2" and "keypoints3d.hmr2_44" in found:
        found["keypoints3d.hmr2_44"][OPENPOSE_TWICE, 3] = 0
    if reading.reference == "spin":
        return _as_spin(found)
    return found if reading.reference else _right(found, meta)


def _right(found: dict[str, np.ndarray], meta: dict[str, Any]) -> dict[str, np.ndarray]:
    """-> the same with confidences 0..1 and metres; says whether 3D is relative to the root."""
    right: dict[str, np.ndarray] = {}
    for name, points in found.items():
        if not points.any():  # nobody looked: absent is absent
            continue
        right[name], stored = finite_confidence(points)
        if name.startswith("keypoints3d."):
            right[name] = in_metres(right[name])
            if about_root(right[name], {}, ""):
                meta["root_relative"] = True
        elif stored is not None:
            right[f"extra.visibility_{name.partition('.')[2]}"] = stored
    return right


def _as_spin(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """SPIN's loader: 49 joints, those of OpenPose first; entries that a file lacks are zero."""
    halves = [found.pop(f"keypoints2d.{joints}", None) for joints in ("openpose25", "spin_gt24")]
    sizes = (SIZES["openpose25"], SIZES["spin_gt24"])
    parts = [np.zeros((n, 3)) if h is None else h for h, n in zip(halves, sizes, strict=True)]
    return found | {"keypoints2d.spin49": np.concatenate(parts)}


def _points(entry: str, row: Any, group: str, count: int) -> np.ndarray:
    """-> (J, 3 or 4) joints; without confidences all of them count."""
    points = np.array(row, np.float64)
    columns = COLUMNS[group]
    if points.shape == (count, columns - 1):
        points = np.concatenate([points, np.ones((count, 1))], axis=1)
    if points.shape != (count, columns):
        raise ValueError(f"{entry} is {points.shape}, expected {(count, columns)}")
    return points


def _body(reading: Reading, row: Mapping[str, Any], meta: dict[str, Any]) -> dict[str, np.ndarray]:
    """-> SMPL's parameters, of people who have a fit; of others as `extra` where a converter keeps them."""
    found: dict[str, np.ndarray] = {}
    pose = next((name for name in POSES if name in row), "")
    shape = next((name for name in SHAPES if name in row), "")
    flag = row.get(FLAGS.get(pose, ""), True)
    fitted, shaped = bool(pose) and bool(flag), bool(row.get(FLAGS.get(shape) or "", flag))
    kept = pose and "has_smpl" in row and reading.reference == "mmhuman3d"
    if kept and not fitted:
        own = _body(reading, {**row, "has_smpl": True}, {})
        found = {f"{ABSENT}{name}": v for name, v in own.items() if not name.startswith(OWN)}
    if kept:
        found[f"{OWN}has_smpl"] = np.asarray(row["has_smpl"])
    if fitted:
        values = np.asarray(row[pose], np.float64).ravel()
        if values.size != POSE:
            raise ValueError(f"{pose} has {values.size} numbers, expected {POSE}")
        found["smpl.global_orient"], found["smpl.body_pose"] = values[:3], values[3:]
        if "trans_cam" in row:
            found["smpl.transl"] = np.asarray(row["trans_cam"], np.float64).reshape(3)
    if shape and shaped and (fitted or not pose):
        betas = np.asarray(row[shape], np.float64).ravel()
        if betas.size < SHAPE:
            raise ValueError(f"{shape} has {betas.size} numbers, expected {SHAPE}")
        found["smpl.betas"] = betas[:SHAPE]
    if fitted or "smpl.betas" in found:
        meta["body_source"] = str(row.get("body_source") or "imported")
    return found


def _gender(reading: Reading, stored: Any) -> str:
    """-> the gender; SPIN's own loader takes everything but 'm' for female."""
    if reading.reference == "spin":
        return "male" if str(plain(stored)) == "m" else "female"
    return gender_of(plain(stored))
