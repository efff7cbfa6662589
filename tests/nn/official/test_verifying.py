"""Checkpoints that are whole, and each way in which they can be not."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from hpscli.errors import MissingError
from hpscli.nn.files import read_info, read_tensors, save_checkpoint
from hpscli.nn.official.importing import import_file
from hpscli.nn.official.verifying import names_here, verify
from hpscli.nn.weights.store import side_file
from tests.nn.stick_family import authors_file, installed


@pytest.fixture(autouse=True)
def stick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed(monkeypatch):
        yield


@pytest.fixture
def imported(tmp_path: Path) -> Path:
    torch.save(authors_file(), tmp_path / "a.bin")
    path = import_file(tmp_path / "a.bin").path
    assert path is not None
    return path


def test_what_was_imported_is_sound(imported: Path) -> None:
    verdict = verify("stick.a")
    assert verdict.ok
    assert (verdict.what, verdict.path) == ("stick, preset plain", str(imported))
    assert verdict.checked == ("whole", "sha256", "shapes", "numbers", "layout official")


def test_a_changed_number_is_found(imported: Path) -> None:
    data = bytearray(imported.read_bytes())
    data[-1] ^= 1
    imported.write_bytes(data)
    assert "another sha256" in verify("stick.a").problems[0]


def test_a_cut_file_is_found(imported: Path) -> None:
    imported.write_bytes(imported.read_bytes()[:-8])
    assert "not a whole safetensors file" in verify("stick.a").problems[0]


def test_nan_is_found(imported: Path) -> None:
    state, info = read_tensors(imported), read_info(imported)
    state["head.bias"][0] = torch.inf
    save_checkpoint(imported, state, info)
    assert "NaN or infinity in 1 tensor, head.bias" in verify("stick.a").problems


def test_weights_that_do_not_fit_their_model_are_found(imported: Path) -> None:
    state, info = read_tensors(imported), read_info(imported)
    del state["head.bias"]
    save_checkpoint(imported, state, info)
    assert any("missing head.bias (13,)" in problem for problem in verify("stick.a").problems)


def test_weights_of_a_model_that_is_gone_do_not_stop_the_others(imported: Path) -> None:
    state, info = read_tensors(imported), read_info(imported)
    save_checkpoint(imported, state, replace(info, model="sticks"))
    assert "no model named 'sticks'" in verify(imported).problems[0]


def test_tensors_kept_besides_that_are_gone_are_missed(imported: Path) -> None:
    side_file(imported).unlink()
    assert "stick.a.unused.safetensors" in verify("stick.a").problems[0]


def test_a_file_of_the_authors_is_judged_too(tmp_path: Path) -> None:
    torch.save(authors_file(), tmp_path / "a.bin")
    assert verify(tmp_path / "a.bin").ok
    torch.save({"x": torch.zeros(1)}, tmp_path / "b.bin")
    assert "of no layout" in verify(tmp_path / "b.bin").problems[0]


def test_what_ships_is_sound_and_listed(imported: Path) -> None:
    assert {"hmr.tiny", "stick.a"} <= set(names_here())
    assert verify("hmr.tiny").ok


def test_a_name_that_nothing_has_is_an_error(imported: Path) -> None:
    with pytest.raises(MissingError, match="no checkpoint 'sticks.a'"):
        verify("sticks.a")
