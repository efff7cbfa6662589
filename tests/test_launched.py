"""The tasks of a Slurm step learn their place as torchrun would tell it."""

import os

import pytest

from hpscli.launched import join_step, tasks_on_node

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
STEP = {
    "SLURM_PROCID": "5",
    "SLURM_STEP_NUM_TASKS": "8",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-08]",
    "SLURM_STEP_TASKS_PER_NODE": "4(x2)",
    "SLURM_JOB_ID": "12",
    "SLURM_STEP_ID": "0",
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task of a step, and nothing that a launcher said; what is set in a test goes with it."""
    for name in NAMES:
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in STEP.items():
        monkeypatch.setenv(name, value)


def test_a_task_of_a_step_finds_its_place() -> None:
    join_step()
    found = {name: os.environ[name] for name in NAMES}
    assert found == {
        "RANK": "5",
        "WORLD_SIZE": "8",
        "LOCAL_RANK": "1",
        "LOCAL_WORLD_SIZE": "4",
        "MASTER_ADDR": "gpu07",
        "MASTER_PORT": str(20_000 + 12 * 31),
    }


def test_what_a_launcher_or_a_script_says_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    join_step()
    assert os.environ["MASTER_ADDR"] == "10.0.0.1"
    monkeypatch.setenv("RANK", "0")
    monkeypatch.delenv("WORLD_SIZE")
    join_step()
    assert "WORLD_SIZE" not in os.environ


def test_a_step_of_one_task_is_no_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_STEP_NUM_TASKS", "1")
    monkeypatch.setenv("SLURM_PROCID", "0")
    join_step()
    assert "RANK" not in os.environ


@pytest.mark.parametrize(
    ("words", "first", "count"), [("4(x2)", 4, 4), ("4(x2),3", 8, 3), ("2,1", 2, 1), ("3", 0, 3)]
)
def test_tasks_of_a_node_are_counted(
    monkeypatch: pytest.MonkeyPatch, words: str, first: int, count: int
) -> None:
    monkeypatch.setenv("SLURM_STEP_TASKS_PER_NODE", words)
    assert tasks_on_node(first, 11) == count
