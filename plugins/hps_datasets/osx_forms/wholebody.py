"""MSCOCO and UBody: COCO-WholeBody's joints and boxes of hands and face, with SMPL-X by annotation."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hps_datasets.osx_forms.annotations import (
    Array,
    Labels,
    Request,
    box_of,
    corners,
    is_whole,
    key_of,
    numbers,
    people_of,
    size_of,
)
from hps_datasets.osx_forms.fits import Fits, intrinsics, smplx_arrays, told_official
from hpscli.body.joints import joint_set
from hpscli.data.containers.archives import load_npz
from hpscli.data.people import inside, scaled_box
from hpscli.errors import HpsError, InvalidData, MissingError
from hpscli.records import Person

JOINTS = {  # entry: its joints, in the order of osx_mscoco134 but for the pelvis after the body
    "keypoints": 17,
    "foot_kpts": 6,
    "lefthand_kpts": 21,
    "righthand_kpts": 21,
    "face_kpts": 68,
}
LEFT_HIP, RIGHT_HIP, PELVIS = 11, 12, 17
COPIES = ((24, 9), (45, 10), (96, 0))  # of OSX: wrists of hands and Face_18 from wrists and nose
BOXES = {"lhand": "lefthand", "rhand": "righthand", "face": "face"}
HAND_SHRINK, FACE_GROWTH = 0.65, 1.2  # of UBody's boxes: IDEA-Research/OSX, data/UBody/UBody.py
OFFICIAL_INTERVAL = {"train": 10, "test": 100}  # OSX's released configuration


def mscoco(request: Request) -> Iterator[Person | HpsError]:
    """COCO-WholeBody 2017 -> people; SMPL-X where somebody fitted it, which is in train."""
    # OSX also takes the folder coco, where the pictures lie without images/ between
    bare = request.path("train2017").is_dir() or request.path("val2017").is_dir()
    folder = "" if bare and not request.path("images").is_dir() else "images/"
    part = {"train": "train", "validation": "val"}[request.split]
    fits: Mapping[str, Any] = {}
    if request.split == "train":
        fits = Fits(request.path("annotations/MSCOCO_train_SMPLX.json"))

    def make(annotation: Labels, image: Labels) -> Person | None:
        boxes_only = request.official and part == "val"
        unseen = not annotation["num_keypoints"] and "joints" not in annotation
        if not boxes_only and (annotation["iscrowd"] or unseen):
            return None
        size = size_of(image)
        box = box_of(request, annotation, "bbox", size)
        if box is None:
            return None
        arrays = {} if boxes_only else joints_of(annotation, official=request.official)
        arrays |= part_boxes(annotation)
        fit = fits.get(str(annotation["id"]))
        meta: dict[str, Any] = {"set": "MSCOCO", "annotation": annotation["id"], "is_3d": False}
        if request.official:
            told = (
                {"ann_id": annotation["id"]}
                if boxes_only
                else {"smplx_param": with_flags(fit, annotation)}
            )
            meta |= told_official(**told)
        arrays, meta = with_fit(arrays, meta, annotation, fit)
        return Person(
            key=key_of("mscoco", annotation["id"]),
            image=f"{request.folder}{folder}{part}2017/{image['file_name']}",
            image_size_px=size,
            arrays=arrays,
            box=box,
            meta=meta,
        )

    yield from people_of(request.path(f"annotations/coco_wholebody_{part}_v1.0.json"), make)


def ubody(request: Request) -> Iterator[Person | HpsError]:
    """UBody's scenes in order of their names -> people with SMPL-X fits, of the split's videos."""
    folder = request.path("annotations")
    scenes = (
        sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
        if folder.is_dir()
        else []
    )
    if wanted := [name for name in request.scenes.split(",") if name]:
        if missing := sorted(set(wanted) - set(scenes)):
            raise MissingError(
                f"{folder} has no scene '{missing[0]}'.", f"There: {', '.join(scenes)}"
            )
        scenes = [name for name in scenes if name in wanted]
    if not scenes:
        raise MissingError(f"{folder} has no scenes.", "Unpack UBody's annotations there.")
    videos = test_videos(request)
    for scene in scenes:
        yield from _scene(request, scene, videos)


def test_videos(request: Request) -> frozenset[str]:
    """-> the videos of the test list, intra or inter scene."""
    path = request.path(f"splits/{request.lists}_scene_test_list.npy")
    listed = np.asarray(load_npz(path).get("", ())).ravel()
    if listed.dtype.kind not in "USO" or not all(isinstance(name, str) for name in listed.tolist()):
        raise InvalidData(f"{path.name} is no list of names.")
    return frozenset(listed.tolist())


def _scene(request: Request, scene: str, videos: frozenset[str]) -> Iterator[Person | HpsError]:
    official, folder = request.official, f"annotations/{scene}"
    fits = Fits(request.path(f"{folder}/smplx_annotation.json"))

    def make(annotation: Labels, image: Labels) -> Person | None:
        name = str(image["file_name"]).removeprefix("/")
        video = name.split("/")[-2].split("_Trim")[0]
        if (video in videos) != (request.split == "test"):
            return None
        picture = f"{request.folder}images/{scene}/{name}"
        if official and not inside(request.root, picture).exists():
            return None
        number = annotation["id"]
        if annotation["iscrowd"] or not annotation["num_keypoints"]:
            return None
        if not annotation["valid_label"] or str(number) not in fits:
            return None
        size = size_of(image)
        box = box_of(request, annotation, "bbox", size)
        if box is None:
            return None
        fit = fits[str(number)]
        arrays = joints_of(annotation, official=official, joints="osx_ubody134")
        arrays |= part_boxes(annotation, ubody_official=official, ubody=True)
        meta: dict[str, Any] = {"set": "UBody", "annotation": number, "is_3d": False}
        meta |= {"scene": scene, "video": video}
        if official:
            told = {"ann_id": number} if request.split == "test" else {}
            meta |= told_official(smplx_param=with_flags(fit, annotation), **told)
        arrays, meta = with_fit(arrays, meta, annotation, fit)
        return Person(
            key=key_of("ubody", scene, number),
            image=picture,
            image_size_px=size,
            arrays=arrays,
            box=box,
            meta=meta,
        )

    every = request.interval or (OFFICIAL_INTERVAL[request.split] if official else 1)
    yield from people_of(request.path(f"{folder}/keypoint_annotation.json"), make, every=every)


def joints_of(
    annotation: Labels, *, official: bool, joints: str = "osx_mscoco134"
) -> dict[str, Array]:
    """-> 134 joints (134,3) with confidence 0 or 1, and what the file says about their visibility."""
    if "joints" in annotation and not official:  # as `hps datasets dump --as osx-json` writes it
        return _written_joints(annotation["joints"])
    parts = [numbers(annotation, word, count, 3) for word, count in JOINTS.items()]
    hips = parts[0][[LEFT_HIP, RIGHT_HIP]]
    pelvis = np.append(hips[:, :2].mean(0), hips[:, 2].prod())
    points = np.concatenate([parts[0], pelvis[None], *parts[1:]])
    visibility = points[:, 2].copy()
    points[:, 2] = visibility > 0
    if official:
        for target, start in COPIES:
            if not points[target, 2]:
                points[target] = points[start]
    else:
        points[points[:, 2] == 0] = 0
    return {f"keypoints2d.{joints}": points, "extra.visibility": visibility}


def _written_joints(joints: Labels) -> dict[str, Array]:
    """Joints by the name of their set -> the same with the confidences that were written."""
    counts = {name: len(joint_set(name)) for name in joints}
    return {f"keypoints2d.{name}": numbers(joints, name, counts[name], 3) for name in joints}


def part_boxes(
    annotation: Labels, *, ubody: bool = False, ubody_official: bool = False
) -> dict[str, Array]:
    """-> extra.lhand_box, .rhand_box, .face_box (4,) x0, y0, x1, y1 px of the parts that are labelled."""
    boxes: dict[str, Array] = {}
    for part, word in BOXES.items():
        if not annotation.get(f"{word}_valid"):
            continue
        if ubody and part == "face":
            box = _face_box(annotation, official=ubody_official)
        else:
            box = numbers(annotation, f"{word}_box", 4)
            box = scaled_box(box, HAND_SHRINK) if ubody else box
        whole = ubody_official and part != "face" and is_whole(annotation[f"{word}_box"])
        # OSX writes the shrunken corners back into an array of integers where the file has these
        boxes[f"extra.{part}_box"] = np.trunc(corners(box)) if whole else corners(box)
    return boxes


def _face_box(annotation: Labels, *, official: bool) -> Array:
    """The extent of the face's points, enlarged: of those that are labelled; of OSX of all."""
    points = numbers(annotation, "face_kpts", JOINTS["face_kpts"], 3)
    chosen = points[:, :2] if official else points[points[:, 2] > 0, :2]
    if len(chosen) < 2:
        return numbers(annotation, "face_box", 4)
    return scaled_box(np.concatenate([chosen.min(0), np.ptp(chosen, axis=0)]), FACE_GROWTH)


def with_flags(fit: Any, annotation: Labels) -> Any:
    """-> the fit with the annotation's word on hands and face, where it has none itself."""
    if fit is None or "lhand_valid" in fit["smplx_param"]:
        return fit
    flags = {f"{part}_valid": annotation[f"{word}_valid"] for part, word in BOXES.items()}
    return {**fit, "smplx_param": {**fit["smplx_param"], **flags}}


def with_fit(
    arrays: dict[str, Array], meta: dict[str, Any], annotation: Labels, fit: Any
) -> tuple[dict[str, Array], dict[str, Any]]:
    """-> the same with the SMPL-X of a fit, if there is one."""
    if fit is None:
        return arrays, meta
    seen = {part: annotation.get(f"{word}_valid", True) for part, word in BOXES.items()}
    parameters = fit["smplx_param"]
    source = "free" if parameters.get("body_source") == "free" else "imported"
    arrays = {
        **arrays,
        **smplx_arrays(parameters, seen=seen, source=source),
        "camera.intrinsics": intrinsics(fit["cam_param"]),
    }
    gender = str(parameters.get("gender", "neutral"))
    return arrays, {**meta, "body_source": source, "gender": gender}
