"""The comparison of rebuilt free bodies with shipped ones, run on the shipped files."""

import shutil
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import hpscli.body
from hpscli.errors import MissingError
from tools import build_free_body as script
from tools.free_body import figures, verify

Array = NDArray[Any]
SHIPPED = Path(hpscli.body.__file__).parent / "data"


@cache
def shipped() -> figures.Files:
    return figures.read_files(SHIPPED)


def test_measuring_the_shipped_levels_gives_the_recorded_errors() -> None:
    names = ("free_smpl", "hierarchy_smpl", "free_mano", "hierarchy_mano")
    found = figures.measure({name: shipped()[name] for name in names}, None)
    wanted = {
        "smpl level 1": (1.50, 10.8),
        "smpl level 2": (3.69, 30.1),
        "mano level 1": (0.70, 4.8),
    }
    for name, (mean, largest) in wanted.items():
        assert found[f"{name} up-sampling mean"] == pytest.approx(mean, abs=0.006)
        assert found[f"{name} up-sampling max"] == pytest.approx(largest, abs=0.06)


def test_posed_figures_of_the_shipped_body_are_near_the_recorded_ones() -> None:
    files = {"free_smpl": shipped()["free_smpl"]}
    found = figures.measure(files, shipped()["free_poses"]["poses"][:40])
    assert found["posed volume mean"] == pytest.approx(0.973, abs=0.01)
    assert found["edge ratio 99 %"] == pytest.approx(1.38, abs=0.06)
    assert found["posed asymmetry"] < 1e-6


def test_the_shipped_files_are_as_good_as_themselves() -> None:
    files = shipped()
    found = figures.measure(files, None)
    rows = verify.compare(found, found, verify.distances(files, files))
    assert [row.name for row in rows if not row.good] == []
    assert len(rows) > 80


def test_worse_figures_are_named_in_the_table() -> None:
    rows = verify.compare({"worst triangle": 0.08}, {"worst triangle": 0.1}, {})
    assert [row.good for row in rows] == [False]
    assert "| worst triangle | 0.08 | 0.1 | at most 10 % less | NO |" in verify.table(rows)


def test_every_measured_figure_that_is_no_count_has_a_rule() -> None:
    files = shipped()
    for name, value in figures.measure(files, files["free_poses"]["poses"][:2]).items():
        assert name in verify.RULES or value == int(value), name


def copy_hand(folder: Path) -> Path:
    for name in ("free_mano.npz", "hierarchy_mano.npz"):
        shutil.copy(SHIPPED / name, folder / name)
        (folder / name).chmod(0o644)
    return folder


def test_comparing_a_copy_ends_well(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = copy_hand(tmp_path)
    code = script.main(["--out", str(out), "--measure-only", "--compare", str(SHIPPED)])
    assert code == 0
    assert "| hand rim | 16 | 16 | equal | yes |" in capsys.readouterr().out


def test_a_damaged_copy_ends_with_exit_code_4(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = copy_hand(tmp_path)
    arrays = dict(shipped()["free_mano"])
    arrays["v_template"] = arrays["v_template"] * np.float32(1.2)
    script.write(out, "free_mano", arrays)
    code = script.main(["--out", str(out), "--measure-only", "--compare", str(SHIPPED)])
    assert code == 4
    assert "hand width m" in capsys.readouterr().err


def test_an_array_of_another_shape_is_named(tmp_path: Path) -> None:
    arrays = dict(shipped()["free_mano"])
    arrays["shapedirs"] = arrays["shapedirs"][:, :, :5]
    names = verify.layout_differences({"free_mano": arrays}, shipped())
    assert names == ["free_mano/shapedirs"]


def test_the_same_arrays_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first", "second"):
        script.write(tmp_path, name, shipped()["hierarchy_mano"])
    first, second = ((tmp_path / f"{name}.npz").read_bytes() for name in ("first", "second"))
    assert first == second


def test_an_empty_folder_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no free body file"):
        figures.read_files(tmp_path)
    assert script.main(["--out", str(tmp_path), "--measure-only"]) == 3


def test_levels_without_their_body_name_the_part_to_build_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--out", str(tmp_path), "--only", "hierarchy"]) == 3
    assert "--only smpl" in capsys.readouterr().err


def test_an_unknown_part_is_a_usage_error_with_the_nearest_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--out", str(tmp_path), "--only", "smlpx"]) == 2
    assert "Did you mean 'smplx'?" in capsys.readouterr().err
