"""SMPL-X meshes against SMPL bodies and annotated joints: 3DPW by SMPLer-X, Human3.6M by Hand4Whole."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hps_benchmarks.wholebody.hand4whole_h36m import EVALUATED, evaluated_joint_errors
from hps_benchmarks.wholebody.part_errors import Parts
from hps_benchmarks.wholebody.parts import parts_of
from hps_benchmarks.wholebody.plugin import hps_protocols
from hps_benchmarks.wholebody.published import PUBLISHED
from hps_benchmarks.wholebody.smplerx_3dpw import SHARED_ROWS, shared_joint_errors
from hpscli.body.assets.files import write_asset
from hpscli.body.joints import joint_set
from hpscli.body.layer import load_body
from hpscli.errors import MissingError, UsageError
from hpscli.metrics.rules import rule_of
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from tests.run.people import oracle_model, parameters, write_people

COUNT = 3
BODY = 21  # joints that SMPL and SMPL-X turn alike


def test_a_smplx_prediction_meets_smpl_people_by_the_joints_that_both_have(tmp_path: Path) -> None:
    shards = write_people(tmp_path / "shards", COUNT, kind="smpl")
    answers = []
    for seed in range(COUNT):
        true = parameters("smpl", seed)
        rest = {n: np.zeros_like(v) for n, v in parameters("smplx", seed).items()}
        rest["smplx.global_orient"] = true["smpl.global_orient"]
        rest["smplx.body_pose"] = true["smpl.body_pose"][: 3 * BODY]
        rest["smplx.betas"] = true["smpl.betas"]
        answers.append(rest)
    spec = replace(get_registry().protocol("3dpw/test@smplerx-v1"), samples=0)
    result = evaluate(oracle_model("smplx", answers), shards, spec, batch=2)
    # the free bodies share pose and shape, not the mesh that joints are regressed from
    assert result.metrics["mpjpe_body"].value < 25
    assert result.metrics["pa_mpjpe_body"].value < 20
    wrong = [parameters("smplx", 50 + seed) for seed in range(COUNT)]
    other = evaluate(oracle_model("smplx", wrong), shards, spec, batch=2)
    assert other.metrics["mpjpe_body"].value > 60 and other.metrics["mpjpe_body"].n == COUNT


def test_people_of_another_body_are_refused_by_the_other_protocols(tmp_path: Path) -> None:
    shards = write_people(tmp_path / "shards", COUNT, kind="smpl")
    spec = replace(get_registry().protocol("ehf/test@osx-v1"), samples=0)
    with pytest.raises(UsageError, match="smpl bodies"):
        evaluate(oracle_model("smplx", []), shards, spec, batch=2)


def test_the_shared_joints_are_the_same_joints() -> None:
    smplx, smpl = joint_set("smplx55").joints, joint_set("smpl24").joints
    assert [smplx[row] for row in SHARED_ROWS] == [smpl[row] for row in SHARED_ROWS]


def test_moving_a_mesh_does_not_change_its_errors() -> None:
    draw = np.random.RandomState(0)
    smplx, smpl = (np.abs(draw.standard_normal(shape)) for shape in ((55, 80), (24, 60)))
    smplx, smpl = (rows / rows.sum(axis=1, keepdims=True) for rows in (smplx, smpl))
    predicted, true = draw.standard_normal((2, 80, 3)), draw.standard_normal((2, 60, 3))
    here = shared_joint_errors(predicted, true, smplx, smpl)
    there = shared_joint_errors(predicted + [1, 2, 3], true, smplx, smpl)
    for name in here:
        np.testing.assert_allclose(here[name], there[name], rtol=1e-9)


def test_only_fourteen_joints_of_human36m_count() -> None:
    draw = np.random.RandomState(1)
    true = draw.standard_normal((2, 17, 3))
    predicted = true.copy()
    left_out = [joint for joint in range(1, 17) if joint not in EVALUATED]
    assert len(EVALUATED) == 14 and left_out == [7, 9]
    predicted[:, left_out] += 1
    assert evaluated_joint_errors(predicted, true)["mpjpe"].max() == 0
    predicted[:, 3] += [0.014, 0, 0]
    np.testing.assert_allclose(evaluated_joint_errors(predicted, true)["mpjpe"], 1.0)


def test_joints_that_nobody_annotated_do_not_count() -> None:
    draw = np.random.RandomState(2)
    true, known = draw.standard_normal((2, 17, 3)), np.ones((2, 17), bool)
    predicted = true.copy()
    predicted[:, 3] += 1
    true[0, 3], known[0, 3] = np.nan, False
    known[1, 0] = False  # without a pelvis nothing can be said
    errors = evaluated_joint_errors(predicted, true, known)
    assert errors["mpjpe"][0] == 0 and errors["pa_mpjpe"][0] < 1e-9
    assert np.isnan(errors["mpjpe"][1]) and np.isnan(errors["pa_mpjpe"][1])


def test_without_the_regressor_human36m_says_so() -> None:
    spec = get_registry().protocol("h36m/validation-p1@hand4whole-v1")
    with pytest.raises(MissingError, match="h36m17"):
        rule_of(spec, load_body("smplx", source="free"))


def test_a_real_body_takes_the_imported_lists() -> None:
    left, right = np.arange(778), np.arange(1000, 1778)
    write_asset("hand-vertices-smplx", {"left": left, "right": right}, {})
    write_asset("face-vertices-smplx", {"index": np.arange(2000, 7023)}, {})
    body = load_body("smplx", source="free")
    body.source = "imported"
    parts = parts_of(body, joints=False)
    assert isinstance(parts, Parts) and parts.body is None
    assert (parts.left_hand == left).all() and len(parts.face) == 5023
    with pytest.raises(MissingError, match="regressor"):  # of the body's joints
        body.mesh_joints.source = "imported"
        parts_of(body, joints=True)


def test_published_figures_are_figures_of_their_protocol() -> None:
    registry = get_registry()
    body = load_body("smplx", source="free")
    for name in ("ehf/test@osx-v1", "agora/validation@osx-v1", "3dpw/test@smplerx-v1"):
        spec = registry.protocol(name)
        figures = rule_of(spec, body).figures
        assert spec.published and all(row.metric in figures for row in spec.published)
    osx = {p.metric: p.value for p in PUBLISHED["ehf"] if p.model == "osx.l"}
    assert (osx["mpvpe_all"], osx["pa_mpvpe_face"]) == (70.8, 6.0)
    assert all(row.doubt for row in PUBLISHED["3dpw"])


def test_every_official_protocol_has_a_partner() -> None:
    specs = {spec.name: spec for spec in hps_protocols()}
    official = [spec for spec in specs.values() if spec.standing == "official"]
    assert len(official) == 6
    for spec in official:
        partner = specs[spec.beside]
        assert partner.standing == "corrected" and partner.options["corrected"]
        assert not partner.published and specs[partner.beside].standing == "official"
