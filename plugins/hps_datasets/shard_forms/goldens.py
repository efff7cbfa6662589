"""What official loaders make of these files, in the entries of their goldens."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.data.official_crops import hmr2, mmhuman3d_affine
from hpscli.data.official_crops.labels import metro_labels
from hpscli.data.people import ABSENT, picture_bytes
from hpscli.data.preparation import METRO
from hpscli.data.sample import decode_image
from hpscli.records import Person, Picture

BOX_UNIT = 200.0
HMR2_SIDE = 256  # px
ASPECT = 192 / 256  # width over height that its boxes are enlarged to
BEDLAM_PARTS = {
    **{name: (3,) for name in ("global_orient", "jaw_pose", "leye_pose", "reye_pose", "transl")},
    "body_pose": (21, 3),
    "left_hand_pose": (15, 3),
    "right_hand_pose": (15, 3),
}
ROOTS = {"metro24": 14, "metro_hand21": 0}  # pelvis, wrist


def metro_rows(people: Sequence[Person], root: Path) -> dict[str, np.ndarray]:
    """People -> the entries of expected/metro: as METRO's data sets give them for evaluation."""
    rows = [_metro_row(person, root) for person in people]
    found = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    found["img_key"] = np.array([person.image for person in people])
    found["line_list"] = np.arange(len(people))
    return found


def _metro_row(person: Person, root: Path) -> dict[str, Any]:
    box = np.asarray(person.box)
    center, side = box[:2] + box[2:] / 2, float(box[2])
    picture = person.picture or Picture(path=person.image)
    image = decode_image(picture_bytes(root, picture))
    pixels = METRO.pixels(image, center, side, window=METRO.window)
    held = {name.removeprefix(ABSENT): array for name, array in person.arrays.items()}
    body = "smpl" if "smpl.body_pose" in held else "mano"
    part = "body_pose" if body == "smpl" else "hand_pose"
    pose = np.concatenate([held[f"{body}.{name}"] for name in ("global_orient", part)])
    name = next(name for name in held if name.startswith("keypoints2d."))
    joints = name.partition(".")[2]
    points, places, turned = metro_labels(
        held[name],
        held[f"keypoints3d.{joints}"],
        pose,
        center.tolist(),
        side,
        root=ROOTS[joints],
        mirror=joint_set(joints).mirror,
    )
    return {
        "image_mean": pixels.mean(),
        "image_std": pixels.std(),
        "image_stride16": pixels[:, ::16, ::16],
        "image_first64": pixels[0].ravel()[:64],
        "pose": turned,
        "betas": held[f"{body}.betas"],
        "joints_3d": places,
        "joints_2d": points,
        "has_3d_joints": int(f"keypoints3d.{joints}" in person.arrays),
        "has_2d_joints": int(name in person.arrays),
        "has_smpl": int(f"{body}.{part}" in person.arrays),
        "scale": side / BOX_UNIT,
        "center": center,
        "gender": person.meta["gender"],
    }


def hmr2_rows(people: Sequence[Person], root: Path) -> dict[str, np.ndarray]:
    """People -> the entries of expected/hmr2/hmr2__webdataset: as 4D-Humans' loader gives them."""
    rows = [_hmr2_row(person, root) for person in people]
    found = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
    found["imgname"] = np.array([person.image.rpartition(".")[0] for person in people])
    return found


def _hmr2_row(person: Person, root: Path) -> dict[str, Any]:
    box = np.asarray(person.box)
    center, size = box[:2] + box[2:] / 2, box[2:]
    width, height = size
    side = float(max(height, width, height * ASPECT, width / ASPECT))
    picture = person.picture or Picture(path=person.image)
    image = decode_image(picture_bytes(root, picture))
    pixels = hmr2(image, center.tolist(), side, side=HMR2_SIDE)
    affine = mmhuman3d_affine((float(center[0]), float(center[1])), side, 0.0, HMR2_SIDE)
    mask = _cropped_mask(person.arrays.get("extra.mask", np.ones(image.shape[:2])), affine)
    held = {name.removeprefix(ABSENT): array for name, array in person.arrays.items()}
    points = held["keypoints2d.hmr2_44"]
    moved = points[:, :2] @ affine[:, :2].T + affine[:, 2]
    return {
        "img_mean": pixels.mean(),
        "img_std": pixels.std(),
        "img_stride16": pixels[:, ::16, ::16],
        "mask_mean": mask.mean(),
        "mask_stride16": mask[::16, ::16],
        "keypoints_2d": np.hstack([moved / HMR2_SIDE - 0.5, points[:, 2:]]),
        "keypoints_3d": held["keypoints3d.hmr2_44"],
        "orig_keypoints_2d": points,
        "box_center": center,
        "box_size": side,
        "img_size": np.array(image.shape[1::-1], np.float64),
        "_scale": size / BOX_UNIT,
        "_trans": affine,
        "smpl_global_orient": held["smpl.global_orient"],
        "smpl_body_pose": held["smpl.body_pose"],
        "smpl_betas": held["smpl.betas"],
        "has_global_orient": float("smpl.global_orient" in person.arrays),
        "has_body_pose": float("smpl.body_pose" in person.arrays),
        "has_betas": float("smpl.betas" in person.arrays),
    }


def _cropped_mask(mask: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """-> (256,256) 0..1; one that has nothing of the person is all ones."""
    import cv2

    shown = np.asarray(mask).astype(np.uint8) * 255
    size = (HMR2_SIDE, HMR2_SIDE)
    cropped = cv2.warpAffine(shown, affine, size, flags=cv2.INTER_LINEAR) / 255.0
    return np.ones_like(cropped) if (cropped < 0.5).all() else np.asarray(cropped)


def bedlam_rows(people: Sequence[Person], root: Path) -> dict[str, np.ndarray]:
    """People -> the entries of expected/derived/bedlam__*: what its format means, by reading."""

    def stacked(name: str) -> np.ndarray:
        return np.stack([person.arrays[name] for person in people])

    boxes = np.stack([np.asarray(person.box) for person in people])
    cameras = stacked("camera.intrinsics")
    found = {
        f"smplx.{name}": stacked(f"smplx.{name}").reshape(len(people), *shape)
        for name, shape in BEDLAM_PARTS.items()
    }
    pictures = [person.picture or Picture(path=person.image) for person in people]
    return {
        **found,
        "image_path": np.array([p.image.removeprefix("training_images/") for p in people]),
        "rotate_image_clockwise": np.array(pictures[0].turns == 1),
        "center": boxes[:, :2] + boxes[:, 2:] / 2,
        "box_side": boxes[:, 2],
        "bbox_xywh": boxes,
        "smplx.betas": np.stack([_eleven(person.arrays) for person in people]),
        "smplx.flat_hand_mean": np.array(True),
        "keypoints2d_smplx127": stacked("keypoints2d.smplx127"),
        "focal": cameras[:, [0, 1], [0, 1]],
        "principal": cameras[:, :2, 2],
        "gender": np.array([person.meta["gender"] for person in people]),
        "train_len_if_crop_percent_is_0_8": np.array(int(0.8 * len(people))),
    }


def _eleven(arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """-> (11,) shape numbers, the last 0 where the file has ten."""
    return np.asarray(arrays.get("extra.betas11", np.append(arrays["smplx.betas"], 0.0)))
