"""The job list of a cluster, run by submitit's local executor: real processes, the same bytes."""

import json
import sys
from pathlib import Path

import pytest

from hpscli.cli.app import run
from hpscli.data.preparing.jobs import (
    Cluster,
    Order,
    Stretch,
    cluster_of,
    count_people,
    stretches,
    submit,
    wait_for,
)
from hpscli.data.preparing.places import place_of
from hpscli.errors import HpsError, MissingError, UsageError
from hpscli.slurm import minutes_of
from tests.data.people import contents
from tests.data.people import spec as made_up
from tests.data.preparing.pictures import spec, write_pictures


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


def test_without_submitit_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    words = ["prepare", "synthetic", "--count", "3", "--out", str(tmp_path / "out")]
    assert run([*words, "--slurm", "partition=main"]) == 3
    assert "pip install 'hps[slurm]'" in capsys.readouterr().err


def test_slurm_is_told_what_was_asked_for_and_that_the_index_comes_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stand-in for sbatch keeps the scripts that it gets."""
    programs = tmp_path / "bin"
    programs.mkdir()
    sbatch = f'#!/bin/sh\ncp "$1" {tmp_path}/script.$$\necho Submitted batch job 77\n'
    for name, text in {"sbatch": sbatch, "srun": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    words = [
        "prepare",
        "synthetic",
        "--count",
        "7",
        "--size",
        "32",
        "--shard-samples",
        "2",
        "--json",
    ]
    cluster = "partition=long,account=me,time=1:30:00,cpus=3,mem_gb=6,array=4,nodes=2"
    assert run([*words, "--out", str(tmp_path / "out"), "--slurm", cluster]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["jobs"] == [f"77_{number}" for number in range(4)] and told["last_job"] == "77"
    scripts = sorted((path.read_text() for path in tmp_path.glob("script.*")), key=len)
    both = ("--partition=long", "--account=me", "--time=90", "--cpus-per-task=3", "--mem=6GB")
    assert len(scripts) == 2 and all(word in script for word in both for script in scripts)
    last, array = sorted(scripts, key=lambda script: "--array" in script)
    assert "--array=0-3%2" in array and "--dependency" not in array
    assert "--dependency=afterany:77" in last


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
