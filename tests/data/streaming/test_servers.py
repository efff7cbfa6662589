"""What a cluster sends to every process of a job must not end the workers of a training."""

import multiprocessing
import os
import signal
from pathlib import Path

from hpscli.data.streaming.servers import FOR_THE_TRAINING
from hpscli.data.streaming.stream import TrainingStream
from hpscli.recipe import Member
from tests.programs import descendants
from tests.train.labelled import labelled_people


def test_a_warning_of_slurm_leaves_the_workers_alone(tmp_path: Path) -> None:
    people = labelled_people(tmp_path / "people", 8, split="train")
    members = {"people": Member(shards=str(people))}
    before = descendants(os.getpid())  # of other tests, which may know no such signals
    one = {"size": (32, 32), "joints": "smpl24", "augment": None, "batch": 2}
    alone = iter(TrainingStream(members, **one, workers=0))  # type: ignore[arg-type]
    batches = iter(TrainingStream(members, **one, workers=1))  # type: ignore[arg-type]
    assert next(batches).keys == next(alone).keys
    others = [pid for pid in descendants(os.getpid()) if pid not in before]
    assert {worker.pid for worker in multiprocessing.active_children()} & set(others)
    for number in FOR_THE_TRAINING:
        for pid in others:
            os.kill(pid, number)
    for _ in range(6):  # more than were ready
        assert next(batches).keys == next(alone).keys
    assert set(others) <= set(descendants(os.getpid()))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
