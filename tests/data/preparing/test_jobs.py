"""The job list of a cluster, run by submitit's local executor: real processes, the same bytes."""

import json
from pathlib import Path

import pytest

from hpscli.cli.app import run
from hpscli.data.preparing.jobs import (
    Cluster,
    Order,
    Stretch,
    cluster_of,
    count_people,
    minutes_of,
    stretches,
    submit,
    wait_for,
)
from hpscli.data.preparing.places import place_of
from hpscli.errors import HpsError, MissingError, UsageError
from tests.data.people import contents
from tests.data.people import spec as made_up
from tests.data.preparing.pictures import spec, write_pictures

pytest.importorskip("submitit")


def order(root: Path, out: Path, **changes: object) -> Order:
    whole = {"spec": spec(), "root": root, "split": "test", "out": str(out), "shard_samples": 3}
    return Order(**{**whole, "options": {"twins": True}, **changes})  # type: ignore[arg-type]


def test_jobs_of_any_number_and_order_make_the_bytes_of_one_process(tmp_path: Path) -> None:
    """Among them people whose key came before in a shard of another job."""
    root = write_pictures(tmp_path / "pictures", 8)
    order(root, tmp_path / "one").finish(workers=1)
    for jobs in (2, 5):
        out = tmp_path / f"by-{jobs}"
        todo = order(root, out)
        people = count_people(todo.source(), 0, lambda number: None)
        assert people == 16
        place_of(out)
        submit_nothing(todo)
        for stretch in reversed(stretches(todo, people, jobs, 1)):
            stretch()
        todo.finish(workers=1)
        assert contents(out) == contents(tmp_path / "one")


def submit_nothing(todo: Order) -> None:
    """What submitting leaves in the folder before any job runs."""
    from hpscli.data.prepare import begin
    from hpscli.data.preparing.making import Making

    place = place_of(todo.out)
    begin(Making(source=todo.source(), place=place, shard_samples=todo.shard_samples))


def test_stretches_cover_all_shards_once(tmp_path: Path) -> None:
    todo = order(tmp_path, tmp_path / "out")
    for people, jobs in ((16, 4), (1, 4), (0, 4), (3000, 7)):
        found = stretches(todo, people, jobs, 1)
        shards = [number for s in found for number in range(s.first, s.end)]
        assert shards == list(range(-(-people // 3)))
        assert len(found) == min(jobs, len(shards))


def test_a_job_that_is_stopped_is_handed_over_again_as_it_is(tmp_path: Path) -> None:
    stretch = Stretch(order(tmp_path, tmp_path / "out"), 0, 2, 1)
    again = stretch.checkpoint()
    assert again.function == stretch


def test_the_command_runs_jobs_and_ends_like_without_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "prepare",
        "synthetic",
        "--count",
        "7",
        "--size",
        "32",
        "--shard-samples",
        "2",
        "--out",
    ]
    assert run([*words, str(tmp_path / "one")]) == 0
    jobs = ["--slurm", "executor=local,array=2,cpus=1", "--json"]
    capsys.readouterr()
    assert run([*words, str(tmp_path / "jobs"), *jobs]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["samples"] == 7 and "2 for 7 people" in told.err
    assert contents(tmp_path / "jobs") == contents(tmp_path / "one")
    assert run([*words, str(tmp_path / "jobs"), *jobs]) == 0
    assert "finished before" in capsys.readouterr().err


@pytest.mark.slow
def test_a_job_that_fails_is_named_with_its_log(tmp_path: Path) -> None:
    settings = {"count": 4, "broken": "1:killer", "slow_seconds": 0.0}
    todo = order(Path(), tmp_path / "out", spec=made_up(), options=settings)
    handed = submit(todo, Cluster(executor="local", array=1, cpus=1), 4, wait=True)
    with pytest.raises(HpsError, match=r"(?s)job \d+ failed: .*Its log: .*err"):
        wait_for(handed, lambda number: None)


def test_without_slurm_the_jobs_cannot_be_handed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    root = write_pictures(tmp_path / "pictures")
    with pytest.raises(MissingError, match="could not be handed over"):
        submit(order(root, tmp_path / "out"), Cluster(), 12, wait=False)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("partitoin=main", "Did you mean 'partition'?"),
        ("partition", "not name=value"),
        ("cpus=many", "not a whole number"),
        ("time=soon", "is no time"),
    ],
)
def test_settings_that_are_wrong_are_named(words: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        cluster_of(words)
    assert message in str(caught.value)


def test_settings_are_typed_and_times_are_those_of_slurm() -> None:
    found = cluster_of("partition=main,time=1-12:30:01,cpus=16,nodes=3")
    assert (found.partition, found.cpus, found.jobs) == ("main", 16, 6)
    assert [minutes_of(text) for text in ("90", "4:00:00", found.time)] == [90, 240, 2191]
