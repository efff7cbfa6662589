"""Official crops against recordings of the official code (reference: hmr/goldens/preprocess_*.npz)."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from hpscli.body.joints import joint_set
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

CASES = range(4)
SKIMAGE = 1e-3  # tolerances of the reference's SPEC, in normalised units
OPENCV = 0.02


@pytest.fixture(scope="module")
def goldens(reference: Path) -> Path:
    return reference / "hmr" / "goldens"


@pytest.fixture(scope="module")
def picture(goldens: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(goldens / "synth_480x640.png"))[..., ::-1])


def load(goldens: Path, name: str) -> Any:
    return np.load(goldens / f"preprocess_{name}.npz")


def case(golden: Any, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    found = json.loads(str(golden["cases_json"]))[number]
    place = {"center": found["center"], "size_px": 200 * found["scale"]}
    return place, {
        "rotation_degrees": found["rot"],
        "flip": bool(found["flip"]),
        "noise": found["pn"],
    }


def assert_like(
    golden: Any, prefix: str, crop: np.ndarray, tolerance: float, step: int = 7
) -> None:
    """Compare a crop with the every-step-th pixels, the row, the column and the means recorded."""
    recorded = {name.removeprefix(f"{prefix}_" if prefix else ""): name for name in golden.files}
    kinds = [
        name for name in recorded if name.startswith(("sub", "row", "col")) and "_" not in name
    ]
    assert len(kinds) >= 2
    for kind in kinds:
        where = int(kind[3:])
        seen = {
            "sub": crop[:, ::step, ::step],
            "row": crop[:, where % 256],
            "col": crop[..., where % 256],
        }
        np.testing.assert_allclose(seen[kind[:3]], golden[recorded[kind]], rtol=0, atol=tolerance)
    np.testing.assert_allclose(crop.mean((1, 2)), golden[recorded["mean"]], rtol=0, atol=tolerance)


@pytest.mark.parametrize("number", CASES)
def test_spin_crops_like_the_official_code_with_skimage(
    goldens: Path, picture: np.ndarray, number: int
) -> None:
    golden = load(goldens, "spin")
    place, random = case(golden, number)
    noise = random.pop("noise")
    crop = spin(picture, **place, **random, channel_noise=noise)
    assert_like(golden, f"case{number}_cuda11_skimage", crop, SKIMAGE)


@pytest.mark.parametrize("number", CASES)
def test_spin_crops_like_the_published_code_with_scipy(
    goldens: Path, picture: np.ndarray, number: int
) -> None:
    golden = load(goldens, "spin")
    place, random = case(golden, number)
    noise = random.pop("noise")
    crop = spin_scipy(picture, **place, **random, channel_noise=noise)
    assert_like(golden, f"case{number}_master_scipy", crop, SKIMAGE)


@pytest.mark.parametrize("number", CASES)
def test_spin_labels_follow_the_crop(goldens: Path, number: int) -> None:
    golden = load(goldens, "spin")
    place, random = case(golden, number)
    random.pop("noise")
    affine = spin_affine(place["center"], place["size_px"], random["rotation_degrees"], 224)
    np.testing.assert_allclose(affine, golden[f"case{number}_transform_matrix"], atol=1e-4)
    points = spin_points(golden["kp2d_in"], **place, **random, mirror=joint_set("smpl49").mirror)
    np.testing.assert_allclose(points, golden[f"case{number}_kp2d_norm"], atol=1e-6)
    points3d, pose = turned_labels(
        golden["kp3d_in"],
        golden["pose_in"],
        **random,
        mirror3d=joint_set("spin_gt24").mirror,
        flip_first=False,
    )
    np.testing.assert_allclose(points3d, golden[f"case{number}_kp3d"], atol=1e-5)
    np.testing.assert_allclose(pose, golden[f"case{number}_pose"], atol=1e-5)


def test_the_spin_demo_crops_boxes_and_whole_pictures(goldens: Path, picture: np.ndarray) -> None:
    golden = load(goldens, "spin_demo")
    box = golden["center"], 200 * float(golden["scale"])
    whole = (320, 240), 640.0
    for name, (center, size_px) in {"bbox": box, "noinfo": whole}.items():
        skimage, scipy = spin(picture, center, size_px), spin_scipy(picture, center, size_px)
        assert_like(golden, f"{name}_cuda11_skimage", skimage, SKIMAGE)
        assert_like(golden, f"{name}_master_scipy", scipy, SKIMAGE)


@pytest.mark.parametrize("number", CASES)
def test_mmhuman3d_crops_and_labels_like_the_official_code(
    goldens: Path, picture: np.ndarray, number: int
) -> None:
    golden = load(goldens, "mmhuman3d")
    place, random = case(golden, number)
    random.pop("noise")
    noise = golden[f"case{number}_channel_noise_bgr"].ravel()[::-1]
    crop = mmhuman3d(picture, **place, **random, channel_noise=noise)
    assert_like(golden, f"case{number}", crop, OPENCV)
    mirror = joint_set("smpl54").mirror
    points = mmhuman3d_points(
        golden["keypoints2d_in"], **place, **random, mirror=mirror, image_width=640
    )
    np.testing.assert_allclose(points, golden[f"case{number}_keypoints2d"], atol=2e-3)
    points3d, pose = turned_labels(
        golden["keypoints3d_in"], golden["pose_in"], **random, mirror3d=mirror, flip_first=True
    )
    np.testing.assert_allclose(points3d, golden[f"case{number}_keypoints3d"], atol=1e-5)
    np.testing.assert_allclose(pose[:3], golden[f"case{number}_smpl_global_orient"], atol=1e-5)
    body = golden[f"case{number}_smpl_body_pose"].ravel()
    np.testing.assert_allclose(pose[3:], body, atol=1e-5)


@pytest.mark.parametrize("number", range(3))
def test_hmr2_enlarges_boxes_blurs_and_crops_like_the_official_code(
    goldens: Path, picture: np.ndarray, number: int
) -> None:
    golden = load(goldens, "hmr2")
    center, size_px = hmr2_box(*golden["boxes_xyxy"][number])
    np.testing.assert_allclose(center, golden[f"box{number}_box_center"])
    np.testing.assert_allclose(size_px, golden[f"box{number}_box_size"], rtol=1e-7)
    crop = hmr2(picture, center, size_px)
    assert_like(golden, f"box{number}", crop, OPENCV, step=8)


def test_the_pare_demo_crops_like_the_official_code(goldens: Path, picture: np.ndarray) -> None:
    golden = load(goldens, "pare_demo")
    x, y, width, _ = golden["bbox_cxcywh"]
    assert_like(golden, "", pare_demo(picture, (x, y), float(width)), OPENCV)


def test_a_box_outside_the_picture_gives_a_black_crop() -> None:
    picture = np.full((40, 60, 3), 200, np.uint8)
    crop = spin(picture, (-500.0, -500.0), 100.0)
    black = -np.array([0.485, 0.456, 0.406]) / np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(crop, np.broadcast_to(black[:, None, None], crop.shape), atol=1e-6)
