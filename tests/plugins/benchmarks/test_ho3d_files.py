"""HO-3D's file of predictions: axes of OpenGL, joints in MANO's order, two lists."""

import re
from pathlib import Path

import numpy as np
import pytest

from hps_benchmarks.ho3d import files
from hpscli.body.layer import load_body
from hpscli.errors import UsageError
from hpscli.records import Finding, PredictionSet
from hpscli.registry import get_registry
from hpscli.run.prediction_files import read_predictions
from tests.plugins.benchmarks.hand_files import Damage, content, each, packed, posed_hands, put

COUNT = 10
JOINTS, VERTICES = (points * [1, -1, -1] for points in posed_hands(COUNT, "mano21"))


@pytest.fixture(autouse=True)
def small_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second version with ten hands, for files that are written in no time."""
    monkeypatch.setitem(files.COUNTS, "v2", COUNT)


def errors(found: list[Finding]) -> list[str]:
    return [finding.problem for finding in found if finding.error]


def test_a_whole_file_has_nothing_wrong(tmp_path: Path) -> None:
    for root in (0, JOINTS[:, :1]):
        file = packed(tmp_path / "pred.zip", content(JOINTS - root, VERTICES - root))
        assert files.check(file) == []
        assert files.check(file, version="v2") == []


def test_the_count_of_either_version_is_named(tmp_path: Path) -> None:
    file = packed(tmp_path / "pred.zip", content(JOINTS[:2], VERTICES[:2]))
    assert "HO-3D's evaluation list has 10 or 20137" in errors(files.check(file))[0]
    assert "list has 20137" in errors(files.check(file, version="v3"))[0]
    with pytest.raises(UsageError, match="v4"):
        files.check(file, version="v4")


DAMAGES: dict[str, tuple[Damage, str]] = {
    "axes of OpenCV": (each(lambda p: p * [1, -1, -1]), "behind the camera.*OpenGL"),
    "joints of FreiHAND's order": (
        lambda d: [(posed_hands(COUNT, "freihand21")[0] * [1, -1, -1]).tolist(), d[1]],
        "in FreiHAND's order, HO-3D wants MANO's",
    ),
    "millimetres": (each(lambda p: p * 1000), "in millimetres"),
    "swapped": (lambda d: d[::-1], "vertices come first"),
    "unequal": (lambda d: [d[0][:-1], d[1]], "9 hands have joints, 10 have vertices"),
    "NaN": (put(float("nan")), "NaN or infinite"),
    "null": (put(None), "null instead of a number"),
    "no tips": (each(lambda p: p[:, :16]), "16 joints instead of 21"),
    "no mesh of MANO": (lambda d: [d[0], [v[:300] for v in d[1]]], "300 vertices"),
    "one list": (lambda d: d[:1], "1 lists instead of 2"),
    "an object": (lambda d: {"xyz": d[0]}, "outermost value is no list"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_found_and_said(tmp_path: Path, name: str) -> None:
    damage, said = DAMAGES[name]
    found = files.check(packed(tmp_path / "pred.zip", damage(content(JOINTS, VERTICES))))
    assert any(re.search(said, problem) for problem in errors(found)), found
    assert all(finding.fix for finding in found)


def test_mirrored_hands_are_a_warning(tmp_path: Path) -> None:
    file = packed(tmp_path / "pred.zip", content(JOINTS * [-1, 1, 1], VERTICES * [-1, 1, 1]))
    found = files.check(file)
    assert errors(found) == [] and "left hands" in found[0].problem


def test_what_is_written_is_read_again_in_our_axes(tmp_path: Path) -> None:
    body = load_body("mano", source="free")
    ours = (VERTICES * [1, -1, -1]).astype(np.float32)
    files.write(PredictionSet(keys=(), arrays={"vertices": ours}), tmp_path / "p.zip", body)
    assert files.check(tmp_path / "p.zip", version="v2") == []
    found = read_predictions(tmp_path / "p.zip", get_registry())
    assert found.about["format"] == "ho3d"
    joints, vertices = found.arrays["joints.mano21"], found.arrays["vertices"]
    assert (joints[:, 0] == 0).all()
    np.testing.assert_allclose(vertices - vertices[:, :1], ours - ours[:, :1], atol=1e-6)
    expected = posed_hands(COUNT, "mano21")[0]
    np.testing.assert_allclose(joints, expected - expected[:, :1], atol=1e-6)


def test_joints_that_are_given_are_written_as_they_are(tmp_path: Path) -> None:
    body = load_body("mano", source="free")
    arrays = {"vertices": VERTICES.astype(np.float32), "joints.mano21": JOINTS.astype(np.float32)}
    files.write(PredictionSet(keys=(), arrays=arrays), tmp_path / "p.zip", body, root="none")
    found = files.read(tmp_path / "p.zip")
    np.testing.assert_array_equal(found.arrays["joints.mano21"], arrays["joints.mano21"])
    with pytest.raises(UsageError, match="root"):
        files.write(PredictionSet(keys=(), arrays=arrays), tmp_path / "p.zip", body, root="elbow")
