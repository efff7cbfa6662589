"""Synthetic people: reproducible, labelled exactly, plausible, and told apart by split."""

import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch

from hps_datasets.synthetic import hands, poses, rotations
from hps_datasets.synthetic.bodies import FreeBody, free_body
from hps_datasets.synthetic.forearm import add_forearm, rim_of
from hps_datasets.synthetic.generate import indexed, samples
from hps_datasets.synthetic.plugin import SPLITS
from hpscli.body.joints import joint_set
from hpscli.body.layer import COEFFICIENTS, PARAMETERS, load_body, matrices
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.sample import complaints
from hpscli.errors import UsageError
from hpscli.registry import get_registry
from hpscli.render.images import read_image
from hpscli.render.overlay import is_closed

KINDS = [("smpl", "right"), ("mano", "right"), ("mano", "left"), ("smplx", "right")]


def make(count: int, body: str = "smpl", split: str = "test", **options):
    _, generator = indexed(None, split, body=body, size_px=64, **options)
    return [generator(index) for index in range(count)]


@pytest.mark.parametrize("body", ["smpl", "mano", "smplx"])
def test_a_sample_depends_on_split_seed_and_number_alone(body: str):
    _, generator = indexed(None, "train", body=body, size_px=64)
    late = generator(7)
    copy = pickle.loads(pickle.dumps(generator))  # what a worker gets
    copy(3)
    again = copy(7)
    assert again.key == late.key
    assert again.image == late.image
    assert again.meta == late.meta
    for name, array in late.arrays.items():
        np.testing.assert_array_equal(array, again.arrays[name])


@pytest.mark.parametrize(("body", "hand"), KINDS)
def test_samples_are_sound(body: str, hand: str):
    for sample in make(4, body, hand=hand):
        assert complaints(sample) == []
        assert read_image(sample.image).shape == (64, 64, 3)
        assert sample.meta["body_source"] == "free"
        assert sample.meta.get("hand", "right") == hand


@pytest.mark.parametrize(("kind", "hand"), KINDS)
def test_labels_are_those_of_the_body_layer(kind: str, hand: str):
    body = load_body(kind, source="free", hand=hand)
    for sample in make(3, kind, hand=hand):
        names = ["transl", *PARAMETERS[kind], *COEFFICIENTS[kind]]
        flat = {n: torch.tensor(sample.arrays[f"{kind}.{n}"])[None] for n in names}
        parameters = matrices(flat)
        posed = body(parameters)
        for name in [n for n in sample.arrays if n.startswith("keypoints3d.")]:
            joints = body.regress(
                posed.vertices, name.split(".")[1], joints=posed.joints, parameters=parameters
            )
            np.testing.assert_allclose(joints[0].numpy(), sample.arrays[name][:, :3], atol=5e-6)


@pytest.mark.parametrize(("body", "hand"), KINDS)
def test_points_in_the_picture_are_projections_of_points_in_space(body: str, hand: str):
    for sample in make(3, body, hand=hand):
        for name in [n for n in sample.arrays if n.startswith("keypoints3d.")]:
            points = sample.arrays[name][:, :3] @ sample.arrays["camera.intrinsics"].T
            flat = sample.arrays[name.replace("3d", "2d")]
            np.testing.assert_allclose(points[:, :2] / points[:, 2:], flat[:, :2], atol=1e-3)
            inside = ((flat[:, :2] >= -0.5) & (flat[:, :2] < 63.5)).all(1)
            np.testing.assert_array_equal(flat[:, 2] == 1, inside)


def test_every_joint_lies_in_the_box():
    for sample in make(8):
        half = sample.arrays["box.size"][0] / 2
        flat = sample.arrays["keypoints2d.smpl24"][:, :2] - sample.arrays["box.center"]
        assert np.abs(flat).max() < half


def test_a_person_is_where_the_labels_say():
    """Skin and clothes differ from their place more than one bit of the place from another."""
    on_the_person, beside = [], []
    for sample in make(30, yaw_degrees=40):
        image = read_image(sample.image).astype(float)
        chest = sample.arrays["keypoints2d.smpl24"][9, :2]
        half = sample.arrays["box.size"][0] * 0.46

        def colour(dx: float, dy: float, image=image, chest=chest, half=half) -> np.ndarray:
            x, y = np.clip(np.round(chest + [dx * half, dy * half]), 1, 62).astype(int)
            return image[y - 1 : y + 2, x - 1 : x + 2].mean((0, 1))

        around = [colour(-1, 0), colour(1, 0)]
        on_the_person.append(np.abs(colour(0, 0) - np.mean(around, axis=0)).max())
        beside.append(np.abs(colour(-0.85, 0) - around[0]).max())
    assert np.median(on_the_person) > 3 * np.median(beside)


def test_splits_and_seeds_share_no_people():
    people = [
        tuple(sample.arrays["smpl.betas"].tolist())
        for split in SPLITS
        for seed in (0, 1)
        for sample in make(5, split=split, seed=seed)
    ]
    assert len(set(people)) == len(people) == 30
    keys = [s.key for split in SPLITS for body in ("smpl", "mano") for s in make(3, body, split)]
    assert len(set(keys)) == len(keys)


def test_people_face_the_camera_unless_asked_to_turn():
    def shows_front(sample) -> bool:
        joints = sample.arrays["keypoints3d.smpl24"]
        names = joint_set("smpl24").joints
        left, right = (joints[names.index(f"{side}_hip"), 0] for side in ("left", "right"))
        return bool(left > right)  # the person's left is on the right of the picture

    assert all(shows_front(s) for s in make(12, yaw_degrees=20, split="train"))
    turned = [shows_front(s) for s in make(24, yaw_degrees=180)]
    assert 4 < sum(turned) < 20


def test_both_hands_come_in_turns():
    assert [s.meta["hand"] for s in make(4, "mano", hand="both")] == ["right", "left"] * 2


def test_occluded_joints_are_noted_and_stay_labelled():
    found = make(40)
    hidden = [s for s in found if s.meta["occluded_joints"]]
    assert 2 <= len(hidden) <= 20
    for sample in hidden:
        flags = sample.arrays["extra.occluded.smpl24"]
        assert flags.sum() == sample.meta["occluded_joints"]
        assert (sample.arrays["keypoints2d.smpl24"][flags == 1, 2] == 1).all()


def test_plain_scenes_show_the_same_people_with_nothing_around_and_in_front():
    for usual, plain in zip(make(8), make(8, scene="plain"), strict=True):
        for name in ("smpl.body_pose", "smpl.transl", "keypoints2d.smpl24", "camera.intrinsics"):
            np.testing.assert_array_equal(usual.arrays[name], plain.arrays[name])
        border = read_image(plain.image)[:, :2].astype(float)
        assert border.std(axis=(0, 1)).max() < 12  # light falls off, and a camera adds noise
        hidden = [v for name, v in plain.arrays.items() if name.startswith("extra.occluded.")]
        assert hidden
        assert not np.concatenate(hidden).any()


def test_a_left_hand_is_a_right_hand_in_a_mirror():
    _, fingers = hands.sample_fingers(np.random.default_rng(5))
    pose = np.concatenate([[[0.3, -0.2, 0.9]], fingers])
    right, _, _ = free_body("mano").pose(rotations.matrices(pose), np.zeros(10))
    mirrored = rotations.matrices(rotations.mirrored(pose))
    left, _, _ = free_body("mano", "left").pose(mirrored, np.zeros(10))
    np.testing.assert_allclose(left, right * [-1, 1, 1], atol=1e-6)


def test_bent_fingers_end_on_the_side_of_the_palm():
    body = FreeBody("mano")
    rng = np.random.default_rng(0)
    fists = []
    while len(fists) < 5:
        gesture, fingers = hands.sample_fingers(rng)
        if gesture == "fist":
            fists.append(rotations.matrices(np.concatenate([np.zeros((1, 3)), fingers])))
    for pose in fists:
        vertices, _, joints = body.pose(pose, np.zeros(10))
        tips = body.joint_sets(vertices, joints)["mano21"][17:]  # index to pinky
        knuckles = joints[[1, 4, 10, 7]]
        assert (tips[:, 1] < knuckles[:, 1]).all()  # the palm faces -y
        flat = body.joint_sets(body.template, body.rest_joints)["mano21"]
        straight = np.linalg.norm(flat[17:] - flat[[1, 4, 10, 7]], axis=1)
        assert (np.linalg.norm(tips - knuckles, axis=1) < 0.8 * straight).all()


def test_poses_do_not_hit_themselves_and_knees_bend_one_way():
    body, rng = free_body("smpl"), np.random.default_rng(2)
    modes = set()
    for _ in range(60):
        mode, pose = poses.sample_pose(rng, body)
        modes.add(mode)
        assert not poses.hits_itself(body.chain(pose, body.rest_joints)[0])
        knees = rotations.vectors(pose[[4, 5]])
        assert (knees[:, 0] >= 0).all()
        assert np.abs(knees[:, 1:]).max() < 1e-9
    assert len(modes) >= 5


def test_an_arm_through_the_belly_is_a_hit_and_the_t_pose_is_not():
    body = free_body("smpl")
    rest = np.tile(np.eye(3), (24, 1, 1))
    assert not poses.hits_itself(body.chain(rest, body.rest_joints)[0])
    bent = rest.copy()
    bent[16] = rotations.turn(2, -1.35)
    bent[18] = rotations.turn(2, -1.3)
    assert poses.hits_itself(body.chain(bent, body.rest_joints)[0])


def test_rotations_agree_with_those_of_the_core():
    rng = np.random.default_rng(1)
    axis = rng.standard_normal((50, 3))
    axis /= np.linalg.norm(axis, axis=1, keepdims=True)
    vectors = axis * np.concatenate([rng.uniform(0, 3.14, 46), [0, 1e-10, 1e-5, 3.14159]])[:, None]
    ours = rotations.matrices(vectors)
    np.testing.assert_allclose(ours, axis_angle_to_matrix(torch.tensor(vectors)), atol=1e-7)
    np.testing.assert_allclose(rotations.vectors(ours), vectors, atol=1e-6)


def test_the_shortest_turn_ends_at_its_goal_even_when_that_is_opposite():
    start = np.array([1.0, 0, 0])
    for goal in ([0, 1.0, 0], [1.0, 0, 0], [-1.0, 0, 0], [-0.6, 0, 0.8]):
        turned = rotations.shortest(start, np.array(goal))
        np.testing.assert_allclose(turned @ start, goal, atol=1e-9)
        assert np.linalg.det(turned) == pytest.approx(1)


def test_the_open_end_of_a_hand_is_found():
    for hand in ("right", "left"):
        rim = rim_of(hand)
        assert len(rim) == len(set(rim.tolist())) == 16


@pytest.mark.parametrize("hand", ["right", "left"])
def test_a_hand_with_its_forearm_is_closed(hand: str):
    rng, body = np.random.default_rng(0), free_body("mano", hand)
    mesh = body.template, body.normals, np.zeros_like(body.template)
    vertices, normals, colours, faces = add_forearm(rng, body, hand, np.eye(3), mesh)
    assert len(vertices) == len(normals) == len(colours)
    assert is_closed(vertices, faces)  # so that its far side need not be drawn


def test_samples_come_in_order_and_as_many_as_asked():
    _, generator = indexed(None, "validation", size_px=64)
    found = list(samples(None, "validation", size_px=64, count=3))
    assert [s.key for s in found] == [generator(i).key for i in range(3)]
    assert indexed(None, "validation")[0] == SPLITS["validation"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"body": "smlp"}, "Did you mean 'smpl'"),
        ({"hand": "third"}, "right, left, both"),
        ({"size_px": 8}, "between 32"),
        ({"scene": "dark"}, "any, plain"),
        ({"count": 2.5}, "whole number"),
        ({"yaw": 3}, "no option 'yaw'"),
    ],
)
def test_wrong_options_are_explained(options: dict, words: str):
    with pytest.raises(UsageError) as caught:
        indexed(None, "train", **options)
    assert words in str(caught.value)


def test_an_unknown_split_is_explained():
    with pytest.raises(UsageError, match="train, validation, test"):
        indexed(None, "holdout")


def test_the_data_set_is_registered_and_costs_nothing_to_list():
    spec = get_registry().dataset("synthetic")
    assert not spec.needs_root
    assert spec.splits == ("train", "validation", "test")
    code = (
        "import sys, hps_datasets.synthetic.plugin as p; p.hps_datasets();"
        "sys.exit(bool({'numpy', 'cv2', 'torch'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_number_of_threads_changes_no_byte() -> None:
    code = (
        "import hashlib\n"
        "from pathlib import Path\n"
        "from hps_datasets.synthetic.generate import indexed\n"
        "from hpscli.data.sample import encode_record\n"
        "from hpscli.registry import get_registry\n"
        "options = {**get_registry().dataset('synthetic').options, 'count': 12, 'size_px': 64}\n"
        "_, make = indexed(Path(), 'test', **options)\n"
        "people = [make(i) for i in range(12)]\n"
        "data = b''.join(p.image + encode_record(p.arrays, p.meta) for p in people)\n"
        "print(hashlib.sha256(data).hexdigest())\n"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for n in ("1", "2")
    }
    assert len(found) == 1
