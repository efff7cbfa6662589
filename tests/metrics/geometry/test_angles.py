"""Angles between rotations, beside OpenCV's Rodrigues."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from hpscli.errors import InvalidData
from hpscli.metrics.geometry.angles import angle_errors, rotation_angles

VECTORS = arrays(np.float64, 3, elements=st.floats(-3, 3))


def matrix(vector: np.ndarray) -> np.ndarray:
    return cv2.Rodrigues(np.asarray(vector, np.float64))[0]


@given(VECTORS, VECTORS, st.floats(0.5, 2.0))
def test_the_angle_is_that_of_opencv_even_when_the_prediction_is_scaled(
    first: np.ndarray, second: np.ndarray, scale: float
) -> None:
    predicted, truth = scale * matrix(first), matrix(second)
    official = np.degrees(np.linalg.norm(cv2.Rodrigues(predicted @ truth.T)[0]))
    ours = angle_errors(predicted[None, None], truth[None, None])[0, 0]
    assert ours == pytest.approx(official, abs=2e-6)  # the arc cosine of the official code


@pytest.mark.parametrize(
    "given_matrix",
    [
        np.diag([1.0, 1.0, -1.0]),
        np.diag([1.0, -1.0, -1.0]),
        np.random.RandomState(0).randn(3, 3),
        -np.eye(3) @ cv2.Rodrigues(np.array([0.3, -0.2, 0.7]))[0],
    ],
)
def test_mirrored_and_half_turned_matrices_have_opencvs_angle(given_matrix: np.ndarray) -> None:
    official = np.degrees(np.linalg.norm(cv2.Rodrigues(given_matrix)[0]))
    assert rotation_angles(given_matrix[None])[0] == pytest.approx(official, abs=1e-6)


def test_a_full_inversion_has_no_angle() -> None:
    assert np.isnan(cv2.Rodrigues(-np.eye(3))[0]).any()
    assert np.isnan(rotation_angles(-np.eye(3)[None])[0])


def test_a_turn_of_the_whole_person_is_put_before_the_prediction() -> None:
    truth = np.stack([matrix(v) for v in np.random.RandomState(1).randn(4, 3)])[None]
    turn = matrix(np.array([0.2, 0.1, -0.4]))
    away = np.matmul(turn.T, truth)
    assert angle_errors(away, truth).min() > 20
    assert angle_errors(away, truth, turn[None]).max() == pytest.approx(0.0, abs=1e-6)


def test_nan_is_refused() -> None:
    with pytest.raises(InvalidData, match="NaN"):
        rotation_angles(np.full((1, 3, 3), np.nan))
