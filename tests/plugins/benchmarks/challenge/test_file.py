"""The 3DPW challenge's file: whole ones pass, damaged ones are found and say what to do."""

import io
import os
import pickle
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hps_benchmarks.challenge.submission.check import check
from hps_benchmarks.challenge.submission.files import read, recognise
from hps_benchmarks.challenge.submission.layout import SPLITS, read_ground_truth
from hpscli.body.layer import load_body
from hpscli.data.leaderboard.pickles import numpy1_pickle
from hpscli.data.leaderboard.zips import open_zip, write_zip
from hpscli.errors import InvalidData, MissingError
from hpscli.records import Finding

FRAMES = 2
Members = dict[str, Any]  # name -> a dictionary of arrays, or bytes as they are


def whole(seed: int = 0) -> Members:
    """-> a file that nothing is wrong with: upright people in 60 sequences, 27 of them pairs."""
    body = load_body("smpl", source="free")
    random = np.random.RandomState(seed)
    count = FRAMES * 87
    angles = torch.tensor(random.randn(count, 23) * 0.1)
    turn = torch.diag(torch.tensor([1.0, -1.0, -1.0])).expand(count, 1, 3, 3)  # y down
    cos, sin = torch.cos(angles), torch.sin(angles)
    one, zero = torch.ones_like(cos), torch.zeros_like(cos)
    rows = [one, zero, zero, zero, cos, -sin, zero, sin, cos]
    pose = torch.stack(rows, dim=-1).reshape(count, 23, 3, 3)
    parameters = {"global_orient": turn[:, 0].float(), "body_pose": pose.float()}
    joints = body(parameters).joints.numpy().astype(np.float32)
    parts = np.tile(turn.numpy().astype(np.float32), (1, 9, 1, 1))
    members: Members = {}
    start = 0
    for split, number in SPLITS.items():
        for _ in range(number):
            people = 1 if len(members) >= 27 else 2
            rows_of = slice(start, start + people * FRAMES)
            members[f"{split}/seq_{len(members):02d}.pkl"] = {
                "jointPositions": joints[rows_of].reshape(people, FRAMES, 24, 3),
                "orientations": parts[rows_of].reshape(people, FRAMES, 9, 3, 3),
            }
            start += people * FRAMES
    return members


def packed(path: Path, members: Mapping[str, Any]) -> Path:
    content = {k: v if isinstance(v, bytes) else numpy1_pickle(v) for k, v in members.items()}
    write_zip(path, content.items())
    return path


def changed(members: Members, change: Callable[[Any], Any], key: str = "jointPositions") -> Members:
    """-> the same with every array of a key changed."""
    return {
        name: {k: change(v) if k == key else v for k, v in of.items()}
        for name, of in members.items()
    }


def found(tmp_path: Path, members: Mapping[str, Any], **options: Any) -> list[Finding]:
    return check(packed(tmp_path / "pred.zip", members), **options)


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch ran",)


def one_of(
    members: Members, change: Callable[[Any], Any], name: str = "test/seq_39.pkl"
) -> Members:
    return {**members, name: change(members[name])}


def renamed(members: Members, change: Callable[[str], str]) -> Members:
    return {change(name): value for name, value in members.items()}


def without(members: Members, part: str) -> Members:
    return {name: value for name, value in members.items() if part not in name}


def torched(of: Any) -> bytes:
    return pickle.dumps({"jointPositions": torch.tensor(of["jointPositions"])}, protocol=2)


def saved(of: Any) -> bytes:
    stream = io.BytesIO()
    torch.save({"jointPositions": torch.tensor(of["jointPositions"])}, stream)
    return stream.getvalue()


def with_nan(value: np.ndarray) -> np.ndarray:
    value = value.copy()
    value[0, 1, 5] = np.nan
    return value


WRONG: dict[str, tuple[Callable[[Members], Members], str, str]] = {
    # what is done to the file -> a word of the problem, a word of the advice
    "a sequence is missing": (lambda m: without(m, "test/seq_43"), "23 sequences", "predict all"),
    "a folder is missing": (lambda m: without(m, "validation"), "no folder validation", "predict"),
    "a person is missing": (
        lambda m: one_of(m, lambda of: {k: v[:1] for k, v in of.items()}, "train/seq_00.pkl"),
        "86 people, it has to be 87",
        "every tracked person",
    ),
    "a sequence lacks a key": (
        lambda m: one_of(m, lambda of: {"jointPositions": of["jointPositions"]}),
        "86 people",
        "every tracked person",
    ),
    "a file too many": (
        lambda m: {**m, "test/more.pkl": m["test/seq_36.pkl"]},
        "25 sequences",
        "Leave out",
    ),
    "inside of a folder": (
        lambda m: renamed(m, lambda n: f"res/{n}"),
        "inside the folder 'res'",
        "cd res",
    ),
    "millimetres": (lambda m: changed(m, lambda v: v * 1000), "millimetres", "by 1000"),
    "centimetres": (lambda m: changed(m, lambda v: v * 100), "centimetres", "by 100"),
    "joints and coordinates exchanged": (
        lambda m: changed(m, lambda v: v.swapaxes(2, 3)),
        "has shape",
        "swapaxes(2, 3)",
    ),
    "people and frames exchanged": (
        lambda m: changed(m, lambda v: np.repeat(v, 5, axis=1).swapaxes(0, 1)),
        "exchanged",
        "swapaxes(0, 1)",
    ),
    "flat joints": (
        lambda m: changed(m, lambda v: v.reshape(*v.shape[:2], 72)),
        "has shape",
        "reshape(P, N, 24, 3)",
    ),
    "no axis of people": (
        lambda m: one_of(m, lambda of: {k: v[0] for k, v in of.items()}),
        "has shape",
        "[None]",
    ),
    "17 joints": (lambda m: changed(m, lambda v: v[:, :, :17]), "has shape", "24 of SMPL"),
    "24 rotations": (
        lambda m: changed(m, lambda v: v.repeat(3, axis=2)[:, :, :24], "orientations"),
        "has shape",
        "[0, 1, 2, 4, 5, 16, 17, 18, 19]",
    ),
    "axis-angle": (
        lambda m: changed(m, lambda v: v[..., 0], "orientations"),
        "has shape",
        "matrices",
    ),
    "joints that are no numbers": (lambda m: changed(m, with_nan), "NaN", "again"),
    "rotations that are no numbers": (
        lambda m: changed(m, with_nan, "orientations"),
        "NaN",
        "again",
    ),
    "NumPy 2": (
        lambda m: one_of(m, lambda of: pickle.dumps(of, protocol=2)),
        "numpy._core",
        "export-preds",
    ),
    "a new protocol": (
        lambda m: one_of(m, lambda of: pickle.dumps({"jointPositions": 1}, protocol=5)),
        "protocol 5",
        "protocol=2",
    ),
    "tensors": (lambda m: one_of(m, torched), "torch", "cpu().numpy()"),
    "a file of torch.save": (lambda m: one_of(m, saved), "torch.save", "pickle.dump"),
    "something that runs": (
        lambda m: one_of(m, lambda of: pickle.dumps(Trap(), protocol=2)),
        "asks for",
        "NumPy arrays",
    ),
    "a pickle cut short": (
        lambda m: one_of(m, lambda of: numpy1_pickle(of)[:-40]),
        "no whole pickle",
        "upload all",
    ),
    "a list": (lambda m: one_of(m, lambda of: [of]), "not a dictionary", "jointPositions"),
    "a key in other letters": (
        lambda m: one_of(m, lambda of: {"jointpositions": of["jointPositions"]}),
        "neither",
        "jointPositions",
    ),
    "arrays of different lengths": (
        lambda m: one_of(m, lambda of: {**of, "orientations": of["orientations"][:, :1]}),
        "do not belong together",
        "same people and frames",
    ),
    "ragged arrays": (
        lambda m: one_of(m, lambda of: {**of, "jointPositions": np.array([{}, 1], object)}),
        "of type object",
        "one array",
    ),
    "lists of different lengths": (
        lambda m: one_of(m, lambda of: {**of, "jointPositions": [[1.0], [1.0, 2.0]]}),
        "of type object",
        "one array",
    ),
    "an empty array": (
        lambda m: one_of(m, lambda of: {k: v[:, :0] for k, v in of.items()}),
        "has shape",
        "every person and frame",
    ),
    "a path out of the archive": (
        lambda m: {**m, "../../test/evil.pkl": b"x"},
        "leads out",
        "Pack it again",
    ),
    "a bomb": (lambda m: {**m, "test/zeros.pkl": bytes(40 << 20)}, "fold", "Pack it again"),
}
DOUBTFUL: dict[str, tuple[Callable[[Members], Members], str, str]] = {
    "mirrored bodies": (
        lambda m: changed(m, lambda v: v * np.float32([-1, 1, 1])),
        "mirrored",
        "left hip",
    ),
    "left and right exchanged": (
        lambda m: changed(
            m,
            lambda v: v[
                :,
                :,
                [
                    0,
                    2,
                    1,
                    3,
                    5,
                    4,
                    6,
                    8,
                    7,
                    9,
                    11,
                    10,
                    12,
                    14,
                    13,
                    15,
                    17,
                    16,
                    19,
                    18,
                    21,
                    20,
                    23,
                    22,
                ],
            ],
        ),
        "mirrored",
        "left hip",
    ),
    "y up": (
        lambda m: changed(m, lambda v: v * np.float32([1, -1, -1])),
        "head is below",
        "y down",
    ),
    "scaled rotations": (
        lambda m: changed(m, lambda v: v * np.float32(1.05), "orientations"),
        "no rotations",
        "orthonormalise",
    ),
    "mirrored rotations": (
        lambda m: changed(m, lambda v: v * np.float32([1, 1, -1]), "orientations"),
        "determinant -1",
        "mirrored axes",
    ),
    "turned rotations": (
        lambda m: changed(m, lambda v: v[..., [1, 2, 0]], "orientations"),
        "does not fit",
        "transposed",
    ),
    "half precision": (
        lambda m: changed(m, lambda v: v.astype(np.float16)),
        "float16",
        "float32",
    ),
    "mostly zeros": (lambda m: changed(m, np.zeros_like), "are zero", "left empty"),
    "another file": (lambda m: {**m, "readme.txt": b"hello"}, "nobody reads", "Leave it out"),
    "a key that nobody reads": (
        lambda m: one_of(m, lambda of: {**of, "poses": np.zeros(3)}),
        "'poses'",
        "Leave it out",
    ),
    "only joints": (
        lambda m: {n: {"jointPositions": of["jointPositions"]} for n, of in m.items()},
        "'orientations' is not there",
        "allowed",
    ),
    "decimetres instead of metres": (
        lambda m: changed(m, lambda v: v * np.float32(0.01)),
        "so small",
        "metres",
    ),
}


def test_the_example_of_the_reference_passes(reference: Path) -> None:
    file = reference / "metrics" / "submissions" / "pw3d_challenge_example.zip"
    assert recognise(file)
    assert check(file) == []
    golden = np.load(reference / "metrics" / "goldens" / "pw3d_challenge_full.npz")
    predictions = read(file)
    order = np.argsort([["train", "validation", "test"].index(s) for s in golden["split"]])
    if (np.diff(order) > 0).all():  # the golden's rows are in the file's order
        joints = predictions.arrays["joints.smpl24"].reshape(golden["jp"].shape)
        np.testing.assert_array_equal(joints, golden["jp"])


def test_other_files_are_not_taken_for_it(reference: Path) -> None:
    others = [p for p in (reference / "metrics" / "submissions").iterdir() if "pw3d" not in p.name]
    assert len(others) >= 5 and not any(recognise(path) for path in others)


def test_a_whole_file_passes(tmp_path: Path) -> None:
    assert found(tmp_path, whole()) == []


@pytest.mark.parametrize("damage", WRONG)
def test_damage_is_found_and_says_what_to_do(damage: str, tmp_path: Path) -> None:
    change, problem, fix = WRONG[damage]
    findings = [finding for finding in found(tmp_path, change(whole())) if finding.error]
    assert any(problem in f.problem and fix.lower() in f.fix.lower() for f in findings), findings
    assert all(finding.fix for finding in findings)
    assert not Path("ran").exists()


@pytest.mark.parametrize("doubt", DOUBTFUL)
def test_a_doubt_is_said_and_is_no_violation(doubt: str, tmp_path: Path) -> None:
    change, problem, fix = DOUBTFUL[doubt]
    findings = found(tmp_path, change(whole()))
    assert not [finding for finding in findings if finding.error], findings
    assert any(problem in f.problem and fix.lower() in f.fix.lower() for f in findings), findings


def test_a_file_that_is_no_zip_is_said_to_be_none(tmp_path: Path) -> None:
    file = tmp_path / "pred.zip"
    file.write_bytes(packed(tmp_path / "whole.zip", whole()).read_bytes()[:5000])
    findings = check(file)
    assert "no readable zip" in findings[0].problem and findings[0].fix
    assert not recognise(file)
    with pytest.raises(InvalidData):
        read(file)


def test_a_member_that_was_damaged_on_the_way_is_named(tmp_path: Path) -> None:
    file = packed(tmp_path / "pred.zip", whole())
    with zipfile.ZipFile(file) as archive:
        info = archive.getinfo("test/seq_41.pkl")
    data = bytearray(file.read_bytes())
    start = info.header_offset + 30 + len(info.filename) + 40
    data[start : start + 20] = bytes(20)
    file.write_bytes(bytes(data))
    assert any(f.place == "test/seq_41.pkl" and "unpacked" in f.problem for f in check(file))


def owners_folder(folder: Path, members: Members) -> Path:
    """-> what the check reads of 3DPW's own files, for these people."""
    for name, of in members.items():
        people, frames = of["jointPositions"].shape[:2]
        seen = np.ones((people, frames, 3, 18))
        seen[:, -1] = 0.0
        content = {
            "genders": ["m"] * people,
            "poses2d": list(seen),
            "campose_valid": [np.ones(frames, bool)] * people,
        }
        path = folder / "sequenceFiles" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(content, protocol=2))
    return folder


def test_with_the_owners_files_names_people_and_frames_are_compared(tmp_path: Path) -> None:
    members = whole()
    root = str(owners_folder(tmp_path / "3dpw", members))
    assert found(tmp_path, members, ground_truth=root) == []
    other = renamed(members, lambda n: n.replace("test/seq_47", "test/seq_4l"))
    problems = {f.place: f.problem for f in found(tmp_path, other, ground_truth=root)}
    assert "missing" in problems["test/seq_47.pkl"]
    assert "no such sequence" in problems["test/seq_4l.pkl"]
    fewer = one_of(members, lambda of: {k: v[:, :0] for k, v in of.items()})
    assert any(f.error for f in found(tmp_path, fewer, ground_truth=root))
    shorter = one_of(members, lambda of: {k: v[:, :1] for k, v in of.items()})
    (doubt, same) = found(tmp_path, shorter, ground_truth=root)
    assert "1 frames, the sequence 2" in doubt.problem and not doubt.error and not same.error


def test_numbers_of_frames_that_nobody_looks_at_do_not_matter_to_who_knows_them(
    tmp_path: Path,
) -> None:
    members = changed(whole(), with_nan)  # the last frame has no 2D pose
    root = str(owners_folder(tmp_path / "3dpw", members))
    assert [f for f in found(tmp_path, members, ground_truth=root) if f.error] == []
    with pytest.raises(MissingError, match="test"):
        found(tmp_path, members, ground_truth=str(tmp_path / "nowhere"))


def test_what_is_read_back_is_what_was_written(tmp_path: Path) -> None:
    members = whole()
    predictions = read(packed(tmp_path / "pred.zip", members))
    assert len(predictions) == 87 * FRAMES and predictions.keys[1] == "seq_00-00001-0"
    assert predictions.meta[-1] == {"split": "test", "sequence": "seq_59", "person": 0, "frame": 1}
    some = members["train/seq_00.pkl"]["orientations"][1, 1]
    np.testing.assert_array_equal(predictions.arrays["extras.part_rotations"][3], some)


def test_reading_refuses_what_would_run_and_what_does_not_fit(tmp_path: Path) -> None:
    for damage in ("something that runs", "17 joints", "arrays of different lengths", "a list"):
        with pytest.raises(InvalidData):
            read(packed(tmp_path / "pred.zip", WRONG[damage][0](whole())))
    assert not Path("ran").exists()
    assert open_zip(tmp_path / "pred.zip", largest_bytes=1 << 30, members=100).names


def test_the_owners_files_are_read_as_they_are(reference: Path) -> None:
    known = read_ground_truth(reference / "datasets" / "fixtures" / "pw3d")
    assert {split for split, _ in known} == set(SPLITS)
    for sequence in known.values():
        assert sequence.evaluated.shape == (sequence.people, sequence.frames)
        assert sequence.evaluated.any()


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_whatever_is_done_to_the_bytes_of_a_member_is_said_and_never_crashes(
    data: st.DataObject,
) -> None:
    arrays = {"jointPositions": np.ones((1, 2, 24, 3)), "orientations": np.ones((1, 2, 9, 3, 3))}
    content = bytearray(numpy1_pickle(arrays))
    for place in data.draw(st.lists(st.integers(0, 350), min_size=1, max_size=3)):
        content[place] = data.draw(st.integers(0, 255))
    with tempfile.TemporaryDirectory() as folder:
        file = packed(Path(folder) / "pred.zip", {"test/a.pkl": bytes(content)})
        findings = check(file)
        assert any("no folder train" in finding.problem for finding in findings)
        try:
            assert len(read(file)) == 2
        except InvalidData as error:
            assert error.problem
