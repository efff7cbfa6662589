"""The papers' rules on free bodies: what each takes for true, where it puts the origin, how it averages."""

import numpy as np
import pytest
import torch

from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocol_names import find_protocol
from hpscli.metrics.rules import rule_of
from hpscli.records import Prediction
from hpscli.registry import get_registry
from tests.plugins.benchmarks.bodies.people import (
    COUNT,
    body,
    measured,
    people,
    prediction,
    samples,
)

OURS = [
    spec
    for spec in get_registry().all("protocol")
    if spec.rule == "hps_benchmarks.bodies.rule:BodyRule"
]
BY_NAME = {spec.name: spec for spec in OURS}
J14_OF_RIGHT_FIRST = [3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10]


def labels(name: str, seed: int = 1, confidence: float = 1.0) -> np.ndarray:
    """-> annotated joints (COUNT,J,4) of the true bodies."""
    points = body().regress(prediction(seed).vertices, name)
    sure = torch.full((*points.shape[:2], 1), confidence)
    return torch.cat([points, sure], dim=-1).numpy()


def plain_aligned(prediction: np.ndarray, truth: np.ndarray) -> float:
    moved, goal = prediction - prediction.mean(axis=0), truth - truth.mean(axis=0)
    u, _, vt = np.linalg.svd(moved.T @ goal)
    flip = np.diag([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    turn = vt.T @ flip @ u.T
    scale = np.trace(turn @ moved.T @ goal) / (moved**2).sum()
    return float(np.linalg.norm(scale * moved @ turn.T - goal, axis=1).mean())


def h36m(seed: int) -> np.ndarray:
    return body().regress(prediction(seed).vertices, "h36m17").numpy().astype(np.float64)


def single_point(said: Prediction, person: int) -> Prediction:
    vertices = said.vertices.clone()
    vertices[person] = 0.0
    return Prediction(camera=said.camera, vertices=vertices, parameters=said.parameters)


def test_spin_is_fourteen_joints_from_the_pelvis_of_the_seventeen() -> None:
    _, totals = measured("3dpw/test@spin-v1", samples(), prediction())
    sides = [points[:, J14_OF_RIGHT_FIRST] - points[:, :1] for points in (h36m(2), h36m(1))]
    plain = 1000 * np.linalg.norm(sides[0] - sides[1], axis=2).mean()
    aligned = 1000 * np.mean([plain_aligned(a, b) for a, b in zip(*sides, strict=True)])
    assert totals.metrics["mpjpe"].value == pytest.approx(plain, rel=1e-6)
    assert totals.metrics["pa_mpjpe"].value == pytest.approx(aligned, rel=1e-6)
    assert totals.metrics["mpjpe"].n == COUNT


def test_metro_takes_annotated_joints_and_the_middle_of_the_hips() -> None:
    who = samples({"keypoints3d.metro24": labels("metro24") + [5, 5, 5, 0]})
    _, totals = measured("3dpw/test@metro-v1", who, prediction())
    truth = labels("metro24")[:, [*range(13), 18], :3].astype(np.float64)
    sides = [h36m(2)[:, J14_OF_RIGHT_FIRST], truth]
    sides = [points - points[:, 2:4].mean(axis=1, keepdims=True) for points in sides]
    plain = 1000 * np.linalg.norm(sides[0] - sides[1], axis=2).mean()
    assert totals.metrics["mpjpe"].value == pytest.approx(plain, rel=1e-5)


def test_metro_averages_batches_weighted_by_who_has_joints() -> None:
    full = labels("metro24")
    who = samples({"keypoints3d.metro24": full})
    for row in (0, 1):  # no joints, and no body to take them from
        arrays = {k: v for k, v in who[row].arrays.items() if not k.startswith(("key", "smpl"))}
        who[row] = type(who[row])(key=who[row].key, image=b"", arrays=arrays, meta={})
    found, totals = measured("3dpw/test@metro-v1", who, prediction(), chunk=2, batch=3)
    errors = found.values["pa_mpjpe"]
    assert np.isnan(errors).tolist() == [True, True] + [False] * 5
    first = errors[2] / 3 * 1  # the mean over three people, two of them 0, weight 1
    second, third = errors[3:6].mean() * 3, errors[6] * 1
    expected = (first + second + third) / 5
    assert totals.metrics["pa_mpjpe"].value == pytest.approx(expected, rel=1e-12)
    assert totals.metrics["mpjpe"].value == pytest.approx(found.values["mpjpe"][2:].mean())
    _, corrected = measured("3dpw/test@metro-corrected-v1", who, prediction())
    assert corrected.metrics["pa_mpjpe"].value == pytest.approx(errors[2:].mean(), rel=1e-12)
    assert corrected.metrics["pa_mpjpe"].n == 5


def test_the_figures_do_not_depend_on_our_batches() -> None:
    for name in ("3dpw/test@metro-v1", "3dpw/test@mmhuman3d-v1", "3dpw/test@hps-v1"):
        values = [
            {
                k: m.value
                for k, m in measured(name, samples(), prediction(), chunk=n)[1].metrics.items()
            }
            for n in (1, COUNT)
        ]
        assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_pares_meshes_are_not_moved_and_ours_are() -> None:
    said = prediction()
    moved = Prediction(camera=said.camera, vertices=said.vertices + 0.5, parameters=said.parameters)
    pare = [measured("3dpw/test@pare-v1", samples(), s)[1].metrics for s in (said, moved)]
    ours = [measured("3dpw/test@hps-v1", samples(), s)[1].metrics for s in (said, moved)]
    assert pare[1]["pve"].value > pare[0]["pve"].value + 100
    assert ours[1]["pve"].value == pytest.approx(ours[0]["pve"].value, abs=1e-3)
    assert pare[1]["mpjpe"].value == pytest.approx(pare[0]["mpjpe"].value, abs=1e-3)


def test_mmhuman3d_poses_the_prediction_again_so_its_mesh_is_not_looked_at() -> None:
    said = prediction()
    bent = Prediction(camera=said.camera, vertices=said.vertices * 2, parameters=said.parameters)
    values = [
        measured("3dpw/test@mmhuman3d-v1", samples(), s)[1].metrics["pve"].value
        for s in (said, bent)
    ]
    assert values[0] == values[1]
    bare = Prediction(camera=said.camera, vertices=said.vertices)
    metrics = measured("3dpw/test@mmhuman3d-v1", samples(), bare)[1].metrics
    assert "pve" not in metrics and "mpjpe" in metrics


def test_mmhuman3d_averages_joints_and_the_corrected_one_people() -> None:
    full = labels("spin_gt24")
    full[0, 1, 3] = 0.0  # a knee that nobody saw
    full[1, [0, 1, 4, 5], 3] = 0.0
    who = samples({"keypoints3d.spin_gt24": full})
    name = "h36m/validation-p2@mmhuman3d-corrected-v1"
    found, totals = measured(name, who, prediction())
    each = found.values["joint_errors_mm"]
    assert np.isnan(each).sum() == 5
    people_mean = np.mean([row[~np.isnan(row)].mean() for row in each])
    assert totals.metrics["mpjpe"].value == pytest.approx(people_mean, rel=1e-12)
    _, pooled = measured(name, who, prediction(), average="joints")
    assert pooled.metrics["mpjpe"].value == pytest.approx(each[~np.isnan(each)].mean(), rel=1e-12)
    _, official = measured("h36m/validation-p2@mmhuman3d-v1", who, prediction())
    assert official.metrics["mpjpe"].value != pytest.approx(people_mean, rel=1e-6)


def test_spins_stored_joints_are_not_moved_and_other_sets_are() -> None:
    centred = labels("spin_gt24")
    centred[..., :3] -= centred[:, 14:15, :3]
    name = "h36m/validation-p2@spin-v1"
    right = measured(name, samples({"keypoints3d.spin_gt24": centred}), prediction())[1]
    away = centred + np.array([0.1, 0, 0, 0], np.float32)
    wrong = measured(name, samples({"keypoints3d.spin_gt24": away}), prediction())[1]
    other = measured(name, samples({"keypoints3d.metro24": away}), prediction())[1]
    assert wrong.metrics["mpjpe"].value != pytest.approx(right.metrics["mpjpe"].value, abs=0.1)
    assert other.metrics["mpjpe"].value == pytest.approx(right.metrics["mpjpe"].value, abs=1e-3)


def test_people_with_joints_outside_of_the_picture_are_not_in_spins_list() -> None:
    flat = np.full((COUNT, 17, 3), 50.0, np.float32)
    flat[2, 4, 0] = -1.0
    flat[3, 4, 1] = 100.0  # the picture ends before this pixel
    solid = labels("spin_gt24")
    solid[..., :3] -= solid[:, 14:15, :3]
    who = samples(
        {"keypoints2d.mpi_inf_3dhp17_test": flat, "keypoints3d.spin_gt24": solid},
        image_size_px=[[100, 200]] * COUNT,
    )
    found, totals = measured("mpi-inf-3dhp/test@spin-v1", who, prediction())
    assert np.isnan(found.values["mpjpe"]).nonzero()[0].tolist() == [2, 3]
    assert found.values["joint_errors_mm"].shape == (COUNT, 17)
    assert totals.metrics["mpjpe"].n == COUNT - 2


@pytest.mark.parametrize("rule", ["spin-v1", "mmhuman3d-v1"])
def test_joints_as_cameras_saw_them_are_not_the_universal_skeleton(rule: str) -> None:
    who = samples({"keypoints3d.mpi_inf_3dhp17_test": labels("mpi_inf_3dhp17_test") + 0.5})
    with pytest.raises(InvalidData, match="univ_annot3"):
        measured(f"mpi-inf-3dhp/test@{rule}", who, prediction())


def test_a_single_point_has_no_aligned_figure_officially_and_one_when_corrected() -> None:
    said = single_point(prediction(), 4)
    _, official = measured("3dpw/test@spin-v1", samples(), said)
    assert "pa_mpjpe" not in official.metrics and "mpjpe" in official.metrics
    assert "person-4" in official.notes[0] and "spin-corrected-v1" in official.notes[0]
    found, corrected = measured("3dpw/test@spin-corrected-v1", samples(), said)
    truth = h36m(1)[4, J14_OF_RIGHT_FIRST]
    spread = 1000 * np.linalg.norm(truth - truth.mean(axis=0), axis=1).mean()
    assert found.values["pa_mpjpe"][4] == pytest.approx(spread, rel=1e-5)
    assert corrected.metrics["pa_mpjpe"].n == COUNT and not corrected.notes


def test_a_single_point_is_no_hit_in_mmhuman3ds_aligned_shares() -> None:
    said = single_point(prediction(), 4)
    found, official = measured("3dpw/test@mmhuman3d-v1", samples(), said)
    assert found.values["pa_pck"][4] == 0.0
    assert official.metrics["pa_pck"].value == pytest.approx(found.values["pa_pck"].mean())


def test_nan_is_named() -> None:
    said = prediction()
    said.vertices[3, 0, 0] = torch.nan
    spec = BY_NAME["3dpw/test@spin-v1"]
    with pytest.raises(InvalidData, match="person-3"):
        rule_of(spec, body()).measure(people(samples(), said, spec.joints))


def test_the_true_gender_is_male_for_spin_and_female_for_mmhuman3d_where_nobody_says() -> None:
    meta = ({"gender": "female"}, {"gender": "male"}, {})
    wanted = {
        "3dpw/test@spin-v1": ["female", "male", "male"],
        "3dpw/test@mmhuman3d-v1": ["female", "male", "female"],
        "3dpw/test@spin-corrected-v1": ["female", "male", "neutral"],
        "3dpw/test@metro-v1": ["neutral"] * 3,
    }
    for name, genders in wanted.items():
        assert rule_of(BY_NAME[name], body()).truth.genders(meta) == genders


def test_accelerations_need_neighbouring_frames_of_one_person() -> None:
    frames = [0, 1, 2, 4, 5, 6, 7]
    who = samples(sequence=["a"] * COUNT, person=[0] * COUNT, frame=frames)
    found, totals = measured("3dpw/test@hps-v1", who, prediction())
    there = [1, 4, 5]  # frames with both neighbours
    predicted, truth = found.values["predicted_joints"], found.values["true_joints"]
    bent = [p[0:1] - 2 * p[1:2] + p[2:3] for p in (predicted[:3], truth[:3])]
    first = 1000 * np.linalg.norm(bent[0] - bent[1], axis=2).mean()
    errors = totals.errors["accel"]
    assert (~np.isnan(errors)).nonzero()[0].tolist() == there
    assert errors[1] == pytest.approx(first, rel=1e-9)
    assert totals.metrics["accel"].value == pytest.approx(errors[there].mean())
    assert "accel" not in measured("3dpw/test@hps-v1", samples(), prediction())[1].metrics


def test_scaled_figures_lie_between_plain_and_aligned_ones() -> None:
    found, _ = measured("3dpw/test@hps-v1", samples(), prediction())
    rms = [
        np.sqrt((found.values[name] ** 2).mean(axis=1))
        for name in ("joint_errors_mm", "aligned_errors_mm")
    ]
    assert (rms[1] <= rms[0] + 1e-9).all()
    values = {name: found.values[name].mean() for name in ("mpjpe", "n_mpjpe", "st_mpjpe")}
    assert values["st_mpjpe"] < values["n_mpjpe"] < values["mpjpe"]


def test_tables_name_joints_actions_and_sequences() -> None:
    meta = {"action": ["walk", "sit"] * 3 + ["walk"], "sequence": ["a"] * COUNT}
    found, totals = measured("3dpw/test@spin-v1", samples(**meta), prediction())
    joints, actions = totals.tables["joints"], totals.tables["actions"]
    assert joints.columns == ("joint", "MPJPE", "PA-MPJPE") and len(joints.rows) == 14
    assert joints.rows[0][0] == "right_ankle"
    walking = found.values["mpjpe"][::2].mean()
    assert actions.rows[0][:2] == ("walk", 4)
    assert actions.rows[0][2] == pytest.approx(walking)
    assert totals.tables["sequences"].rows[0][1] == COUNT


def test_joints_alone_can_be_measured() -> None:
    points = body().regress(prediction().vertices, "h36m17")
    bare = Prediction(camera=torch.zeros(COUNT, 3), joints={"h36m17": points})
    alone = measured("3dpw/test@spin-v1", samples(), bare)[1].metrics["pa_mpjpe"].value
    whole = measured("3dpw/test@spin-v1", samples(), prediction())[1].metrics["pa_mpjpe"].value
    assert alone == pytest.approx(whole, rel=1e-6)


@pytest.mark.parametrize("spec", OURS, ids=lambda spec: spec.name)
def test_every_protocol_has_a_source_a_licence_a_partner_and_words(spec: ProtocolSpec) -> None:
    assert spec.licence and spec.says["joints"] and spec.says["truth"] and spec.says["root"]
    assert spec.source or spec.standing == "ours"
    if spec.beside:
        other = BY_NAME[spec.beside]
        assert other.beside == spec.name and {spec.standing, other.standing} & {"corrected"}
    rule_of(spec, body())


def test_a_model_gets_its_own_protocol_and_others_the_default() -> None:
    found = get_registry()
    for model, testset, name in (
        ("metro.hrnet-w64", "3dpw", "3dpw/test@metro-v1"),
        ("graphormer", "3dpw", "3dpw/test@metro-v1"),
        ("fastmetro.s-r50", "3dpw", "3dpw/test@fastmetro-v1"),
        ("hmr.spin", "3dpw", "3dpw/test@spin-v1"),
        ("hmr.resnet50", "3dpw", "3dpw/test@mmhuman3d-v1"),
        ("pare", "3dpw", "3dpw/test@pare-v1"),
        ("hmr2", "3dpw", "3dpw/test@hmr2-v1"),
        ("mine", "3dpw", "3dpw/test@spin-v1"),
        ("mine", "h36m", "h36m/validation-p2@spin-v1"),
    ):
        assert find_protocol(found, testset=testset, body="smpl", model=model).name == name
    for testset in {spec.testset for spec in OURS}:
        defaults = [s for s in found.all("protocol") if s.testset == testset and s.default]
        assert len([s for s in defaults if s.body == "smpl"]) <= 1


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(UsageError, match="rooot"):
        measured("3dpw/test@spin-v1", samples(), prediction(), rooot="pelvis")


def test_rotations_of_a_perfect_prediction_leave_no_error() -> None:
    assert axis_angle_to_matrix(torch.zeros(1, 3)).shape == (1, 3, 3)
    for spec in OURS:
        if spec.testset == "3dpw" and "metro" not in spec.name:
            totals = measured(spec.name, samples(), prediction(1))[1]
            for name in ("mpjpe", "pa_mpjpe"):
                assert totals.metrics[name].value == pytest.approx(0.0, abs=1e-3)
