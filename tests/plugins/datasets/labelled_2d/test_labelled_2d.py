"""LSP, LSP Extended, MPII, LIP and Penn Action: ours and as official converters make them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
from scipy.io import savemat

from hpscli.data.forms.human_data import human_data
from hpscli.errors import HpsError, MissingError
from hpscli.records import Person
from hpscli.registry import get_registry, resolve

WIDTH, HEIGHT = 120, 100


def read(name: str, root: Path, split: str = "train", **options: Any) -> list[Person | HpsError]:
    spec = get_registry().dataset(name)
    return list(resolve(spec.people)(root, split, **{**spec.options, **options}))


def people_of(name: str, root: Path, split: str = "train", **options: Any) -> list[Person]:
    found = read(name, root, split, **options)
    assert [error for error in found if isinstance(error, HpsError)] == []
    return [person for person in found if isinstance(person, Person)]


def complaints(name: str, root: Path, split: str = "train", **options: Any) -> list[str]:
    found = read(name, root, split, **options)
    return [error.problem for error in found if isinstance(error, HpsError)]


def joints_of(person: Person) -> np.ndarray:
    (joints,) = (a for name, a in person.arrays.items() if name.startswith("keypoints2d."))
    return joints


def box_of(person: Person) -> np.ndarray:
    assert person.box is not None
    return person.box


def picture(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((HEIGHT, WIDTH, 3), np.uint8))


def points(count: int, people: int = 1, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(10, 90, (people, count, 2)).round(2)


def lsp_folder(root: Path, flags: np.ndarray, places: np.ndarray) -> Path:
    table = np.concatenate([places, flags[..., None]], axis=2)
    savemat(root / "joints.mat", {"joints": table.transpose(2, 1, 0)})
    for number in range(1, len(places) + 1):
        picture(root / f"images/im{number:04d}.jpg")
    return root


def lspet_folder(root: Path, flags: np.ndarray, places: np.ndarray, suffix: str = "png") -> Path:
    table = np.concatenate([places, flags[..., None]], axis=2)
    savemat(root / "joints.mat", {"joints": table.transpose(1, 2, 0)})
    folder = root if suffix == "png" else root / "images"
    for number in range(1, len(places) + 1):
        picture(folder / f"im{number:05d}.{suffix}")
    return root


def test_lsp_and_its_extension_mean_opposite_things_by_their_flag(tmp_path: Path) -> None:
    flags = np.zeros((2, 14))
    flags[:, 3] = 1
    (tmp_path / "e").mkdir()
    lsp = people_of("lsp", lsp_folder(tmp_path, flags, points(14, 2)))[0]
    extended = people_of("lspet", lspet_folder(tmp_path / "e", flags, points(14, 2)))[0]
    assert lsp.arrays["extra.visibility"].tolist() == [2, 2, 2, 1] + [2] * 10
    assert extended.arrays["extra.visibility"].tolist() == [1, 1, 1, 2] + [1] * 10
    for person in (lsp, extended):
        assert (joints_of(person)[:, 2] == 1).all()  # hidden joints have a label
    (as_reference,) = people_of("lsp", tmp_path, reference="mmhuman3d")
    assert "extra.visibility" not in as_reference.arrays


def test_lsp_splits_by_its_labels_and_mmhuman3d_by_what_lies_in_the_folder(tmp_path: Path) -> None:
    root = lsp_folder(tmp_path, np.zeros((4, 14)), points(14, 4))
    for number in (1, 2):
        (root / f"images/Thumbs{number}.db").touch()
    train = people_of("lsp", root)
    assert [person.image[-8:] for person in train] == ["0001.jpg", "0002.jpg"]
    assert len(people_of("lsp", root, "test")) == 2
    assert len(people_of("lsp", root, reference="mmhuman3d")) == 3
    assert complaints("lsp", root, "test", reference="mmhuman3d") == [
        "joints.mat has no row 4 for images/im0005.jpg.",
        "joints.mat has no row 5 for images/im0006.jpg.",
    ]
    assert len(people_of("lsp", root, reference="spin")) == 4


def test_people_who_leave_the_picture_stay_unless_mmhuman3d_is_asked_for(tmp_path: Path) -> None:
    places = points(14, 2)
    places[0, 5] = (-3, 40)
    root = lsp_folder(tmp_path, np.zeros((2, 14)), places)
    assert people_of("lsp", root, reference="mmhuman3d") == []
    assert len(people_of("lsp", root, reference="spin")) == 2
    (person,) = people_of("lsp", root)
    assert joints_of(person)[5].tolist() == [-3, 40, 1]


def test_joints_of_lsp_extended_without_a_label_are_none(tmp_path: Path) -> None:
    places = points(14, 1)
    places[0, 5] = (-50, -50)
    root = lspet_folder(tmp_path, np.ones((1, 14)), places)
    (person,) = people_of("lsp-extended", root)
    assert joints_of(person)[5].tolist() == [0, 0, 0]
    assert person.arrays["extra.visibility"][5] == 0 and (box_of(person)[:2] > -10).all()
    (spin,) = people_of("lsp-extended", root, reference="spin")
    assert joints_of(spin)[5].tolist() == [-50, -50, 1] and (box_of(spin)[:2] < -50).all()
    assert people_of("lsp-extended", root, reference="mmhuman3d") == []


def test_a_missing_picture_shifts_labels_only_as_reference(tmp_path: Path) -> None:
    places = points(14, 3)
    root = lspet_folder(tmp_path, np.ones((3, 14)), places)
    (root / "im00002.png").unlink()
    last = people_of("lsp-extended", root)[-1]
    assert last.image == "im00003.png" and np.array_equal(joints_of(last)[:, :2], places[2])
    shifted = people_of("lsp-extended", root, reference="spin")[-1]
    assert shifted.image == "im00003.png" and np.array_equal(joints_of(shifted)[:, :2], places[1])


def test_lsp_extended_is_read_as_its_owners_ship_it_too(tmp_path: Path) -> None:
    root = lspet_folder(tmp_path, np.ones((2, 14)), points(14, 2), "jpg")
    assert [p.image for p in people_of("lsp-extended", root)][1] == "images/im00002.jpg"
    assert people_of("lsp-extended", root, reference="mmhuman3d") == []


def test_matlabs_first_pixel_is_taken_off_on_request(tmp_path: Path) -> None:
    root = lsp_folder(tmp_path, np.zeros((2, 14)), points(14, 2))
    ((kept,), (moved,)) = (people_of("lsp", root, zero_based=value) for value in (False, True))
    assert np.allclose(joints_of(moved)[:, :2], joints_of(kept)[:, :2] - 1)
    assert np.allclose(box_of(moved)[:2], box_of(kept)[:2] - 1)
    reference = people_of("lsp", root, reference="spin", zero_based=True)[0]
    assert np.array_equal(joints_of(reference), joints_of(kept))


def cell(**fields: Any) -> np.ndarray:
    made = np.zeros((1, 1), [(name, object) for name in fields])
    made[0, 0] = tuple(fields.values())
    return made


def array_of(entries: Sequence[Mapping[str, Any]]) -> np.ndarray:
    names = list(entries[0])
    made = np.zeros((1, len(entries)), [(name, object) for name in names])
    for index, entry in enumerate(entries):
        made[0, index] = tuple(entry[name] for name in names)
    return made


def mpii_structure(path: Path, people: list[dict[int, tuple[Any, Any, Any]]]) -> None:
    """One training picture with these people: {joint: (x, y, is_visible)}; one picture to test on."""
    rects = [
        {
            "annopoints": cell(
                point=array_of(
                    [{"x": x, "y": y, "id": j, "is_visible": v} for j, (x, y, v) in each.items()]
                )
            )
            if each
            else np.empty((0, 0)),
            "scale": 0.5,
            "objpos": cell(x=60.0, y=50.0),
        }
        for each in people
    ]
    pictures = [
        {"image": cell(name="a.jpg"), "annorect": array_of(rects)},
        {"image": cell(name="b.jpg"), "annorect": np.empty((0, 0))},
    ]
    release = {"annolist": array_of(pictures), "img_train": np.array([[1, 0]])}
    savemat(path / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})


def test_mpii_keeps_truncated_people_and_their_visibility(tmp_path: Path) -> None:
    empty = np.empty((0, 0))
    joints = {0: (5.0, 6.0, 0), 1: (7.0, 9.0, 1), 2: (8.0, 3.0, "1"), 9: (4.0, 4.0, empty)}
    mpii_structure(tmp_path, [joints, {}])
    (person,) = people_of("mpii", tmp_path)
    assert (person.image, person.key) == ("images/a.jpg", "images_a-0")
    assert np.flatnonzero(joints_of(person)[:, 2]).tolist() == [0, 1, 2, 9]
    assert person.arrays["extra.visibility"][[0, 1, 2, 3, 9]].tolist() == [1, 2, 2, 0, 2]
    assert box_of(person).tolist() == [10, 0, 100, 100]
    assert people_of("mpii", tmp_path, least_joints=5) == []
    (moved,) = people_of("mpii", tmp_path, zero_based=True)
    assert joints_of(moved)[0].tolist() == [4, 5, 1] and joints_of(moved)[3].tolist() == [0, 0, 0]
    assert box_of(moved).tolist() == [9, -1, 100, 100]


def test_a_person_of_mpii_that_is_broken_does_not_cost_the_others(tmp_path: Path) -> None:
    mpii_structure(tmp_path, [{77: (1.0, 2.0, 1)}, {0: ("x", 1.0, 1)}, {0: (3.0, 4.0, 1)}])
    found = read("mpii", tmp_path)
    problems = [error.problem for error in found if isinstance(error, HpsError)]
    assert len(found) == 3 and isinstance(found[2], Person) and len(problems) == 2
    assert all("mpii_human_pose_v1_u12_1.mat annolist(1).annorect(" in text for text in problems)


def test_the_hourglass_file_is_read_as_reference_and_when_it_is_alone(tmp_path: Path) -> None:
    parts = points(16, 2)
    parts[1, 4] = 0  # no label
    with h5py.File(tmp_path / "train.h5", "w") as file:
        file["imgname"] = np.array([b"a.jpg", b"b.jpg"])
        file["part"], file["scale"] = parts, np.array([0.5, 0.4])
        file["center"] = np.array([[60.0, 50.0], [30.0, 20.0]])
    assert [len(people_of("mpii", tmp_path, reference=r)) for r in ("mmhuman3d", "spin", "")] == [
        1,
        1,
        2,
    ]
    assert joints_of(people_of("mpii", tmp_path)[1])[4].tolist() == [0, 0, 0]
    (tmp_path / "train.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\1" * 99)
    with pytest.raises(HpsError, match=r"train\.h5 is no readable HDF5"):
        read("mpii", tmp_path, reference="spin")


def lip_folder(root: Path, rows: np.ndarray) -> Path:
    lines = [f"{n}.jpg," + ",".join(map(str, row.ravel())) for n, row in enumerate(rows)]
    (root / "lip_train_set.csv").write_text("\n".join(lines))
    return root


def test_hidden_joints_of_lip_have_a_label_and_missing_ones_have_none(tmp_path: Path) -> None:
    rows = np.concatenate([points(16, 1), np.zeros((1, 16, 1))], axis=2)
    rows[0, 3, 2] = 1
    rows[0, 3, :2] = (5, 95)  # hidden, and the outermost
    rows[0, 7] = np.nan
    (person,) = people_of("lip", lip_folder(tmp_path, rows))
    assert person.image == "train_images/0.jpg"
    assert joints_of(person)[[3, 7]].tolist() == [[5, 95, 1], [0, 0, 0]]
    assert person.arrays["extra.visibility"][[0, 3, 7]].tolist() == [2, 1, 0]
    assert box_of(person)[0] < 5
    (reference,) = people_of("lip", tmp_path, reference="hmr-benchmarks")
    assert joints_of(reference)[[3, 7]].tolist() == [[5, 95, 0], [1, 1, 0]]
    assert box_of(reference)[2] < box_of(person)[2]


def test_people_of_lip_with_few_visible_joints_are_left_out(tmp_path: Path) -> None:
    rows = np.concatenate([points(16, 2), np.ones((2, 16, 1))], axis=2)
    rows[0, :4, 2] = 0
    rows[1, :5, 2] = 0
    root = lip_folder(tmp_path, rows)
    for reference in ("", "hmr-benchmarks"):
        assert [p.image[-5] for p in people_of("lip", root, reference=reference)] == ["1"]
    assert len(people_of("lip", root, least_joints=4)) == 2


def test_a_broken_line_of_lip_is_named(tmp_path: Path) -> None:
    (tmp_path / "lip_val_set.csv").write_text(
        "a.jpg,1,2\nb.jpg," + ",".join(["x"] * 48) + "\nc.jpg," + ",".join(["5,6,0"] * 16) + "\n"
    )
    problems = complaints("lip", tmp_path, "validation")
    assert problems[0] == "lip_val_set.csv line 1: 2 numbers, expected 48."
    assert len(problems) == 2 and "line 2" in problems[1]
    with pytest.raises(MissingError, match=r"lip_train_set\.csv cannot be read"):
        read("lip", tmp_path)


def penn_folder(
    root: Path, train: int = 1, frames: int = 12, hidden: int | slice = 4
) -> tuple[Path, np.ndarray]:
    places = points(13, frames, seed=train + 1)
    visible = np.ones((frames, 13), np.uint8)
    visible[0, hidden] = 0
    places[0, 4] = 1
    (root / "labels").mkdir(exist_ok=True)
    name = "0001" if train == 1 else "0002"
    values = {"x": places[..., 0], "y": places[..., 1], "visibility": visible, "nframes": frames}
    words = {"train": train, "action": "baseball_pitch", "pose": "left"}
    savemat(root / f"labels/{name}.mat", {**values, **words, "bbox": np.zeros((frames - 3, 4))})
    for frame in range(1, frames + 1):
        picture(root / f"frames/{name}/{frame:06d}.jpg")
    return root, places


def test_invisible_joints_of_penn_action_have_no_label(tmp_path: Path) -> None:
    root, _ = penn_folder(tmp_path)
    first, second = people_of("penn-action", root)
    assert [first.image, second.image] == ["frames/0001/000001.jpg", "frames/0001/000011.jpg"]
    assert joints_of(first)[4].tolist() == [0, 0, 0] and (box_of(first)[:2] > -7).all()
    assert first.meta["action"] == "baseball_pitch" and second.meta["frame"] == 10
    reference = people_of("penn-action", root, reference="mmhuman3d")[0]
    assert joints_of(reference)[4].tolist() == [1, 1, 1] and (box_of(reference)[:2] < -7).all()
    assert len(people_of("penn-action", root, every=1)) == 12
    moved = people_of("penn-action", root, zero_based=True)[0]
    assert np.allclose(joints_of(moved)[5, :2], joints_of(first)[5, :2] - 1)
    assert joints_of(moved)[4].tolist() == [0, 0, 0]


def test_frames_of_penn_action_without_a_visible_joint_hold_nobody(tmp_path: Path) -> None:
    root, _ = penn_folder(tmp_path, hidden=slice(None))
    assert [p.meta["frame"] for p in people_of("penn-action", root)] == [10]
    assert len(people_of("penn-action", root, reference="mmhuman3d")) == 2


def test_penn_actions_own_split_is_kept_on_request(tmp_path: Path) -> None:
    root, _ = penn_folder(tmp_path)
    penn_folder(tmp_path, train=-1)
    assert len(people_of("penn-action", root)) == 4  # as published training sets
    assert len(people_of("penn-action", root, all_videos=False)) == 2
    assert {p.image[7:11] for p in people_of("penn-action", root, "test")} == {"0002"}
    assert len(people_of("penn-action", root, reference="mmhuman3d")) == 4


def test_a_missing_frame_of_penn_action_shifts_labels_only_as_reference(tmp_path: Path) -> None:
    root, places = penn_folder(tmp_path)
    (root / "frames/0001/000001.jpg").unlink()
    assert people_of("penn-action", root)[1].image == "frames/0001/000011.jpg"
    shifted = people_of("penn-action", root, reference="mmhuman3d")
    assert shifted[0].image == "frames/0001/000002.jpg"
    assert np.array_equal(joints_of(shifted[0])[:, :2], places[0])


def test_a_broken_video_of_penn_action_does_not_cost_the_others(tmp_path: Path) -> None:
    root, _ = penn_folder(tmp_path)
    savemat(root / "labels/0000.mat", {"x": np.zeros((3, 13))})
    savemat(
        root / "labels/0003.mat",
        {"x": np.ones((3, 12)), "y": 1, "visibility": 1, "nframes": 3, "train": 1},
    )
    found = read("penn-action", root)
    assert sum(isinstance(person, Person) for person in found) == 2
    assert [error.problem[:8] for error in found if isinstance(error, HpsError)] == [
        "0000.mat",
        "0003.mat",
    ]


@pytest.mark.parametrize(
    ("name", "folder", "official"),
    [
        ("lsp", "lsp", "mmhuman3d"),
        ("lsp-extended", "lspet", "mmhuman3d"),
        ("mpii", "mpii", "mmhuman3d"),
        ("penn-action", "penn_action", "mmhuman3d"),
        ("lip", "lip", "hmr-benchmarks"),
    ],
)
def test_joints_of_both_readings_lie_in_the_same_slots(
    name: str, folder: str, official: str, reference: Path
) -> None:
    root = reference / "datasets" / "fixtures" / folder
    ours = human_data(people_of(name, root))["keypoints2d_mask"]
    theirs = human_data(people_of(name, root, reference=official))["keypoints2d_mask"]
    assert np.array_equal(ours, theirs)
