"""FreiHAND's file of predictions."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hpscli.errors import InvalidData
from hpscli.run.hands.freihand import freihand_points, freihand_text, write_freihand

DRAW = np.random.RandomState(0)
JOINTS = DRAW.standard_normal((2, 21, 3)).astype(np.float32)
VERTICES = DRAW.standard_normal((2, 778, 3)).astype(np.float32)


def test_the_file_holds_one_member_with_joints_then_vertices(tmp_path: Path) -> None:
    write_freihand(tmp_path / "pred.zip", JOINTS, VERTICES)
    with zipfile.ZipFile(tmp_path / "pred.zip") as archive:
        assert archive.namelist() == ["pred.json"]
        joints, vertices = json.loads(archive.read("pred.json"))
    assert np.array_equal(np.asarray(joints, np.float32), JOINTS)
    assert np.array_equal(np.asarray(vertices, np.float32), VERTICES)


def test_numbers_are_those_of_float32_to_the_last_digit() -> None:
    joints = np.full((1, 21, 3), 0.1, np.float32)
    text = "".join(freihand_text(joints, VERTICES[:1]))
    assert text.startswith("[[[[0.10000000149011612, ")


def test_equal_predictions_make_equal_files(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_freihand(tmp_path / name, JOINTS, VERTICES)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_points_are_counted_from_the_wrist() -> None:
    joints, vertices = freihand_points(JOINTS, VERTICES)
    assert np.array_equal(joints[:, 0], np.zeros((2, 3)))
    assert np.array_equal(vertices[:, 5], VERTICES[:, 5] - JOINTS[:, 0])


@pytest.mark.parametrize(
    ("joints", "vertices", "said"),
    [
        (JOINTS[:, :16], VERTICES, r"joints.*\(N,21,3\)"),
        (JOINTS, VERTICES[:, :195], r"vertices.*\(N,778,3\)"),
        (JOINTS * np.nan, VERTICES, "finite"),
        (JOINTS[:1], VERTICES, "1 hands have joints, 2 have vertices"),
    ],
)
def test_what_the_server_would_refuse_is_refused(
    joints: np.ndarray, vertices: np.ndarray, said: str
) -> None:
    with pytest.raises(InvalidData, match=said):
        list(freihand_text(joints, vertices))
