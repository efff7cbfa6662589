"""Two processes give what one gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.launched import SRUN, first_node, launched, meeting_place
from hpscli.records import PredictionSet
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.run.evaluating.settings import Settings
from hpscli.run.gather import gather_predictions
from hpscli.run.prediction_files import read_ours
from hpscli.run.processes import Job, evaluate_on
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


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hpscli.run.gather.PART_BYTES", 100_000)  # a mesh has 82 680 bytes


def everybody(folder: Path, **options: object) -> Job:
    """-> a job whose rule wants all predictions at once."""
    work = job(folder)
    protocol = replace(work.protocol, rule="tests.run.set_rule:Everybody", options=options)
    return replace(work, protocol=protocol, save=str(folder / "kept.npz"))


def test_a_rule_for_everybody_gets_all_predictions_in_the_order_of_the_list(tmp_path: Path) -> None:
    work = everybody(tmp_path)
    two = evaluate_on(2, work)
    one = evaluate(tiny_model(tmp_path), work.shards, work.protocol, batch=2)
    assert two.keys == one.keys and two.notes == ("7 predictions, keys True",)
    assert two.metrics["sum"].value == pytest.approx(one.metrics["sum"].value, abs=1e-6)
    np.testing.assert_allclose(two.errors["sum"], one.errors["sum"], atol=1e-6)
    kept = read_ours(tmp_path / "kept.npz")
    assert kept.keys == one.keys and kept.arrays["vertices"].shape[0] == 7


@pytest.mark.slow
def test_predictions_of_two_processes_are_those_of_one(tmp_path: Path) -> None:
    work = job(tmp_path)
    evaluate_on(2, replace(work, save=str(tmp_path / "two.npz")))
    evaluate(tiny_model(tmp_path), work.shards, work.protocol, save=tmp_path / "one.npz")
    one, two = read_ours(tmp_path / "one.npz"), read_ours(tmp_path / "two.npz")
    assert one.keys == two.keys and one.meta == two.meta and set(one.arrays) == set(two.arrays)
    for name, values in one.arrays.items():
        np.testing.assert_allclose(two.arrays[name], values, atol=1e-5)


@pytest.mark.slow
def test_an_error_of_such_a_rule_ends_every_process(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="nobody can be matched"):
        evaluate_on(2, everybody(tmp_path, fails=True))


def test_large_predictions_travel_in_parts(small_parts: None) -> None:
    """Two processes without a network: what each sends is what the other gets, part by part."""
    sent: list[int] = []

    def form(rank: int) -> PredictionSet:
        rows = np.arange(rank, 5, 2)
        return PredictionSet(
            keys=tuple(f"p{row}" for row in rows),
            arrays={"vertices": np.repeat(rows, 6890 * 3).reshape(-1, 6890, 3).astype(np.float32)},
            meta=tuple({"row": int(row)} for row in rows),
        )

    shares = [form(0), form(1)]

    def exchange(parts: list[object], mine: object) -> None:
        if isinstance(mine, tuple):
            parts[:] = [
                (
                    len(s),
                    {n: (v.shape[1:], v.dtype.str) for n, v in s.arrays.items()},
                    s.keys,
                    s.meta,
                )
                for s in shares
            ]
            return
        number = len(sent)
        sent.append(mine.nbytes)  # type: ignore[attr-defined]
        parts[:] = [s.arrays["vertices"][number : number + 1] for s in shares]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hpscli.run.gather.distributed.all_gather_object", exchange)
        patch.setattr("hpscli.run.gather.distributed.get_rank", lambda: 0)
        whole = gather_predictions(shares[0], 2, only_first=True)
        sent.clear()
        patch.setattr("hpscli.run.gather.distributed.get_rank", lambda: 1)
        nobody = gather_predictions(shares[1], 2, only_first=True)
    assert len(sent) == 3 and max(sent) <= 100_000
    assert whole.keys == ("p0", "p1", "p2", "p3", "p4") and [m["row"] for m in whole.meta] == [0, 1, 2, 3, 4]  # fmt: skip
    np.testing.assert_array_equal(whole.arrays["vertices"][:, 0, 0], np.arange(5))
    assert not nobody.keys and len(nobody.arrays["vertices"]) == 0


def test_more_gpus_than_there_are_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="999 GPUs asked for"):
        evaluate_on(999, job(tmp_path, device="cuda"))


def test_a_launcher_is_recognised_by_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", *SRUN):
        monkeypatch.delenv(name, raising=False)
    assert launched() is None
    for name, value in (("RANK", "1"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)
    assert launched() == (1, 4, 1)


def test_a_slurm_step_is_a_launcher_and_a_batch_script_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", *SRUN):
        monkeypatch.delenv(name, raising=False)
    script = {"SLURM_PROCID": "0", "SLURM_NTASKS": "4", "SLURM_JOB_ID": "12"}
    for name, value in script.items():
        monkeypatch.setenv(name, value)
    assert launched() is None and meeting_place() == "env://"
    step = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "4", "SLURM_LOCALID": "1"}
    step |= {"SLURM_STEP_ID": "2", "SLURM_STEP_NODELIST": "gpu[07-09]"}
    for name, value in step.items():
        monkeypatch.setenv(name, value)
    assert launched() == (3, 4, 1)
    assert meeting_place() == f"tcp://gpu07:{20_000 + 12 * 31 + 2}"
    monkeypatch.setenv("MASTER_ADDR", "elsewhere")
    assert meeting_place() == "env://"
    monkeypatch.setenv("SLURM_PROCID", "x")
    with pytest.raises(UsageError, match="SLURM_PROCID"):
        launched()


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("vm", "vm"),
        ("a,b", "a"),
        ("gpu[07-09,12],big1", "gpu07"),
        ("n[3]", "n3"),
        ("n[1-2]-ib", "n1-ib"),
        ("rack-1.cluster", "rack-1.cluster"),
    ],
)
def test_the_first_node_of_a_list_is_found(nodes: str, first: str) -> None:
    assert first_node(nodes) == first
