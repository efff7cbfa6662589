"""AGORA as OSX prepares it: annotations of 4K pictures, and crops of each person with their affines.

Ours shows the whole picture where it is there, else the crop with the labels moved into it. OSX always
takes the crop. The root of SMPL-X is stored in the world, and nothing here says where the camera is:
neither the root nor the translation is told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from hps_datasets.osx_forms.annotations import (
    BROKEN,
    Array,
    Labels,
    Request,
    box_with_margin,
    corners,
    key_of,
    numbers,
    people_of,
    read_json,
    shown,
    told,
)
from hps_datasets.osx_forms.fits import COEFFICIENTS, HAND_NUMBERS, HANDS, told_official
from hpscli.body.hand_means import relative_to_flat
from hpscli.data.containers.pickles import load_pickle
from hpscli.data.crops import move_points
from hpscli.data.official_crops.osx import sanitized_box
from hpscli.data.people import inside
from hpscli.errors import HpsError, InvalidData, MissingError
from hpscli.records import Person

LARGE, SMALL = (2160, 3840), (720, 1280)  # height, width px; labels are in pixels of the large ones
FILES = {"train": "AGORA_train.json", "validation": "AGORA_validation.json"}
BOXES = {"lhand": "lhand_bbox", "rhand": "rhand_bbox", "face": "face_bbox"}
PATHS = {  # word of OSX's list: word of the annotation
    "joints_2d_path": "smplx_joints_2d_path",
    "joints_3d_path": "smplx_joints_3d_path",
    "verts_path": "smplx_verts_path",
    "smplx_param_path": "smplx_param_path",
}
JOINTS, VERTICES = 127, 10475


@dataclass(frozen=True, kw_only=True)
class View:
    """The picture in which somebody is shown, and how pixels of the 4K picture map to it (2,3)."""

    name: str
    size: tuple[int, int]
    affine: Array
    official: bool = False  # as OSX sees it


def agora(request: Request) -> Iterator[Person | HpsError]:
    """-> valid people; of the test people with boxes alone."""
    if request.split == "test":
        yield from _test(request)
        return

    def make(annotation: Labels, image: Labels) -> Person | None:
        if not annotation["is_valid"]:
            return None
        large = PurePosixPath(str(image["file_name_3840x2160"]))
        crop = f"data/3840x2160/{large.parent.name}_crop/{large.stem}_ann_id_{annotation['id']}"
        small = str(image.get("file_name_1280x720", ""))
        view = _view(request, crop, f"data/{large}", f"data/{small}" if small else "")
        return None if view is None else _person(request, annotation, view)

    yield from people_of(request.path(f"data/{FILES[request.split]}"), make)


def _person(request: Request, annotation: Labels, view: View) -> Person | None:
    number = annotation["id"]
    arrays = _part_boxes(annotation, view, official=request.official)
    arrays |= _labels(request, annotation, view)
    meta: dict[str, Any] = {"set": "AGORA", "annotation": number, "is_3d": True}
    meta |= _from_4k(view)
    if "gender" in annotation:
        meta["subject_gender"] = str(annotation["gender"])
    if "smplx.body_pose" in arrays:
        meta |= {"body_source": "imported", "gender": "neutral"}
    if request.official:
        arrays["extra.crop_affine"] = view.affine
        paths = {ours: f"{request.folder}data/{annotation[word]}" for ours, word in PATHS.items()}
        meta |= told_official(ann_id=str(number), **paths)
    return Person(
        key=key_of("agora", request.split, number),
        image=view.name,
        image_size_px=view.size,
        arrays=arrays,
        box=_box(request, annotation, view),
        meta=meta,
    )


def _test(request: Request) -> Iterator[Person | HpsError]:
    path = request.path("data/AGORA_test_bbox.json")
    listed = read_json(path)
    if not isinstance(listed, Mapping):
        raise InvalidData(f"{path.name} is no list of boxes by picture.")
    for name, boxes in listed.items():
        for number, labels in enumerate(boxes if isinstance(boxes, list) else [None]):
            try:
                person = _test_person(request, name, number, labels)
            except BROKEN as error:
                yield InvalidData(f"{path.name} {shown(name)} person {number}: {told(error)}.")
            except HpsError as error:
                problem = f"{path.name} {shown(name)} person {number}: {error.problem}"
                yield InvalidData(problem, error.fix)
            else:
                if person is not None:
                    yield person


def _test_person(request: Request, name: str, number: int, labels: Labels) -> Person | None:
    stem = name[:-4]
    crop = f"data/3840x2160/test_crop/{stem}_pid_{number}"
    small = f"data/1280x720/test/{stem}_1280x720.png"
    view = _view(request, crop, f"data/3840x2160/test/{name}", small)
    if view is None:
        return None
    meta: dict[str, Any] = {"set": "AGORA", "is_3d": False, "person": number}
    meta |= _from_4k(view)
    arrays: dict[str, Array] = {}
    if request.official:
        arrays["extra.crop_affine"] = view.affine
        meta |= told_official(person_idx=number)
    return Person(
        key=key_of("agora-test", stem, number),
        image=view.name,
        image_size_px=view.size,
        arrays=arrays,
        box=_box(request, labels, view),
        meta=meta,
    )


def _view(request: Request, crop: str, large: str, small: str) -> View | None:
    """-> the picture to show; None where OSX leaves somebody out, whose crop is missing."""
    about = inside(request.root, f"{request.folder}{crop}.json")
    if not request.official:
        for name, size in ((large, LARGE), (small, SMALL)):
            if name and inside(request.root, request.folder + name).is_file():
                scale = np.diag([size[1] / LARGE[1], size[0] / LARGE[0]])
                affine = np.concatenate([scale, np.zeros((2, 1))], axis=1)
                return View(name=request.folder + name, size=size, affine=affine)
    if not about.is_file():
        if request.official:
            return None
        raise ValueError(f"there is neither {shown(large)} nor {shown(crop)}.json")
    words = read_json(about)
    size = int(words["resized_height"]), int(words["resized_width"])
    if min(size) < 1:
        raise ValueError(f"{about.name}: the crop has no area")
    affine = numbers(words, "img2bb_trans", 2, 3)
    affine = affine.astype(np.float32) if request.official else affine
    return View(
        name=f"{request.folder}{crop}.png", size=size, affine=affine, official=request.official
    )


def _from_4k(view: View) -> dict[str, Any]:
    """-> where a crop lies in its picture: the leaderboard's file wants pixels of 4K."""
    whole = view.size in (LARGE, SMALL)
    return {} if whole else {"from_4k": np.asarray(view.affine, np.float64).tolist()}


def _box(request: Request, labels: Labels, view: View) -> Array:
    """The annotated box in the picture, longer side enlarged; of OSX the whole crop."""
    if request.official:
        return np.array([0, 0, view.size[1], view.size[0]], np.float32)
    return box_with_margin(_moved_box(numbers(labels, "bbox", 4), view.affine), "bbox")


def _moved_box(box: Array, affine: Array) -> Array:
    """x, y, width, height -> the same in another picture."""
    ends = move_points(np.stack([box[:2], box[:2] + box[2:]]), np.asarray(affine, np.float64))
    return np.concatenate([ends[0], ends[1] - ends[0]])


def _part_boxes(annotation: Labels, view: View, *, official: bool) -> dict[str, Array]:
    boxes = {}
    for part, word in BOXES.items():
        box: Array | None = _moved_box(numbers(annotation, word, 4), view.affine)
        if official:  # against the 4K picture, though the box is in the crop
            box = sanitized_box(box.tolist(), LARGE) if box is not None else None
        elif numbers(annotation, word, 4)[2:].min() <= 0:
            box = None
        if box is not None:
            boxes[f"extra.{part}_box"] = corners(box)
    return boxes


def _labels(request: Request, annotation: Labels, view: View) -> dict[str, Array]:
    """-> joints, vertices and SMPL-X of the files that the annotation names."""
    found: dict[str, Array] = {}
    for word, read in (("joints_2d", _joints_2d), ("joints_3d", _joints_3d), ("param", _fit)):
        entry = f"smplx_{word}_path"
        path = inside(request.root, f"{request.folder}data/{annotation[entry]}")
        if path.is_file():
            found |= read(path, annotation, view)
        elif not request.official:
            raise MissingError(
                f"there is no {shown(annotation[entry])}.", "Copy AGORA's gt_ folders too."
            )
    name = str(annotation["smplx_verts_path"])
    path = inside(request.root, f"{request.folder}data/{name}")
    if name.endswith(".json") and path.is_file():
        found["vertices.smplx"] = numbers({"vertices": read_json(path)}, "vertices", VERTICES, 3)
    return found


def _joints_2d(path: Any, annotation: Labels, view: View) -> dict[str, Array]:
    points = numbers({"joints": read_json(path)}, "joints", JOINTS, 2)
    moved = move_points(points, np.asarray(view.affine, np.float64))
    return {"keypoints2d.osx_agora127": np.pad(moved, ((0, 0), (0, 1)), constant_values=1.0)}


def _joints_3d(path: Any, annotation: Labels, view: View) -> dict[str, Array]:
    points = numbers({"joints": read_json(path)}, "joints", JOINTS, 3)
    return {"keypoints3d.osx_agora127": np.pad(points, ((0, 0), (0, 1)), constant_values=1.0)}


def _fit(path: Any, annotation: Labels, view: View) -> dict[str, Array]:
    """SMPL-X without its root, which is in the world; hands as in fits.py."""
    fit = load_pickle(path)
    if not isinstance(fit, Mapping):
        raise ValueError(f"{path.name} holds no parameters")
    betas = numbers(fit, "betas", -1)
    arrays = {
        "smplx.body_pose": numbers(fit, "body_pose", 63),
        "smplx.jaw_pose": numbers(fit, "jaw_pose", 3),
        "smplx.betas": betas[:COEFFICIENTS],
        "smplx.expression": numbers(fit, "expression", -1)[:COEFFICIENTS],
        "extra.world_root": numbers(fit, "global_orient", 3),
        "extra.world_transl": numbers(fit, "transl", 3),
    }
    if annotation.get("kid") and len(betas) > COEFFICIENTS:
        arrays["smplx.kid"] = betas[COEFFICIENTS : COEFFICIENTS + 1]
    for side in HANDS.values():
        pose = numbers(fit, f"{side}_hand_pose", HAND_NUMBERS)
        flat = relative_to_flat(pose, side)
        if flat is None or view.official:
            arrays[f"extra.{side}_hand_pose_from_mean"] = pose
        if flat is not None:
            arrays[f"smplx.{side}_hand_pose"] = flat
    return arrays
