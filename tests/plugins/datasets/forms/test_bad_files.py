"""Files of the .npz forms that are refused, and records that are named."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hps_datasets.forms.human_data import people as human_data_people
from hps_datasets.forms.spin import people as spin_people
from hpscli.errors import HpsError, InvalidData, MissingError
from hpscli.records import Person
from tests.plugins.datasets.forms.npz_files import (
    BASE,
    COMPRESSED,
    JOINTS,
    SMPL,
    SPIN,
    N,
    read,
)

REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("rows of a body", BASE | {"smpl": SMPL | {"betas": np.ones((1, 10))}}, r"smpl\.betas.*1 rows"),
    ("rows of boxes", BASE | {"bbox_xywh": np.ones((2, 5))}, "rows"),
    ("rows of cameras", BASE | {"cam_param": [{}]}, "cam_param"),
    ("no dictionary", BASE | {"smpl": np.ones(N)}, "smpl.*dictionary"),
    ("joints without mask", BASE | {"keypoints2d": JOINTS}, "keypoints2d_mask"),
    ("joints unlike mask", BASE | COMPRESSED | {"keypoints2d": JOINTS[:, :9]}, "9 joints.*17"),
    ("no coordinates", BASE | COMPRESSED | {"keypoints2d": JOINTS[..., :2]}, "expected"),
    ("unknown convention", BASE | {"keypoints2d": JOINTS, "keypoints2d_convention": "x"}, "'x'"),
    ("no names", {"bbox_xywh": BASE["bbox_xywh"]}, "image_path"),
    ("no scale", {k: v for k, v in SPIN.items() if k != "scale"}, "scale"),
    ("rows of joints", SPIN | {"part": np.ones((2, 24, 3))}, "part.*2 rows"),
]


@pytest.mark.parametrize("case", REFUSED, ids=[case[0] for case in REFUSED])
def test_a_file_that_does_not_fit_together_is_refused(
    case: tuple[str, dict[str, Any], str], tmp_path: Path
) -> None:
    with pytest.raises(InvalidData, match=case[2]) as refused:
        read(tmp_path, case[1])
    assert "people.npz" in str(refused.value)


def test_a_broken_record_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    bad = read(tmp_path, BASE | {"image_path": np.array(["a.jpg", "", "c.jpg"])})
    assert [isinstance(record, InvalidData) for record in bad] == [False, True, False]
    assert "people.npz row 1" in str(bad[1])
    odd = read(tmp_path, SPIN | {"part": np.ones((N, 17, 3))})
    assert all(isinstance(r, InvalidData) and "part" in str(r) for r in odd)


def test_the_file_with_the_people_is_the_only_one_or_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"no \.npz file"):
        list(human_data_people(tmp_path, "train"))
    read(tmp_path, BASE)
    shutil.copy(tmp_path / "people.npz", tmp_path / "more.npz")
    with pytest.raises(MissingError, match="2 .npz files"):
        list(human_data_people(tmp_path, "train"))
    assert len(list(human_data_people(tmp_path, "train", annotations="more.npz"))) == N
    with pytest.raises(MissingError, match=r"none\.npz"):
        list(human_data_people(tmp_path, "train", annotations="none.npz"))


Change = Callable[[bytearray, np.random.Generator], None]


def flipped(content: bytearray, rng: np.random.Generator) -> None:
    for place in rng.integers(0, len(content), 6):
        content[place] ^= 1 << rng.integers(8)


def cut(content: bytearray, rng: np.random.Generator) -> None:
    del content[rng.integers(len(content)) :]


@pytest.mark.parametrize("change", [flipped, cut])
@pytest.mark.parametrize(
    "name",
    [
        "human_data/agora_train_smplx",
        "human_data/h36m_mosh_train",
        "spin/mpi_inf_3dhp_train",
        "hmr2/h36m_val_p2",
    ],
)
def test_mutated_files_give_people_or_errors_and_nothing_else(
    reference: Path, tmp_path: Path, name: str, change: Change
) -> None:
    original = (reference / "datasets" / "fixtures" / f"{name}.npz").read_bytes()
    reader = human_data_people if name.startswith("human_data") else spin_people
    rng = np.random.default_rng(7)
    for _ in range(40):
        content = bytearray(original)
        change(content, rng)
        (tmp_path / "people.npz").write_bytes(content)
        try:
            for record in reader(tmp_path, "train"):
                assert isinstance(record, Person | HpsError)
        except HpsError as error:
            assert "people.npz" in str(error)
