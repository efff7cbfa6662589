"""What a cluster sends to every process of a job must not end the workers of a training."""

import os
import signal
from pathlib import Path

from hpscli.data.servers import FOR_THE_TRAINING
from hpscli.data.stream import TrainingStream
from hpscli.recipe import Member
from tests.train.labelled import labelled_people


def descendants(pid: int) -> list[int]:
    """-> all processes below this one."""
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in map(int, (task / "children").read_text().split()):
            found += [child, *descendants(child)]
    return found


def test_a_warning_of_slurm_leaves_the_workers_alone(tmp_path: Path) -> None:
    people = labelled_people(tmp_path / "people", 8, split="train")
    members = {"people": Member(shards=str(people))}
    one = {"size": (32, 32), "joints": "smpl24", "augment": None, "batch": 2}
    alone = iter(TrainingStream(members, **one, workers=0))  # type: ignore[arg-type]
    batches = iter(TrainingStream(members, **one, workers=1))  # type: ignore[arg-type]
    assert next(batches).keys == next(alone).keys
    others = descendants(os.getpid())
    assert len(others) >= 3  # the one that tidies up, the server, a worker
    for number in FOR_THE_TRAINING:
        for pid in others:
            os.kill(pid, number)
    for _ in range(6):  # more than were ready
        assert next(batches).keys == next(alone).keys
    assert descendants(os.getpid()) == others
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
