"""The rule of protocols that say everything in their fields."""

import numpy as np

from hpscli.metrics.joint_rule import joint_distances_mm
from hpscli.metrics.protocols import Points, measure
from hpscli.registry import get_registry

PROTOCOL = get_registry().protocol("synthetic/test@smpl24-v1")


def test_the_mean_over_known_joints_is_the_persons_error() -> None:
    random = np.random.RandomState(0)
    prediction, truth = random.randn(5, 24, 3), random.randn(5, 24, 3)
    mask = random.rand(5, 24) > 0.3
    mask[:, 0] = True
    points = Points(truth, mask=mask)
    distances = joint_distances_mm(PROTOCOL, Points(prediction), points)
    assert np.isnan(distances[~mask]).all() and (distances[:, 0] == 0).all()
    mpjpe = measure(PROTOCOL, Points(prediction), points)["mpjpe"]
    np.testing.assert_allclose(np.nanmean(distances, axis=1), mpjpe, rtol=1e-12)


def test_without_the_root_no_joint_is_known() -> None:
    mask = np.ones((1, 24), bool)
    mask[0, 0] = False
    zeros = np.zeros((1, 24, 3))
    assert np.isnan(joint_distances_mm(PROTOCOL, Points(zeros), Points(zeros, mask=mask))).all()
