"""`hps plugins new`: packages that work as they are written."""

import subprocess
import sys
from pathlib import Path

import pytest

from hpscli.errors import UsageError
from hpscli.registry import discover
from hpscli.testing.scaffold import write_package


def test_a_model_package_holds_what_a_package_needs(tmp_path: Path) -> None:
    folder, written = write_package("model", "stick-man", tmp_path / "hps-stick-man")
    assert {path.relative_to(folder).as_posix() for path in written} == {
        *("pyproject.toml", "README.md", "tests/test_hps_stick_man.py"),
        *(f"hps_stick_man/{name}.py" for name in ("__init__", "plugin", "network")),
    }
    assert "@" not in (folder / "hps_stick_man" / "plugin.py").read_text().replace("@hookimpl", "")
    assert 'stick-man = "hps_stick_man.plugin"' in (folder / "pyproject.toml").read_text()


@pytest.mark.parametrize(("kind", "name"), [("model", "stick1"), ("dataset", "stick2")])
def test_the_plugin_file_of_a_package_works_without_installing(
    tmp_path: Path, kind: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    folder, _ = write_package(kind, name, tmp_path / "anything")
    registry = discover([], [folder / f"hps_{name}" / "plugin.py"], [])
    assert registry.problems() == []
    assert registry.names(kind) == [name]


@pytest.mark.parametrize(
    "name", ["", "Foo", "two words", "1st", "a.b", "a/b", "../up", "foo-", "x" * 41, "ä", "-x"]
)
def test_a_name_that_cannot_be_a_package_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a model"):
        write_package("model", name, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_taken_is_refused_and_its_owner_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'hmr' already .hps"):
        write_package("model", "hmr", tmp_path / "x")


def test_an_existing_folder_is_refused_without_force(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="exists already") as error:
        write_package("model", "stick", tmp_path)
    assert "--force" in error.value.fix
    write_package("model", "stick", tmp_path, force=True)
    assert (tmp_path / "mine.txt").read_text() == "precious"


def test_an_empty_folder_is_welcome(tmp_path: Path) -> None:
    folder, _ = write_package("dataset", "stick", tmp_path)
    assert (folder / "example" / "people-train.jsonl").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_the_test_of_a_new_package_passes(tmp_path: Path, kind: str) -> None:
    folder, _ = write_package(kind, "stick", tmp_path / "hps-stick")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
