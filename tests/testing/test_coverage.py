"""Which arrays of a golden were compared, which are inputs, and which nobody looked at."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hpscli.hooks import GoldenSpec
from hpscli.testing.coverage import Coverage, coverage
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare
from hpscli.testing.selfcheck import replay


def compares_two(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    yield compare("whole", 1.0, 1.0, 0.0)
    yield compare("angles, as matrices", 1.0, 1.0, 0.0)


def spec(name: str, *files: str) -> GoldenSpec:
    return GoldenSpec(
        name=name,
        files=files,
        replay=f"{__name__}:compares_two",
        summary="Compares two arrays.",
        inputs=("in_*",),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        arrays = {key: np.ones(1) for key in ("whole", "angles", "in_pose", "extra")}
        np.savez(tmp_path / f"{name}.npz", **arrays)
    return tmp_path


def test_arrays_are_compared_or_given_or_left_out(folder: Path) -> None:
    done = [replay(spec("x/a", "a.npz"), folder, ReplayOptions())]
    assert coverage(folder, done) == (
        Coverage("a.npz", ("whole", "angles"), ("in_pose",), ("extra",)),
    )


def test_a_file_that_only_helps_another_golden_is_not_reported(folder: Path) -> None:
    done = [replay(spec("x/a", "a.npz", "b.npz", "keys/c.json"), folder, ReplayOptions())]
    assert [one.file for one in coverage(folder, done)] == ["a.npz"]


def test_a_golden_that_cannot_be_read_has_no_arrays(folder: Path) -> None:
    (folder / "a.npz").write_bytes(b"PK damaged")
    done = [replay(spec("x/a", "a.npz"), folder, ReplayOptions())]
    assert coverage(folder, done) == (Coverage("a.npz", (), (), ()),)
