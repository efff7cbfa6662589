"""LIP and Penn Action: ours and as official converters make them."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from hpscli.data.forms.human_data import human_data
from hpscli.errors import HpsError, MissingError
from hpscli.records import Person
from tests.plugins.datasets.labelled_2d.labelled_files import joints_of, picture, points
from tests.plugins.datasets.reading import box_of, people_of, problems_of, read


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
    problems = problems_of("lip", tmp_path, "validation")
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
