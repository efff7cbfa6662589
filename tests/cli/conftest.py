"""A recipe with a few people, in an empty current folder."""

from pathlib import Path

import pytest

from hpscli.recipe import to_toml
from tests.train.labelled import labelled_people, small_recipe


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("few")
    return {
        "train": labelled_people(folder / "train", 12, split="train"),
        "validation": labelled_people(folder / "validation", 4, seed=100, split="validation"),
    }


@pytest.fixture
def recipe(few: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    Path("small.toml").write_text(to_toml(small_recipe(few["train"], few["validation"])))
    return "small.toml"
