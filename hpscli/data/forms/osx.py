"""OSX's own list of people, and COCO-style JSON with NeuralAnnot's SMPL-X for tools around it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from hpscli.body.joints import convert, joint_set
from hpscli.data.people import BOX_SCALE, scaled_box
from hpscli.records import Person

PARTS = ("lhand", "rhand", "face")
WITH_PARTS = ("MSCOCO", "AGORA", "EHF", "UBody")  # sets whose lists hold boxes of hands and face
WITHOUT_DEPTH = ("Human36M",)  # its list has x and y where others have a third number
IN_MILLIMETRES = ("Human36M", "MPI_INF_3DHP")  # its lists of them; its loaders divide
MM_PER_M = 1000.0
WHOLE_BODY = "osx_mscoco134"
ENTRIES = {  # COCO-WholeBody's entry: its joints among the 134; 17 is the pelvis, which is worked out
    "keypoints": slice(0, 17),
    "foot_kpts": slice(18, 24),
    "lefthand_kpts": slice(24, 45),
    "righthand_kpts": slice(45, 66),
    "face_kpts": slice(66, 134),
}
BOX_WORDS = {"lhand": "lefthand", "rhand": "righthand", "face": "face"}
FIT_WORDS = {
    "smplx.global_orient": "root_pose",
    "smplx.body_pose": "body_pose",
    "smplx.betas": "shape",
    "smplx.transl": "trans",
}
FACE_WORDS = {"smplx.jaw_pose": "jaw_pose", "smplx.expression": "expr"}
HANDS = {"lhand": ("left", "hands_meanl"), "rhand": ("right", "hands_meanr")}


def osx_list(people: Sequence[Person]) -> dict[str, Any]:
    """People read as OSX reads them -> {entry of its list: array or dictionaries}; no box is NaN."""
    if not people:
        return {}
    found: dict[str, Any] = {
        "img_path": np.array([person.image for person in people]),
        "img_shape": np.array([person.image_size_px for person in people]),
        "bbox": np.stack([np.asarray(person.box) for person in people]),
    }
    for row in [_joints(person) for person in people]:
        for name, points in row.items():
            found.setdefault(name, []).append(points)
    if all(person.meta.get("set") in WITH_PARTS for person in people):
        for part in PARTS:
            boxes = [person.arrays.get(f"extra.{part}_box") for person in people]
            absent = np.full(4, np.nan)
            found[f"{part}_bbox"] = np.stack([absent if box is None else box for box in boxes])
            found[f"{part}_bbox_valid"] = np.array([box is not None for box in boxes])
    if all("extra.crop_affine" in person.arrays for person in people):
        affines = [person.arrays["extra.crop_affine"] for person in people]
        found["img2bb_trans_from_orig"] = np.stack(affines)
    for word in sorted({word for person in people for word in person.meta.get("osx", {})}):
        values = [person.meta["osx"].get(word) for person in people]
        documents = any(isinstance(value, Mapping) for value in values) or None in values
        found[word] = values if documents else np.array(values)
        found[f"{word}_json"] = values
    return found


def _joints(person: Person) -> dict[str, np.ndarray]:
    """-> joint_img (J,2 or 3), joint_cam (J,3) and joint_valid (J,1) of one person."""
    found = {}
    cam = next((v for n, v in person.arrays.items() if n.startswith("keypoints3d.")), None)
    image = next((v for n, v in person.arrays.items() if n.startswith("keypoints2d.")), None)
    if cam is not None:
        unit = MM_PER_M if person.meta.get("set") in IN_MILLIMETRES else 1.0
        cam = np.asarray(cam[:, :3]) * unit
        found["joint_cam"] = cam
    if image is not None:
        depth = np.zeros((len(image), 1)) if cam is None else cam[:, 2:3]
        points = np.concatenate([image[:, :2], depth], axis=1)
        found["joint_img"] = points[:, :2] if person.meta.get("set") in WITHOUT_DEPTH else points
        found["joint_valid"] = np.asarray(image[:, 2:])
    return found


def osx_document(people: Sequence[Person]) -> dict[str, Any]:
    """People -> {path of a file: its JSON}, laid out as OSX's MSCOCO; pictures go to images/train2017.

    Boxes lose the margin that readers add. A fit is written for people whose SMPL-X stands in the
    camera (translation and intrinsics known). The joint sets themselves are in `joints`, which other
    tools pass over; they read COCO-WholeBody's entries, made of the largest set.
    """
    names = list(dict.fromkeys(person.image for person in people))
    sizes = {person.image: person.image_size_px or (0, 0) for person in people}
    images = [
        {"id": number, "file_name": name, "height": sizes[name][0], "width": sizes[name][1]}
        for number, name in enumerate(names, start=1)
    ]
    numbers = {name: number for number, name in enumerate(names, start=1)}
    annotations, fits = [], {}
    for number, person in enumerate(people, start=1):
        annotations.append(_annotation(number, numbers[person.image], person))
        fit = _fit(person)
        if fit:
            fits[str(number)] = fit
    categories = [{"id": 1, "name": "person"}]
    return {
        "annotations/coco_wholebody_train_v1.0.json": {
            "images": images,
            "annotations": annotations,
            "categories": categories,
        },
        "annotations/MSCOCO_train_SMPLX.json": fits,
    }


def _annotation(number: int, image: int, person: Person) -> dict[str, Any]:
    sets = {
        n.partition(".")[2]: v for n, v in person.arrays.items() if n.startswith("keypoints2d.")
    }
    largest = max(sets, key=lambda name: len(sets[name]), default="")
    points = np.zeros((len(joint_set(WHOLE_BODY)), 3))
    if largest:
        points = convert(np.asarray(sets[largest], np.float64), largest, WHOLE_BODY)[0]
    parts = {word: points[rows].ravel().tolist() for word, rows in ENTRIES.items()}
    box = scaled_box(np.asarray(person.box, np.float64), 1 / BOX_SCALE)
    found: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": 1,
        "iscrowd": 0,
        "bbox": box.tolist(),
        "area": float(box[2] * box[3]),
        "num_keypoints": int((points[ENTRIES["keypoints"], 2] > 0).sum()),
        **parts,
        "joints": {name: np.asarray(values).ravel().tolist() for name, values in sets.items()},
    }
    for part, word in BOX_WORDS.items():
        corners = person.arrays.get(f"extra.{part}_box")
        found[f"{word}_valid"] = corners is not None
        ends = np.zeros(4) if corners is None else np.asarray(corners, np.float64)
        found[f"{word}_box"] = [*ends[:2].tolist(), *(ends[2:] - ends[:2]).tolist()]
    return found


def _fit(person: Person) -> dict[str, Any]:
    """-> NeuralAnnot's entry of a person, {} of one whose body or place is not known."""
    if any(name not in person.arrays for name in (*FIT_WORDS, "camera.intrinsics")):
        return {}
    lens = np.asarray(person.arrays["camera.intrinsics"], np.float64)
    parameters: dict[str, Any] = {
        word: _list(person.arrays[name]) for name, word in FIT_WORDS.items()
    }
    for part, (side, mean) in HANDS.items():
        pose = _from_mean(person, side, mean)
        parameters[f"{part}_valid"] = pose is not None
        if pose is not None:
            parameters[f"{part}_pose"] = _list(pose)
    face = {word: person.arrays.get(name) for name, word in FACE_WORDS.items()}
    parameters["face_valid"] = all(values is not None for values in face.values())
    if parameters["face_valid"]:
        parameters |= {word: _list(values) for word, values in face.items()}
    if person.meta.get("gender", "neutral") != "neutral":
        parameters["gender"] = person.meta["gender"]
    if person.meta.get("body_source") == "free":
        parameters["body_source"] = "free"
    camera = {"focal": [lens[0, 0], lens[1, 1]], "princpt": lens[:2, 2].tolist()}
    return {"smplx_param": parameters, "cam_param": camera}


def _from_mean(person: Person, side: str, mean: str) -> np.ndarray | None:
    """-> a hand's pose (45,) relative to the mean hand, or None without one."""
    pose = person.arrays.get(f"smplx.{side}_hand_pose")
    if pose is None:
        return person.arrays.get(f"extra.{side}_hand_pose_from_mean")
    from hpscli.body.layer import load_body

    source = "free" if person.meta.get("body_source") == "free" else "imported"
    means = load_body("smplx", source=source).hand_means
    return np.asarray(np.asarray(pose, np.float64) - np.asarray(means[mean], np.float64))


def _list(values: Any) -> list[float]:
    numbers: list[float] = np.asarray(values, np.float64).tolist()
    return numbers
