"""The diary of a run."""

import json
from pathlib import Path

import pytest
import torch

from hpscli.errors import HpsError, UsageError
from hpscli.train.telling.track import Diary, Meter, check_tracker, environment


def silent(label: str, text: object) -> None:
    """Says nothing."""


def test_rewinding_forgets_later_steps_and_a_broken_line(tmp_path: Path) -> None:
    diary = Diary(tmp_path, silent)
    for step in (1, 2, 3):
        diary.record({"step": step})
    with (tmp_path / "log.jsonl").open("a") as stream:
        stream.write('{"step": 4')
    diary.rewind(2)
    text = (tmp_path / "log.jsonl").read_text()
    assert [json.loads(line)["step"] for line in text.splitlines()] == [1, 2]


def test_a_validation_that_happens_again_is_written_once(tmp_path: Path) -> None:
    diary = Diary(tmp_path, silent)
    diary.record({"step": 2, "losses": {}})
    diary.record({"step": 2, "validation": {"mpjpe": 1.0}})
    diary.rewind(2)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 2
    diary.rewind(2, measured=False)
    kept = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert kept == [{"step": 2, "losses": {}}]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("name", ["log.txt", "log.jsonl"])
def test_a_full_disk_is_named_with_how_to_go_on(tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to("/dev/full")
    diary = Diary(tmp_path, silent)
    with pytest.raises(HpsError, match="No space left") as raised:
        diary.record({"step": 1})
        diary.say("done")
    assert f"--resume {tmp_path}" in raised.value.fix


def test_log_txt_has_what_the_terminal_showed(tmp_path: Path) -> None:
    said: list[str] = []
    Diary(tmp_path, lambda label, text: said.append(f"{label} {text}")).say("done", "8 steps")
    assert said == ["done 8 steps"]
    assert (tmp_path / "log.txt").read_text() == "done        8 steps\n"


def test_other_processes_are_mute(tmp_path: Path) -> None:
    diary = Diary(tmp_path, lambda label, text: pytest.fail("spoke"), mute=True)
    diary.say("done")
    diary.record({"step": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_meter_goes_on_from_its_state() -> None:
    meter = Meter()
    meter.add({"loss": 1.0})
    later = Meter(meter.state())
    later.add({"loss": 3.0})
    assert later.take() == {"loss": 2.0}
    assert later.count == 0


def test_a_meter_that_goes_on_counts_its_own_steps_and_waiting_only() -> None:
    meter = Meter()
    meter.add({"loss": 1.0}, 9.0)
    later = Meter(meter.state())
    later.add({"loss": 3.0}, 0.5)
    assert (later.count, later.steps, later.waited_s) == (2, 1, 0.5)
    later.take()
    assert (later.steps, later.waited_s) == (0, 0.0)


def test_a_meter_of_an_older_version_had_its_waiting_among_the_losses() -> None:
    assert Meter({"sums": {"loss": 2.0, "wait_s": 1.0}, "count": 2}).take() == {"loss": 1.0}


def test_an_unknown_tracker_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="no tracker named 'tensorbord'.*'tensorboard'"):
        check_tracker("tensorbord")


def test_a_run_of_a_checkout_knows_its_commit() -> None:
    checkout = (Path(__file__).parents[3] / ".git").exists()
    assert bool(environment(torch.device("cpu"), 1)["commit"]) == checkout
