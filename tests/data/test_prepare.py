import json
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hpscli.data import prepare as module
from hpscli.data.audit.verify import verify
from hpscli.data.evalset import EvalSet
from hpscli.data.prepare import prepare
from hpscli.data.shards import read_index
from hpscli.data.sources import checked_options
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from hpscli.records import Sample
from tests.data.people import contents, make_shards, parallel_spec, person, spec
from tests.programs import program, wait_until

NOWHERE = Path()


def test_shards_are_plain_tars_with_an_index_that_adds_up(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "out", 20)
    index = json.loads((folder / "index.json").read_text())
    assert index["schema"] == "hps/shards/1"
    assert [shard["samples"] for shard in index["shards"]] == [8, 8, 4]
    assert index["body"] == {"kind": "smpl", "source": "free"}
    assert index["licence"] == "CC0-1.0"
    assert index["made_by"]["options"]["count"] == 20
    assert index["arrays"]["smpl.betas"] == 20
    with tarfile.open(folder / "000002.tar") as tar:
        assert tar.getnames()[:2] == ["person-0016.jpg", "person-0016.safetensors"]
        assert {(m.mtime, m.uid, m.mode) for m in tar.getmembers()} == {(0, 0, 0o644)}
    assert not (folder / "prepare.json").exists()
    assert verify(folder) == []


def test_processes_and_generators_give_the_same_bytes_as_one_process(tmp_path: Path) -> None:
    options = {"count": 21, "broken": "3:cut 17:unreadable"}
    one = make_shards(tmp_path / "one", 21, options=options)
    for name, plugin in {"generated": spec(), "parallel": parallel_spec()}.items():
        out = tmp_path / name
        prepare(plugin, NOWHERE, "train", out, options=options, workers=2, shard_samples=8)
        assert contents(out) == contents(one)


def test_bad_records_are_named_counted_and_left_out(tmp_path: Path) -> None:
    broken = "2:cut 9:shape 11:unreadable 13:twin"
    report = prepare(
        spec(), NOWHERE, "train", tmp_path / "out", options={"broken": broken}, shard_samples=8
    )
    assert [(bad.position, bad.key) for bad in report.bad] == [
        (2, "person-0002"),
        (9, "person-0009"),
        (11, ""),
        (13, "person-0000"),
    ]
    assert [bad.problem for bad in report.bad] == [
        "the image is a truncated JPG",
        "smpl.betas has shape (7,), expected (10,)",
        "line 11 of the list is not readable",
        "this key came before",
    ]
    index = read_index(tmp_path / "out")
    assert index.samples == report.samples == 16
    assert [record["position"] for record in index.bad["records"]] == [2, 9, 11, 13]
    assert [shard.samples for shard in index.shards] == [7, 5, 4]
    assert verify(tmp_path / "out") == []


def test_a_stretch_of_nothing_but_bad_records_leaves_a_gap_in_the_numbers_only(
    tmp_path: Path,
) -> None:
    broken = " ".join(f"{number}:cut" for number in range(8, 16))
    folder = make_shards(tmp_path / "out", 20, options={"broken": broken})
    assert [shard.file for shard in read_index(folder).shards] == ["000000.tar", "000002.tar"]
    assert len(EvalSet(folder).keys) == 12
    assert verify(folder) == []


def test_when_all_records_are_bad_nothing_is_kept(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="all 4 records of 'made-up' are bad; the first"):
        prepare(spec(), NOWHERE, "train", tmp_path, options={"count": 4, "broken": "all:cut"})
    assert contents(tmp_path) == {}


def test_an_empty_data_set_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="data set 'made-up' is empty"):
        prepare(spec(), NOWHERE, "train", tmp_path / "out", options={"count": 0})


def test_finished_shards_are_left_alone(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "out")
    before = contents(folder)
    report = prepare(spec(), NOWHERE, "train", folder, shard_samples=8)
    assert report.already_complete and report.samples == 20
    assert contents(folder) == before


@pytest.mark.parametrize("file", ["000001.tar", "000002.tar", "000001.json"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_shard_that_broke_after_the_end_is_made_again_and_the_rest_is_kept(
    tmp_path: Path, file: str, damage: str
) -> None:
    folder = make_shards(tmp_path / "out", options={"broken": "9:twin"})
    before, kept = contents(folder), (folder / "000000.tar").stat().st_mtime_ns
    if damage == "gone":
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(before[file][:100])
    report = prepare(
        spec(), NOWHERE, "train", folder, options={"broken": "9:twin"}, shard_samples=8
    )
    assert (report.remade, report.already_complete) == (1, False)
    assert contents(folder) == before
    assert (folder / "000000.tar").stat().st_mtime_ns == kept


def test_the_last_shard_of_a_limit_is_made_again_no_longer_than_it_was(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "out", 20, limit=10)
    before = contents(folder)
    (folder / "000001.tar").unlink()
    assert contents(make_shards(folder, 20, limit=10)) == before


def test_a_gap_of_bad_records_is_not_taken_for_a_missing_shard(tmp_path: Path) -> None:
    options = {"broken": " ".join(f"{number}:cut" for number in range(8, 16))}
    folder = make_shards(tmp_path / "out", options=options)
    before = contents(folder)
    assert contents(make_shards(folder, options=options)) == before
    (folder / "000002.tar").unlink()
    assert contents(make_shards(folder, options=options)) == before


def test_a_shard_that_cannot_be_made_as_it_was_says_to_make_all_again(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "out")
    (folder / "000001.tar").unlink()
    other = spec(samples="tests.data.test_prepare:strangers")
    for _ in range(2):
        with pytest.raises(InvalidData, match="000001.tar was broken.*all shards again: --force"):
            prepare(other, NOWHERE, "train", folder, shard_samples=8)


def strangers(root: Path, split: str, **options: object) -> Iterator[Sample]:
    return (person(number, key=f"stranger-{number}") for number in range(20))


def test_other_options_need_force_and_force_replaces_only_shards(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "out")
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"shards that differ in: options\. "):
        make_shards(folder, 9)
    make_shards(folder, 9, force=True)
    assert read_index(folder).samples == 9
    assert not (folder / "000002.tar").exists()
    assert (folder / "notes.txt").read_text() == "mine"


def test_a_limit_keeps_the_first(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "out", 20, limit=10)
    assert EvalSet(folder).keys == [f"person-{number:04d}" for number in range(10)]


SLOW = {"count": 200, "broken": "5:cut", "slow_seconds": 0.01}


def run_until_killed(folder: Path, plugin: str, workers: int) -> None:
    """Prepare in a process of its own and kill -9 it as soon as the second shard is there."""
    code = (
        "from pathlib import Path; from tests.data.people import *; from hpscli.data.prepare import prepare\n"
        "if __name__ == '__main__':\n"
        f"    prepare({plugin}(), Path(), 'train', Path({str(folder)!r}), workers={workers}, shard_samples=8,\n"
        f"            options={SLOW!r})\n"
    )
    with program([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) as process:
        wait_until(process, (folder / "000001.json").exists, poll_seconds=0.005)
        process.kill()


@pytest.mark.parametrize(
    ("plugin", "workers"), [("spec", 1), pytest.param("parallel_spec", 2, marks=pytest.mark.slow)]
)
def test_a_killed_preparation_goes_on_and_ends_with_the_same_bytes(
    tmp_path: Path, plugin: str, workers: int
) -> None:
    folder = tmp_path / "killed"
    run_until_killed(folder, plugin, workers)
    assert (folder / "prepare.json").exists() and not (folder / "index.json").exists()
    with pytest.raises(MissingError, match="has no index.json"):
        read_index(folder)
    report = prepare(spec(), NOWHERE, "train", folder, options=SLOW, shard_samples=8)
    assert 16 <= report.resumed < 200
    whole = tmp_path / "whole"
    prepare(spec(), NOWHERE, "train", whole, options=SLOW, shard_samples=8)
    assert contents(folder) == contents(whole)


def test_a_preparation_that_goes_on_says_where_its_own_work_begins(tmp_path: Path) -> None:
    (make_shards(tmp_path / "out") / "000002.tar").unlink()
    told: list[int] = []
    prepare(spec(), NOWHERE, "train", tmp_path / "out", shard_samples=8, advance=told.append)
    assert told == [8, 8, 0, 1, 1, 1, 1]  # rates are of what comes after the 0


def test_a_killed_preparation_is_not_continued_with_other_options(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "out")
    (folder / "index.json").unlink()
    (folder / "prepare.json").write_text('{"dataset": "other"}')
    with pytest.raises(UsageError, match="unfinished preparation of something else"):
        make_shards(folder)


def nothing_yet(root: Path, split: str, *, count: int, **options: object) -> Iterator[Sample]:
    if count == 1:
        raise InvalidData("it holds three lists.", "Choose one.")
    yield person(0)


def test_a_preparation_that_failed_before_its_first_shard_lets_others_begin(tmp_path: Path) -> None:
    plugin = spec(samples=f"{__name__}:nothing_yet")
    with pytest.raises(InvalidData, match="three lists"):
        prepare(plugin, NOWHERE, "train", tmp_path, options={"count": 1})
    assert prepare(plugin, NOWHERE, "train", tmp_path, options={"count": 2}).samples == 1


def test_a_shard_that_lost_bytes_is_made_again(tmp_path: Path) -> None:
    whole = contents(make_shards(tmp_path / "whole"))
    folder = tmp_path / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module.IndexBuilder, "write", stop)
        with pytest.raises(KeyboardInterrupt):
            make_shards(folder)
    (folder / "000001.tar").write_bytes(whole["000001.tar"][:1000])
    assert contents(make_shards(folder)) == whole


def stop(*arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_worker_that_is_killed_is_reported_and_can_be_repeated(tmp_path: Path) -> None:
    with pytest.raises(HpsError, match="a worker process died"):
        prepare(
            parallel_spec(),
            NOWHERE,
            "train",
            tmp_path / "out",
            options={"count": 20, "broken": "13:killer"},
            workers=2,
            shard_samples=8,
        )
    assert not list((tmp_path / "out").glob(".*partial"))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_plugin_that_stumbles_over_one_record_does_not_lose_the_others(
    tmp_path: Path, workers: int
) -> None:
    options = {"count": 12, "broken": "5:bug"}
    report = prepare(
        parallel_spec(), NOWHERE, "train", tmp_path / "out", options=options, workers=workers
    )
    assert [(bad.position, bad.problem) for bad in report.bad] == [(5, "KeyError: 'pose'")]
    assert report.samples == 11


def test_an_unknown_split_is_named_with_its_neighbour(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no split 'tets'. Did you mean 'test'"):
        make_shards(tmp_path / "out", split="tets")


def test_all_declared_files_that_are_not_there_are_named_at_once(tmp_path: Path) -> None:
    files = {"images/*.jpg": "the pictures", "labels.json": "the labels"}
    plugin = spec(needs_root=True, files=files)
    with pytest.raises(MissingError) as caught:
        prepare(plugin, tmp_path, "train", tmp_path / "out")
    assert "has no images/*.jpg (the pictures)" in caught.value.problem
    assert "has no labels.json (the labels)" in caught.value.problem


def test_options_are_typed_like_their_defaults() -> None:
    assert checked_options(spec(), ["count=7", "slow_seconds=0.5"])["count"] == 7
    with pytest.raises(
        UsageError, match="option 'count' of 'made-up' is 'many', expected a whole number"
    ):
        checked_options(spec(), ["count=many"])
    with pytest.raises(UsageError, match="no option 'cuont'. Did you mean 'count'"):
        checked_options(spec(), ["cuont=7"])
