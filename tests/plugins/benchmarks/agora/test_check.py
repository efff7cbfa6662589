"""Every kind of damage to AGORA's predictions.zip is found, with a sentence that says what to do."""

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hps_benchmarks.agora.submission.check import check
from hps_benchmarks.agora.submission.writer import write
from hpscli.data.containers.pickles import loads_pickle
from hpscli.data.leaderboard.pickles import numpy1_pickle
from hpscli.data.leaderboard.zips import write_zip
from hpscli.records import Finding
from tests.plugins.benchmarks.agora.people import crowd

Entries = dict[str, Any]
FIRST = "ag_validationset_bfh_00000_personId_0.pkl"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Entries]:
    """-> the dictionaries of good submissions: parameters of both tracks, meshes."""
    place = tmp_path_factory.mktemp("agora")
    found = {}
    for name, kind, options in (
        ("smplx", "smplx", {}),
        ("matrices", "smplx", {"rotations": "matrices"}),
        ("smpl", "smpl", {}),
        ("mesh", "smplx", {"content": "mesh"}),
    ):
        people = crowd(kind, [2, 1])
        write(people.predictions, file := place / f"{name}.zip", people.body, **options)
        with zipfile.ZipFile(file) as archive:
            found[name] = {
                member.removeprefix("predictions/"): archive.read(member)
                for member in archive.namelist()
            }
    return found


def packed(place: Path, members: dict[str, Any], folder: str = "predictions/") -> Path:
    """Dictionaries, or bytes as they are -> a zip."""
    data = {n: v if isinstance(v, bytes) else numpy1_pickle(v) for n, v in members.items()}
    write_zip(place / "predictions.zip", [(folder + name, value) for name, value in data.items()])
    return place / "predictions.zip"


def entries(members: dict[str, bytes]) -> Entries:
    return {name: loads_pickle(data, name) for name, data in members.items()}


def the_one(findings: list[Finding], words: str) -> Finding:
    found = [finding for finding in findings if words in finding.problem]
    assert found, f"nothing says '{words}' among {[f.problem for f in findings]}"
    assert found[0].fix
    return found[0]


@pytest.mark.parametrize("name", ["smplx", "matrices", "smpl", "mesh"])
def test_a_good_file_has_no_violation(whole, tmp_path, name):
    findings = check(packed(tmp_path, whole[name]))
    assert [finding.problem[:9] for finding in findings] == ["it holds "]  # what nobody can know
    assert not findings[0].error


def at(key: str, value: Any) -> Callable[[Entries], None]:
    """-> damage that sets, or with None removes, a key of the first person, "params/x" within."""

    def damage(people: Entries) -> None:
        table = people[FIRST]
        *path, last = key.split("/")
        for step in path:
            table = table[step]
        if value is None:
            del table[last]
        else:
            table[last] = value(table.get(last)) if callable(value) else value

    return damage


def rename(new: str) -> Callable[[Entries], None]:
    def damage(people: Entries) -> None:
        people[new] = people.pop(FIRST)

    return damage


def scale_joints(people: Entries) -> None:
    for person in people.values():
        person["joints"] = person["joints"] / 3


def mirror(people: Entries) -> None:
    for person in people.values():
        for name in ("allSmplJoints3d", "verts"):
            person[name] = person[name] * np.float32([-1, 1, 1])


def other_hands(people: Entries) -> None:
    for person in people.values():
        params = person["params"]
        for hand in ("left_hand_pose", "right_hand_pose"):
            flipped = params[hand].reshape(15, 3) * [1, -1, -1] + [
                0,
                0,
                1.0 if "l" in hand[0] else -1.0,
            ]
            params[hand] = flipped.reshape(1, 45).astype(np.float32)


def nan(value: Any) -> Any:
    value = np.array(value)
    value.reshape(-1)[1] = np.nan
    return value


V, D = True, False  # a violation, a doubt
DAMAGES: list[tuple[str, str, Any, str, bool]] = [
    ("a wrong name", "smplx", rename("ag_validationset_bfh_00000.pkl"), "its name is not", V),
    ("a small picture's name", "smplx", rename(f"ag_x_1280x720{FIRST[-15:]}"), "_1280x720", V),
    ("a crop's name", "smplx", rename(f"ag_x_ann_id_12{FIRST[-15:]}"), "the number of a crop", V),
    ("no joints", "smplx", at("joints", None), "'joints' is missing", V),
    ("too few joints", "smplx", at("joints", lambda j: j[:23]), "joints has shape (23, 2)", V),
    ("OSX's leading axis", "smplx", at("joints", lambda j: j[None]), "leading axis", V),
    ("crop units", "smplx", at("joints", lambda j: j / 4000), "these are no pixels", V),
    ("NaN joints", "smplx", at("joints", nan), "joints holds NaN", V),
    ("a box without area", "smplx", at("joints", lambda j: j * 0 + 9), "no area", D),
    ("a list", "smplx", at("joints", lambda j: j.tolist()), "of type list", V),
    ("no params", "smplx", at("params", None), "neither params nor", V),
    ("no jaw", "smplx", at("params/jaw_pose", None), "lacks 'jaw_pose'", V),
    ("no translation", "smpl", at("params/transl", None), "lacks 'transl'", V),
    ("NaN pose", "smplx", at("params/body_pose", nan), "params['body_pose'] holds NaN", V),
    ("a flat pose", "smpl", at("params/body_pose", lambda p: p.reshape(1, 69)), "(1, 69)", V),
    ("SMPL's root", "smpl", at("params/global_orient", lambda p: p[0]), "not (1, 1, 3)", V),
    ("hands of PCA", "smplx", at("params/left_hand_pose", lambda p: p[:, :12]), "(1, 12)", V),
    ("matrices unsaid", "matrices", at("pose2rot", None), "not (1, 63)", V),
    ("no rotation", "matrices", at("params/jaw_pose", lambda p: 2 * p), "no rotations", D),
    ("a word as flag", "smplx", at("pose2rot", "yes"), "pose2rot is 'yes'", V),
    ("an old key", "smplx", at("age", "kid"), "'age' is not read", D),
    ("a child of ten betas", "smpl", at("kid_flag", True), "not (1, 11)", V),
    ("a child unsaid", "smpl", at("params/betas", lambda b: np.pad(b, ((0, 0), (0, 1)))), "11", V),
    ("a gender", "smplx", at("gender", "woman"), "gender is 'woman'", V),
    ("many betas", "smplx", at("num_betas", 400), "num_betas is 400", V),
    ("millimetres", "mesh", at("verts", lambda v: 1000 * v), "millimetres", V),
    ("joints alone", "mesh", at("verts", None), "without verts", V),
    ("too few points", "mesh", at("allSmplJoints3d", lambda j: j[:55]), "not (127 or more", V),
    ("another mesh", "mesh", at("verts", lambda v: v[:6890]), "not (10475, 3)", V),
    ("small pictures", "smplx", scale_joints, "pixels of 1280x720", D),
    ("mirrored bodies", "mesh", mirror, "bodies are mirrored", D),
    ("hands of the other side", "smplx", other_hands, "bend backwards", D),
    ("strange keys", "smplx", at("score", 0.5), "'score' means nothing", D),
]


@pytest.mark.parametrize(
    ("start", "damage", "words", "serious"),
    [damage[1:] for damage in DAMAGES],
    ids=[damage[0] for damage in DAMAGES],
)
def test_damage_to_people_is_found(whole, tmp_path, start, damage, words, serious):
    people = entries(whole[start])
    damage(people)
    found = the_one(check(packed(tmp_path, people)), words)
    assert found.error is serious


def test_a_child_needs_num_betas_of_eleven(whole, tmp_path):
    people = entries(whole["smplx"])
    for person in people.values():
        del person["num_betas"]
    people[FIRST]["kid_flag"] = True
    people[FIRST]["params"]["betas"] = np.zeros((1, 11), np.float32)
    found = the_one(check(packed(tmp_path, people)), "num_betas is not there")
    assert found.error
    assert "num_betas 11" in found.fix


def test_files_of_one_submission_are_written_alike(whole, tmp_path):
    mixed = entries(whole["smplx"])
    mixed[FIRST] = entries(whole["matrices"])[FIRST]
    assert the_one(check(packed(tmp_path, mixed)), "differ in pose2rot").error
    mixed[FIRST] = entries(whole["smpl"])[FIRST]
    assert the_one(check(packed(tmp_path, mixed)), "of the smpl track").error
    findings = check(packed(tmp_path, entries(whole["smplx"])), track="smpl")
    assert the_one(findings, "of the smplx track").error


def test_pickles_are_looked_into_before_they_are_opened(whole, tmp_path):
    people = entries(whole["smplx"])
    person = people[FIRST]
    new = pickle.dumps(person, 4).replace(b"numpy.core", b"numpy._core")
    assert the_one(check(packed(tmp_path, {**people, FIRST: new})), "NumPy 2").error
    tensors = pickle.dumps({**person, "joints": torch.zeros(24, 2)})
    assert the_one(check(packed(tmp_path, {**people, FIRST: tensors})), "torch tensors").error
    unsafe = b"cposix\nsystem\n(S'touch owned'\ntR."
    found = the_one(check(packed(tmp_path, {**people, FIRST: unsafe})), "posix system")
    assert found.error
    assert "not opened" in found.problem
    cut = numpy1_pickle(person)[:-40]
    assert the_one(check(packed(tmp_path, {**people, FIRST: cut})), "no whole pickle").error
    late = pickle.dumps({**person, "age": 5}, protocol=5).replace(b"numpy._core", b"numpy.core.")
    assert any("protocol 5" in f.problem for f in check(packed(tmp_path, {**people, FIRST: late})))


def test_the_archive_is_looked_at(whole, tmp_path):
    people = whole["smplx"]
    assert the_one(check(packed(tmp_path, people, folder="")), "no file in predictions/").error
    assert the_one(check(packed(tmp_path, people, folder="out/predictions/")), "no file in").error
    assert the_one(check(packed(tmp_path, {})), "no file in predictions/").error
    assert the_one(check(packed(tmp_path, {**people, "notes.txt": b"x"})), "its name is not").error
    assert the_one(
        check(packed(tmp_path, {**people, f"more/{FIRST}": people[FIRST]})), "folder"
    ).error
    (tmp_path / "no.zip").write_bytes(b"not a zip")
    assert check(tmp_path / "no.zip")[0].error


def test_colliding_people_are_found(whole, tmp_path):
    people = whole["smplx"]
    with pytest.warns(UserWarning, match="Duplicate"):
        file = packed(tmp_path, people)
        with zipfile.ZipFile(file, "a") as archive:
            archive.writestr(f"predictions/{FIRST}", people[FIRST])
    assert the_one(check(file), "there twice").error
    again = FIRST.replace("_0.pkl", "_00.pkl")
    assert the_one(check(packed(tmp_path, {**people, again: people[FIRST]})), "person 0 of").fix
    alone = {FIRST.replace("00000", f"{n:05d}"): people[FIRST] for n in range(25)}
    assert the_one(check(packed(tmp_path, alone)), "overwrite").fix


def test_pictures_are_compared_with_a_list(whole, tmp_path):
    file = packed(tmp_path, whole["smplx"])
    assert the_one(check(file), "cannot be known").fix.startswith("Give the list")
    listed = tmp_path / "AGORA_test_bbox.json"
    listed.write_text(
        '{"ag_validationset_bfh_00000.png": [{}, {}, {}], "ag_validationset_bfh_00007.png": [{}]}'
    )
    findings = check(file, images=str(listed))
    assert "1 of 2 pictures have no prediction" in the_one(findings, "no prediction").problem
    assert the_one(findings, "1 listed people have none")
    assert the_one(findings, "1 pictures are not on the list")
    assert not any(finding.error for finding in findings)


def test_one_fault_in_many_files_is_one_sentence(whole, tmp_path):
    people = entries(whole["smplx"])
    for person in people.values():
        del person["params"]["jaw_pose"]
    findings = check(packed(tmp_path, people))
    assert "in 3 files" in the_one(findings, "lacks 'jaw_pose'").problem
