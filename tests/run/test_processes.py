"""Two processes give what one gives."""

from pathlib import Path

import numpy as np
import pytest

from hpscli.errors import InvalidData, MissingError
from hpscli.registry import get_registry
from hpscli.run.evaluate import Settings, evaluate
from hpscli.run.processes import Job, evaluate_on, launched
from tests.run.people import tiny_checkpoint, tiny_model, write_people


def job(folder: Path, count: int = 7, **changes: object) -> Job:
    values = {
        "checkpoint": str(tiny_checkpoint(folder / "tiny.safetensors")),
        "shards": str(write_people(folder / "test", count)),
        "protocol": get_registry().protocol("synthetic/test@smpl24-v1"),
        "settings": Settings(batch=2),
    }
    return Job(**{**values, **changes})


def test_two_processes_measure_each_person_once_and_agree_with_one(tmp_path: Path) -> None:
    work = job(tmp_path)
    two = evaluate_on(2, work)
    one = evaluate(tiny_model(tmp_path), work.shards, work.protocol, batch=32)
    assert two.processes == 2 and two.keys == one.keys
    assert two.protocol == one.protocol and two.checkpoint["sha256"] == one.checkpoint["sha256"]
    for name, values in one.errors.items():
        np.testing.assert_allclose(two.errors[name], values, atol=1e-3)  # mm


@pytest.mark.slow
def test_a_users_error_in_a_process_arrives_as_that_error(tmp_path: Path) -> None:
    work = job(tmp_path, count=2)
    (Path(work.shards) / "000001.tar").write_bytes(b"")
    with pytest.raises(InvalidData, match="000001"):
        evaluate_on(2, work)


def test_more_gpus_than_there_are_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="999 GPUs asked for"):
        evaluate_on(999, job(tmp_path, device="cuda"))


def test_a_launcher_is_recognised_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    assert launched() is None
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert launched() == (1, 4, 1)
