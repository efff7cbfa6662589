"""Finding goldens in folders, replaying them, and what a failure looks like."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hpscli.errors import MissingError, UsageError
from hpscli.hooks import GoldenSpec
from hpscli.testing.goldens import ArrayCheck, ReplayOptions
from hpscli.testing.selfcheck import find, replay

GOLDENS = Path(__file__).parents[1] / "goldens" / "hmr" / "goldens"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reference folder with one golden that can be replayed and two files that cannot."""
    goldens = tmp_path / "hmr" / "goldens"
    goldens.mkdir(parents=True)
    shutil.copy(GOLDENS / "rotations.npz", goldens)
    np.savez(goldens / "future.npz", a=np.ones(1))
    (goldens / "future.json").write_text("{}")
    (goldens / "picture.png").touch()
    return tmp_path / "hmr"


def test_a_folder_is_searched_for_goldens_and_the_rest_is_listed(folder: Path) -> None:
    found = find(folder)
    assert [spec.name for spec in found.specs] == ["hmr/rotations"]
    assert found.unknown == ("future.json", "future.npz")


@pytest.mark.parametrize("place", ["goldens", "goldens/rotations.npz"])
def test_the_folder_of_goldens_or_one_golden_may_be_named(folder: Path, place: str) -> None:
    found = find(folder / place)
    assert found.folder == folder
    assert [spec.name for spec in found.specs] == ["hmr/rotations"]


def test_a_flat_folder_works_too(folder: Path) -> None:
    flat = folder.parent / "flat"
    shutil.copytree(folder / "goldens", flat)
    found = find(flat)
    assert replay(found.specs[0], found.folder, ReplayOptions()).ok


@pytest.mark.parametrize("pattern", ["hmr/*", "rotations", "rot*.npz"])
def test_patterns_choose_by_kind_or_by_file(folder: Path, pattern: str) -> None:
    assert [spec.name for spec in find(folder, [pattern]).specs] == ["hmr/rotations"]


def test_a_pattern_that_matches_nothing_says_what_there_is(folder: Path) -> None:
    with pytest.raises(UsageError, match="osx") as error:
        find(folder, ["osx*"])
    assert "hmr/rotations" in error.value.fix


def test_a_folder_without_goldens_is_missing_them(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no plugin can replay"):
        find(tmp_path)
    with pytest.raises(MissingError, match="there is no"):
        find(tmp_path / "nowhere")


def test_a_changed_number_fails_its_array_only(folder: Path) -> None:
    path = folder / "goldens" / "rotations.npz"
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    arrays["rot6d_hmr2"][3, 0, 0] += 1e-3
    np.savez(path, **arrays)
    replayed = replay(find(folder).specs[0], folder, ReplayOptions())
    assert [check.name for check in replayed.checks if not check.ok] == ["rot6d_hmr2"]


def test_a_golden_that_lacks_an_array_fails_and_says_which(folder: Path) -> None:
    path = folder / "goldens" / "rotations.npz"
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files if key != "rot6d_hmr2"}
    np.savez(path, **arrays)
    replayed = replay(find(folder).specs[0], folder, ReplayOptions())
    assert not replayed.ok
    assert "rot6d_hmr2" in replayed.checks[-1].note


def test_arrays_of_other_shapes_stop_one_replay_with_one_sentence(folder: Path) -> None:
    path = folder / "goldens" / "rotations.npz"
    with np.load(path) as archive:
        arrays = {key: archive[key] for key in archive.files}
    np.savez(path, **{**arrays, "six": arrays["six"][:, :5]})
    (check,) = replay(find(folder).specs[0], folder, ReplayOptions()).checks
    assert not check.ok
    assert check.note.startswith("the replay stopped; do the stored shapes fit together?")
    assert "\n" not in check.note


def compares_nothing(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    yield from ()


def test_a_replay_that_compares_nothing_is_not_ok(tmp_path: Path) -> None:
    spec = GoldenSpec(
        name="x/empty",
        files=("x.npz",),
        replay=f"{__name__}:compares_nothing",
        summary="Compares nothing.",
    )
    assert not replay(spec, tmp_path, ReplayOptions()).ok
