"""Shards that are written to a URL: the same bytes as in a folder, resumed and mended like there."""

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from hpscli.cli.app import run
from hpscli.data import remote
from hpscli.data.evalset import EvalSet
from hpscli.data.prepare import prepare
from hpscli.data.preparing import places
from hpscli.errors import MissingError, UsageError
from tests.data.people import contents, make_shards, spec

URL = "memory://bucket/people"


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[fsspec.AbstractFileSystem]:
    monkeypatch.setenv("HPS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.01)
    memory = fsspec.filesystem("memory")
    yield memory
    memory.store.clear()


def there(memory: fsspec.AbstractFileSystem) -> dict[str, bytes]:
    return {name.rpartition("/")[2]: memory.cat_file(name) for name in memory.ls(URL, detail=False)}


def test_what_lies_at_a_url_is_what_a_folder_would_hold(tmp_path: Path, store) -> None:
    report = prepare(spec(), Path(), "train", URL, shard_samples=8)
    assert there(store) == contents(make_shards(tmp_path / "folder"))
    assert report.index is not None and report.index.location == URL
    assert EvalSet(URL)[9].key == "person-0009"
    assert not list((tmp_path / "home" / "cache" / "preparing").iterdir())


def test_a_stopped_upload_goes_on_behind_the_shards_that_are_there(
    tmp_path: Path, store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def send(path: Path, location: str, name: str) -> None:
        if len(sent) == 5:  # the plan, two shards and their tables are there
            raise MissingError("no network")
        sent.append(name)
        remote.send_file(path, location, name)

    monkeypatch.setattr(places, "send_file", send)
    with pytest.raises(MissingError, match="no network"):
        prepare(spec(), Path(), "train", URL, shard_samples=8)
    assert sent == ["prepare.json", "000000.tar", "000000.json", "000001.tar", "000001.json"]
    monkeypatch.undo()
    monkeypatch.setenv("HPS_HOME", str(tmp_path / "home"))
    assert prepare(spec(), Path(), "train", URL, shard_samples=8).resumed == 16
    assert there(store) == contents(make_shards(tmp_path / "folder"))


def test_finished_shards_at_a_url_are_left_mended_or_replaced(tmp_path: Path, store) -> None:
    prepare(spec(), Path(), "train", URL, shard_samples=8)
    assert prepare(spec(), Path(), "train", URL, shard_samples=8).already_complete
    store.pipe_file(f"{URL}/000001.tar", b"cut")
    assert prepare(spec(), Path(), "train", URL, shard_samples=8).remade == 1
    assert there(store) == contents(make_shards(tmp_path / "folder"))
    with pytest.raises(UsageError, match="differ in: limit"):
        prepare(spec(), Path(), "train", URL, shard_samples=8, limit=4)
    prepare(spec(), Path(), "train", URL, shard_samples=8, limit=4, force=True)
    assert set(there(store)) == {"000000.tar", "000000.json", "index.json"}


def test_the_command_writes_to_a_url_and_says_how_to_look(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"file://{tmp_path}/far/people"
    words = ["prepare", "synthetic", "--count", "3", "--size", "32", "--out", url]
    assert run(words) == 0
    assert f"hps datasets show {url} --sample 0" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "far" / "people").iterdir()) == [
        "000000.json",
        "000000.tar",
        "index.json",
    ]
    assert run(words) == 0
    assert "finished before" in capsys.readouterr().err
