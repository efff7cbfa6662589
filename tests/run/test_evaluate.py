"""Evaluation is exact: the truth has no error, every key counts once, and nothing else matters."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hpscli.body.joints import joint_set
from hpscli.cli.app import run
from hpscli.data.evalset import EvalSet, eval_batches
from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import ProtocolSpec, Published
from hpscli.metrics.protocols import METRICS
from hpscli.metrics.rules import Measured, metric
from hpscli.metrics.truth import Truth
from hpscli.nn.checkpoints import LoadedModel
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.run.evaluating.result import published
from hpscli.run.evaluating.subject import subject_of
from hpscli.run.gather import in_order
from hpscli.run.sessions.baseline import baseline
from tests.run.people import oracle_model, parameters, tiny_model, write_people

COUNT = 11


def protocol(kind: str = "smpl") -> ProtocolSpec:
    names = {"smpl": "smpl24", "mano": "mano21", "smplx": "smplx55"}
    dataset = {"smpl": "synthetic", "mano": "synthetic-hands", "smplx": "synthetic-wholebody"}
    return get_registry().protocol(f"{dataset[kind]}/test@{names[kind]}-v1")


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people") / "test", COUNT)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize("kind", ["smpl", "mano", "smplx"])
def test_a_model_that_knows_the_truth_has_no_error(kind: str, tmp_path: Path) -> None:
    shards = write_people(tmp_path / "test", 5, kind=kind)
    oracle = oracle_model(kind, [parameters(kind, index) for index in range(5)])
    result = evaluate(oracle, shards, protocol(kind), batch=2)
    assert set(result.metrics) == {"mpjpe", "pa_mpjpe", "pve", "pa_pve"}
    for name, figure in result.metrics.items():
        assert figure.n == 5 and figure.value < 0.01, name  # mm


def test_a_known_shape_error_is_measured_in_millimetres(tmp_path: Path) -> None:
    shards = write_people(tmp_path / "test", 3)
    answers = [parameters("smpl", index) for index in range(3)]
    for answer in answers:
        answer["smpl.betas"] = answer["smpl.betas"] + np.eye(10, dtype=np.float32)[0]
    result = evaluate(oracle_model("smpl", answers), shards, protocol(), batch=3)
    body = oracle_model("smpl", []).body
    from hpscli.body.layer import matrices

    def joints(values: dict[str, np.ndarray]) -> np.ndarray:
        flat = {k.partition(".")[2]: torch.tensor(v)[None] for k, v in values.items()}
        points = body(matrices(flat)).joints[0].double().numpy()
        return points - points[0]

    expected = [
        1000 * np.linalg.norm(joints(answers[i]) - joints(parameters("smpl", i)), axis=1).mean()
        for i in range(3)
    ]
    np.testing.assert_allclose(result.errors["mpjpe"], expected, atol=1e-3)


def test_left_and_right_rendered_hands_meet_a_model_that_knows_them(tmp_path: Path) -> None:
    """Left hands reach the model in the mirror, so the truth must be mirrored with them."""
    words = ["synthetic", "hand=both", "--body", "mano", "--split", "test", "--count", "4"]
    assert run(["prepare", *words, "--size", "48", "--out", str(tmp_path / "hands"), "-q"]) == 0
    people = EvalSet(tmp_path / "hands")
    assert {sample.meta["hand"] for sample in people} == {"left", "right"}
    (batch,) = eval_batches(people, size=(32, 32), joints="mano21", batch=4)
    answers = [
        {
            name: values[row].numpy()
            for name, values in batch.targets.items()
            if name.startswith("mano.") and not name.endswith("transl")
        }
        for row in range(4)
    ]
    result = evaluate(oracle_model("mano", answers), tmp_path / "hands", protocol("mano"), batch=3)
    assert result.metrics["mpjpe"].n == 4
    assert all(metric.value < 0.01 for metric in result.metrics.values())
    stored = Truth(protocol("mano"), oracle_model("mano", []).body)
    points = stored.points(batch.targets, batch.present, batch.meta).joints
    annotated = batch.targets["keypoints3d.mano21"][..., :3].double().numpy()
    np.testing.assert_allclose(
        points - points[:, :1], annotated - annotated[:, :1], atol=1e-5
    )  # parameters and keypoints tell the same


@pytest.mark.parametrize("batch", [1, 3, 64])
def test_the_result_does_not_depend_on_the_batch(batch: int, model, shards) -> None:
    reference = evaluate(model, shards, protocol(), batch=4)
    result = evaluate(model, shards, protocol(), batch=batch)
    assert result.keys == reference.keys
    for name in reference.errors:  # mm; the limit is 1e-6 m
        np.testing.assert_allclose(result.errors[name], reference.errors[name], atol=1e-3)


def test_every_key_is_measured_once_and_in_order(model, shards) -> None:
    result = evaluate(model, shards, protocol(), batch=4)
    assert result.keys == tuple(f"person-{index:04}" for index in range(COUNT))
    assert result.metrics["mpjpe"].n == COUNT


def test_a_limit_is_in_the_result_and_changes_the_sample_list(model, shards) -> None:
    whole, part = (evaluate(model, shards, protocol(), limit=n) for n in (0, 4))
    assert part.settings["limit"] == 4 and len(part.keys) == 4
    assert part.protocol["sample_list_sha256"] != whole.protocol["sample_list_sha256"]
    np.testing.assert_allclose(part.errors["mpjpe"], whole.errors["mpjpe"][:4], atol=1e-3)


def test_the_result_says_what_was_measured_on_what(model, shards) -> None:
    result = evaluate(model, shards, protocol())
    assert result.body["source"] == "free" and len(result.body["sha256"]) == 64
    assert len(result.checkpoint["sha256"]) == 64 and len(result.data["index_sha256"]) == 64
    assert result.model == "hmr" and result.data["samples"] == COUNT
    assert result.hps_version and result.time.endswith("+00:00")


@pytest.mark.parametrize("source", ["free", "official"])
def test_published_figures_stand_beside_those_of_real_bodies_only(source: str, model) -> None:
    figure = Published(model="hmr", metric="mpjpe", value=100.0, source="a paper")
    spec = replace(protocol(), published=(figure, replace(figure, model="other", value=1.0)))
    subject = replace(subject_of(model), body={"source": source})
    ours = {"mpjpe": metric(METRICS["mpjpe"].figure, 120.0, 3)}
    reference = published(spec, subject, ours)
    if source == "free":
        assert reference == {}
    else:
        assert reference["mpjpe"] == {"value": 100.0, "source": "a paper", "difference": 20.0}


def test_annotated_joints_serve_where_parameters_are_missing(model, tmp_path: Path) -> None:
    points = np.random.RandomState(0).randn(24, 4).astype(np.float32) * 0.2
    points[:, 3] = 1.0
    points[5, 3] = 0.0
    labels = {index: {"keypoints3d.smpl24": points} for index in range(3)}
    shards = write_people(tmp_path / "s", 4, drop=("smpl.",), extra=labels)
    result = evaluate(model, shards, protocol())
    assert set(result.metrics) == {"mpjpe", "pa_mpjpe"}
    assert result.metrics["mpjpe"].n == 3  # the fourth has no label at all
    assert np.isnan(result.errors["mpjpe"][3])


def test_joints_from_other_joint_sets_are_converted(model, tmp_path: Path) -> None:
    count = len(joint_set("smpl45").joints)
    points = np.random.RandomState(0).randn(count, 4).astype(np.float32) * 0.2
    points[:, 3] = 1.0
    shards = write_people(
        tmp_path / "s", 2, drop=("smpl.",), extra={0: {"keypoints3d.smpl45": points}}
    )
    assert evaluate(model, shards, protocol()).metrics["mpjpe"].n == 1


def test_nobody_to_measure_is_said(model, tmp_path: Path) -> None:
    shards = write_people(tmp_path / "s", 2, drop=("smpl.",))
    with pytest.raises(InvalidData, match="nobody"):
        evaluate(model, shards, protocol())


def test_people_of_another_body_source_are_refused(model, tmp_path: Path) -> None:
    shards = write_people(tmp_path / "s", 2, source="imported")
    with pytest.raises(UsageError, match="imported bodies, the model's body is free"):
        evaluate(model, shards, protocol())


@pytest.mark.parametrize("other", ["mano", "smplx"])
def test_people_of_another_body_kind_are_refused_before_any_is_measured(
    other: str, model, tmp_path: Path
) -> None:
    shards = write_people(tmp_path / "s", 2, kind=other)
    with pytest.raises(UsageError, match=f"are {other} bodies, .* is about smpl"):
        evaluate(model, shards, protocol())


def test_stored_crops_are_refused_but_for_generated_people(model, tmp_path: Path) -> None:
    index = write_people(tmp_path / "s", 2) / "index.json"
    crops = json.loads(index.read_text())
    crops["made_by"] = {"layout": {"kind": "crop", "side_px": 512}}
    index.write_text(json.dumps(crops))
    assert len(evaluate(model, index.parent, protocol()).keys) == 2
    index.write_text(json.dumps({**crops, "dataset": "3dpw"}))
    with pytest.raises(UsageError, match="stored as crops.* hps prepare 3dpw .*--layout full"):
        evaluate(model, index.parent, protocol())


def test_a_jaw_that_nobody_annotated_is_at_rest_whoever_shares_the_batch(tmp_path: Path) -> None:
    """Otherwise a person counts or not depending on the batch and the number of processes."""
    answers = [parameters("smplx", index) for index in range(2)]
    jaw = {0: {"smplx.jaw_pose": answers[0]["smplx.jaw_pose"]}}
    shards = write_people(tmp_path / "s", 2, kind="smplx", drop=("smplx.jaw_pose",), extra=jaw)
    answers[1] = {**answers[1], "smplx.jaw_pose": np.zeros(3, np.float32)}
    for batch in (1, 2):
        result = evaluate(oracle_model("smplx", answers), shards, protocol("smplx"), batch=batch)
        assert result.metrics["pve"].n == 2 and result.metrics["pve"].value < 0.01


def test_a_protocol_for_another_body_is_refused(model, shards) -> None:
    with pytest.raises(UsageError, match="for mano, this model predicts smpl"):
        evaluate(model, shards, protocol("mano"))


def test_a_protocol_with_another_number_of_people_is_refused(model, shards) -> None:
    with pytest.raises(InvalidData, match="11 people.* 35515"):
        evaluate(model, shards, replace(protocol(), samples=35515))


def test_a_model_that_predicts_nan_is_named_with_the_person(shards) -> None:
    answers = [parameters("smpl", index) for index in range(COUNT)]
    answers[6]["smpl.betas"] = np.full(10, np.nan, np.float32)
    with pytest.raises(InvalidData, match="person-0006"):
        evaluate(oracle_model("smpl", answers), shards, protocol(), batch=4)


def measured(keys: list[str]) -> Measured:
    values = {"mpjpe": np.arange(float(len(keys)))}
    return Measured(keys=tuple(keys), values=values, meta=tuple({} for _ in keys))


def test_a_missing_doubled_or_unknown_key_is_an_error() -> None:
    expected = ["a", "b", "c"]
    ordered = in_order(expected, measured(["c", "a", "b"]))
    np.testing.assert_array_equal(ordered.values["mpjpe"], [1.0, 2.0, 0.0])
    for keys in (["a", "b"], ["a", "b", "b"], ["a", "b", "x"], ["a", "b", "c", "c"]):
        with pytest.raises(InvalidData):
            in_order(expected, measured(keys))


def test_training_mode_is_given_back(model, shards) -> None:
    model.module.train()
    evaluate(model, shards, protocol(), limit=2)
    assert model.module.training
    model.module.eval()


def test_bfloat16_differs_a_little_and_says_so(model, shards) -> None:
    half = evaluate(model, shards, protocol(), dtype="bf16")
    full = evaluate(model, shards, protocol())
    assert half.settings["dtype"] == "bf16"
    gap = abs(half.metrics["pa_mpjpe"].value - full.metrics["pa_mpjpe"].value)
    assert 0 < gap < 20  # mm


def test_the_baseline_is_the_error_of_the_mean_person(tmp_path: Path) -> None:
    test = write_people(tmp_path / "test", 4, seed=100)
    train = write_people(tmp_path / "train", 6)
    body = oracle_model("smpl", []).body
    found = baseline(train, test, protocol(), body)
    from hpscli.body.layer import matrices

    def joints(seed: int) -> np.ndarray:
        values = parameters("smpl", seed)
        flat = {k.partition(".")[2]: torch.tensor(v)[None] for k, v in values.items()}
        points = body.kinematics(matrices(flat))[0].double().numpy()
        return points - points[0]

    mean = np.mean([joints(seed) for seed in range(6)], axis=0)
    gaps = [np.linalg.norm(joints(100 + i) - mean, axis=1).mean() for i in range(4)]
    assert found["mpjpe"].value == pytest.approx(1000 * np.mean(gaps), abs=1e-2)
    assert found["pa_mpjpe"].value < found["mpjpe"].value
    assert {"pve", "pa_pve"} <= set(found)
