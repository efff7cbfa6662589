"""Imported checkpoints, found by name."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hpscli.errors import MissingError, UsageError
from hpscli.nn.checkpoints import load_model
from hpscli.nn.official.importing import import_file
from hpscli.nn.weights.sources import find_checkpoint
from hpscli.nn.weights.store import model_folder, stored, tag_of
from hpscli.registry import get_registry
from tests.nn.stick_family import MODEL, authors_file, installed


@pytest.fixture(autouse=True)
def stick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed(monkeypatch):
        yield


def bring(folder: Path, name: str, seed: int = 0) -> Path:
    torch.save(authors_file(seed), folder / f"{name}.bin")
    path = import_file(folder / f"{name}.bin").path
    assert path is not None
    return path


def test_the_only_checkpoint_of_a_model_is_meant_by_its_name(tmp_path: Path) -> None:
    path = bring(tmp_path, "a")
    assert find_checkpoint("stick.a") == (path, "stick.a")
    assert find_checkpoint("stick") == (path, "stick.a")
    assert load_model("stick").name == "stick.a"


def test_of_several_one_must_be_named(tmp_path: Path) -> None:
    bring(tmp_path, "a")
    bring(tmp_path, "b", seed=1)
    with pytest.raises(UsageError, match=r"has 2 checkpoints here: stick\.a, stick\.b"):
        find_checkpoint("stick")


def test_what_was_released_but_is_not_here_names_the_file_to_import() -> None:
    with pytest.raises(MissingError) as raised:
        find_checkpoint("stick.h36m")
    assert "their authors call the file stick_h36m_state_dict.bin" in raised.value.problem
    assert "hps models import stick_h36m_state_dict.bin" in raised.value.fix


def test_a_name_near_an_imported_one_is_suggested(tmp_path: Path) -> None:
    bring(tmp_path, "lovely")
    with pytest.raises(UsageError, match="Did you mean 'lovely'"):
        find_checkpoint("stick.lovly")


def test_what_comes_with_hps_goes_before_what_was_imported() -> None:
    assert find_checkpoint("hmr")[1] == "hmr.tiny"


def test_a_model_that_nobody_has_names_broken_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hps_bad.py").write_text("1 / 0\n")
    monkeypatch.setenv("HPS_PLUGINS", str(tmp_path / "hps_bad.py"))
    get_registry.cache_clear()
    with pytest.raises(MissingError, match="'hps_bad' is broken"):
        find_checkpoint("sticks.h36m")


def test_damaged_files_are_listed_without_a_description(tmp_path: Path) -> None:
    path = bring(tmp_path, "a")
    path.write_bytes(path.read_bytes()[:100])
    (entry,) = stored()
    assert (entry.name, dict(entry.about)) == ("stick.a", {})


def test_the_store_is_in_the_home_of_the_user(own_home: Path) -> None:
    assert model_folder() == own_home / "models"
    assert stored() == []


def test_file_names_without_anything_special_are_called_by_the_preset() -> None:
    assert tag_of(MODEL, "plain", "_state_dict.bin") == "plain"
    assert tag_of(MODEL, "", "?.bin") == "imported"


def test_another_preset_does_not_take_the_name_of_a_release() -> None:
    assert tag_of(MODEL, "plain", "stick_h36m_state_dict.bin") == "h36m"
    assert tag_of(MODEL, "wide", "stick_h36m_state_dict.bin") == "h36m-wide"
    assert tag_of(MODEL, "", "h36m.pth") == "h36m-own"
