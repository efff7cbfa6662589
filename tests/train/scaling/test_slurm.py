"""A training as a job of a cluster, without a cluster: what it is told, and what each turn does."""

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hpscli.cli.output import Output
from hpscli.cli.training import cluster as following
from hpscli.errors import HpsError, UsageError
from hpscli.train.scaling import slurm
from hpscli.train.scaling.slurm import Training, cluster_of, queue_again
from tests.train.labelled import labelled_people, small_recipe


def test_a_process_runs_on_each_gpu_of_each_node() -> None:
    cluster = cluster_of("partition=main,nodes=2,gpus=4,time=1-00:00:00,constraint=a100")
    told = cluster.parameters("small")
    assert cluster.world == 8
    assert (told["nodes"], told["tasks_per_node"], told["gpus_per_node"]) == (2, 4, 4)
    assert (told["timeout_min"], told["slurm_constraint"]) == (1440, "a100")
    assert told["slurm_signal_delay_s"] == 120
    assert "--kill-on-bad-exit=1" in told["slurm_srun_args"]
    assert told["slurm_additional_parameters"] == {"requeue": True}
    assert cluster_of("tasks=3").world == 3


def test_a_setting_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match="no setting 'gpu'"):
        cluster_of("gpu=4")


def test_each_turn_of_a_job_goes_on_where_the_one_before_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    people = labelled_people(tmp_path / "people", 8, split="train")
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.toml").write_text("")  # a turn that was killed before its first checkpoint
    job = Training(recipe=small_recipe(people), run=run, settings={"device": "cpu"})
    assert job() == str(run)
    assert "resume  " not in capsys.readouterr().err
    again: Any = job.checkpoint()
    assert again.function() == str(run)
    assert "resume      step-00000008" in capsys.readouterr().err


def test_what_a_user_did_wrong_is_one_line_in_the_log_of_the_job(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = small_recipe(tmp_path / "nowhere")
    with pytest.raises(SystemExit) as raised:
        Training(recipe=recipe, run=tmp_path / "run", settings={"device": "cpu"})()
    text = capsys.readouterr().err
    assert raised.value.code == 3
    assert "error" in text and "nowhere" in text and "Traceback" not in text


@pytest.fixture
def queued(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """What submitit's handler hears."""
    heard: list[int] = []
    before = {n: signal.getsignal(n) for n in (signal.SIGUSR2, signal.SIGTERM)}
    signal.signal(signal.SIGUSR2, lambda number, frame: heard.append(number))
    monkeypatch.setattr(slurm, "REQUEUE_SECONDS", 0.0)
    yield heard
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("signals", "facts", "again"),
    [
        ({signal.SIGUSR2}, {}, True),
        ({signal.SIGUSR1}, {}, True),
        ({signal.SIGUSR2, signal.SIGTERM}, {}, True),
        ({signal.SIGTERM}, {}, False),
        ({signal.SIGTERM}, {"JobState": "CANCELLED", "PreemptTime": "None"}, False),
        ({signal.SIGTERM}, {"JobState": "RUNNING", "PreemptTime": "2026-11-20T16:22:23"}, True),
    ],
)
def test_a_job_is_queued_again_when_time_or_place_is_taken_and_not_when_it_is_cancelled(
    queued: list[int],
    monkeypatch: pytest.MonkeyPatch,
    signals: set[int],
    facts: dict[str, str],
    again: bool,
) -> None:
    monkeypatch.setattr(slurm, "job_facts", lambda job: facts)
    assert queue_again(signals, first=True).code == 130
    assert queued == ([signal.SIGUSR2] if again else [])


def test_only_the_first_task_queues_a_job_and_the_others_wait_for_its_end(
    queued: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    assert queue_again({signal.SIGUSR2}, first=False).code == 130
    assert (queued, slept) == ([], [slurm.REQUEUE_SECONDS])


def test_a_job_that_slurm_is_too_busy_to_queue_is_queued_when_it_answers(
    queued: list[int], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(slurm, "PAUSE_SECONDS", 0.0)
    asked: list[int] = []

    def busy(number: int, frame: object) -> None:
        asked.append(number)
        if len(asked) < 3:
            raise subprocess.CalledProcessError(1, ["scontrol", "requeue", "1"])

    signal.signal(signal.SIGUSR2, busy)
    queue_again({signal.SIGUSR2}, first=True)
    assert len(asked) == 3
    assert capsys.readouterr().err.count("could not be queued again") == 2


SCONTROL = """#!/bin/sh
echo asked >> "$0.log"
if [ $(wc -l < "$0.log") -le {fails} ]; then
    echo "slurm_load_jobs error: {words}" >&2
    exit 1
fi
echo "JobId=7 JobState=RUNNING Reason=None"
"""
BUSY = "Unable to contact slurm controller (connect failure)"


def scontrol(folder: Path, monkeypatch: pytest.MonkeyPatch, fails: int, words: str) -> Path:
    """Put a program of that name first, which fails so often -> the file that counts."""
    program = folder / "scontrol"
    program.write_text(SCONTROL.format(fails=fails, words=words))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(slurm, "PAUSE_SECONDS", 0.0)
    return folder / "scontrol.log"


def test_a_busy_controller_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = scontrol(tmp_path, monkeypatch, 2, BUSY)
    assert slurm.job_facts("7")["JobState"] == "RUNNING"
    assert log.read_text().count("asked") == 3


def test_a_job_that_slurm_has_forgotten_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = scontrol(tmp_path, monkeypatch, 9, "Invalid job id specified")
    assert slurm.job_facts("7") == {}
    assert log.read_text().count("asked") == 1


def test_a_log_is_followed_while_the_controller_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = iter([{}, {"JobState": "RUNNING"}, {}, {}, {"JobState": "COMPLETED"}])
    (tmp_path / "finished.json").write_text("{}")
    monkeypatch.setattr(slurm, "job_facts", lambda job: next(facts))
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.0)
    following.follow("1", tmp_path / "log", tmp_path, "hps train --resume run", Output())
    assert next(facts, None) is None  # to its end, not to its first silence


def test_a_controller_that_stays_silent_is_no_end_of_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "job_facts", lambda job: {})
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(following, "SILENT_SECONDS", 0.05)
    with pytest.raises(HpsError, match="Slurm says nothing of job 1 any more"):
        following.follow("1", tmp_path / "log", tmp_path, "hps train --resume run", Output())


def test_a_log_is_followed_over_the_turns_of_a_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    log, run = tmp_path / "1_0_log.out", tmp_path / "run"
    run.mkdir()
    states = iter(["PENDING", "RUNNING", "PENDING", "RUNNING", "COMPLETED"])

    def facts(job: str) -> dict[str, str]:
        state = next(states)
        with log.open("a") as stream:
            stream.write(f"{state}\n" if state != "PENDING" else "")
        if state == "COMPLETED":
            (run / "finished.json").write_text("{}")
        return {"JobState": state}

    monkeypatch.setattr(slurm, "job_facts", facts)
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.0)
    following.follow("1", log, run, "hps train --resume run", Output())
    assert capsys.readouterr().err == "RUNNING\nRUNNING\nCOMPLETED\n"


def test_a_job_that_ends_before_its_training_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "job_facts", lambda job: {"JobState": "OUT_OF_MEMORY"})
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(following, "TURN_SECONDS", 0.02)
    with pytest.raises(HpsError, match=r"ended \(OUT_OF_MEMORY\) before the training did"):
        following.follow("1", tmp_path / "log", tmp_path, "hps train --resume run", Output())
