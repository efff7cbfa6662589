"""The replay of METRO's crops reads what the files say, and sees what is wrong in them."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from hps_models.goldens_crops.metro import read_rows, replay_body, replay_demo
from hpscli.errors import HpsError, InvalidData
from hpscli.testing.goldens import ReplayOptions


@pytest.fixture
def folder(reference: Path, tmp_path: Path) -> Path:
    """-> a folder of its own with the body's golden and fixtures."""
    source = reference / "metro_graphormer"
    shutil.copytree(source / "fixtures" / "tsv_body", tmp_path / "fixtures" / "tsv_body")
    (tmp_path / "goldens").mkdir()
    for name in ("preprocess_body", "demo_transform"):
        shutil.copy(source / "goldens" / f"{name}.npz", tmp_path / "goldens")
    for path in tmp_path.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return tmp_path


def change(folder: Path, **arrays: np.ndarray | None) -> None:
    path = folder / "goldens" / "preprocess_body.npz"
    with np.load(path) as archive:
        kept = {name: archive[name] for name in archive.files} | arrays
    np.savez(path, **{name: value for name, value in kept.items() if value is not None})


def failed(folder: Path, **values: int) -> set[str]:
    checks = list(replay_body(folder, ReplayOptions(values=values)))
    assert len(checks) > 20
    return {check.name for check in checks if not check.ok}


def test_as_it_is_everything_is_met(folder: Path) -> None:
    assert failed(folder) == set()


def test_a_picture_that_was_cropped_otherwise_is_seen(folder: Path) -> None:
    change(folder, body1_rot=np.array(0.5), body2_flip=np.array(1))
    names = failed(folder)
    assert {"body1_image_stride2", "body1_pose", "body2_image", "body2_joints_2d"} <= names
    assert not any(name.startswith(("body0_", "body3_")) for name in names)


def test_fewer_cases_and_other_seeds_are_read_from_the_folder(folder: Path) -> None:
    with np.load(folder / "goldens" / "preprocess_body.npz") as archive:
        last = {name: None for name in archive.files if name.startswith("body3_")}
        table, masks = archive["body_rng_params"][2:], archive["body_rng_masks"][2:]
    change(folder, **last, body_rng_params=table, body_rng_masks=masks)
    assert failed(folder) == {"body_rng_params", "body_rng_masks"}
    assert failed(folder, first_seed=2) == set()


def test_a_case_without_its_row_is_an_error(folder: Path) -> None:
    path = folder / "fixtures" / "tsv_body" / "train.img.tsv"
    path.write_text("\n".join(path.read_text().splitlines()[:2]) + "\n")
    with pytest.raises(InvalidData, match="no such row"):
        list(replay_body(folder, ReplayOptions()))


def test_a_missing_picture_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HPS_REFERENCE", raising=False)
    with pytest.raises(HpsError, match="body_480x640"):
        list(replay_demo(folder, ReplayOptions()))


def test_rows_are_stripped_columns(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_text("one \t two\nthree\tfour\n")
    assert read_rows(tmp_path / "a.tsv") == [["one", "two"], ["three", "four"]]
    (tmp_path / "b.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidData, match="not a readable TSV"):
        read_rows(tmp_path / "b.tsv")
