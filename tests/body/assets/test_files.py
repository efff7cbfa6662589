"""The asset store: whole files or none, with their history, and errors that say what to type."""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpscli.body.assets.files import (
    asset_folder,
    asset_path,
    have_asset,
    missing_asset,
    read_asset,
    read_asset_meta,
    write_asset,
)
from hpscli.body.assets.sources import asset_records
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError


def test_the_store_lives_under_hps_home(own_home: Path) -> None:
    assert asset_folder() == own_home / "assets"


def test_without_hps_home_it_lives_in_the_user_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HPS_HOME")
    assert asset_folder().parts[-2:] == ("hps", "assets")


def test_what_is_written_is_read_back_with_its_history() -> None:
    arrays = {"v_template": np.eye(3, dtype=np.float32), "f": np.arange(6).reshape(2, 3).T}
    assert not have_asset("kid-smpl")
    write_asset("kid-smpl", arrays, {"sha256": "00ff", "kind": "smpl"})
    read, meta = read_asset("kid-smpl")
    assert have_asset("kid-smpl")
    assert read.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype
    assert meta["sha256"] == "00ff"
    assert meta["id"] == "kid-smpl"
    assert read_asset_meta("kid-smpl") == meta


@pytest.mark.parametrize("asset_id", sorted(asset_records()))
def test_a_missing_asset_names_the_page_the_file_and_the_command(asset_id: str) -> None:
    with pytest.raises(MissingError) as caught:
        read_asset(asset_id)
    record = asset_records()[asset_id]
    assert caught.value.exit_code == 3
    assert asset_id in caught.value.problem
    assert record.source.page in caught.value.fix
    assert f"hps assets import {record.to_import}" in caught.value.fix


def test_a_missing_body_asks_to_register() -> None:
    assert "register" in missing_asset("smpl-neutral").fix
    assert "register" not in missing_asset("sampling-smpl").fix


def test_a_misspelt_id_gets_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="smpl-neutral"):
        have_asset("smpl-nuetral")


@pytest.mark.parametrize("damage", [b"", b"\x00" * 8, b"\xff" * 100, b"\x02" + b"\x00" * 7 + b"{}"])
def test_a_damaged_record_is_named_with_what_to_do(damage: bytes) -> None:
    path = write_asset("kid-smpl", {"v_template": np.zeros((3, 3))}, {})
    path.write_bytes(damage)
    for read in (read_asset, read_asset_meta):
        with pytest.raises(InvalidData, match="hps assets import"):
            read("kid-smpl")


def test_a_full_disk_leaves_the_old_record_and_no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    write_asset("kid-smpl", {"v_template": np.zeros((3, 3))}, {"version": "old"})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HpsError, match="No space left on device"):
        write_asset("kid-smpl", {"v_template": np.ones((3, 3))}, {"version": "new"})
    assert read_asset_meta("kid-smpl")["version"] == "old"
    assert [path.name for path in asset_folder().iterdir()] == ["kid-smpl.safetensors"]


def test_an_interrupted_write_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(self: Path, target: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_asset("kid-smpl", {"v_template": np.zeros((3, 3))}, {})
    assert list(asset_folder().iterdir()) == []
    assert not have_asset("kid-smpl")


def test_an_asset_is_one_file_named_by_its_id() -> None:
    assert asset_path("kid-smpl").name == "kid-smpl.safetensors"
