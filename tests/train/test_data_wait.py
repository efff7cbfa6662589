"""What the log calls data-wait is the time in which a step has no batch."""

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest

from hpscli.errors import HpsError
from hpscli.records import Batch
from hpscli.train.job import Job, stream
from hpscli.train.loop import train
from tests.train.labelled import labelled_people, small_recipe

SLOW_S = 0.2


def slowly(job: Job) -> Iterator[Batch]:
    for batch in stream(job):
        time.sleep(SLOW_S)
        yield batch


def at_once(job: Job) -> Iterator[Batch]:
    return iter(list(islice(stream(job), job.steps.total)))


@pytest.mark.parametrize(("source", "least", "most"), [(slowly, SLOW_S, 2.0), (at_once, 0, 0.01)])
def test_seconds_without_a_batch_are_told_as_a_share_of_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: object, least: float, most: float
) -> None:
    people = labelled_people(tmp_path / "people", 8, split="train")
    monkeypatch.setattr("hpscli.train.loop.stream", source)
    recipe = small_recipe(people, train__epochs=1, data__workers=1)
    run = train(recipe, tmp_path / "run", validate=False)
    line = [json.loads(text) for text in (run / "log.jsonl").read_text().splitlines()][-1]
    step_s = recipe.optim.batch / line["samples_per_s"]
    assert 0.99 * least <= line["data_wait"] * step_s <= most
    assert line["data_wait"] < 1


def test_the_first_line_after_a_resume_tells_of_the_steps_of_its_own_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = labelled_people(tmp_path / "people", 8, split="train")
    recipe = small_recipe(people, train__epochs=1, train__log_every=4, train__checkpoint_every=3)

    def three_slowly(job: Job) -> Iterator[Batch]:
        yield from islice(slowly(job), 3)
        raise HpsError("the data are gone")

    monkeypatch.setattr("hpscli.train.loop.stream", three_slowly)
    with pytest.raises(HpsError, match="gone"):
        train(recipe, tmp_path / "run", validate=False)
    monkeypatch.setattr("hpscli.train.loop.stream", at_once)
    run = train(recipe, tmp_path / "run", resume=True, validate=False)
    line = [json.loads(text) for text in (run / "log.jsonl").read_text().splitlines()][-1]
    assert line["data_wait"] * recipe.optim.batch / line["samples_per_s"] <= 0.01
