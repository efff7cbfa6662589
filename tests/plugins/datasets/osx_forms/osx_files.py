"""Tiny data sets as OSX keeps them: MSCOCO, UBody, Human36M, AGORA, EHF."""

import json
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT = 200, 100
BOX = [20.0, 10.0, 60.0, 40.0]
FIT = {
    "root_pose": [0.1, 0.2, 0.3],
    "body_pose": [0.01] * 63,
    "shape": [0.5] + [0.0] * 9,
    "trans": [0.1, 0.2, 3.0],
    "lhand_pose": [0.2] * 45,
    "rhand_pose": [0.3] * 45,
    "jaw_pose": [0.1, 0.0, 0.0],
    "expr": [0.4] * 10,
}
LENS = {"focal": [500.0, 510.0], "princpt": [100.0, 50.0]}


def put(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), encoding="utf-8")


def image(number: int, name: str, **more: Any) -> dict[str, Any]:
    return {"id": number, "file_name": name, "width": WIDTH, "height": HEIGHT, **more}


def whole_body(number: int, **more: Any) -> dict[str, Any]:
    """Everything is labelled but the left hand's wrist and half of the face."""
    hand = [[0.0, 0.0, 0.0]] + [[30.0, 30.0, 1.0]] * 20
    face = [[50.0, 12.0, 1.0], [60.0, 22.0, 1.0]] * 17 + [[0.0, 0.0, 0.0]] * 34
    return {
        "id": number,
        "image_id": 1,
        "iscrowd": 0,
        "num_keypoints": 17,
        "bbox": BOX,
        "keypoints": np.ravel([[40.0 + j, 20.0 + j, 2.0] for j in range(17)]).tolist(),
        "foot_kpts": [45.0, 45.0, 1.0] * 6,
        "lefthand_kpts": np.ravel(hand).tolist(),
        "righthand_kpts": [70.0, 30.0, 0.5] * 21,
        "face_kpts": np.ravel(face).tolist(),
        "lefthand_valid": True,
        "righthand_valid": False,
        "face_valid": True,
        "lefthand_box": [25, 25, 11, 21],
        "righthand_box": [0.0, 0.0, 0.0, 0.0],
        "face_box": [48.0, 10.0, 14.0, 14.0],
        "valid_label": 2,
        **more,
    }


def mscoco(root: Path, *people: dict[str, Any], part: str = "train") -> Path:
    """-> the folder that holds MSCOCO; everybody has a fit."""
    labels = root / "MSCOCO" / "annotations"
    document = {"images": [image(1, "000000000001.jpg")], "annotations": list(people)}
    put(labels / f"coco_wholebody_{part}_v1.0.json", document)
    fits = {str(p["id"]): {"smplx_param": FIT, "cam_param": LENS} for p in people}
    put(labels / "MSCOCO_train_SMPLX.json", fits)
    return root


def ubody(root: Path, *people: dict[str, Any], scene: str = "Talk") -> Path:
    """Pictures 1 and 3 are there, of videos A (train) and B (test); 2 is missing, of video A."""
    labels = root / "UBody" / "annotations" / scene
    names = ("/A_Trim1/000001.png", "A_Trim1/000002.png", "B_Trim2/000001.png")
    images = [image(number, name) for number, name in enumerate(names, start=1)]
    put(labels / "keypoint_annotation.json", {"annotations": list(people), "images": images})
    fits = {str(p["id"]): {"smplx_param": FIT, "cam_param": LENS} for p in people}
    put(labels / "smplx_annotation.json", fits)
    for name in (names[0][1:], names[2]):
        path = root / "UBody" / "images" / scene / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    lists = root / "UBody" / "splits"
    lists.mkdir(exist_ok=True)
    np.save(lists / "intra_scene_test_list.npy", np.array(["B"]))
    np.save(lists / "inter_scene_test_list.npy", np.array(["A"]))
    return root


def human36m(root: Path, rotation: np.ndarray, fitted: bool = True) -> Path:
    """Subject 9, camera 4, frame 0, and subject 11 with nobody; joints stand 4 m before the camera."""
    start = root / "Human36M" / "annotations"
    joints = (np.random.default_rng(3).normal(0, 200, (17, 3)) @ rotation).tolist()
    place = {"action_idx": 2, "subaction_idx": 1, "frame_idx": 0, "cam_idx": 4, "subject": 9}
    people = [{"id": 1, "image_id": 1, "bbox": BOX}]
    camera = {"R": rotation.tolist(), "t": [10.0, 20.0, 4000.0], "f": [500, 500], "c": [100, 50]}
    for subject, found in ((9, True), (11, False)):
        name = start / f"Human36M_subject{subject}"
        images = [image(1, "s/f.jpg", **place)] if found else []
        put(Path(f"{name}_data.json"), {"images": images, "annotations": people if found else []})
        put(Path(f"{name}_camera.json"), {"4": camera})
        put(Path(f"{name}_joint_3d.json"), {"2": {"1": {"0": joints}}})
        fits = {
            "2": {"1": {"0": {k: FIT[k] for k in ("root_pose", "body_pose", "shape", "trans")}}}
        }
        put(Path(f"{name}_SMPLX_NeuralAnnot.json"), fits if fitted else {})
    return root


def agora(root: Path, *, whole_picture: bool) -> Path:
    """One valid person of a 4K picture, her crop at half its size, and one without a crop."""
    folder = root / "AGORA" / "data"
    names = {"file_name_3840x2160": "3840x2160/train_0/a.png", "file_name_1280x720": "none.png"}
    paths = {
        "smplx_joints_2d_path": "j2d.json",
        "smplx_joints_3d_path": "j3d.json",
        "smplx_verts_path": "v.obj",
        "smplx_param_path": "p.pkl",
    }
    person = {
        "image_id": 1,
        "is_valid": True,
        "bbox": [1000.0, 500.0, 200.0, 400.0],
        "lhand_bbox": [1050.0, 600.0, 40.0, 40.0],
        "rhand_bbox": [1100.0, 600.0, 40.0, 40.0],
        "face_bbox": [0.0, 0.0, 0.0, 0.0],
        **paths,
    }
    annotations = [{"id": 7, **person}, {"id": 8, **person}, {"id": 9, **person, "is_valid": False}]
    document = {"images": [{"id": 1, **names}], "annotations": annotations}
    put(folder / "AGORA_train.json", document)
    about = {
        "img2bb_trans": [[0.5, 0, -450], [0, 0.5, -200]],
        "resized_height": 512,
        "resized_width": 384,
    }
    put(folder / "3840x2160" / "train_0_crop" / "a_ann_id_7.json", about)
    put(folder / "j2d.json", [[1100.0, 700.0]] * 127)
    put(folder / "j3d.json", [[0.0, 0.0, 5.0]] * 127)
    numbers = {"betas": 11, "body_pose": 63, "jaw_pose": 3, "expression": 10, "global_orient": 3}
    numbers |= {"transl": 3, "left_hand_pose": 45, "right_hand_pose": 45}
    import pickle

    fit = {name: np.full((1, count), 0.1, np.float32) for name, count in numbers.items()}
    (folder / "p.pkl").write_bytes(pickle.dumps(fit))
    if whole_picture:
        (folder / "3840x2160" / "train_0").mkdir()
        (folder / "3840x2160" / "train_0" / "a.png").touch()
    return root


def ehf(root: Path, *, text: bool = False) -> Path:
    """One person with a mesh of SMPL-X's size."""
    folder = root / "EHF" / "data"
    boxes = ("lefthand_bbox", "righthand_bbox", "face_bbox", "body_bbox")
    person = {"id": 0, "image_id": 1, **dict.fromkeys(boxes, BOX)}
    put(folder / "EHF.json", {"images": [image(1, "01_img.jpg")], "annotations": [person]})
    points = np.random.default_rng(1).normal(0, 0.3, (10475, 3)).astype("<f4")
    kind = "ascii" if text else "binary_little_endian"
    axes = "".join(f"property float {axis}\n" for axis in "xyz")
    head = f"ply\nformat {kind} 1.0\nelement vertex 10475\n{axes}end_header\n"
    rows = "\n".join(" ".join(map(repr, row)) for row in points.tolist())
    (folder / "01_align.ply").write_bytes(
        head.encode() + (rows.encode() if text else points.tobytes())
    )
    return root
