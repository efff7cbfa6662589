"""The course project: the public scorer's formula, its CSV to the byte, and what can be wrong in it."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hps_benchmarks.course import score
from hps_benchmarks.course.check import TWINS, check
from hps_benchmarks.course.files import read, recognise, write
from hpscli.body.joints import joint_set
from hpscli.body.layer import load_body
from hpscli.body.regressors import SPIN_49
from hpscli.cli.app import run
from hpscli.errors import InvalidData
from hpscli.metrics.results import read_result
from hpscli.records import Finding, PredictionSet
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate_predictions
from tests.run.people import tiny_checkpoint, write_people

PUBLIC, TRUE = "mp2022/test@public-v1", "mp2022/test@mpjpe-v1"
NAME = "test_pred_joints.csv"
ROWS = 24


@pytest.fixture(scope="module")
def joints() -> np.ndarray:
    """-> people (24,49,3) who stand upright before the camera."""
    body = load_body("smpl", source="free")
    turn = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(ROWS, 3, 3)
    betas = torch.tensor(np.random.RandomState(0).randn(ROWS, 10), dtype=torch.float32)
    posed = body({"global_orient": turn, "betas": betas})
    return body.regress(posed.vertices, "spin49", joints=posed.joints).numpy()


def text(values: np.ndarray, **options: str) -> str:
    stream = io.StringIO()
    np.savetxt(stream, values.reshape(len(values), -1), **{"delimiter": ",", **options})
    return stream.getvalue()


def found(tmp_path: Path, content: str | bytes, **options: int) -> list[Finding]:
    file = tmp_path / NAME
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return check(file, **{"samples": ROWS, **options})


def with_nan(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values[5, 30, 1] = np.nan
    return values


def replaced(content: str, cell: str) -> str:
    first, _, rest = content.partition(",")
    return f"{first},{cell},{rest.partition(',')[2]}"


WRONG: dict[str, tuple[Callable[[np.ndarray], str | bytes], str, str]] = {
    "too few rows": (lambda j: text(j[:-1]), "23 rows, the test list has 24", "in the order"),
    "a single row": (lambda j: text(j[:1]), "single row", "One row for each"),
    "24 joints": (lambda j: text(j[:, 25:]), "72 columns", "all 49 of SPIN"),
    "one number a joint": (lambda j: text(j[..., 0]), "49 columns", "Three numbers"),
    "numbers of the rows": (
        lambda j: "".join(f"{i},{line}\n" for i, line in enumerate(text(j).splitlines())),
        "148 columns",
        "index=False",
    ),
    "a header": (lambda j: "x," * 146 + "x\n" + text(j), "no header", "header=False"),
    "semicolons": (lambda j: text(j, delimiter=";"), "semicolons", "commas"),
    "spaces": (lambda j: text(j, delimiter=" "), "spaces", "commas"),
    "decimal commas": (lambda j: text(j).replace(".", ","), "294 columns", "decimals"),
    "a row cut short": (lambda j: text(j)[:-900], "row 24 has", "cut short"),
    "a word": (lambda j: replaced(text(j), "none"), "'none' is no number", "Write every"),
    "NaN": (lambda j: text(with_nan(j)), "NaN or infinity, first [6]", "again"),
    "millimetres": (lambda j: text(j * 1000), "millimetres", "Divide by 1000"),
    "centimetres": (lambda j: text(j * 100), "centimetres", "Divide by 100"),
    "nothing": (lambda j: "", "empty", "savetxt"),
    "a zip": (lambda j: b"PK\x03\x04" + bytes(100), "packed", "Unpack"),
    "UTF-16": (lambda j: text(j).encode("utf-16"), "not ASCII", "savetxt"),
    "a byte order mark": (lambda j: b"\xef\xbb\xbf" + text(j).encode(), "byte order", "without"),
    "an array in binary": (lambda j: j.tobytes(), "not ASCII", "savetxt"),
}
DOUBTFUL: dict[str, tuple[Callable[[np.ndarray], str | bytes], str, str]] = {
    "lines of Windows": (lambda j: text(j).replace("\n", "\r\n"), "CR LF", "sed"),
    "few digits": (lambda j: text(j, fmt="%.3f"), "digits", "18"),
    "from the pelvis": (lambda j: text(j - j[:, 8:9]), "from the pelvis", "subtracted"),
    "coordinate after coordinate": (lambda j: text(j.swapaxes(1, 2)), "differ", "x, y, z"),
    "the halves exchanged": (lambda j: text(j[:, [*range(25, 49), *range(25)]]), "differ", "order"),
    "mirrored": (lambda j: text(j * [-1, 1, 1]), "mirrored", "left and right"),
    "y up": (lambda j: text(j * [1, -1, -1]), "below the hips", "y points down"),
    "always the same": (lambda j: text(np.repeat(j[:1], ROWS, axis=0)), "same person", "trained"),
    "a remark": (lambda j: "# joints\n" + text(j), "begin with #", "Leave"),
}


@pytest.mark.parametrize("damage", WRONG)
def test_damage_is_found_and_says_what_to_do(
    damage: str, joints: np.ndarray, tmp_path: Path
) -> None:
    change, problem, fix = WRONG[damage]
    findings = [finding for finding in found(tmp_path, change(joints)) if finding.error]
    assert any(problem in f.problem and fix.lower() in f.fix.lower() for f in findings), findings


@pytest.mark.parametrize("doubt", DOUBTFUL)
def test_a_doubt_is_said_and_is_no_violation(
    doubt: str, joints: np.ndarray, tmp_path: Path
) -> None:
    change, problem, fix = DOUBTFUL[doubt]
    findings = found(tmp_path, change(joints))
    assert not [finding for finding in findings if finding.error], findings
    assert any(problem in f.problem and fix.lower() in f.fix.lower() for f in findings), findings


def test_a_whole_file_passes_and_without_the_list_its_length_is_a_doubt(
    joints: np.ndarray, tmp_path: Path
) -> None:
    assert found(tmp_path, text(joints)) == []
    (doubt,) = found(tmp_path, text(joints), samples=0)
    assert not doubt.error and "24 rows" in doubt.problem
    truth = tmp_path / "truth.csv"
    truth.write_text(text(joints[:20]))
    (finding,) = check(tmp_path / NAME, ground_truth=str(truth))
    assert "has 20" in finding.problem


def test_the_examples_of_the_reference_are_read_and_written_to_the_byte(
    reference: Path, tmp_path: Path
) -> None:
    body = load_body("smpl", source="free")
    for place in (
        "metrics/submissions/eth_test_pred_joints_3rows.csv",
        "hmr/goldens/eth_test_pred_joints_example.csv",
    ):
        file = reference / place
        assert recognise(file) and not [f for f in check(file) if f.error]
        predictions = read(file)
        write(predictions, tmp_path / NAME, body)
        assert (tmp_path / NAME).read_bytes() == file.read_bytes()


def test_joints_that_are_told_apart_are_the_same_in_spins_list() -> None:
    names = joint_set("spin49").joints
    for first, second in TWINS:
        assert SPIN_49[first] == SPIN_49[second], (names[first], names[second])


@settings(max_examples=20)
@given(st.integers(1, 5), st.integers(0, 1000))
def test_the_public_score_is_a_plain_loop_over_coordinates(rows: int, seed: int) -> None:
    predicted, true = np.random.RandomState(seed).randn(2, rows, 49, 3)
    total = 0.0
    for row in range(rows):
        whole = [
            np.sqrt((a - b) ** 2)
            for a, b in zip(predicted[row, 25:].flat, true[row, 25:].flat, strict=True)
        ]
        total += sum(whole) / 72
    assert score.public_score(predicted, true) == pytest.approx(1000 * total / rows)
    mean = score.distances_mm(predicted, true).mean()
    assert mean / 3 <= score.public_score(predicted, true) <= mean / np.sqrt(3)
    predicted[:, :25] += 7  # nobody looks
    assert score.public_score(predicted, true) == pytest.approx(1000 * total / rows)


def test_from_a_model_to_the_file_and_back_the_score_is_the_same(tmp_path: Path) -> None:
    shards = write_people(tmp_path / "shards", 5)
    checkpoint = tiny_checkpoint(tmp_path / "tiny.safetensors")
    words = [
        "--checkpoint",
        str(checkpoint),
        "--shards",
        str(shards),
        "--out",
        str(tmp_path / NAME),
    ]
    assert run(["export-preds", "mp2022", *words, "samples=5", "-q"]) == 0
    values = {}
    for name, source in (("model", str(checkpoint)), ("file", str(tmp_path / NAME))):
        for protocol in (PUBLIC, TRUE):
            out = tmp_path / f"{name}.json"
            options = [
                "--protocol",
                protocol,
                "--shards",
                str(shards),
                "--out",
                str(out),
                "--force",
            ]
            assert run(["eval", source, *options, "-q"]) == 0
            result = read_result(out)
            values[name, protocol] = {n: m.value for n, m in result.metrics.items()}
        assert values[name, TRUE]["mpjpe"] == values[name, PUBLIC]["mpjpe"]
    assert list(values["model", PUBLIC]) == ["public_score", "mpjpe", "pa_mpjpe"]
    for figure, value in values["model", PUBLIC].items():
        assert values["file", PUBLIC][figure] == pytest.approx(value, rel=1e-6), figure


def test_the_line_is_the_scorers_and_numbers_are_needed(tmp_path: Path) -> None:
    shards = write_people(tmp_path / "shards", 3)
    body = load_body("smpl", source="free")
    points = np.random.RandomState(0).randn(3, 49, 3).astype(np.float32)
    protocol = get_registry().protocol(PUBLIC)
    given_set = PredictionSet(keys=(), arrays={"joints.spin49": points})
    result = evaluate_predictions(given_set, body, shards, protocol)
    assert result.official_text == f"MPJPE: {result.metrics['public_score'].value} mm\n"
    assert len(result.tables["joints"].rows) == 24
    points[1, 2] = np.nan
    with pytest.raises(InvalidData, match="person-0001"):
        evaluate_predictions(given_set, body, shards, protocol)
    with pytest.raises(InvalidData, match="NaN"):
        write(given_set, tmp_path / NAME, body)
    with pytest.raises(InvalidData, match="49 joints"):
        write(PredictionSet(keys=("a",), arrays={}), tmp_path / NAME, body)


def test_what_is_no_table_is_not_read(tmp_path: Path, joints: np.ndarray) -> None:
    file = tmp_path / NAME
    for damage in ("24 joints", "a word", "a header", "UTF-16"):
        content = WRONG[damage][0](joints)
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        assert not recognise(file)
        with pytest.raises(InvalidData):
            read(file)
