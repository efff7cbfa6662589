"""2D joints near the truth, counted as HMR 2.0 does."""

import numpy as np

from hpscli.metrics.keypoints2d import average, hits, normalised, pck, weighted_squares


def test_joints_that_nobody_has_seen_are_left_out() -> None:
    truth = np.zeros((2, 3, 2))
    predicted = np.array([[[0.04, 0], [0.2, 0], [0, 0]], [[0.06, 0], [0.01, 0], [0, 0]]])
    confidence = np.array([[1, 1, 0], [1, 0.4, 0.5]])
    shares = pck(predicted, truth, confidence, 0.05)
    assert shares[:2].tolist() == [0.5, 0.0]
    assert np.isnan(shares[2])
    assert average(shares) == 0.25


def test_nobody_seen_at_all_gives_zero_as_the_official_average() -> None:
    assert average(pck(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.zeros((2, 3)), 0.1)) == 0.0


def test_points_are_sized_by_the_person_not_by_the_crop() -> None:
    sized = normalised(np.ones((1, 1, 2)), np.array([300.0]), np.array([[1.0, 0.5]]))
    assert sized.tolist() == [[[1.5, 1.5]]]


def test_a_hit_exactly_at_the_threshold_is_a_miss_in_float32() -> None:
    truth = np.zeros((1, 2, 2))
    predicted = np.array([[[0.1, 0.0], [np.nextafter(np.float32(0.1), np.float32(0)), 0.0]]])
    assert hits(predicted, truth, np.ones((1, 2)), 0.1).tolist() == [[0.0, 1.0]]


def test_a_prediction_that_is_nan_is_a_miss_where_the_joint_is_seen() -> None:
    predicted = np.array([[[np.nan, 0.0], [np.nan, 0.0]]])
    found = hits(predicted, np.zeros((1, 2, 2)), np.array([[1.0, 0.2]]), 0.1)
    assert found[0, 0] == 0.0 and np.isnan(found[0, 1])


def test_squares_are_weighted_and_averaged_over_all_joints() -> None:
    predicted = np.array([[[3.0, 4.0], [1.0, 0.0]]])
    confidence = np.array([[0.5, 0.0]])
    assert weighted_squares(predicted, np.zeros((1, 2, 2)), confidence).tolist() == [6.25]
