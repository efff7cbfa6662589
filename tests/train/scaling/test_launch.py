"""Several processes on one machine: the same figures, and a good end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from torch.distributed import TCPStore  # type: ignore[attr-defined]

from hpscli.cli.training.starting import tell_ending
from hpscli.errors import HpsError, UsageError
from hpscli.recipe import to_toml
from hpscli.train.scaling import launch, stopping
from hpscli.train.scaling.processes import threads_for
from tests.programs import gone, program, wait_until
from tests.train.labelled import labelled_people, small_recipe


def test_a_stop_signal_sets_a_flag_and_the_old_handler_returns() -> None:
    before = signal.getsignal(signal.SIGINT)
    with stopping.stop_signals() as stop:
        assert not stop.now()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.now()
        with pytest.raises(KeyboardInterrupt):  # who asks twice does not want to wait
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
    assert signal.getsignal(signal.SIGINT) is before


def test_all_signals_are_remembered_also_those_of_other_processes() -> None:
    with stopping.stop_signals() as outer, stopping.stop_signals() as stop:
        for number in (signal.SIGUSR2, signal.SIGTERM):  # a warning; then the time is up
            os.kill(os.getpid(), number)
        stop.hear([signal.SIGUSR1])
    assert stop.signals == outer.signals == {signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM}


def test_a_rank_that_something_else_set_is_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert not launch.inside_job()
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert launch.inside_job()


def test_a_process_whose_launcher_is_gone_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(stopping.PARENT, "999999999")
    with stopping.stop_signals() as stop:
        assert stop.now()


def test_more_gpus_than_there_are_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--gpus 4096.*--device cpu|--gpus 4096"):
        launch.check_gpus(4096)


JOB = """
import os, signal, sys, time
rank = int(os.environ["RANK"])
assert int(os.environ["WORLD_SIZE"]) > rank and os.environ["MASTER_PORT"]
if sys.argv[1] == "fail" and rank == 1:
    sys.exit(5)
if sys.argv[1] == "deaf":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    open(f"{rank}.pid", "w").write(str(os.getpid()))
if sys.argv[1] == "leave":  # one has left its group, which the other hears before it can say why
    if rank == 1:
        sys.exit(75)
    time.sleep(2)
    sys.exit(5)
if sys.argv[1] == "hang" and rank == 1:
    sys.exit(75)
time.sleep(0.0 if sys.argv[1] == "end" else 30)
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`python -m hpscli WORD` becomes a small program: launching is what is tested."""
    (tmp_path / "hpscli.py").write_text(JOB)
    monkeypatch.chdir(tmp_path)


def test_a_job_ends_with_0_when_all_do(job: None) -> None:
    assert launch.launch(["end"], 2) == launch.Ending(0)


def test_when_one_process_fails_the_others_are_stopped(job: None) -> None:
    start = time.monotonic()
    assert launch.launch(["fail"], 2) == launch.Ending(5, rank=1, cause=5)
    assert time.monotonic() - start < 20


def test_who_loses_another_first_is_not_taken_for_the_one_that_failed(job: None) -> None:
    assert launch.launch(["leave"], 2) == launch.Ending(5, rank=0, cause=5)


def test_a_process_that_is_lost_and_says_nothing_is_ended(
    job: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "FAIL_SECONDS", 1.0)
    assert launch.launch(["hang"], 2) == launch.Ending(1, rank=1, cause=launch.LOST)


def test_a_port_to_meet_at_is_kept_for_the_process_that_will_listen() -> None:
    with launch.meeting_port() as port, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        with pytest.raises(OSError, match="in use"):
            other.bind(("127.0.0.1", port))
        TCPStore("127.0.0.1", port, is_master=True, wait_for_workers=False).set("met", "yes")


LAUNCHER = f"""
import sys
sys.path.insert(0, {str(Path(launch.__file__).parents[3])!r})
from hpscli.train.scaling import launch
sys.path.pop(0)
launch.STOP_SECONDS = float(sys.argv[1])
print(launch.launch(["deaf"], 2), flush=True)
"""


@contextmanager
def deaf_job(seconds: float) -> "Iterator[tuple[subprocess.Popen[str], list[int]]]":
    """Start a launcher whose processes do not listen to Ctrl-C -> it, and their ids."""
    words = [sys.executable, "-c", LAUNCHER, str(seconds)]
    files = [Path("0.pid"), Path("1.pid")]
    with program(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as launcher:
        wait_until(launcher, lambda: all(file.is_file() and file.read_text() for file in files))
        yield launcher, [int(file.read_text()) for file in files]


def test_a_second_ctrl_c_ends_the_processes_too(job: None) -> None:
    with deaf_job(300.0) as (launcher, pids):
        launcher.send_signal(signal.SIGINT)
        time.sleep(0.5)
        for _ in range(12):
            launcher.send_signal(signal.SIGINT)  # where the machine is busy, two may come as one
            with suppress(subprocess.TimeoutExpired):
                launcher.wait(5)
                break
        assert launcher.returncode not in (None, 0)
        assert all(gone(pid) for pid in pids)


def test_processes_that_do_not_stop_in_time_are_killed_and_that_is_said(job: None) -> None:
    with deaf_job(1.0) as (launcher, pids):
        launcher.send_signal(signal.SIGINT)
        said, _ = launcher.communicate(timeout=60)
        assert "late=True" in said
        assert all(gone(pid) for pid in pids)


def test_when_a_process_cannot_be_started_the_others_are_ended(
    job: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[subprocess.Popen[bytes]] = []

    class Third(subprocess.Popen):  # type: ignore[type-arg]
        def __init__(self, *words: object, **more: object) -> None:
            if len(begun) == 2:
                raise BlockingIOError("Resource temporarily unavailable")
            super().__init__(*words, **more)  # type: ignore[call-overload]
            begun.append(self)

    monkeypatch.setattr(subprocess, "Popen", Third)
    with pytest.raises(BlockingIOError):
        launch.launch(["wait"], 3)
    assert [process.returncode for process in begun] == [-signal.SIGKILL] * 2


def test_it_is_told_that_processes_were_killed_for_being_late(tmp_path: Path) -> None:
    late = launch.Ending(1, late=True)
    with pytest.raises(HpsError, match="did not stop within 300 s") as raised:
        tell_ending(late, "hps train --resume run", tmp_path, 2)
    assert "memory" not in str(raised.value)
    assert "Nothing was saved yet" in raised.value.fix


@pytest.mark.slow
def test_two_processes_train_as_one_with_their_batches_together(tmp_path: Path) -> None:
    people = labelled_people(tmp_path / "train", 20, split="train")
    others = labelled_people(tmp_path / "validation", 5, seed=100, split="validation")
    recipe = tmp_path / "small.toml"
    recipe.write_text(to_toml(small_recipe(people, others, train__epochs=1)))
    run = tmp_path / "run"
    command = [sys.executable, "-m", "hpscli", "train", str(recipe), "--out", str(run)]
    done = subprocess.run(
        [*command, "--processes", "2"], capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert "4 x 2 processes = 8" in done.stderr
    assert done.stderr.count("1/2 ") == 1  # one process talks
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["samples"] for line in lines if "losses" in line] == [8, 16]
    assert lines[-1]["validation"]["mpjpe"] > 0
    again = [*command[:4], "--resume", str(run), "data.workers=1", "--processes", "2"]
    done = subprocess.run(again, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "step 2 of 2" in done.stderr


@pytest.mark.parametrize(
    ("cores", "processes", "workers", "threads"),
    [(2, 1, 1, 1), (2, 1, 0, 2), (1, 1, 1, 1), (16, 2, 2, 6), (2, 4, 1, 1)],
)
def test_threads_and_workers_share_the_cores(
    cores: int, processes: int, workers: int, threads: int
) -> None:
    assert threads_for(cores, processes, workers) == threads
