import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpscli.data.batch import make_batch
from hpscli.data.crops import (
    compose,
    crop_affine,
    crop_box,
    decoder_reduction,
    from_crop_units,
    invert,
    make_crop,
    move_points,
    stored_crop,
    to_crop_units,
    warp,
)
from hpscli.data.sample import decode_image
from hpscli.records import Sample
from tests.data.people import person

pixels = st.floats(-500, 500)
sides = st.floats(5, 900)
angles = st.floats(-180, 180)


@given(pixels, pixels, sides, angles, st.booleans())
def test_the_centre_goes_to_the_middle_and_lengths_to_width_over_side(
    x: float, y: float, size: float, angle: float, flip: bool
) -> None:
    affine = crop_affine(np.array([x, y]), size, (96, 64), angle, flip)
    np.testing.assert_allclose(move_points(np.array([[x, y]]), affine)[0], [32, 48], atol=1e-6)
    assert abs(np.linalg.det(affine[:, :2])) == pytest.approx((64 / size) ** 2)
    assert (np.linalg.det(affine[:, :2]) < 0) == flip


@given(pixels, pixels, sides, angles)
def test_a_flip_mirrors_the_crop_and_twice_is_none(
    x: float, y: float, size: float, angle: float
) -> None:
    center = np.array([x, y])
    plain, flipped = (crop_affine(center, size, (64, 64), angle, flip) for flip in (False, True))
    points = np.array([[0.0, 0.0], [100.0, 50.0]])
    mirrored = move_points(points, flipped)
    mirrored[:, 0] = 64 - mirrored[:, 0]
    np.testing.assert_allclose(mirrored, move_points(points, plain), atol=1e-6)


@given(pixels, pixels, sides, angles, st.booleans())
def test_an_affine_and_its_inverse_compose_to_nothing(
    x: float, y: float, size: float, angle: float, flip: bool
) -> None:
    affine = crop_affine(np.array([x, y]), size, (64, 64), angle, flip)
    np.testing.assert_allclose(compose(affine, invert(affine)), np.eye(2, 3), atol=1e-6)


def test_a_positive_rotation_turns_x_towards_y() -> None:
    affine = crop_affine(np.array([50.0, 50.0]), 100, (100, 100), 90)
    np.testing.assert_allclose(
        move_points(np.array([[60.0, 50.0]]), affine)[0], [50, 60], atol=1e-9
    )


def test_crop_units_run_from_edge_to_edge() -> None:
    corners = np.array([[0.0, 0.0], [32.0, 24.0], [64.0, 48.0]])
    np.testing.assert_allclose(to_crop_units(corners, (48, 64)), [[-1, -1], [0, 0], [1, 1]])
    np.testing.assert_allclose(from_crop_units(to_crop_units(corners, (48, 64)), (48, 64)), corners)


def smooth_picture(side: int) -> np.ndarray:
    blobs = np.random.default_rng(3).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return cv2.resize(blobs, (side, side), interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("shrink", [1.0, 2.0, 3.1, 5.0])
def test_a_crop_that_shrinks_decodes_less_and_stays_in_place(shrink: float) -> None:
    image = smooth_picture(501)
    data = bytes(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 100])[1])
    side = round(400 / shrink)
    affine = crop_affine(np.array([250.0, 240.0]), 400, (side, side))
    expected = cv2.resize(image[40:440, 50:450], (side, side), interpolation=cv2.INTER_AREA)
    seen = warp(data, affine, (side, side))
    inner = slice(3, -3)
    difference = np.abs(seen[inner, inner].astype(int) - expected[inner, inner].astype(int))
    # half a pixel of the crop is what separates `resize` from an affine about pixel centres
    assert difference.mean() < 2.5


def test_a_reduced_decode_does_not_move_the_picture() -> None:
    image = np.zeros((512, 512, 3), np.uint8)
    cv2.circle(image, (200, 312), 20, (255, 255, 255), -1, cv2.LINE_AA)
    affine = crop_affine(np.array([256.0, 256.0]), 512, (128, 128))
    expected = move_points(np.array([[200.0, 312.0]]), affine)[0]
    jpg, png = (bytes(cv2.imencode(kind, image)[1]) for kind in (".jpg", ".png"))
    for data in (jpg, png):
        moments = cv2.moments(warp(data, affine, (128, 128))[..., 0])
        found = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
        np.testing.assert_allclose(found, expected, atol=0.05)


@pytest.mark.parametrize("side_px", [100, 300, 900])
def test_a_stored_crop_shows_the_same_people_as_the_original(side_px: int) -> None:
    image = smooth_picture(700)
    center, size = np.array([360.0, 340.0]), 300.0
    reduced = decoder_reduction(size, side_px)  # as a decoder makes it smaller
    small = cv2.resize(image, None, fx=1 / reduced, fy=1 / reduced, interpolation=cv2.INTER_AREA)
    data, affine = stored_crop(small, center, size, side_px=side_px, reduced=reduced, quality=100)
    side = decode_image(data).shape[0]
    assert 0 <= side - min(side_px, 540) <= 1  # never enlarged: 300 * 1.8, in whole pixels
    original = bytes(cv2.imencode(".png", image)[1])
    arrays = {"box.center": np.float32(center), "box.size": np.float32([size])}
    meta = {"image_size_px": [700, 700]}
    crops = []
    for stored, where in ((original, np.eye(2, 3)), (data, affine)):
        named = {**arrays, "image.affine": np.float32(where)}
        crops.append(make_crop(Sample(key="a", image=stored, arrays=named, meta=meta), (64, 64))[0])
    assert np.abs(crops[0].astype(int) - crops[1].astype(int)).mean() < 3


def test_the_window_may_be_higher_than_wide() -> None:
    crop, affine = make_crop(person(1), (64, 48))
    assert crop.shape == (64, 48, 3)
    np.testing.assert_allclose(move_points(np.array([[32.0, 30.0]]), affine)[0], [24, 32])


def boxed(width: float, height: float) -> Sample:
    """-> a person as it is stored with this box about the pixel 32, 30."""
    arrays = {"box.size": np.float32([max(width, height)])}
    if width != height:
        arrays["box.xywh"] = np.float32([32 - width / 2, 30 - height / 2, width, height])
    return person(1, arrays=arrays)


@pytest.mark.parametrize("window", [(64, 64), (64, 48), (48, 64), (512, 384)])
@pytest.mark.parametrize("box", [(20, 40), (40, 20), (30, 40), (30, 30)])
def test_a_box_touches_the_window_on_two_sides_and_lies_in_it(
    box: tuple[int, int], window: tuple[int, int]
) -> None:
    for affine in (
        make_crop(boxed(*box), window)[1],
        make_batch([boxed(*box)], window, "smpl24").affine[0].double().numpy(),
    ):
        half = np.array(box) / 2
        corners = move_points(np.array([[32, 30] - half, [32, 30] + half]), affine)
        shown = (corners[1] - corners[0]) / [window[1], window[0]]
        assert shown.max() == pytest.approx(1)


def test_a_box_in_whole_pixels_keeps_its_width() -> None:
    assert crop_box(boxed(83, 111), (512, 384))[1] == 83
    assert crop_box(boxed(14, 19), (512, 384))[1] == 14.25
