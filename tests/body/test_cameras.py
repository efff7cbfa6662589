"""Cameras: round trips between crop and image, and the official translation solver."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.body.cameras import (
    assumed_focal_px,
    project,
    project_weak,
    solve_translation,
    to_full_image,
    to_weak,
    weak_to_translation,
)
from hpscli.data.crops import from_crop_units
from hpscli.errors import InvalidData

scales, offsets = st.floats(0.3, 2.0), st.floats(-0.8, 0.8)
focals = st.floats(300, 6000)


def crop_affine(center: tuple[float, float], size: float, crop: tuple[int, int]) -> np.ndarray:
    scale = crop[1] / size
    shift = np.array([crop[1] / 2, crop[0] / 2]) - scale * np.asarray(center)
    return np.column_stack([np.eye(2) * scale, shift])


@given(scales, offsets, offsets, focals, st.sampled_from([224, 256, 512]))
@settings(max_examples=60, deadline=None)
def test_a_translation_puts_flat_figures_where_the_weak_camera_does(
    s: float, tx: float, ty: float, focal: float, size: int
) -> None:
    camera = torch.tensor([[s, tx, ty]], dtype=torch.float64)
    points = torch.tensor([[[0.0, 0, 0], [0.3, -0.5, 0], [-0.2, 0.4, 0]]], dtype=torch.float64)
    intrinsics = torch.tensor(
        [[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]], dtype=torch.float64
    )
    seen = project(points, intrinsics, weak_to_translation(camera, focal, size))
    expected = from_crop_units(project_weak(points, camera).numpy(), (size, size))
    np.testing.assert_allclose(seen.numpy(), expected, atol=1e-4)


@given(
    scales,
    offsets,
    offsets,
    st.one_of(st.none(), focals),
    st.tuples(st.floats(0, 640), st.floats(0, 480)),
    st.floats(40, 900),
    st.sampled_from([(224, 224), (512, 384)]),
)
@settings(max_examples=60, deadline=None)
def test_crop_camera_to_image_camera_and_back(
    s: float,
    tx: float,
    ty: float,
    focal: float | None,
    center: tuple[float, float],
    size: float,
    crop: tuple[int, int],
) -> None:
    weak = np.array([s, tx, ty])
    affine = crop_affine(center, size, crop)
    full = to_full_image(weak, affine, crop, (480, 640), focal)
    assert full.focal_assumed == (focal is None)
    np.testing.assert_allclose(to_weak(full, affine, crop), weak, rtol=1e-6, atol=1e-7)


@given(scales, offsets, offsets, st.floats(60, 300), st.sampled_from([(224, 224), (512, 384)]))
@settings(max_examples=40, deadline=None)
def test_a_flat_figure_lands_on_the_same_image_pixels_through_either_camera(
    s: float, tx: float, ty: float, size: float, crop: tuple[int, int]
) -> None:
    affine = crop_affine((420.0, 130.0), size, crop)
    weak = np.array([s, tx, ty])
    points = np.array([[0.0, 0, 0], [0.3, -0.5, 0], [-0.2, 0.4, 0]])  # no depth: no perspective
    full = to_full_image(weak, affine, crop, (480, 640))
    image = project(
        torch.from_numpy(points)[None],
        torch.from_numpy(full.intrinsics),
        torch.from_numpy(full.translation)[None],
    )[0].numpy()
    in_crop = from_crop_units(
        project_weak(torch.from_numpy(points)[None], torch.from_numpy(weak)[None], crop)[0].numpy(),
        crop,
    )
    np.testing.assert_allclose(image @ affine[:, :2].T + affine[:, 2], in_crop, atol=1e-4)


def test_a_person_is_not_stretched_in_a_tall_crop() -> None:
    crop = (512, 384)
    cross = torch.tensor([[[0.0, 0, 0], [0.5, 0, 0], [0, 0.5, 0]]], dtype=torch.float64)
    camera = torch.tensor([[0.9, 0.1, -0.2]], dtype=torch.float64)
    middle, right, below = from_crop_units(project_weak(cross, camera, crop)[0].numpy(), crop)
    assert right[0] - middle[0] == pytest.approx(float(below[1] - middle[1]))


def test_a_network_that_says_scale_zero_gets_a_finite_depth() -> None:
    assert torch.isfinite(weak_to_translation(torch.zeros(1, 3), 5000.0, 224)).all()
    full = to_full_image(np.zeros(3), crop_affine((0, 0), 100, (224, 224)), (224, 224), (480, 640))
    assert np.isfinite(full.translation).all()


def test_the_assumed_focal_length_is_the_diagonal() -> None:
    assert assumed_focal_px((480, 640)) == 800.0


@given(st.integers(0, 1000), focals)
@settings(max_examples=30, deadline=None)
def test_the_true_translation_is_found_from_exact_projections(seed: int, focal: float) -> None:
    random = np.random.default_rng(seed)
    points = random.normal(0, 0.4, (12, 3))
    truth = np.array([0.2, -0.1, 2 * focal / 224])
    placed = points + truth
    pixels = focal * placed[:, :2] / placed[:, 2:] + np.array([160, 120])
    confidence = random.uniform(0.1, 1, 12)
    found = solve_translation(points, pixels, focal, (240, 320), confidence)
    np.testing.assert_allclose(found, truth, rtol=1e-6, atol=1e-6)


def test_a_joint_without_confidence_has_no_say() -> None:
    points = np.random.default_rng(0).normal(0, 0.4, (6, 3))
    truth = np.array([0.1, 0.2, 5.0])
    pixels = 500 * (points + truth)[:, :2] / (points + truth)[:, 2:] + 112
    pixels[0] = 1e6
    confidence = np.array([0.0, 1, 1, 1, 1, 1])
    np.testing.assert_allclose(
        solve_translation(points, pixels, 500, (224, 224), confidence), truth, atol=1e-8
    )


def test_one_seen_joint_is_too_few_and_says_so() -> None:
    with pytest.raises(InvalidData, match="needs two seen joints, got 1"):
        solve_translation(np.zeros((3, 3)), np.zeros((3, 2)), 5000, (224, 224), np.eye(3)[0])


def test_official_translations_are_reproduced(reference: Path) -> None:
    golden = np.load(reference / "hmr" / "goldens" / "rotations.npz")
    found = solve_translation(
        golden["est_S"], golden["est_joints2d"], 5000, (224, 224), golden["est_conf"]
    )
    np.testing.assert_allclose(found, golden["est_translation"], rtol=1e-9)


def test_official_camera_and_projection_are_reproduced(reference: Path) -> None:
    golden = np.load(reference / "hmr" / "goldens" / "hmr_spin.npz")
    translation = weak_to_translation(torch.from_numpy(golden["camera"]), 5000.0, 224)
    np.testing.assert_allclose(translation.numpy(), golden["pred_cam_t"], rtol=1e-5)
    intrinsics = torch.tensor([[5000.0, 0, 0], [0, 5000.0, 0], [0, 0, 1]])
    pixels = project(torch.from_numpy(golden["joints49"]), intrinsics, translation)
    np.testing.assert_allclose(pixels.numpy() / 112, golden["keypoints2d_norm"], atol=1e-4)
