"""A protocol's metrics of tensors, and the rule of joints on them, beside those of arrays."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hpscli.errors import InvalidData
from hpscli.metrics import joint_rule, protocols, tensor_points, tensors
from hpscli.metrics.joint_rule import JointRule
from hpscli.metrics.protocols import METRICS, Points
from hpscli.metrics.rules import People
from hpscli.metrics.tensor_points import TensorPoints
from hpscli.records import Prediction
from hpscli.registry import get_registry
from tests.plugins.benchmarks.bodies.people import COUNT, body, people, prediction, samples

PROTOCOL = get_registry().protocol("synthetic/test@smpl24-v1")
EVERY = replace(PROTOCOL, metrics=tuple(METRICS))
CLOSE = {"rtol": 1e-12, "atol": 1e-9}  # of millimetres and percent


def two_sides(mesh: bool = True) -> tuple[Points, Points]:
    random = np.random.RandomState(5)
    joints, vertices = random.randn(6, 24, 3), random.randn(6, 50, 3)
    mask = random.rand(6, 24) > 0.2
    mask[:, 0] = True
    mask[4, 0] = False  # nobody knows where the root is
    mask[5] = False
    true_vertices = vertices + 0.05 * random.randn(6, 50, 3)
    true_vertices[2] = np.nan
    return (
        Points(joints, vertices if mesh else None),
        Points(joints + 0.05 * random.randn(6, 24, 3), true_vertices if mesh else None, mask),
    )


def as_tensors(points: Points) -> TensorPoints:
    arrays = (points.joints, points.vertices, points.mask)
    return TensorPoints(*(None if array is None else torch.from_numpy(array) for array in arrays))


@pytest.mark.parametrize("mesh", [True, False])
@pytest.mark.parametrize("root", [PROTOCOL.root, ()])
def test_every_metric_is_that_of_arrays(mesh: bool, root: tuple[str, ...]) -> None:
    protocol = replace(EVERY, root=root)
    sides = two_sides(mesh)
    ours = tensor_points.measure(protocol, *map(as_tensors, sides))
    theirs = protocols.measure(protocol, *sides)
    assert list(ours) == list(METRICS)
    for name, values in theirs.items():
        assert ours[name].dtype == torch.float64
        np.testing.assert_allclose(ours[name], values, **CLOSE, err_msg=name)
    np.testing.assert_allclose(
        tensor_points.joint_distances_mm(protocol, *map(as_tensors, sides)),
        joint_rule.joint_distances_mm(protocol, *sides),
        **CLOSE,
    )


def test_points_come_back_as_they_were() -> None:
    for side in two_sides():
        back = as_tensors(side).numpy()
        np.testing.assert_array_equal(back.joints, side.joints)
        np.testing.assert_array_equal(back.vertices, side.vertices)
        assert (back.mask is None) == (side.mask is None)


def mixed_people(said: Prediction) -> People:
    """Some with parameters, some with annotated joints and vertices alone, one with nothing."""
    random = np.random.RandomState(8)
    joints = np.concatenate([random.randn(COUNT, 24, 3), np.ones((COUNT, 24, 1))], axis=2)
    joints[3, 5:9, 3] = 0
    mesh = random.randn(COUNT, *body().template.shape).astype(np.float32)
    labels = {"keypoints3d.smpl24": joints.astype(np.float32), "vertices.smpl": mesh}
    who = samples(labels)
    for row, kept in ((2, "vertices"), (3, "keypoints3d"), (4, "nothing")):
        arrays = {name: a for name, a in who[row].arrays.items() if name.startswith(kept)}
        who[row] = replace(who[row], arrays=arrays)
    return people(who, said, PROTOCOL.joints)


@pytest.mark.parametrize("joints_from", ["model", "mesh"])
def test_the_rule_says_the_same_of_tensors(
    joints_from: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    protocol = replace(EVERY, joints_from=joints_from)
    some, rule = mixed_people(prediction()), JointRule(protocol, body())
    theirs = rule.measure(some)
    assert 0 < np.isnan(theirs["pve"]).sum() < COUNT
    monkeypatch.setattr(tensors, "stay_there", lambda points: True)
    monkeypatch.setattr(JointRule, "measure_arrays", None)  # must not be called
    ours = rule.measure(some)
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        assert isinstance(ours[name], np.ndarray)
        np.testing.assert_allclose(ours[name], values, **CLOSE, err_msg=name)


def test_nan_is_named_in_tensors_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensors, "stay_there", lambda points: True)
    said = prediction()
    for values in (said.vertices, said.joints["smpl24"]):
        kept = values[5, 0].clone()
        values[5, 0] = torch.nan
        with pytest.raises(InvalidData, match="1 of 7 people is NaN or infinite, first 'person-5'"):
            JointRule(PROTOCOL, body()).measure(people(samples(), said, PROTOCOL.joints))
        values[5, 0] = kept
