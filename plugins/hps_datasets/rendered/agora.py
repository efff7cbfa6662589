"""AGORA: scans in rendered scenes, with fits of SMPL-X or SMPL in the frame of each scan.

Frames: a posed scan turns by half about x, by its yaw, by the camera's yaw and by its pitch; the owner's
projection (agora_evaluation/projection.py) does so with vertices, so those rotations come after the
root's own. Joints are in the camera frame already, in metres, and in pixels of 3840 x 2160.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hps_datasets.rendered.agora_boxes import boxed_people, osx_box
from hpscli.body.hand_means import relative_to_flat
from hpscli.body.joints import joint_set
from hpscli.body.placement import rest_pelvis, turned_root
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.containers.pickles import Frame, load_pickle
from hpscli.data.people import image_size, inside, padded_box, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, UsageError, in_words
from hpscli.records import Person

SIZES = {"3840x2160": (2160, 3840), "1280x720": (720, 1280)}  # height, width px
LABELLED_HEIGHT_PX = 2160.0
SENSOR_WIDTH_MM = 36.0  # agora_evaluation/projection.py, like the cameras below
JOINTS = {"smplx": "agora127", "smpl": "smpl45"}
FOLDERS = {"smplx": "camera_dataframe", "smpl": "camera_dataframe_smpl"}
NAMES = {"root_pose": "global_orient", "translation": "transl"}  # in SMPL's fits
SHAPES = {  # numbers of each parameter; betas may have more
    "smplx": {"body_pose": 63, "jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "expression": 10},
    "smpl": {"body_pose": 69},
}
HANDS = ("left_hand_pose", "right_hand_pose")
COUNT_OF_BETAS = 10
HEAD_BYTES = 1 << 12  # of a PNG, in which its size is
PERSON_CELLS = (  # with a value for each person
    *("gender", "kid", "age", "ethnicity", "occlusion", "Yaw", "gt_joints_2d", "gt_joints_3d"),
    *("gt_path_smplx", "gt_path_smpl"),
)
RECORD_ERRORS = (*BAD_RECORD, OSError)


@dataclass(frozen=True)
class View:
    """A camera: where it looks, and its focal length."""

    yaw_degrees: float
    pitch_degrees: float
    focal_mm: float


FIXED_VIEWS = {  # a part of the picture's name: its camera, in the order of the owner's program
    "hdri": View(0, 0, 50),
    "cam00": View(135, 30, 18),
    "cam01": View(-135, 30, 18),
    "cam02": View(-45, 30, 18),
    "cam03": View(45, 30, 18),
    "ag2": View(0, 15, 28),
}
OTHER_FOCAL_MM = 28.0


@dataclass(frozen=True)
class Reading:
    """What is read, and how."""

    root: Path
    split: str
    reference: str
    body: str
    resolution: str
    invalid: bool  # whether people are kept that the owner calls invalid


@dataclass(frozen=True)
class Shown:
    """A picture: its path below the root, and its height and width px."""

    image: str
    size: tuple[int, int]


def agora(
    root: Path, split: str, *, reference: str, body: str, resolution: str, invalid: str = "drop"
) -> Iterator[Person | HpsError]:
    """Tables of a split -> its valid people, or with invalid=keep all, pictures in order.

    Test people have boxes alone.
    """
    if body not in JOINTS:
        raise UsageError(f"body '{body}' is none of AGORA's.", "body=smplx or body=smpl")
    if resolution not in (*SIZES, "auto"):
        known = " or ".join(f"resolution={name}" for name in SIZES)
        raise UsageError(f"resolution '{resolution}' is none of AGORA's.", known)
    if split == "test":
        if reference:
            raise UsageError(f"{reference} converts no test people of AGORA.", "--split validation")
        yield from boxed_people(root, resolution)
        return
    if invalid not in ("drop", "keep"):
        raise UsageError(f"invalid={invalid}?", "invalid=drop or invalid=keep")
    tables = sorted((root / FOLDERS[body]).glob(f"*{split}*.pkl"))
    if not tables:
        raise MissingError(f"{root / FOLDERS[body]} holds no table of '{split}' (*{split}*.pkl).")
    reading = Reading(root, split, reference, body, resolution, invalid == "keep")
    for path in tables:
        yield from _rows(reading, path)


def _rows(reading: Reading, path: Path) -> Iterator[Person | HpsError]:
    """One table -> its people; it may have gigabytes, so it goes before the next one comes."""
    table = load_pickle(path)
    if not isinstance(table, Frame) or "imgPath" not in table.columns:
        raise InvalidData(f"{path} is no table with a column imgPath.")
    for row in range(len(table)):
        cells = {name: column[row] for name, column in table.columns.items()}
        yield from _people(reading, f"{path.name} row {row}", cells)


def _people(reading: Reading, record: str, cells: Mapping[str, Any]) -> Iterator[Person | HpsError]:
    """One picture's row -> its people, valid ones unless all are kept."""
    try:
        shown, valid = shown_picture(reading, str(cells["imgPath"])), list(cells["isValid"])
    except InvalidData as error:
        yield InvalidData(f"{record}: {error.problem}")
        return
    except RECORD_ERRORS as error:
        yield InvalidData(f"{record}: {in_words(error)}.")
        return
    for number, is_valid in enumerate(valid):
        if not (is_valid or reading.invalid):
            continue
        try:
            one = {key: cells[key][number] for key in PERSON_CELLS if key in cells}
            yield _person(reading, shown, number, {**cells, **one, "isValid": is_valid})
        except (InvalidData, MissingError) as error:
            yield InvalidData(f"{record} person {number}: {error.problem}")
        except RECORD_ERRORS as error:
            yield InvalidData(f"{record} person {number}: {in_words(error)}.")


def shown_picture(reading: Reading, name: str) -> Shown:
    """The table's name of a picture -> the one that is read, and the size that labels are scaled to."""
    folder = f"images/{reading.split}/"
    small = name if "_1280x720" in name else name.replace(".png", "_1280x720.png")
    names = {"3840x2160": folder + name, "1280x720": folder + small}
    if reading.resolution != "auto":
        return Shown(names[reading.resolution], SIZES[reading.resolution])
    for named_size, image in names.items():
        path = inside(reading.root, image)
        if path.is_file() and reading.reference:
            return Shown(image, SIZES[named_size])
        if path.is_file():  # somebody may have scaled it further
            with path.open("rb") as stream:
                return Shown(image, image_size(stream.read(HEAD_BYTES), image))
    return Shown(names["1280x720"], SIZES["1280x720"])


def _person(reading: Reading, shown: Shown, number: int, cells: Mapping[str, Any]) -> Person:
    """One person's cells -> joints, box, fit."""
    root, body, image, size = reading.root, reading.body, shown.image, shown.size
    count = len(joint_set(JOINTS[body]))
    points = np.array(cells["gt_joints_2d"], np.float64).reshape(count, 2)
    osx = osx_box(padded_box(points), size) if body == "smplx" and not reading.reference else {}
    points *= size[0] / LABELLED_HEIGHT_PX
    places = np.array(cells["gt_joints_3d"], np.float64).reshape(count, 3)
    fit = dict(_fit(inside(root, str(cells[f"gt_path_{body}"]).replace(".obj", ".pkl"))))
    view = view_of(image, cells)
    seen = np.ones((count, 1))
    meta = {
        "gender": str(cells["gender"]),
        "age": str(cells["age"]),
        "ethnicity": str(cells["ethnicity"]),
        "kid": bool(cells["kid"]),
        "occlusion": float(cells["occlusion"]),
    }
    if not cells["isValid"]:
        meta["is_valid"] = False
    parameters = {f"{body}.{name}": fit[name] for name in SHAPES[body]}
    parameters[f"{body}.betas"] = fit["betas"][:COUNT_OF_BETAS]
    arrays = {
        f"keypoints2d.{JOINTS[body]}": np.hstack([points, seen]),
        f"keypoints3d.{JOINTS[body]}": np.hstack([places, seen]),
        **parameters,
        **osx,
    }
    if reading.reference:
        arrays[f"{body}.global_orient"] = reference_root(fit["global_orient"], view, cells)
        arrays[f"{body}.transl"] = fit["transl"]  # still of the scan
        arrays |= {f"{body}.{name}": fit[name] for name in HANDS if body == "smplx"}
    else:
        meta |= {"gender": gender_of(body, meta), "scan_gender": meta["gender"]}
        meta["body_source"] = "imported"
        arrays |= _ours(body, fit, view, cells, meta, places[0])
        arrays["camera.intrinsics"] = intrinsics(view, size)
    return Person(
        key=f"{stem_of(image)}-{number}",
        image=image,
        arrays=arrays,
        meta=meta,
        box=padded_box(points),
        image_size_px=size,
    )


def _ours(
    body: str,
    fit: Mapping[str, np.ndarray],
    view: View,
    cells: Mapping[str, Any],
    meta: Mapping[str, Any],
    pelvis: np.ndarray,
) -> dict[str, np.ndarray]:
    """-> what the camera makes of a fit, and the eleventh number of its shape."""
    arrays = {f"{body}.global_orient": turned_root(fit["global_orient"], scan_turn(view, cells))}
    betas = fit["betas"]
    if meta["kid"]:
        if len(betas) <= COUNT_OF_BETAS:
            raise ValueError(f"a child with {len(betas)} shape numbers")
        arrays[f"{body}.kid"] = betas[COUNT_OF_BETAS : COUNT_OF_BETAS + 1]
    else:
        rest = rest_pelvis(body, str(meta["gender"]), betas)
        if rest is not None:
            arrays[f"{body}.transl"] = pelvis - rest
        if len(betas) > COUNT_OF_BETAS:
            arrays["extra.betas"] = betas
    if body == "smplx":
        for name in HANDS:
            flat = relative_to_flat(fit[name], name.partition("_")[0])
            if flat is None:
                arrays[f"extra.{name}_from_mean"] = fit[name]
            else:
                arrays[f"smplx.{name}"] = flat
    return arrays


def view_of(image: str, cells: Mapping[str, Any]) -> View:
    """The picture's name, and its row -> its camera."""
    for part, view in FIXED_VIEWS.items():
        if part in image:
            return view
    return View(float(cells["camYaw"]), 0.0, OTHER_FOCAL_MM)


def scan_turn(view: View, cells: Mapping[str, Any]) -> np.ndarray:
    """-> (3,3): what turns a posed scan into the camera."""
    return np.asarray(_scene_turn(view, cells) @ _turn("x", 180.0))


def reference_root(root: np.ndarray, view: View, cells: Mapping[str, Any]) -> np.ndarray:
    """-> (3,) as mmhuman3d has it: the half turn before the root's rotation instead of after it."""
    half_after = turned_root(np.array([np.pi, 0, 0]), _matrix(root))
    return turned_root(half_after, _scene_turn(view, cells))


def _scene_turn(view: View, cells: Mapping[str, Any]) -> np.ndarray:
    # scans stand a quarter turn away from the yaw of the table
    standing = _turn("y", float(cells["Yaw"]) - 90.0)
    camera = _turn("x", view.pitch_degrees) @ _turn("y", -view.yaw_degrees)
    return np.asarray(camera @ standing)


def _matrix(axis_angle: np.ndarray) -> np.ndarray:
    numbers = torch.from_numpy(np.array(axis_angle, np.float64))
    return np.asarray(axis_angle_to_matrix(numbers))


def _turn(axis: str, degrees: float) -> np.ndarray:
    """-> (3,3) rotation about x or y."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    if axis == "x":
        return np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])


def intrinsics(view: View, size: tuple[int, int]) -> np.ndarray:
    """-> (3,3) px: square pixels on a sensor 36 mm wide, centre in the middle."""
    height, width = size
    focal_px = view.focal_mm / SENSOR_WIDTH_MM * width
    return np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])


def gender_of(body: str, meta: Mapping[str, Any]) -> str:
    """-> of the body model behind a fit: SMPL's are all neutral, SMPL-X's of girls too."""
    if body == "smpl" or (meta["kid"] and meta["gender"] != "male"):
        return "neutral"
    return str(meta["gender"])


@lru_cache(maxsize=4096)  # 4,240 scans stand in 17,000 pictures
def _fit(path: Path) -> Mapping[str, np.ndarray]:
    """-> flat arrays by SMPL-X's names."""
    content = load_pickle(path)
    if not isinstance(content, dict):
        raise InvalidData(f"{path.name} holds no fit.")
    fit = {
        NAMES.get(str(name), str(name)): value.ravel()
        for name, value in content.items()
        if isinstance(value, np.ndarray)
    }
    wanted = {**SHAPES["smplx" if "jaw_pose" in fit else "smpl"], "global_orient": 3, "transl": 3}
    wanted |= {name: 45 for name in HANDS if "jaw_pose" in fit}
    for name, count in wanted.items():
        if fit[name].size != count or fit[name].dtype.kind != "f":
            raise InvalidData(f"{path.name}: {name} has {fit[name].size} numbers, not {count}.")
    if fit["betas"].size < COUNT_OF_BETAS or fit["betas"].dtype.kind != "f":
        raise InvalidData(f"{path.name}: {fit['betas'].size} shape numbers.")
    return fit
