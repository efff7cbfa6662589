"""HumanData files: what the reader understands and corrects."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpscli.body.joints import joint_set
from hpscli.errors import InvalidData
from tests.plugins.datasets.forms.npz_files import (
    BASE,
    COMPRESSED,
    JOINTS,
    RNG,
    SMPL,
    N,
    box_of,
    one,
    read,
    whole,
)
from tests.plugins.datasets.shard_forms.shard_files import MEAN_HAND, import_mano


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


def test_hands_of_mano_become_relative_to_the_flat_one_too(tmp_path: Path) -> None:
    entries = BASE | {"mano": {"pose": np.ones((N, 48))}, "misc": {"flat_hand_mean": False}}
    left = one(tmp_path, entries, hand="left").arrays
    import_mano()  # the right one
    for arrays in (left, one(tmp_path, entries, hand="left").arrays):
        assert "mano.hand_pose" not in arrays
        assert arrays["extra.hand_pose_from_mean"].tolist() == [1] * 45
    right = one(tmp_path, entries).arrays
    np.testing.assert_allclose(right["mano.hand_pose"], 1 + MEAN_HAND)
    assert right["mano.global_orient"].tolist() == [1, 1, 1]


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
    assert theirs.arrays["extra.human_data.has_smpl"] == 0
    assert "smpl.body_pose" not in theirs.arrays
    np.testing.assert_array_equal(
        theirs.arrays["extra.absent.smpl.body_pose"], SMPL["body_pose"][0].ravel()
    )
    assert theirs.meta["human_data.gender"] == 1
