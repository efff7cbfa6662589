"""The pre-parsed .npz forms: what the readers understand, correct and refuse."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hps_datasets.forms.human_data import people as human_data_people
from hps_datasets.forms.spin import people as spin_people
from hpscli.body.joints import joint_set
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from hpscli.records import Person

N = 3
COCO = sorted(joint_set("coco17").slots)
RNG = np.random.default_rng(4)
BASE: dict[str, Any] = {
    "image_path": np.array(["a/1.jpg", "a/1.jpg", "b/2.jpg"]),
    "bbox_xywh": np.tile([10.0, 20, 30, 40, 1], (N, 1)),
}
JOINTS = np.concatenate([RNG.uniform(0, 60, (N, 17, 2)), np.ones((N, 17, 1))], axis=2)
COMPRESSED = {
    "__keypoints_compressed__": np.array(True),
    "keypoints2d": JOINTS,
    "keypoints2d_mask": np.isin(np.arange(190), COCO).astype(np.uint8),
}
SMPL = {
    "body_pose": np.ones((N, 23, 3)),
    "global_orient": np.ones((N, 3)),
    "betas": np.ones((N, 10)),
}
SPIN: dict[str, Any] = {
    "imgname": np.array(["1.jpg", "2.jpg", "3.jpg"]),
    "center": np.full((N, 2), 50.0),
    "scale": np.full(N, 0.5),
    "part": np.ones((N, 24, 3)),
}


def whole() -> np.ndarray:
    """-> JOINTS in the 190 slots."""
    slots = np.zeros((N, 190, 3))
    slots[:, COCO] = JOINTS
    return slots


def read(
    folder: Path, entries: dict[str, Any], file: str = "people.npz", **options: Any
) -> list[Any]:
    wrapped = {
        k: np.array(v, dtype=object) if isinstance(v, dict | list) else v
        for k, v in entries.items()
    }
    np.savez_compressed(folder / file, allow_pickle=True, **wrapped)
    reader = spin_people if "imgname" in entries else human_data_people
    return list(reader(folder, "train", **options))


def one(folder: Path, entries: dict[str, Any], **options: Any) -> Person:
    person = read(folder, entries, **options)[0]
    assert isinstance(person, Person), person
    return person


def box_of(folder: Path, entries: dict[str, Any], **options: Any) -> np.ndarray:
    box = one(folder, entries, **options).box
    assert box is not None
    return box


@pytest.mark.parametrize(
    "entries",
    [
        COMPRESSED,
        {"keypoints2d": whole(), "keypoints2d_mask": COMPRESSED["keypoints2d_mask"]},
        COMPRESSED | {"keypoints2d": whole()},  # a loader must not decode 190 again
        {"keypoints2d": JOINTS[:, np.argsort(np.argsort(joint_set("coco17").slots))]}
        | {"keypoints2d_convention": np.array("coco")},
    ],
    ids=["compressed", "plain", "plain though it says compressed", "another convention"],
)
def test_joints_come_out_in_the_smallest_set_that_holds_them(
    entries: dict[str, Any], tmp_path: Path
) -> None:
    person = one(tmp_path, BASE | entries)
    expected = whole()[0, list(joint_set("coco17").slots)]
    np.testing.assert_array_equal(person.arrays["keypoints2d.coco17"], expected)
    assert [name for name in person.arrays if name.startswith("keypoints")] == [
        "keypoints2d.coco17"
    ]


def test_a_mask_that_no_set_has_is_kept_with_all_slots(tmp_path: Path) -> None:
    mask = np.zeros(190, np.uint8)
    mask[[0, 7, 100]] = 1
    person = one(tmp_path, BASE | {"keypoints2d": whole(), "keypoints2d_mask": mask})
    assert person.arrays["keypoints2d.human_data"].shape == (190, 3)
    np.testing.assert_array_equal(person.arrays["extra.keypoints2d_mask"], mask)
    assert person.arrays["keypoints2d.human_data"][1].tolist() == [0, 0, 0]  # the mask lacks it


def test_boxes_of_the_first_generation_have_no_confidence(tmp_path: Path) -> None:
    entries = BASE | {"bbox_xywh": BASE["bbox_xywh"][:, :4]}
    np.testing.assert_array_equal(one(tmp_path, entries).box, [10, 20, 30, 40])
    np.testing.assert_allclose(box_of(tmp_path, entries, box_scale=1.2), [7, 16, 36, 48])


def test_people_of_one_picture_may_share_its_name(tmp_path: Path) -> None:
    names = np.array(["a.jpg", "b.jpg"])
    ranges = np.array([[0, 2], [2, 3]])
    people = read(tmp_path, BASE | {"image_path": names, "frame_range": ranges})
    assert [person.image for person in people] == ["a.jpg", "a.jpg", "b.jpg"]
    assert len({person.key for person in people}) == N
    with pytest.raises(InvalidData, match="frame_range"):
        read(tmp_path, BASE | {"image_path": names, "frame_range": np.array([[0, 2], [2, 9]])})


def test_smpler_x_entries_are_taken_in_its_order(tmp_path: Path) -> None:
    points3d = np.concatenate([RNG.uniform(0, 1, (N, 190, 3)), np.ones((N, 190, 1))], axis=2)
    entries = BASE | {
        "keypoints2d_original": whole() + 1,
        "keypoints2d_smplx": whole(),
        "keypoints3d": points3d,
        "keypoints3d_cam": points3d + [0, 0, 5, 0],
        "lhand_bbox_xywh": np.tile([1.0, 2, 3, 4, 1], (N, 1)),
        "face_bbox_xywh": np.tile([1.0, 2, 3, 4, 0], (N, 1)),
        "meta": {"height": np.full(N, 480), "width": np.full(N, 640), "gender": np.array(["m"] * N)}
        | {
            "focal_length": np.full((N, 2), 900.0),
            "principal_point": np.tile([320.0, 240], (N, 1)),
        },
        "misc": {"flat_hand_mean": True},
    }
    person = one(tmp_path, entries)
    np.testing.assert_array_equal(person.arrays["keypoints2d.human_data"], whole()[0])
    assert person.arrays["keypoints3d.human_data"][0, 2] >= 5
    assert "root_relative" not in person.meta
    assert person.image_size_px == (480, 640) and person.meta["gender"] == "male"
    np.testing.assert_array_equal(person.arrays["camera.intrinsics"][0], [900, 0, 320])
    assert "extra.lhand_bbox_xywh" in person.arrays and "extra.face_bbox_xywh" not in person.arrays
    other = one(tmp_path, entries, points2d="keypoints2d_original", points3d="keypoints3d")
    np.testing.assert_array_equal(
        other.arrays["keypoints2d.human_data"][:, :2], whole()[0, :, :2] + 1
    )
    assert other.meta["root_relative"] is True


def test_bodies_have_the_shapes_of_shards(tmp_path: Path) -> None:
    smplx = {"body_pose": np.ones((N, 21, 3)), "betas": np.arange(N * 11.0).reshape(N, 11)}
    smplx |= {"left_hand_pose": np.ones((N, 4, 3)), "right_hand_pose": np.ones((N, 15, 3))}
    mano = {"pose": np.arange(N * 48.0).reshape(N, 48), "betas": np.ones((N, 10))}
    person = one(tmp_path, BASE | {"smpl": SMPL, "smplx": smplx, "mano": mano}, hand="left")
    shapes = {name: array.shape for name, array in person.arrays.items()}
    assert shapes["smpl.body_pose"] == (69,) and shapes["smplx.body_pose"] == (63,)
    assert shapes["smplx.betas"] == (10,) and shapes["extra.smplx_betas"] == (11,)
    assert (
        shapes["extra.smplx_left_hand_pose_pca"] == (12,) and "smplx.left_hand_pose" not in shapes
    )
    assert shapes["smplx.right_hand_pose"] == (45,)
    assert person.arrays["mano.global_orient"].tolist() == [0, 1, 2]
    assert person.meta["hand"] == "left" and person.meta["body_source"] == "imported"


@pytest.mark.parametrize(("told", "name"), [("misc", "mean"), ("option", "mean"), ("", "flat")])
def test_hands_relative_to_the_mean_hand_become_relative_to_the_flat_one(
    told: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = BASE | {"smplx": {"left_hand_pose": np.ones((N, 15, 3))}}
    entries |= {"misc": {"flat_hand_mean": told != "misc"}}
    options = {"hands": "mean"} if told == "option" else {}
    without_body = one(tmp_path, entries, **options).arrays
    assert ("extra.left_hand_pose_from_mean" in without_body) is (name == "mean")
    mean = "hps_datasets.forms.bodies.relative_to_flat"
    monkeypatch.setattr(mean, lambda pose, side: pose + 0.5)
    found = one(tmp_path, entries, **options).arrays["smplx.left_hand_pose"]
    assert set(found) == {1.5 if name == "mean" else 1.0}
    theirs = one(tmp_path, entries, **options, reference="mmhuman3d").arrays
    assert set(theirs["smplx.left_hand_pose"]) == {1.0}


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ("m", "male"),
        ("female", "female"),
        ("neutral", "neutral"),
        (0, "female"),
        (1, "male"),
        ("?", None),
    ],
)
def test_genders_are_read_in_every_spelling(
    stored: Any, expected: str | None, tmp_path: Path
) -> None:
    person = one(tmp_path, BASE | {"meta": {"gender": np.array([stored] * N)}})
    assert person.meta.get("gender") == expected


def test_cameras_are_lists_by_person_or_dictionaries_by_their_name(tmp_path: Path) -> None:
    turned = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    camera = {"K": np.diag([700.0, 700, 1, 1]), "R": turned, "T": [1, 2, 3], "H": 48, "W": 64}
    other = {"in_mat": np.eye(3).tolist(), "rotation_mat": np.eye(3).tolist(), "k1": 0.5}
    first = one(tmp_path, BASE | {"cam_param": [camera, camera, camera]})
    assert first.arrays["camera.intrinsics"][0, 0] == 700 and first.image_size_px == (48, 64)
    np.testing.assert_array_equal(first.arrays["camera.rotation"], turned)
    named = {("a", "1"): other, ("b", "2"): camera}
    names = np.array(["a/x.1/f.jpg", "a/x.1/g.jpg", "b/x.2/f.jpg"])
    people = read(tmp_path, BASE | {"cam_param": named, "image_path": names})
    assert people[0].arrays["extra.distortion"][0] == 0.5
    assert people[2].arrays["camera.intrinsics"][0, 0] == 700


def test_what_is_wrong_in_files_is_right_by_default_and_kept_as_reference(tmp_path: Path) -> None:
    points = np.concatenate([RNG.uniform(-900, 900, (N, 190, 3)), np.ones((N, 190, 1))], axis=2)
    classes = JOINTS * [1, 1, 2]
    entries = BASE | COMPRESSED | {"keypoints2d": classes, "keypoints3d": points, "smpl": SMPL}
    entries |= {"has_smpl": np.array([0, 1, 1]), "meta": {"gender": np.array([1] * N)}}
    ours, theirs = one(tmp_path, entries), one(tmp_path, entries, reference="mmhuman3d")
    assert ours.arrays["keypoints2d.coco17"][:, 2].max() == 1
    assert set(ours.arrays["extra.visibility"]) == {2.0}
    assert np.abs(ours.arrays["keypoints3d.human_data"][:, :3]).max() < 1
    assert "smpl.body_pose" not in ours.arrays and ours.meta["gender"] == "male"
    assert theirs.arrays["keypoints2d.coco17"][:, 2].max() == 2
    assert np.abs(theirs.arrays["keypoints3d.human_data"][:, :3]).max() > 100
    assert "smpl.body_pose" in theirs.arrays and theirs.arrays["extra.human_data.has_smpl"] == 0
    assert theirs.meta["human_data.gender"] == 1


def test_spin_differs_from_its_own_loader_where_that_is_wrong(tmp_path: Path) -> None:
    poses = {"pose": np.ones((N, 72)), "shape": np.ones((N, 10)), "has_smpl": np.array([0, 1, 1])}
    entries = SPIN | poses | {"gender": np.array(["male", "f", "n"])}
    ours, theirs = read(tmp_path, entries), read(tmp_path, entries, reference="spin")
    assert [person.meta.get("gender") for person in ours] == ["male", "female", "neutral"]
    assert [person.meta["gender"] for person in theirs] == ["female", "female", "female"]
    assert theirs[0].arrays["keypoints2d.spin49"][:25].max() == 0
    assert "keypoints2d.openpose25" not in ours[0].arrays
    assert ["smpl.betas" in person.arrays for person in ours] == [False, True, True]
    converted = read(
        tmp_path,
        entries | {"imgname": np.array(["S1/imageFrames/frame_1.jpg"] * N)},
        reference="mmhuman3d",
        file="mpi_inf_3dhp_train.npz",
        annotations="mpi_inf_3dhp_train.npz",
    )
    assert converted[0].image == "S1/1.jpg" and "smpl.betas" in converted[0].arrays
    assert converted[0].picture.path == "S1/imageFrames/frame_1.jpg"


def test_scales_are_200_px_or_two_sides_in_px(tmp_path: Path) -> None:
    np.testing.assert_array_equal(one(tmp_path, SPIN).box, [0, 0, 100, 100])
    sides = SPIN | {"scale": np.tile([60.0, 80], (N, 1))}
    np.testing.assert_array_equal(one(tmp_path, sides).box, [20, 10, 60, 80])
    small = SPIN | {"scale": np.tile([0.3, 0.4], (N, 1))}
    np.testing.assert_allclose(box_of(tmp_path, small, scale="200"), [20, 10, 60, 80])


def test_the_44_joints_of_hmr2_are_told_apart_from_its_loader(tmp_path: Path) -> None:
    entries = {k: v for k, v in SPIN.items() if k != "part"}
    for name, count in (("body", 25), ("extra", 19)):
        entries |= {f"{name}_keypoints_2d": np.ones((N, count, 3))}
        entries |= {f"{name}_keypoints_3d": np.full((N, count, 4), 0.5)}
    entries |= {"body_pose": np.ones((N, 72)), "betas": np.ones((N, 10))}
    entries |= {"has_body_pose": np.array([1.0, 0, 1]), "has_betas": np.array([0.0, 0, 1])}
    ours = read(tmp_path, entries)
    assert ours[0].arrays["keypoints3d.hmr2_44"][1, 3] == 0.5
    theirs = one(tmp_path, entries, reference="hmr2").arrays["keypoints3d.hmr2_44"]
    assert theirs[[1, 14], 3].max() == 0 and theirs[[0, 15], 3].min() == 0.5
    assert ["smpl.body_pose" in person.arrays for person in ours] == [True, False, True]
    assert ["smpl.betas" in person.arrays for person in ours] == [False, False, True]


def test_fits_and_pictures_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "fits").mkdir()
    np.save(tmp_path / "fits" / "x.npy", np.arange(N * 82.0).reshape(N, 82))
    names = {"imgname": np.array([f"/data/x/{k}.jpg" for k in range(N)])}
    options = {"fits": "fits/x.npy", "strip": "/data/", "images": "pictures"}
    person = one(tmp_path, SPIN | names, **options)
    assert person.image == "x/0.jpg" and person.picture is not None
    assert person.picture.path == "pictures/x/0.jpg"
    assert person.arrays["smpl.betas"][0] == 72
    np.save(tmp_path / "fits" / "x.npy", np.zeros((N + 1, 82)))
    with pytest.raises(InvalidData, match=r"x\.npy.*4 rows"):
        one(tmp_path, SPIN | names, **options)
    with pytest.raises(UsageError, match="not below"):
        one(tmp_path, SPIN, images="/elsewhere")


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
