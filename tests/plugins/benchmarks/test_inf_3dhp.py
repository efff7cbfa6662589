"""MPI-INF-3DHP's tables, and its protocol from shards to figures."""

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hps_benchmarks.inf_3dhp import score
from hpscli.body.layer import load_body
from hpscli.cli.app import run
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.results import Result
from hpscli.records import PredictionSet
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate, evaluate_predictions
from tests.run.people import tiny_model, write_people

COUNT = 6
OFFICIAL, CORRECTED = "mpi-inf-3dhp/test@official-v1", "mpi-inf-3dhp/test@corrected-v1"
SET = "keypoints3d.mpi_inf_3dhp17_test"


def protocol(name: str = OFFICIAL) -> ProtocolSpec:
    return replace(get_registry().protocol(name), samples=0)


def points(seed: int = 0, count: int = COUNT) -> np.ndarray:
    joints = np.random.RandomState(seed).randn(count, 17, 3) * 0.3
    return (joints - joints[:, [score.ROOT]]).astype(np.float32)


def shards(folder: Path, truth: np.ndarray, sequence: str = "TS1") -> Path:
    extra = {i: {SET: np.hstack([row, np.ones((17, 1))])} for i, row in enumerate(truth)}
    typed = {i: {SET: row[SET].astype(np.float32)} for i, row in extra.items()}
    meta = {"sequence": sequence, "activity": 2, "root_relative": True}
    return write_people(folder, len(truth), drop=("smpl.",), extra=typed, meta=meta)


def measured(
    folder: Path, truth: np.ndarray, predicted: np.ndarray, name: str = OFFICIAL
) -> Result:
    given = PredictionSet(keys=(), arrays={"joints.mpi_inf_3dhp17_test": predicted})
    where = shards(folder, truth)
    return evaluate_predictions(given, load_body("smpl", source="free"), where, protocol(name))


@pytest.mark.parametrize("pattern", ["mpi*"])
def test_every_cell_of_the_authors_tables_is_ours(reference: Path, pattern: str) -> None:
    assert run(["selfcheck", str(reference / "metrics"), "--only", pattern, "-q"]) == 0


def test_a_distance_of_a_threshold_is_a_miss() -> None:
    errors = np.full((1, 17), np.nextafter(150.0, 0.0))
    errors[0, 0], errors[0, 14] = 150.0, 0.0
    row = score.row("one", errors)
    assert row.pck[0] == 0.0 and row.pck[1] == 100.0
    assert row.total_pck == pytest.approx(100.0 * 13 / 14)
    assert score.auc(np.array([0.0, 5.0, 150.0])).tolist() == pytest.approx(
        [100 * 30 / 31, 100 * 29 / 31, 0.0]
    )


def test_an_activity_that_nobody_does_has_no_number_and_a_cell_that_says_so() -> None:
    rows = score.activity_rows(np.full((3, 17), 10.0), [2, 2, 6])
    assert [row.name for row in rows if np.isfinite(row.mpjpe)] == ["Exercising", "Sports", "All"]
    table = score.cells(rows)
    assert table[1][1:] == ["NaN"] * 18 and table[2][-1] == "10"
    assert table[10][1] == "NaN" and len(table) == 27


@given(st.integers(1, 40), st.integers(0, 9))
def test_tables_are_those_of_a_plain_loop(frames: int, seed: int) -> None:
    errors = np.round(np.random.RandomState(seed).rand(frames, 17) * 200)  # many ties
    row = score.row("x", errors)
    for number, joints in enumerate(score.GROUPS.values()):
        hits = [errors[frame, j] < 150 for frame in range(frames) for j in joints]
        assert row.pck[number] == pytest.approx(100 * sum(hits) / len(hits))
        areas = [
            sum(errors[frame, j] < t for t in range(0, 151, 5)) / 31
            for frame in range(frames)
            for j in joints
        ]
        assert row.auc[number] == pytest.approx(100 * sum(areas) / len(areas))
    everything = errors[:, list(score.GROUPED)] < 150
    assert row.total_pck == pytest.approx(100 * everything.mean())


def test_figures_are_those_of_the_joints_and_the_corrected_ones_leave_out_the_pelvis(
    tmp_path: Path,
) -> None:
    truth, predicted = points(0), points(1)
    result = measured(tmp_path / "a", truth, predicted + 0.7)
    errors = 1000 * np.linalg.norm(predicted.astype(float) - truth, axis=2)
    assert result.metrics["mpjpe"].value == pytest.approx(errors.mean(), rel=1e-5)
    hits = errors[:, list(score.GROUPED)] < 150
    assert result.metrics["pck"].value == pytest.approx(100 * hits.mean())
    corrected = measured(tmp_path / "b", truth, predicted, CORRECTED)
    assert corrected.metrics["mpjpe"].value == pytest.approx(errors.mean() * 17 / 16, rel=1e-5)
    assert corrected.metrics["pck"].value == result.metrics["pck"].value
    assert get_registry().protocol(OFFICIAL).beside == CORRECTED


def test_sequences_and_activities_are_tables_and_lines(tmp_path: Path) -> None:
    result = measured(tmp_path / "a", points(0), points(1))
    (sequence,) = result.tables["sequences"].rows
    (action, everyone) = result.tables["actions"].rows
    assert sequence[0] == "TS1" and action[0] == "Exercising" and everyone[0] == "All"
    assert sequence[1:] == pytest.approx(everyone[1:])
    lines = list(csv.reader(io.StringIO(result.official_text)))
    assert lines[0][1] == "head_top" and lines[1][0] == "TestSeq1"
    assert result.details["joint_errors_mm"].shape == (COUNT, 17)
    assert len(result.tables["joints"].rows) == 17


def test_joints_of_annot3_are_refused_with_the_command_that_prepares_the_others(
    tmp_path: Path,
) -> None:
    with pytest.raises(InvalidData, match="annot3") as caught:
        measured(tmp_path / "a", points(0) + 3.0, points(1))
    assert "annotation=univ_annot3" in caught.value.fix


def test_a_prediction_without_numbers_is_named(tmp_path: Path) -> None:
    predicted = points(1)
    predicted[2, 3] = np.nan
    with pytest.raises(InvalidData, match="person-0002"):
        measured(tmp_path / "a", points(0), predicted)


def test_a_model_is_measured_by_its_mesh(tmp_path: Path) -> None:
    where = shards(tmp_path / "a", points(0))
    model = tiny_model(tmp_path)
    result = evaluate(model, where, protocol(), batch=4)
    assert result.metrics["mpjpe"].n == COUNT and 0 < result.metrics["mpjpe"].value < 5000
    assert result.metrics["auc"].value < 100


def test_the_owners_files_say_sequence_and_activity(reference: Path, tmp_path: Path) -> None:
    owners = reference / "datasets" / "fixtures" / "mpi_inf_3dhp"
    words = ["--from", str(owners), "--split", "test", "--workers", "1", "-q"]
    out = tmp_path / "shards"
    option = "annotation=univ_annot3"
    assert run(["prepare", "mpi-inf-3dhp", option, *words, "--out", str(out)]) == 0
    result = evaluate(tiny_model(tmp_path), out, protocol())
    assert [row[0] for row in result.tables["sequences"].rows][:2] == ["TS1", "TS2"]
    assert result.tables["actions"].rows[-1][0] == "All" and not result.notes
    assert "\nTestSeq2," in result.official_text and "Standing/Walking" in result.official_text
