"""Each question of the audit says yes to sound labels and no to the mistake that it is there for."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpscli.body.joints import joint_set
from hpscli.cli.app import run
from hpscli.data.audit.duplicates import look, near_pairs
from hpscli.data.audit.frames import missing_frames
from hpscli.data.audit.measures import measure
from hpscli.data.audit.verdicts import LOOK, OK, UNKNOWN, WRONG, Finding, Measured, judge
from hpscli.data.evalset import EvalSet
from hpscli.data.people import Layout, recropped
from hpscli.records import Sample

DEMO = Path(__file__).parents[3] / "shards" / "demo"
COUNT = 12


@pytest.fixture(scope="module")
def people() -> list[Sample]:
    found = next(path.parent for path in sorted(DEMO.rglob("index.json")))
    shards = EvalSet(found)
    return [shards[i] for i in range(min(COUNT, len(shards)))]


def answers(people: list[Sample], *, with_body: bool = False) -> dict[str, Finding]:
    rows = [measure(sample, with_body=with_body) for sample in people]
    findings = judge(Measured([sample.key for sample in people], rows))
    return {finding.name: finding for finding in findings}


def changed(sample: Sample, change: Callable[[str, np.ndarray], np.ndarray]) -> Sample:
    arrays = {name: change(name, np.array(array)) for name, array in sample.arrays.items()}
    return replace(sample, arrays=arrays)


def mirrored(group: str) -> Callable[[str, np.ndarray], np.ndarray]:
    def swap(name: str, array: np.ndarray) -> np.ndarray:
        start, _, joints = name.partition(".")
        return array[list(joint_set(joints).mirror)] if start == group else array

    return swap


def scaled(factor: float) -> Callable[[str, np.ndarray], np.ndarray]:
    def scale(name: str, array: np.ndarray) -> np.ndarray:
        if name.startswith("keypoints3d."):
            array[:, :3] *= factor
        return array

    return scale


def test_sound_people_pass_every_question(people: list[Sample]) -> None:
    found = answers(people, with_body=True)
    assert {finding.verdict for finding in found.values()} <= {OK, UNKNOWN}
    for name in ("projection distance", "body2d distance", "body3d sides", "knees", "leg length"):
        assert found[name].verdict == OK and found[name].people > 0


@pytest.mark.parametrize("group", ["keypoints2d", "keypoints3d"])
def test_exchanged_sides_are_seen_in_the_projection(people: list[Sample], group: str) -> None:
    found = answers([changed(sample, mirrored(group)) for sample in people])
    assert found["projection sides"].verdict == WRONG
    assert "left and right are exchanged" in found["projection sides"].says


def test_exchanged_sides_are_seen_by_the_knees_alone(people: list[Sample]) -> None:
    found = answers([changed(sample, mirrored("keypoints3d")) for sample in people])
    assert found["knees"].verdict == WRONG


def test_exchanged_sides_are_seen_by_the_body_of_the_parameters(people: list[Sample]) -> None:
    found = answers([changed(s, mirrored("keypoints3d")) for s in people], with_body=True)
    assert found["body3d sides"].verdict == WRONG and found["body2d sides"].verdict == OK


@pytest.mark.parametrize("factor", [0.01, 100.0])
def test_wrong_units_are_seen_by_the_length_of_a_leg(people: list[Sample], factor: float) -> None:
    assert answers([changed(s, scaled(factor)) for s in people])["leg length"].verdict == WRONG


def test_joints_relative_to_the_root_are_seen_behind_the_camera(people: list[Sample]) -> None:
    def centred(name: str, array: np.ndarray) -> np.ndarray:
        if name.startswith("keypoints3d."):
            array[:, :3] -= array[:1, :3]
        return array

    found = answers([changed(sample, centred) for sample in people])
    assert found["in front"].verdict == WRONG and "relative to the root" in found["in front"].says
    assert answers(people)["in front"].verdict == OK


def test_a_hand_of_a_set_without_sides_is_measured(people: list[Sample]) -> None:
    joints = np.zeros((21, 4), np.float32)
    joints[:, 2:] = 1
    joints[12, 0] = 18.0  # the tip of the middle finger, in centimetres
    arrays = {**people[0].arrays, "keypoints3d.freihand21": joints}
    assert measure(replace(people[0], arrays=arrays), with_body=False)["hand"] == 18.0


def test_people_outside_the_picture_and_strange_shapes_are_named(people: list[Sample]) -> None:
    def change(name: str, array: np.ndarray) -> np.ndarray:
        if name.startswith("keypoints2d."):
            array[:, 0] += 1000
        return array * 9 if name.endswith(".betas") else array

    found = answers([*people[1:], changed(people[0], change)])
    assert found["outside"].verdict == LOOK and found["outside"].examples[0] == people[0].key
    assert found["betas"].verdict == LOOK and people[0].key in found["betas"].examples


def test_a_person_looks_the_same_whole_and_cropped_and_others_do_not(people: list[Sample]) -> None:
    whole = [look(sample) for sample in people]
    cropped = [look(recropped(sample, Layout(kind="crop", side_px=96))) for sample in people]
    pairs = list(near_pairs(cropped, whole))
    assert all(one == other for one, other in pairs) and len(pairs) >= 0.8 * len(people)


def frames(*numbers: int) -> Iterator[str]:
    yield from (f"film/image_{number:05d}.jpg" for number in numbers)


def test_gaps_in_a_regular_film_are_named() -> None:
    assert missing_frames(frames(*range(0, 100, 5))) == {}
    regular = [number for number in range(0, 100, 5) if number not in (45, 50)]
    assert missing_frames(frames(*regular)) == {"film/image_": [45, 50]}
    assert missing_frames(frames(3, 9, 11, 40, 41, 77, 90, 106, 200)) == {}  # pictures, no film


def test_the_command_writes_a_page_and_ends_with_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = next(path.parent for path in sorted(DEMO.rglob("index.json")))
    words = ["datasets", "audit", str(shards), "--people", "6", "--out", str(tmp_path), "--json"]
    assert run([*words, "--against", str(shards)]) == 0
    document = json.loads(capsys.readouterr().out)
    page = (tmp_path / "audit.html").read_text()
    assert document["measured"] == 6 and page.count("data:image/jpeg;base64,") >= 6
    assert json.loads((tmp_path / "audit.json").read_text())["findings"] == document["findings"]
    shared = next(f for f in document["findings"] if f["name"].startswith("shared with"))
    assert shared["verdict"] == LOOK and "6 of 6 people look the same" in shared["says"]
