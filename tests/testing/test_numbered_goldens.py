"""A golden whose name differs from a known one by its number is replayed as that one."""

import json
import shutil
from pathlib import Path

import pytest

from hpscli.errors import MissingError
from hpscli.testing.coverage import coverage
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.selfcheck import find, replay


@pytest.fixture
def folder(reference: Path, tmp_path: Path) -> Path:
    """-> a reference folder with HO-3D's golden under another number, and one of another name."""
    place = tmp_path / "goldens"
    place.mkdir()
    for suffix in (".npz", ".json"):
        source = reference / "metrics" / "goldens" / f"ho3d_8{suffix}"
        shutil.copy(source, place / f"ho3d_31{suffix}")
        shutil.copy(source, place / f"ho3d_other{suffix}")
    return tmp_path


def test_another_number_is_the_same_kind_and_another_word_is_none(folder: Path) -> None:
    found = find(folder)
    assert [spec.name for spec in found.specs] == ["metrics/ho3d:ho3d_31"]
    assert found.unknown == ("ho3d_other.json", "ho3d_other.npz")
    done = [replay(found.specs[0], folder, ReplayOptions())]
    assert done[0].ok and len(done[0].checks) == 16
    assert coverage(folder, done)[0].compared == ("xyz_scale_trans_aligned",)


def test_its_own_numbers_are_compared(folder: Path) -> None:
    file = folder / "goldens" / "ho3d_31.json"
    text = json.loads(file.read_text(encoding="utf-8"))["scores_txt"]
    changed = text.replace("f_score_5: 0.1", "f_score_5: 0.2")
    assert changed != text
    file.write_text(json.dumps({"scores_txt": changed}), encoding="utf-8")
    found = find(folder / "goldens" / "ho3d_31.npz")
    done = replay(found.specs[0], found.folder, ReplayOptions())
    assert [check.name for check in done.checks if not check.ok] == ["scores_txt/f_score_5"]


def test_a_numbered_golden_without_its_other_file_is_not_replayed(folder: Path) -> None:
    (folder / "goldens" / "ho3d_31.json").unlink()
    with pytest.raises(MissingError, match="no plugin can replay"):
        find(folder)
