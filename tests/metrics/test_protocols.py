"""Protocols: found by name, test set and body; measured as they say."""

from dataclasses import replace

import numpy as np
import pytest

from hpscli.body.joints import joint_set
from hpscli.errors import UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocol_names import find_protocol
from hpscli.metrics.protocols import METRICS, Points, measure, sentences
from hpscli.registry import Plugin, Registry, get_registry

ALL = tuple(METRICS)
SPEC = ProtocolSpec(
    name="here/test@smpl24-v1",
    testset="here",
    split="test",
    summary="a test",
    body="smpl",
    joints="smpl24",
    root=("pelvis",),
    metrics=ALL,
    default=True,
)
RANDOM = np.random.RandomState(0)
TRUTH = Points(RANDOM.randn(6, 24, 3) * 0.3, RANDOM.randn(6, 40, 3) * 0.3)


def moved(points: Points, offset: float) -> Points:
    assert points.vertices is not None
    return Points(points.joints + offset, points.vertices + offset)


def registry(*specs: ProtocolSpec) -> Registry:
    found = Registry()
    found.add(Plugin("here", "a test", tuple(("protocol", spec) for spec in specs)))
    return found


def test_a_perfect_prediction_elsewhere_in_space_has_no_error() -> None:
    errors = measure(SPEC, moved(TRUTH, 2.0), TRUTH)
    for name in ("mpjpe", "pa_mpjpe", "pve", "pa_pve"):
        np.testing.assert_allclose(errors[name], 0.0, atol=1e-9)
    for name in ("pck", "pa_pck"):
        np.testing.assert_allclose(errors[name], 100.0)


def test_without_a_root_the_place_counts() -> None:
    errors = measure(replace(SPEC, root=()), moved(TRUTH, 1.0), TRUTH)
    np.testing.assert_allclose(errors["mpjpe"], 1000 * np.sqrt(3))
    np.testing.assert_allclose(errors["pa_mpjpe"], 0.0, atol=1e-9)


def test_two_roots_mean_their_middle() -> None:
    names = joint_set("smpl24").joints
    spec = replace(SPEC, root=("left_hip", "right_hip"), metrics=("mpjpe",))
    joints = TRUTH.joints.copy()
    joints[:, names.index("pelvis")] += 0.24  # only this joint is wrong, and it is not the root
    errors = measure(spec, Points(joints), TRUTH)
    np.testing.assert_allclose(errors["mpjpe"], 240 * np.sqrt(3) / 24)


def test_vertices_are_moved_by_the_joint_root() -> None:
    assert TRUTH.vertices is not None
    errors = measure(SPEC, Points(TRUTH.joints, TRUTH.vertices + 0.1), TRUTH)
    np.testing.assert_allclose(errors["pve"], 100 * np.sqrt(3))
    np.testing.assert_allclose(errors["pa_pve"], 0.0, atol=1e-9)


def test_without_vertices_there_is_no_vertex_error() -> None:
    errors = measure(SPEC, TRUTH, Points(TRUTH.joints))
    assert np.isnan(errors["pve"]).all() and np.isfinite(errors["mpjpe"]).all()


def test_people_without_a_true_mesh_have_no_vertex_error_but_the_others_do() -> None:
    assert TRUTH.vertices is not None
    vertices = TRUTH.vertices.copy()
    vertices[4] = np.nan
    errors = measure(SPEC, TRUTH, replace(TRUTH, vertices=vertices))
    for name in ("pve", "pa_pve"):
        assert np.isnan(errors[name]).tolist() == [False, False, False, False, True, False]


def test_a_person_whose_root_is_unknown_is_not_measured() -> None:
    mask = np.ones((6, 24), bool)
    mask[2, 0] = False
    mask[3, 5] = False
    errors = measure(SPEC, moved(TRUTH, 1.0), replace(TRUTH, mask=mask))
    assert np.isnan(errors["mpjpe"]).tolist() == [False, False, True, False, False, False]


def test_the_default_protocol_of_a_test_set_fits_the_body() -> None:
    found = get_registry()
    assert find_protocol(found, testset="synthetic", body="smpl").name == "synthetic/test@smpl24-v1"
    assert find_protocol(found, testset="synthetic", body="mano").joints == "mano21"
    assert find_protocol(found, testset="synthetic-wholebody", body="smplx").body == "smplx"


def test_a_split_is_found() -> None:
    found = find_protocol(get_registry(), testset="synthetic", split="validation", body="smpl")
    assert found.name == "synthetic/validation@smpl24-v1"


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({"testset": "synthetik"}, "Did you mean 'synthetic'"),
        ({"testset": "here", "body": "mano"}, "no protocol for mano"),
        ({"name": "here/test@smpl24-v1", "body": "mano"}, "this model predicts mano"),
    ],
)
def test_a_wrong_name_or_body_is_explained(wanted: dict[str, str], said: str) -> None:
    other = replace(SPEC, name="synthetic/test@x-v1", testset="synthetic")
    with pytest.raises(UsageError) as caught:
        find_protocol(registry(SPEC, other), **wanted)
    assert said in str(caught.value)


def test_a_root_or_metric_that_does_not_exist_is_named() -> None:
    with pytest.raises(UsageError, match="pelviss"):
        measure(replace(SPEC, root=("pelviss",)), TRUTH, TRUTH)
    with pytest.raises(UsageError, match="mpjp"):
        measure(replace(SPEC, metrics=("mpjp",)), TRUTH, TRUTH)


def test_the_english_names_every_metric_and_the_root() -> None:
    said = " ".join(f"{name} {text}" for name, text in sentences(SPEC).items())
    for kind in METRICS.values():
        assert kind.label in said
    assert "pelvis is the origin" in said
