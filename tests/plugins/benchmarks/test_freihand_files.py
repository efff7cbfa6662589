"""FreiHAND's file of predictions: what the check finds in damaged ones, what a reader gets out."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hps_benchmarks.freihand import files
from hps_benchmarks.freihand.plugin import hps_writers
from hpscli.errors import InvalidData
from hpscli.records import Finding
from hpscli.registry import get_registry
from hpscli.run.hands.freihand import write_freihand
from hpscli.run.prediction_files import read_predictions
from tests.plugins.benchmarks.hand_files import (
    Damage,
    bomb,
    broken_zip,
    content,
    each,
    flipped_bytes,
    packed,
    posed_hands,
    put,
)

COUNT = 10
JOINTS, VERTICES = posed_hands(COUNT, "metro_hand21")


@pytest.fixture(autouse=True)
def small_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation list of ten hands, for files that are written in no time."""
    rules = files.RULES
    monkeypatch.setattr(files, "RULES", type(rules)(**{**vars(rules), "counts": (COUNT,)}))


def errors(found: list[Finding]) -> list[str]:
    return [finding.problem for finding in found if finding.error]


def test_a_whole_file_has_nothing_wrong(tmp_path: Path) -> None:
    for root in (0, JOINTS[:, :1]):
        write_freihand(tmp_path / "pred.zip", JOINTS - root, VERTICES - root)
        assert files.check(tmp_path / "pred.zip") == []


def shifted(points: np.ndarray) -> np.ndarray:
    return points - [0.0, 0.0, 2.0]


DAMAGES: dict[str, tuple[Damage, str]] = {
    "three lists": (lambda d: [*d, []], "holds 3 lists instead of 2"),
    "one list": (lambda d: d[:1], "holds 1 lists instead of 2"),
    "an object": (lambda d: {"xyz": d[0], "verts": d[1]}, "outermost value is no list"),
    "lists swapped": (lambda d: d[::-1], "vertices come first, joints second"),
    "fewer vertices than joints": (
        lambda d: [d[0], d[1][:-1]],
        f"{COUNT} hands have joints, {COUNT - 1} have vertices",
    ),
    "a hand too few": (lambda d: [d[0][:-1], d[1][:-1]], f"of 9 hands, .* list has {COUNT}"),
    "joints of MANO alone": (each(lambda p: p[:, :16]), "16 joints instead of 21"),
    "the coarse mesh": (lambda d: [d[0], [v[:195] for v in d[1]]], "195 vertices, MANO's mesh has"),
    "one hand with another mesh": (
        lambda d: [d[0], [*d[1][:-1], d[1][-1][:700]]],
        r"another number of vertices than the rest \(778\); hand 9 has 700",
    ),
    "NaN": (put(math.nan), "joints of 1 of 10 hands are NaN or infinite, first hand 1"),
    "infinity": (put(-math.inf, side=1), "vertices of 1 of 10 hands are NaN or infinite"),
    "null": (put(None), "hand 1 has null instead of a number"),
    "text": (put("0.1"), "hand 1 has '0.1' instead of a number"),
    "a truth value": (put(True), "hand 1 has True instead of a number"),
    "a nested number": (put([0.1]), "instead of a number"),
    "a point in the plane": (
        lambda d: [[[p[:2] for p in hand] for hand in d[0]], d[1]],
        "a point that is not three numbers",
    ),
    "flat numbers": (
        lambda d: [[[c for p in hand for c in p] for hand in d[0]], d[1]],
        "a point that is not three numbers",
    ),
    "millimetres": (each(lambda p: p * 1000), "joints are in millimetres"),
    "centimetres": (each(lambda p: p * 100), "vertices are in centimetres"),
    "axes of OpenGL": (each(lambda p: p * [1, -1, -1]), "lie behind the camera.*x right, y down"),
    "joints of MANO's order": (
        lambda d: [posed_hands(COUNT, "mano21")[0].tolist(), d[1]],
        "in MANO's order, FreiHAND wants FreiHAND's",
    ),
    "joints from the wrist, vertices not": (
        lambda d: [(JOINTS - JOINTS[:, :1]).tolist(), d[1]],
        "lie in different places",
    ),
}
DOUBTS: dict[str, tuple[Damage, str]] = {
    "mirrored": (each(lambda p: p * [-1, 1, 1]), "look like left hands"),
    "one hand for all": (lambda d: [[d[0][0]] * COUNT, [d[1][0]] * COUNT], "only 1 different pose"),
    "nothing predicted": (
        lambda d: [np.zeros((COUNT, 21, 3)).tolist(), np.zeros((COUNT, 778, 3)).tolist()],
        "10 of 10 hands are one point",
    ),
    "some from the wrist": (
        lambda d: [
            [*(JOINTS - JOINTS[:, :1])[:8].tolist(), *d[0][8:]],
            [*(VERTICES - JOINTS[:, :1])[:8].tolist(), *d[1][8:]],
        ],
        "2 of 10 hands lie in the camera",
    ),
    "giants": (each(lambda p: p * 10), "no hand is"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damage_is_found_and_said(tmp_path: Path, name: str) -> None:
    damage, said = DAMAGES[name]
    found = files.check(packed(tmp_path / "pred.zip", damage(content(JOINTS, VERTICES))))
    assert any(_matches(said, problem) for problem in errors(found)), found
    assert all(finding.fix for finding in found), found


@pytest.mark.parametrize("name", DOUBTS)
def test_what_the_server_takes_is_a_warning(tmp_path: Path, name: str) -> None:
    damage, said = DOUBTS[name]
    found = files.check(packed(tmp_path / "pred.zip", damage(content(JOINTS, VERTICES))))
    assert errors(found) == []
    assert any(_matches(said, finding.problem) for finding in found), found


def _matches(said: str, problem: str) -> bool:
    return re.search(said, problem) is not None


@pytest.mark.parametrize(
    ("name", "others", "said"),
    [
        ("predictions.json", {}, "not called pred.json"),
        ("result/pred.json", {}, "lies in a folder"),
        ("pred.txt", {}, "no pred.json in the zip"),
        ("pred.json", {"readme.txt": b"hello"}, "more than pred.json"),
        ("a.json", {"b.json": b"[]"}, "no pred.json in the zip"),
        ("../pred.json", {}, "leads out of the archive"),
    ],
)
def test_members_that_the_server_does_not_look_for_are_found(
    tmp_path: Path, name: str, others: dict[str, bytes], said: str
) -> None:
    document = content(JOINTS, VERTICES)
    found = errors(files.check(packed(tmp_path / "pred.zip", document, name, **others)))
    assert any(said in problem for problem in found), found


@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.9999])
def test_a_text_that_ends_early_is_found(tmp_path: Path, share: float) -> None:
    text = json.dumps(content(JOINTS, VERTICES))
    found = errors(files.check(packed(tmp_path / "pred.zip", text[: int(share * len(text))])))
    assert len(found) == 1 and "cut short" in found[0]


@pytest.mark.parametrize("text", ["", "nonsense", "[", "[[", "3", '"text"', "[[1.2.3]]", "[1, 2]"])
def test_no_text_makes_the_check_fail_itself(tmp_path: Path, text: str) -> None:
    found = errors(files.check(packed(tmp_path / "pred.zip", text)))
    assert len(found) == 1, found


def test_damaged_zips_are_found(tmp_path: Path) -> None:
    def whole() -> Path:
        return packed(tmp_path / "pred.zip", content(JOINTS, VERTICES))

    assert "no readable zip" in errors(files.check(broken_zip(whole())))[0]
    assert "cannot be unpacked" in errors(files.check(flipped_bytes(whole())))[0]
    assert "fold" in errors(files.check(bomb(tmp_path / "bomb.zip")))[0]
    plain = tmp_path / "pred.json"
    plain.write_text(json.dumps(content(JOINTS, VERTICES)))
    assert errors(files.check(plain)) == ["this is bare JSON, the server takes a zip."]
    noise = tmp_path / "noise.zip"
    noise.write_bytes(bytes(range(256)))
    assert "no readable zip" in errors(files.check(noise))[0]


def test_another_mesh_may_be_meant(tmp_path: Path) -> None:
    file = packed(tmp_path / "pred.zip", content(JOINTS, VERTICES[:, :250]))
    assert len(errors(files.check(file))) == 1
    assert errors(files.check(file, mesh="any")) == []


def test_numbers_come_back_to_the_last_bit_however_they_are_written(tmp_path: Path) -> None:
    document = [(JOINTS / 3).astype(float).tolist(), (VERTICES / 7).astype(float).tolist()]
    document[0][0][0] = [1, -2e-05, 1.5e-300]
    for text in (
        json.dumps(document),
        json.dumps(document, indent=1),
        json.dumps(document, separators=(",", ":")),
    ):
        found = files.read(packed(tmp_path / "pred.zip", text))
        assert np.array_equal(found.arrays["joints.freihand21"], np.array(document[0]))
        assert np.array_equal(found.arrays["vertices"], np.array(document[1]))


def test_pieces_may_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = content(JOINTS[:2], VERTICES[:2, :5])
    for size in (1, 7, 64, 333):
        monkeypatch.setattr("hpscli.run.hands.text.PIECE", size)
        found = files.read(packed(tmp_path / "pred.zip", document))
        assert np.array_equal(found.arrays["vertices"], np.array(document[1]))


def test_a_file_is_recognised_by_its_content(tmp_path: Path) -> None:
    for root in (0, JOINTS[:, :1]):
        write_freihand(tmp_path / "pred.zip", JOINTS - root, VERTICES - root)
        found = read_predictions(tmp_path / "pred.zip", get_registry())
        assert found.about["format"] == "freihand" and len(found) == COUNT
    other = tmp_path / "other.zip"
    packed(other, {"annotations": []})
    assert not files.recognise(other)
    assert not files.recognise(broken_zip(packed(tmp_path / "b.zip", content(JOINTS, VERTICES))))


def test_a_file_that_cannot_be_read_is_bad_data(tmp_path: Path) -> None:
    file = packed(tmp_path / "pred.zip", content(JOINTS[:, :16], VERTICES))
    with pytest.raises(InvalidData, match=r"joints \(10, 16, 3\)"):
        files.read(file)
    with pytest.raises(InvalidData, match="cut short"):
        files.read(packed(tmp_path / "pred.zip", "[[[[1.0"))


def test_names_are_those_of_the_authors() -> None:
    name: Any = hps_writers()[0].file_name
    assert name.format(epoch=200, views="sc10_rot0") == "ckpt200-sc10_rot0-pred.zip"
    assert name.format(epoch=200, views="multisc") == "ckpt200-multisc-pred.zip"
