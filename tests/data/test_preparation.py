"""Each official preparation, as models name it, against recordings, and against its own affine."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.data import preparation as module
from hpscli.data.crops import move_points
from hpscli.data.preparation import (
    HMR2,
    METRO,
    METRO_DEMO,
    MMHUMAN3D,
    OSX,
    PARE_DEMO,
    PREPARATIONS,
    SPIN,
    SPIN_SCIPY,
    Preparation,
    crop_window,
    preparation,
)
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError

SPIN_VERSIONS = {"cuda11_skimage": SPIN, "master_scipy": SPIN_SCIPY}
SKIMAGE, OPENCV, METRO_PIXELS = 1e-3, 0.02, 1e-5  # tolerances of the references


def ids(found: Preparation) -> str:
    return found.name


def picture_of(path: Path) -> np.ndarray:
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


@pytest.fixture(scope="module")
def hmr(reference: Path) -> Path:
    return reference / "hmr" / "goldens"


@pytest.fixture(scope="module")
def picture(hmr: Path) -> np.ndarray:
    return picture_of(hmr / "synth_480x640.png")


def cases(golden: Any) -> Iterator[tuple[int, dict[str, Any], list[float]]]:
    for number, case in enumerate(json.loads(str(golden["cases_json"]))):
        place = {"center": case["center"], "size_px": 200 * case["scale"]}
        change = {"rotation_degrees": case["rot"], "flip": bool(case["flip"])}
        yield number, {**place, **change}, case["pn"]


@pytest.mark.parametrize("version", SPIN_VERSIONS)
def test_spin_gives_the_recorded_pixels_and_affines(
    version: str, hmr: Path, picture: np.ndarray
) -> None:
    golden, found = np.load(hmr / "preprocess_spin.npz"), SPIN_VERSIONS[version]
    for number, how, noise in cases(golden):
        crop = found.pixels(picture, **how, window=(224, 224), channel_noise=noise)
        recorded = golden[f"case{number}_{version}_sub7"]
        np.testing.assert_allclose(crop[:, ::7, ::7], recorded, rtol=0, atol=SKIMAGE)
        affine = found.affine(**{**how, "flip": False}, window=(224, 224))
        np.testing.assert_allclose(affine, golden[f"case{number}_transform_matrix"][:2], atol=1e-4)


@pytest.mark.parametrize("version", SPIN_VERSIONS)
def test_spin_takes_a_whole_picture_as_its_demo_does(
    version: str, hmr: Path, picture: np.ndarray
) -> None:
    golden, found = np.load(hmr / "preprocess_spin_demo.npz"), SPIN_VERSIONS[version]
    place = found.place(None, picture.shape[:2], (224, 224))
    crop = found.pixels(picture, *place, window=(224, 224))
    recorded = golden[f"noinfo_{version}_sub7"]
    np.testing.assert_allclose(crop[:, ::7, ::7], recorded, rtol=0, atol=SKIMAGE)
    assert found.place(None, (301, 201), (224, 224))[0].tolist() == [100, 150]


def test_mmhuman3d_gives_the_recorded_pixels_and_moves_points_as_recorded(
    hmr: Path, picture: np.ndarray
) -> None:
    from hpscli.body.joints import joint_set

    golden, mirror = np.load(hmr / "preprocess_mmhuman3d.npz"), joint_set("smpl54").mirror
    flipped = 0
    for number, how, _ in cases(golden):
        noise = golden[f"case{number}_channel_noise_bgr"].ravel()[::-1]
        crop = MMHUMAN3D.pixels(picture, **how, window=(224, 224), channel_noise=noise)
        recorded = golden[f"case{number}_sub7"]
        np.testing.assert_allclose(crop[:, ::7, ::7], recorded, rtol=0, atol=OPENCV)
        points = golden["keypoints2d_in"]
        points = points[list(mirror)] if how["flip"] else points
        moved = move_points(points[:, :2], MMHUMAN3D.affine(**how, window=(224, 224)))
        seen = points[:, 2] > 0
        recorded = golden[f"case{number}_keypoints2d"][seen, :2]
        np.testing.assert_allclose(moved[seen], recorded, atol=2e-3)
        flipped += how["flip"] and how["rotation_degrees"] != 0
    assert flipped  # otherwise the order of mirror and turn was not looked at


def test_pare_gives_the_recorded_pixels(hmr: Path, picture: np.ndarray) -> None:
    golden = np.load(hmr / "preprocess_pare_demo.npz")
    x, y, width, _ = golden["bbox_cxcywh"]
    crop = PARE_DEMO.pixels(picture, (x, y), float(width), window=(224, 224))
    np.testing.assert_allclose(crop[:, ::7, ::7], golden["sub7"], rtol=0, atol=OPENCV)


@pytest.mark.parametrize("number", range(3))
def test_hmr2_places_boxes_and_gives_the_recorded_pixels(
    number: int, hmr: Path, picture: np.ndarray
) -> None:
    golden = np.load(hmr / "preprocess_hmr2.npz")
    x0, y0, x1, y1 = (float(value) for value in golden["boxes_xyxy"][number])
    box = np.array([x0, y0, x1 - x0, y1 - y0])
    center, size_px = HMR2.place(box, (480, 640), HMR2.window)
    np.testing.assert_allclose(center, golden[f"box{number}_box_center"])
    np.testing.assert_allclose(size_px, golden[f"box{number}_box_size"], rtol=1e-6)
    crop = HMR2.pixels(picture, center, size_px, window=HMR2.window)
    recorded = golden[f"box{number}_sub8"]
    np.testing.assert_allclose(crop[:, ::8, ::8], recorded, rtol=0, atol=OPENCV)


@pytest.mark.parametrize("number", range(4))
def test_osx_gives_the_recorded_pixels_and_affines(number: int, reference: Path) -> None:
    golden = np.load(reference / "osx" / "goldens" / "preprocess.npz")
    image = golden["image_uint8"]
    x, y, width, height = (float(value) for value in golden[f"aug{number}_bbox"])
    scale, rotation, *noise, flip = golden[f"aug{number}_params"]
    how = {
        "center": (x + width / 2, y + height / 2),
        "size_px": width * scale,
        "window": OSX.window,
        "rotation_degrees": rotation,
        "flip": bool(flip),
    }
    crop = OSX.pixels(image, **how, channel_noise=noise)
    recorded = golden[f"aug{number}_patch_stride4"]
    np.testing.assert_allclose(crop.transpose(1, 2, 0)[::4, ::4] * 255, recorded, atol=1e-3)
    affine = golden[f"aug{number}_img2bb"].astype(np.float64)
    if flip:  # recorded for the mirrored picture
        affine[:, 2] += affine[:, 0] * (image.shape[1] - 1)
        affine[:, 0] *= -1
    np.testing.assert_allclose(OSX.affine(**how), affine, atol=2e-4)


def test_osx_places_boxes_as_recorded(reference: Path) -> None:
    golden = np.load(reference / "osx" / "goldens" / "preprocess.npz")
    size = golden["image_uint8"].shape[:2]
    known = 0
    for box, recorded in zip(golden["process_bbox_in"], golden["process_bbox_out"], strict=True):
        x, y, width, height = (float(value) for value in recorded)
        if not np.isfinite(recorded).all() or width <= 0:
            continue  # a box that official code refuses
        center, found = OSX.place(box, size, OSX.window)
        np.testing.assert_allclose([*center, found], [x + width / 2, y + height / 2, width])
        known += 1
    assert known >= 5


@pytest.mark.parametrize("target", ["body", "hand"])
def test_metro_gives_the_recorded_pixels(target: str, reference: Path) -> None:
    folder = reference / "metro_graphormer"
    golden = np.load(folder / "goldens" / f"preprocess_{target}.npz")
    image = picture_of(folder / "fixtures" / f"{target}_480x640.png")
    for number in range(4):
        prefix = f"{target}{number}_"
        crop = METRO.pixels(
            image,
            golden[f"{prefix}center"],
            200.0 * float(golden[f"{prefix}sc"]) * float(golden[f"{prefix}scale"]),
            window=(224, 224),
            rotation_degrees=float(golden[f"{prefix}rot"]),
            flip=bool(golden[f"{prefix}flip"]),
            channel_noise=golden[f"{prefix}pn"],
        )
        whole = f"{prefix}image" in golden
        step, recorded = (1, f"{prefix}image") if whole else (2, f"{prefix}image_stride2")
        np.testing.assert_allclose(
            crop[:, ::step, ::step], golden[recorded], rtol=0, atol=METRO_PIXELS
        )


@pytest.mark.parametrize("target", ["body", "hand"])
def test_metro_takes_a_whole_picture_as_its_demo_does(target: str, reference: Path) -> None:
    folder = reference / "metro_graphormer"
    golden = np.load(folder / "goldens" / "demo_transform.npz")
    image = picture_of(folder / "fixtures" / f"{target}_480x640.png")
    assert METRO.whole is METRO_DEMO
    place = METRO_DEMO.place(None, (480, 640), (224, 224))
    crop = METRO_DEMO.pixels(image, *place, window=(224, 224))
    recorded = golden[f"{target}_image_stride2"]
    np.testing.assert_allclose(crop[:, ::2, ::2], recorded, rtol=0, atol=METRO_PIXELS)


@settings(max_examples=20, deadline=None)
@given(height=st.integers(60, 700), width=st.integers(60, 700), seed=st.integers(0, 9))
def test_metro_takes_pictures_of_any_size_as_torchvision_does(
    height: int, width: int, seed: int
) -> None:
    from PIL import Image
    from torchvision import transforms

    image = np.random.RandomState(seed).randint(0, 256, (height, width, 3), np.uint8)
    theirs = transforms.Compose(
        [
            transforms.Resize(224),
            transforms.CenterCrop(224),
            transforms.ToTensor(),
            transforms.Normalize(mean=METRO.mean, std=METRO.std),
        ]
    )
    place = METRO_DEMO.place(None, (height, width), (224, 224))
    crop = METRO_DEMO.pixels(image, *place, window=(224, 224))
    away = (
        np.abs(crop - theirs(Image.fromarray(image)).numpy()) * np.array(METRO.std)[:, None, None]
    )
    # Pillow 13 resizes tall pictures in the other order: one grey level
    assert away.max() < (0.01 if width >= height else 1.01) / 255


@settings(max_examples=25, deadline=None)
@given(
    found=st.sampled_from([p for p in PREPARATIONS if p is not METRO_DEMO]),
    spot=st.tuples(st.floats(-0.3, 0.3), st.floats(-0.3, 0.3)),
    width_px=st.floats(140, 320),
    rotation=st.sampled_from([0.0, 20.0, -35.0]),
    flip=st.booleans(),
)
def test_what_lies_at_a_place_is_found_where_the_affine_says(
    found: Preparation, spot: tuple[float, float], width_px: float, rotation: float, flip: bool
) -> None:
    """Nearly: some cut boxes to whole pixels, some count from the edges of pixels."""
    center = np.array([251.3, 243.8])
    dot = center + np.array(spot) * width_px
    y, x = np.mgrid[:480, :500]
    light = np.exp(-((x - dot[0]) ** 2 + (y - dot[1]) ** 2) / (2 * 5.0**2))
    image = np.repeat(np.rint(255 * light)[..., None], 3, axis=2).astype(np.uint8)
    how = {"window": found.window, "rotation_degrees": rotation, "flip": flip}
    pixels = found.pixels(image, center, width_px, **how)
    crop = (pixels * np.array(found.std)[:, None, None] + np.array(found.mean)[:, None, None])[0]
    rows, columns = np.mgrid[: crop.shape[0], : crop.shape[1]]
    seen = np.array([(columns * crop).sum(), (rows * crop).sum()]) / crop.sum()
    expected = move_points(dot[None], found.affine(center, width_px, **how))[0]
    enlarged = found.window[1] / width_px
    column = 1.0 if flip and found.reverses_columns else 0.0  # W - 1 - x, where points go to W - x
    assert np.abs(seen - expected).max() < 0.6 + 1.1 * enlarged + column


@pytest.mark.parametrize("found", PREPARATIONS, ids=ids)
def test_a_crop_is_float32_of_the_window_in_rgb(found: Preparation) -> None:
    image = np.zeros((300, 300, 3), np.uint8)
    image[...] = (250, 120, 10)
    image[:4] = 0  # something to stretch a contrast between
    place = found.place(
        None if found is METRO_DEMO else np.array([90.0, 90, 80, 100]), (300, 300), (224, 224)
    )
    crop = found.pixels(image, *place, window=found.window)
    assert crop.dtype == np.float32 and crop.shape == (3, *found.window)
    colour = (crop[:, 100, 100] * found.std + found.mean) * 255
    assert colour[0] > colour[1] > colour[2]
    if found is not SPIN_SCIPY:
        np.testing.assert_allclose(colour, [250, 120, 10], atol=0.6)


@pytest.mark.parametrize("found", [METRO, SPIN, HMR2, PARE_DEMO], ids=ids)
def test_a_square_preparation_refuses_another_window(found: Preparation) -> None:
    with pytest.raises(UsageError, match="is square, the model's window is 256x192"):
        found.pixels(np.zeros((50, 50, 3), np.uint8), (25, 25), 40.0, window=(256, 192))


def test_osx_refuses_another_window() -> None:
    with pytest.raises(UsageError, match="512x384, the model's window is 224x224"):
        OSX.pixels(np.zeros((50, 50, 3), np.uint8), (25, 25), 40.0, window=(224, 224))


@pytest.mark.parametrize("name", ["METRO", "SPIN_SCIPY", "OSX"])
def test_a_model_names_its_preparation_by_a_target(name: str) -> None:
    assert preparation(f"hpscli.data.preparation:{name}") is getattr(module, name)


def test_fast_is_our_own_warp() -> None:
    assert preparation("fast") is None


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("hpscli.data.preparation:BOX_MARGIN", InvalidData),
        ("hpscli.data.preparation:NOBODY", MissingError),
        ("metro", UsageError),
    ],
)
def test_what_is_no_preparation_is_refused(target: str, kind: type[HpsError]) -> None:
    with pytest.raises(kind):
        preparation(target)


def test_a_demo_picture_with_a_box_is_cut_out_first() -> None:
    image = np.random.RandomState(0).randint(0, 256, (200, 300, 3), np.uint8)
    crop = METRO_DEMO.pixels(image, (150.0, 90.0), 112.0, window=(224, 224))
    alone = np.ascontiguousarray(image[34:146, 94:206])
    place = METRO_DEMO.place(None, (112, 112), (224, 224))
    np.testing.assert_array_equal(crop, METRO_DEMO.pixels(alone, *place, window=(224, 224)))


def test_osx_gives_a_box_that_is_nearly_outside_a_place_all_the_same() -> None:
    box = np.array([99.4, 10.0, 20.5, 30.0])
    center, width = OSX.place(box, (100, 100), OSX.window)
    expected = crop_window(box, (100, 100), OSX.window, 1.25)
    assert width > 0 and np.isfinite(center).all() and width == expected[1]
