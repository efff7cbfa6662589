"""Replays of official converters notice every entry of a golden that is not as it was."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from hpscli.testing.coverage import coverage
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.selfcheck import Replayed, find, replay

GOLDEN = "expected/human_data/pw3d__pw3d_test.npz"


@pytest.fixture
def folder(reference: Path, tmp_path: Path) -> Path:
    """-> a reference folder of its own with one golden and its fixture."""
    source = reference / "datasets"
    for name in ("fixtures/human_data/pw3d_test.npz", GOLDEN):
        (tmp_path / name).parent.mkdir(parents=True)
        shutil.copyfile(source / name, tmp_path / name)
    return tmp_path


def replayed(path: Path) -> Replayed:
    found = find(path, ["datasets/human_data_pw3d_test"])
    return replay(found.specs[0], found.folder, ReplayOptions())


@pytest.mark.parametrize("place", ["", "expected", "expected/human_data", GOLDEN])
def test_a_golden_is_found_from_any_folder_above_it(folder: Path, place: str) -> None:
    assert replayed(folder / place).ok


def test_every_entry_is_compared(folder: Path) -> None:
    done = replayed(folder)
    (covered,) = coverage(folder, [done])
    assert covered.left_out == ()
    assert set(covered.inputs) == {"config", "keypoints_were_compressed"}


@pytest.mark.parametrize(
    ("entry", "change"),
    [
        ("cam_param_json", lambda array: np.array(str(array).replace("62.5", "62.6", 1))),
        ("image_path", lambda array: array[::-1]),
        ("meta.gender", lambda array: np.where(array == "m", "f", "m")),
        ("smpl.betas", lambda array: array + 2e-4),
        ("smpl.body_pose", lambda array: array * 1.001),
        ("bbox_xywh", lambda array: array[:-1]),
        ("a_new_entry", lambda array: np.zeros(3)),
    ],
)
def test_an_entry_that_was_changed_is_named(folder: Path, entry: str, change: object) -> None:
    assert callable(change)
    with np.load(folder / GOLDEN) as archive:
        arrays = dict(archive)
    arrays[entry] = change(arrays.get(entry))
    np.savez(folder / GOLDEN, allow_pickle=False, **arrays)
    failed = [check.name for check in replayed(folder).checks if not check.ok]
    assert failed == [entry]
