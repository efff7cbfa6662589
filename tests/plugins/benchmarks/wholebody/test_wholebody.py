"""Whole bodies by their parts: what official code returned, and what the figures mean."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import floats, integers

from hps_benchmarks.wholebody.part_errors import Parts, Seen, joint_errors, vertex_errors
from hps_benchmarks.wholebody.similarity import onto, onto_or_middle
from hpscli.body.layer import load_body, matrices
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import rule_of
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.selfcheck import replay
from tests.run.people import Oracle, oracle_model, parameters, write_people

COUNT = 3


def protocol(name: str) -> ProtocolSpec:
    """A protocol for as many people as there are here."""
    found: ProtocolSpec = get_registry().protocol(name)
    return replace(found, samples=0)


@pytest.mark.parametrize("name", ["metrics/wholebody", "osx/evaluation"])
def test_every_official_number_is_within_its_tolerance(name: str, reference: Path) -> None:
    spec = next(spec for spec in get_registry().all("golden") if spec.name == name)
    done = replay(spec, reference / name.partition("/")[0], ReplayOptions())
    assert len(done.checks) > 30 and not [check for check in done.checks if not check.ok]


def test_other_meshes_have_other_errors(reference: Path) -> None:
    name = "osx/evaluation"
    spec = next(spec for spec in get_registry().all("golden") if spec.name == name)
    done = replay(spec, reference / "osx", ReplayOptions(values={"ubody_seed": 900}))
    wrong = {check.name for check in done.checks if not check.ok}
    assert len(wrong) == 8 and all(name.startswith("ubody_") for name in wrong)


def test_hands_and_face_of_the_free_body_lie_where_they_should() -> None:
    body = load_body("smplx", source="free")
    from hps_benchmarks.wholebody.parts import parts_of

    parts = parts_of(body, joints=True)
    rest = body.template.numpy()
    assert rest[parts.left_hand, 0].min() > 0.5 and rest[parts.right_hand, 0].max() < -0.5
    assert rest[parts.face, 1].min() > 0.15  # y is up at rest
    assert len(parts.left_hand) == len(parts.right_hand) > 700
    fingers = parts.hand_joints("left") @ rest
    assert np.linalg.norm(fingers[4] - fingers[0]) > 0.08  # the thumb's tip is far from the wrist
    assert parts.body is not None and parts.body.shape == (14, len(rest))


def test_a_turned_hand_shows_in_the_hands_and_hardly_in_the_whole(tmp_path: Path) -> None:
    shards = write_people(tmp_path / "shards", COUNT, kind="smplx")
    answers = [parameters("smplx", seed) for seed in range(COUNT)]
    for answer in answers:
        answer["smplx.left_hand_pose"] = answer["smplx.left_hand_pose"] + 0.4
    spec = protocol("ehf/test@smplerx-v1")
    result = evaluate(oracle_model("smplx", answers), shards, spec, batch=2)
    figures = {name: metric.value for name, metric in result.metrics.items()}
    assert figures["mpvpe_right_hand"] < 0.05 < 5 < figures["mpvpe_left_hand"]
    assert figures["mpvpe_hands"] == pytest.approx(figures["mpvpe_left_hand"] / 2, abs=0.05)
    assert figures["mpvpe_face"] < 0.05 and figures["pa_mpjpe_body"] < 0.5
    assert figures["pa_mpjpe_left_hand"] > 1 > figures["pa_mpjpe_right_hand"]
    assert 0 < figures["mpvpe_all"] < figures["mpvpe_left_hand"] / 5
    assert result.errors["mpvpe_hands"].shape == (COUNT,) and result.notes


def test_the_figures_are_those_of_the_official_file_in_its_order(tmp_path: Path) -> None:
    rule = rule_of(protocol("ehf/test@osx-v1"), load_body("smplx", source="free"))
    assert list(rule.figures) == [
        *("pa_mpvpe_all", "pa_mpvpe_hands", "pa_mpvpe_face"),
        *("mpvpe_all", "mpvpe_hands", "mpvpe_face"),
        *("pa_mpjpe_body", "pa_mpjpe_hands"),
    ]


class Flat(Oracle):
    """Predicts a mesh without extent for its first person."""

    def forward(self, image: torch.Tensor):  # type: ignore[no-untyped-def]
        """image -> the answers, the first of them one point."""
        whole = super().forward(image)
        body = load_body("smplx", source="free")
        vertices = body(whole.parameters).vertices
        vertices[0] = 0
        return replace(whole, vertices=vertices, parameters={}, joints={})


def test_a_mesh_without_extent_ends_the_official_evaluation_and_not_the_corrected_one(
    tmp_path: Path,
) -> None:
    shards = write_people(tmp_path / "shards", COUNT, kind="smplx")
    model = oracle_model("smplx", [])
    flat = model.but(module=Flat("smplx"))
    for name, fails in (("ehf/test@osx-v1", True), ("ehf/test@osx-corrected-v1", False)):
        flat.module.answers = [parameters("smplx", seed) for seed in range(COUNT)]
        if fails:
            with pytest.raises(InvalidData, match="person-0000") as caught:
                evaluate(flat, shards, protocol(name), batch=4)
            assert "ehf/test@osx-corrected-v1" in caught.value.fix
        else:
            result = evaluate(flat, shards, protocol(name), batch=4)
            errors = result.errors["pa_mpvpe_all"]
            assert np.isfinite(errors).all() and errors[0] > 100 > 1 > errors[1]


def test_predictions_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    shards = write_people(tmp_path / "shards", COUNT, kind="smplx")
    answers = [parameters("smplx", seed) for seed in range(COUNT)]
    answers[1]["smplx.betas"][0] = np.nan
    with pytest.raises(InvalidData, match="person-0001"):
        evaluate(oracle_model("smplx", answers), shards, protocol("ehf/test@osx-v1"), batch=4)


def test_a_real_body_without_the_lists_of_vertices_names_them() -> None:
    body = load_body("smplx", source="free")
    body.source = "imported"
    with pytest.raises(MissingError, match="hand-vertices-smplx") as caught:
        rule_of(protocol("ehf/test@osx-v1"), body)
    assert caught.value.exit_code == 3
    assert "hps assets import smplx_mano_flame_correspondences.zip" in caught.value.fix


def test_another_body_is_refused() -> None:
    with pytest.raises(UsageError, match="smplx"):
        rule_of(protocol("ehf/test@osx-v1"), load_body("smpl", source="free"))


def surrogate(seed: int, people: int = 2) -> tuple[np.ndarray, np.ndarray, Parts]:
    """-> predicted and true meshes (N,300,3), and parts of such a mesh."""
    draw = np.random.RandomState(seed)
    rows, body = (np.abs(draw.standard_normal((count, 300))) for count in (55, 14))
    parts = Parts(
        joints=rows / rows.sum(axis=1, keepdims=True),
        body=body / body.sum(axis=1, keepdims=True),
        left_hand=np.arange(20),
        right_hand=np.arange(20, 45),
        face=np.arange(100, 160),
        left_tips=(1, 2, 3, 4, 5),
        right_tips=(21, 22, 23, 24, 25),
    )
    true = draw.standard_normal((people, 300, 3))
    return true + 0.1 * draw.standard_normal(true.shape), true, parts


def everything_seen(people: int) -> Seen:
    """-> a mask that leaves nothing out."""
    masks = {"vertices": 300, "body": 14, "left_hand": 21, "right_hand": 21}
    return Seen(**{name: np.ones((people, count), bool) for name, count in masks.items()})


def test_what_is_not_seen_does_not_count() -> None:
    predicted, true, parts = surrogate(0)
    predicted[:, 150] += 50  # in the face
    seen = everything_seen(2)
    whole = vertex_errors(predicted, true, parts, seen=seen)
    for name, numbers in vertex_errors(predicted, true, parts).items():
        np.testing.assert_allclose(whole[name], numbers)
    hidden = seen.vertices.copy()
    hidden[:, 150] = False
    less = vertex_errors(predicted, true, parts, seen=replace(seen, vertices=hidden))
    assert (less["mpvpe_face"] < whole["mpvpe_face"] - 1000).all()
    # the transform is still fitted on all points, as official code does
    assert (less["pa_mpvpe_face"] > 100).all()


def test_a_hand_outside_the_picture_leaves_the_other_and_without_both_there_is_no_number() -> None:
    predicted, true, parts = surrogate(1)
    seen = everything_seen(2)
    seen.vertices[0, parts.left_hand] = False
    seen.vertices[1, :45] = False
    seen.left_hand[0] = False
    errors = vertex_errors(predicted, true, parts, seen=seen)
    errors |= joint_errors(predicted, true, parts, seen=seen)
    assert errors["mpvpe_hands"][0] == errors["mpvpe_right_hand"][0]
    assert errors["pa_mpjpe_hands"][0] == errors["pa_mpjpe_right_hand"][0]
    assert np.isnan(errors["pa_mpvpe_hands"][1]) and np.isfinite(errors["mpvpe_all"]).all()


def test_the_similarity_transform_is_found_and_mirrors_are_not_turned_inside_out() -> None:
    _, true, _ = surrogate(2)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(onto(true @ turn * 3 + 1, true), true, atol=1e-12)
    mirrored = true * np.array([-1.0, 1, 1])
    assert np.abs(onto(mirrored, true) - true).mean() > 0.1


@settings(max_examples=25, deadline=None)
@given(
    seed=integers(0, 2**32 - 1),
    scale=floats(0.01, 100),
    shift=floats(-10, 10),
    angle=floats(-3.0, 3.0),
)
def test_errors_after_alignment_do_not_depend_on_place_turn_and_size(
    seed: int, scale: float, shift: float, angle: float
) -> None:
    predicted, true, parts = surrogate(seed, people=1)
    cosine, sine = np.cos(angle), np.sin(angle)
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    moved = scale * predicted @ turn + shift
    here = vertex_errors(predicted, true, parts) | joint_errors(predicted, true, parts)
    there = vertex_errors(moved, true, parts) | joint_errors(moved, true, parts)
    for name in here:
        if name.startswith("pa_"):
            np.testing.assert_allclose(there[name], here[name], rtol=1e-6)
    only_moved = vertex_errors(predicted + shift, true, parts)
    for name, numbers in only_moved.items():
        np.testing.assert_allclose(numbers, here[name], rtol=1e-6)


def test_nothing_is_aligned_from_one_point() -> None:
    _, true, _ = surrogate(3)
    assert np.isnan(onto(np.zeros_like(true), true)).all()
    middle = onto_or_middle(np.zeros_like(true), true)
    np.testing.assert_allclose(middle, np.broadcast_to(true.mean(1, keepdims=True), true.shape))


def test_meshes_of_osx_own_list_of_ehf_are_turned_into_the_camera(tmp_path: Path) -> None:
    """Its loader keeps them as the files have them, and its evaluation turns them."""
    import cv2

    from hps_benchmarks.wholebody.plugin import EHF_ROTATION

    body = load_body("smplx", source="free")
    answers = [parameters("smplx", seed) for seed in range(COUNT)]
    turn, _ = cv2.Rodrigues(np.array(EHF_ROTATION))
    flat = {
        n.partition(".")[2]: torch.tensor(np.stack([a[n] for a in answers])) for n in answers[0]
    }
    meshes = body(matrices(flat)).vertices.numpy()
    spec = protocol("ehf/test@osx-v1")
    for official in (False, True):
        stored = meshes @ turn if official else meshes
        extra = {n: {"vertices.smplx": stored[n].astype(np.float32)} for n in range(COUNT)}
        shards = write_people(
            tmp_path / str(official),
            COUNT,
            kind="smplx",
            extra=extra,
            drop=("smplx.",),
            meta={"osx": {"mesh_gt_path": "EHF/data/01_align.ply"}} if official else {},
        )
        result = evaluate(oracle_model("smplx", list(answers)), shards, spec, batch=2)
        assert result.metrics["mpvpe_all"].value < 0.01
