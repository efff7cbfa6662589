"""hps export-preds, from words typed to a file that was checked."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from hpscli.cli.app import run
from hpscli.registry import get_registry
from tests.run.people import tiny_checkpoint, write_people

COUNT = 6
PLUGIN = Path(__file__).parents[2] / "run" / "exporting" / "writer_plugin.py"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export-preds")
    write_people(folder / "test", COUNT)
    tiny_checkpoint(folder / "tiny.safetensors")
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HPS_PLUGINS", str(PLUGIN))
    get_registry.cache_clear()
    yield place
    get_registry.cache_clear()


def words(place: Path, *more: str) -> list[str]:
    checkpoint, shards = str(place / "tiny.safetensors"), str(place / "test")
    return ["export-preds", "toy", "--checkpoint", checkpoint, "--shards", shards, *more]


def joints_in(file: str) -> dict:
    with zipfile.ZipFile(file) as archive:
        return json.loads(archive.read("joints.json"))


def test_the_file_has_its_usual_name_and_is_checked(here: Path, capsys) -> None:
    assert run(words(here)) == 0
    said = capsys.readouterr()
    assert "the rules of toy are kept" in said.out
    assert len(joints_in("ckpt0-sc10_rot0-pred.zip")["joints"]) == COUNT
    digest = hashlib.sha256(Path("ckpt0-sc10_rot0-pred.zip").read_bytes()).hexdigest()
    assert f"sha256      {digest}" in said.err
    assert "made with the free body" in said.err
    assert "hps assets import" in said.err and "upload" not in said.err
    assert run(["export-preds", "toy", "--check", "ckpt0-sc10_rot0-pred.zip"]) == 0
    assert "upload it: https://toy.example" in capsys.readouterr().err


def test_json_is_one_document_that_says_all(here: Path, capsys) -> None:
    assert run(words(here, "--out", "mine.zip", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/export-preds/1"
    assert document["ok"] and document["findings"] == [] and document["people"] == COUNT
    assert document["body"]["source"] == "free" and document["predictions"]["model"] == "hmr"
    assert document["file"] == "mine.zip"


def test_a_broken_rule_ends_with_four_and_says_what_to_do(here: Path, capsys) -> None:
    assert run(words(here, "--limit", "2")) == 4
    said = capsys.readouterr()
    assert "VIOLATION  joints.json: joints.json holds 2 people, the list has 6" in said.out
    assert "leave out --limit" in said.err and Path("ckpt0-sc10_rot0-pred.zip").is_file()
    assert run(words(here, "--limit", "2", "--force", "samples=2")) == 0


def test_options_of_writer_and_check_are_typed_and_a_warning_is_no_failure(
    here: Path, capsys
) -> None:
    assert run(words(here, "scale=1e5", "names=true")) == 0
    assert "warning    joints.json: joints are kilometres away" in capsys.readouterr().out
    assert joints_in("ckpt0-sc10_rot0-pred.zip")["keys"][0] == "person-0000"
    assert run(words(here, "scle=2")) == 2
    assert "Did you mean 'scale'?" in capsys.readouterr().err
    assert run(words(here, "scale=big")) == 2
    assert "expected a number" in capsys.readouterr().err


def test_a_file_made_elsewhere_is_checked(here: Path, capsys) -> None:
    assert run(words(here, "--out", "mine.zip", "-q")) == 0
    assert run(["export-preds", "toy", "--check", "mine.zip", "--json"]) == 0
    document = json.loads(capsys.readouterr().out.partition("kept\n")[2])
    assert document == {
        "schema": "hps/leaderboard-check/1",
        "writer": "toy",
        "file": "mine.zip",
        "ok": True,
        "findings": [],
    }
    assert run(["export-preds", "toy", "--check", "mine.zip", "samples=9"]) == 4
    assert "breaks one rule of toy" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "code", "says"),
    [(None, 3, "there is no file"), (b"nothing", 5, "is no file for toy"), (b"", 5, "is no file")],
)
def test_what_is_no_such_file_ends_in_one_message(
    here: Path, content: bytes | None, code: int, says: str, capsys
) -> None:
    if content is not None:
        Path("bad.zip").write_bytes(content)
    assert run(["export-preds", "toy", "--check", "bad.zip"]) == code
    assert says in capsys.readouterr().err


def test_an_unknown_leaderboard_names_the_nearest(here: Path, capsys) -> None:
    assert run(["export-preds", "toi"]) == 2
    assert "Did you mean 'toy'?" in capsys.readouterr().err
    assert run(["export-preds", "list", "--json"]) == 0
    assert "toy" in [w["name"] for w in json.loads(capsys.readouterr().out)["leaderboards"]]


def test_a_file_without_its_leaderboard_is_not_passed_over(here: Path, capsys) -> None:
    assert run(["export-preds", "--check", "mine.zip"]) == 2
    assert "hps export-preds NAME --check mine.zip" in capsys.readouterr().err


def test_nothing_is_overwritten_without_force(here: Path, capsys) -> None:
    assert run(words(here)) == 0
    assert run(words(here)) == 2
    assert "--force" in capsys.readouterr().err
    assert run(words(here, "--force")) == 0


def test_a_dry_run_says_what_is_missing_and_writes_nothing(here: Path, capsys) -> None:
    said = ["export-preds", "toy", "--checkpoint", "runs/x@200", "--dry-run"]
    assert run([*said, "--shards", "none", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["file"] == "ckpt200-sc10_rot0-pred.zip" and len(document["missing"]) == 2
    assert list(Path().iterdir()) == []
    assert run([*said, "--tta", "multscale"]) == 2
    assert "Did you mean 'multiscale'?" in capsys.readouterr().err
