"""Official crops of one synthetic picture, and what happens to labels with them."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.data.augmentations import draws
from hpscli.data.augmentations.boxes import draw_scale_rotation
from hpscli.data.augmentations.colours import apply_channel_noise
from hpscli.data.official_crops import (
    hmr2,
    hmr2_box,
    mmhuman3d,
    pare_demo,
    spin,
    spin_affine,
    spin_scipy,
)
from hpscli.data.official_crops.labels import mmhuman3d_points, spin_points, turned_labels
from hpscli.data.preparation import crop_window
from hpscli.data.sample import decode_image
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, locate, read_golden

# SPEC 8, in normalised units: pixels through scikit-image, and through another OpenCV.
SKIMAGE, OPENCV = 1e-3, 0.02
LABELS = 1e-5  # float32 of metres, radians, crop units
AFFINE = 1e-4  # float32 of pixels up to 350
PIXELS = 2e-3  # mmhuman3d's affine is solved in float32
BOX_UNIT = 200.0  # px: official boxes are written in units of it
SIDE = 224
COARSE = 16  # every so many pixels of the noisy picture are stored
PICTURE = "goldens/synth_480x640.png"
VERSIONS = {"master_scipy": spin_scipy, "cuda11_skimage": spin}


def replay_spin(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/preprocess_spin.npz: four boxes, flips, rotations; picture, joints, pose."""
    golden, picture = read_golden(folder, "goldens/preprocess_spin.npz"), _picture(folder)
    for number, (place, change, noise) in enumerate(_cases(golden)):
        prefix = f"case{number}_"
        for version, crop in VERSIONS.items():
            pixels = crop(picture, **place, **change, channel_noise=noise)
            yield from _pixels(golden, f"{prefix}{version}_", pixels, SKIMAGE)
        affine = spin_affine(**place, rotation_degrees=change["rotation_degrees"], side=SIDE)
        key = f"{prefix}transform_matrix"
        yield compare(key, affine, golden[key], AFFINE, "px")
        points = spin_points(
            golden["kp2d_in"], **place, **change, mirror=joint_set("smpl49").mirror
        )
        yield compare(f"{prefix}kp2d_norm", points, golden[f"{prefix}kp2d_norm"], LABELS)
        points3d, pose = turned_labels(
            golden["kp3d_in"],
            golden["pose_in"],
            **change,
            mirror3d=joint_set("spin_gt24").mirror,
            flip_first=False,
        )
        yield compare(f"{prefix}kp3d", points3d, golden[f"{prefix}kp3d"], LABELS, "m")
        yield compare(f"{prefix}pose", pose, golden[f"{prefix}pose"], LABELS, "rad")


def replay_spin_demo(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/preprocess_spin_demo.npz: the box of a person, and the whole picture without one."""
    golden, picture = read_golden(folder, "goldens/preprocess_spin_demo.npz"), _picture(folder)
    x, y, width, height = (float(v) for v in golden["bbox_xywh"])
    center = np.array([x + width / 2, y + height / 2], np.float32)
    # The demo reads boxes as float32; corners are cut to whole pixels, so its rounding matters.
    scale = np.float32(max(width, height) / BOX_UNIT)
    yield compare("center", center, golden["center"], LABELS, "px")
    yield compare("scale", scale, golden["scale"], LABELS)
    rows, columns = picture.shape[:2]
    places: dict[str, tuple[Any, float]] = {
        "bbox": (center, BOX_UNIT * float(scale)),
        "noinfo": ((columns // 2, rows // 2), float(max(rows, columns))),
    }
    for name, (middle, size_px) in places.items():
        for version, crop in VERSIONS.items():
            pixels = crop(picture, middle, size_px)
            yield from _pixels(golden, f"{name}_{version}_", pixels, SKIMAGE)


def replay_mmhuman3d(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/preprocess_mmhuman3d.npz: the same boxes through noise, flip and affine."""
    golden, picture = read_golden(folder, "goldens/preprocess_mmhuman3d.npz"), _picture(folder)
    mirror = joint_set("smpl54").mirror
    for number, (place, change, _) in enumerate(_cases(golden)):
        prefix = f"case{number}_"
        noise = golden[f"{prefix}channel_noise_bgr"].ravel()[::-1]
        pixels = mmhuman3d(picture, **place, **change, channel_noise=noise)
        yield from _pixels(golden, prefix, pixels, OPENCV)
        points = mmhuman3d_points(
            golden["keypoints2d_in"],
            **place,
            **change,
            mirror=mirror,
            image_width=picture.shape[1],
        )
        key = f"{prefix}keypoints2d"
        yield compare(key, points, golden[key], PIXELS, "px")
        points3d, pose = turned_labels(
            golden["keypoints3d_in"],
            golden["pose_in"],
            **change,
            mirror3d=mirror,
            flip_first=True,
        )
        key = f"{prefix}keypoints3d"
        yield compare(key, points3d, golden[key], LABELS, "m")
        key = f"{prefix}smpl_global_orient"
        yield compare(key, pose[:3], golden[key], LABELS, "rad")
        key = f"{prefix}smpl_body_pose"
        yield compare(key, pose[3:].reshape(-1, 3), golden[key], LABELS, "rad")
        yield from _noisy(golden, prefix, picture, place["center"], flip=change["flip"])
    yield from _boxes(golden, picture, options)


def _noisy(
    golden: Mapping[str, Any], prefix: str, picture: Any, center: Any, *, flip: bool
) -> Iterator[ArrayCheck]:
    """The whole picture after channel noise, BGR; the centre of the box, after the mirror."""
    x, y = center
    key = f"{prefix}center"
    if key in golden:
        mirrored = picture.shape[1] - 1 - x if flip else x
        yield compare(key, [mirrored, y], golden[key], AFFINE, "px")
    key = f"{prefix}noise_img_sub{COARSE}"
    if key in golden:
        factors = golden[f"{prefix}channel_noise_bgr"].ravel()
        noisy = apply_channel_noise(picture[..., ::-1], factors)
        yield compare(key, noisy[::COARSE, ::COARSE], golden[key], 0.0, "grey levels")


def _boxes(golden: Mapping[str, Any], picture: Any, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """Boxes of annotation files -> centres and sides; what training draws for a side of 100 px."""
    size, window = picture.shape[:2], (SIDE, SIDE)
    if "bbox_xywhs" in golden:
        places = [crop_window(box, size, window, margin=1.0) for box in golden["bbox_xywhs"]]
        found = np.array([[*center, side, side] for center, side in places])
        yield compare("center_scale", found, golden["center_scale"], AFFINE, "px")
    for key in golden:
        if drawn := re.fullmatch(r"scale_rotation_draws_seed(\d+)", key):
            random, side = draws(int(drawn[1])), options.get("draw_size", 100)
            rows = [draw_scale_rotation(random) for _ in golden[key]]
            found = np.array([[side * factor, degrees] for factor, degrees in rows])
            yield compare(key, found, golden[key], AFFINE, "px, degrees")


def replay_hmr2(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/preprocess_hmr2.npz: three boxes, one large enough to be blurred."""
    golden, picture = read_golden(folder, "goldens/preprocess_hmr2.npz"), _picture(folder)
    for number, box in enumerate(golden["boxes_xyxy"]):
        prefix = f"box{number}_"
        center, size_px = hmr2_box(*box)
        key = f"{prefix}box_center"
        yield compare(key, center, golden[key], LABELS, "px")
        key = f"{prefix}box_size"
        yield compare(key, size_px, golden[key], AFFINE, "px")
        yield from _pixels(golden, prefix, hmr2(picture, center.tolist(), size_px), OPENCV)


def replay_pare_demo(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/preprocess_pare_demo.npz: one warp."""
    golden, picture = read_golden(folder, "goldens/preprocess_pare_demo.npz"), _picture(folder)
    x, y, width, _ = (float(v) for v in golden["bbox_cxcywh"])
    yield from _pixels(golden, "", pare_demo(picture, (x, y), width), OPENCV)


def _picture(folder: Path) -> Any:
    """-> the picture (480,640,3) uint8 RGB that every crop is made of."""
    return decode_image(locate(folder, PICTURE).read_bytes())


def _cases(
    golden: Mapping[str, Any],
) -> Iterator[tuple[dict[str, Any], dict[str, Any], list[float]]]:
    """-> where each case crops, how it changes the picture, and its channel noise."""
    for case in json.loads(str(golden["cases_json"])):
        place = {"center": case["center"], "size_px": BOX_UNIT * case["scale"]}
        yield place, {"rotation_degrees": case["rot"], "flip": bool(case["flip"])}, case["pn"]


def _pixels(
    golden: Mapping[str, Any], prefix: str, crop: Any, tolerance: float
) -> Iterator[ArrayCheck]:
    """Crop (3,S,S) -> checks against its stored grid, row, column, mean and deviation."""
    seen = {"mean": crop.mean(axis=(1, 2)), "std": crop.std(axis=(1, 2))}
    seen |= {f"sub{step}": crop[:, ::step, ::step] for step in (7, 8)}
    seen |= {f"row{at}": crop[:, at] for at in (111, 128)}
    seen |= {f"col{at}": crop[:, :, at] for at in (111, 128)}
    for name, value in seen.items():
        if prefix + name in golden:
            yield compare(prefix + name, value, golden[prefix + name], tolerance)
