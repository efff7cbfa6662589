"""Result files: what is written is read, and only comparable things are compared."""

import json
from pathlib import Path

import numpy as np
import pytest

from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.metrics.protocols import METRICS
from hpscli.metrics.results import (
    Result,
    read_result,
    sample_list_sha256,
    samples_path,
    write_result,
)
from hpscli.metrics.rules import mean_metrics

KEYS = tuple(f"person-{i:03}" for i in range(80))


def result(shift: float = 0.0, keys: tuple[str, ...] = KEYS) -> Result:
    values = np.array([100 + 10 * np.sin(int(key[-3:])) + shift for key in keys])
    errors = {"mpjpe": values, "pve": np.where(np.arange(len(keys)) % 2, values, np.nan)}
    return Result(
        protocol={"name": "synthetic/test@smpl24-v1", "sample_list_sha256": "x"},
        checkpoint={"name": "tiny", "sha256": "0" * 64},
        model="hmr",
        body={"kind": "smpl", "gender": "neutral", "source": "free", "sha256": "1" * 64},
        data={"shards": "shards/synthetic/test", "index_sha256": "2" * 64, "samples": len(keys)},
        settings={"batch": 32, "dtype": "fp32", "flip": False, "limit": 0},
        metrics=mean_metrics(errors, {name: METRICS[name].figure for name in errors}),
        keys=keys,
        errors=errors,
    )


def test_a_result_comes_back_as_it_was_written(tmp_path: Path) -> None:
    before = result()
    after = read_result(write_result(tmp_path / "runs" / "result.json", before))
    assert after.document() == before.document()
    assert after.keys == before.keys
    np.testing.assert_array_equal(after.errors["pve"], before.errors["pve"])


def test_the_file_says_its_schema_and_is_found_by_its_folder(tmp_path: Path) -> None:
    path = write_result(tmp_path / "result.json", result())
    assert json.loads(path.read_text())["schema"] == "hps/eval/1"
    assert read_result(tmp_path).model == "hmr"


def test_people_without_truth_are_left_out_and_counted() -> None:
    metrics = result().metrics
    assert (metrics["mpjpe"].n, metrics["pve"].n) == (80, 40)
    assert np.isfinite(metrics["pve"].value)


def test_a_metric_that_nobody_has_is_absent() -> None:
    assert mean_metrics({"pve": np.full(3, np.nan)}, {"pve": METRICS["pve"].figure}) == {}


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    path = write_result(tmp_path / "result.json", result())
    with pytest.raises(UsageError, match="exists already"):
        write_result(path, result())


@pytest.mark.parametrize("text", ["", "{}", '{"schema": "hps/eval/9"}', "[]", "\x00"])
def test_a_file_that_is_no_result_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(text)
    with pytest.raises(InvalidData, match="result.json"):
        read_result(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="nothing.json"):
        read_result(tmp_path / "nothing.json")
    path = write_result(tmp_path / "result.json", result())
    samples_path(path).unlink()
    with pytest.raises(MissingError, match=r"result.samples.npz"):
        read_result(path)


def test_a_damaged_people_file_is_refused(tmp_path: Path) -> None:
    path = write_result(tmp_path / "result.json", result())
    samples_path(path).write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(InvalidData):
        read_result(path)


def test_the_sample_list_hash_ignores_order_and_sees_every_key() -> None:
    assert sample_list_sha256(KEYS) == sample_list_sha256(KEYS[::-1])
    assert sample_list_sha256(KEYS) != sample_list_sha256(KEYS[1:])
