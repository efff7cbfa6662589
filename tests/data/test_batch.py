"""Labels follow pictures: every property here holds for any draw of the augmentation."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.body.joints import joint_set
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.augmentations.changes import Changes, draw, unchanged
from hpscli.data.batch import make_batch, pack, ready
from hpscli.data.crops import from_crop_units
from hpscli.data.epochs.generators import sample_generators
from hpscli.data.turning import mirror_pose, pose_order, turn_axis_angle
from hpscli.errors import InvalidData
from hpscli.recipe import Augment
from tests.data.people import dot_colour, dotted_person, person

WINDOW = (64, 64)
MUCH = Augment(rotation_degrees=90, rotation_chance=1.0, scale=0.3, shift=0.1, colour=0.0)
seeds = st.integers(0, 10_000)
quickly = settings(max_examples=25, deadline=None)


def drawn(seed: int, settings: Augment, count: int = 1) -> Changes:
    people = [person(number) for number in range(min(count, 9))] * (count // 9 + 1)
    return draw(sample_generators(seed, 0, count), people[:count], settings, WINDOW)


def changed(seed: int, count: int = 1, **fields: object) -> Changes:
    return replace(drawn(seed, MUCH, count), **fields)  # type: ignore[arg-type]


def matrices(vectors: np.ndarray) -> np.ndarray:
    return axis_angle_to_matrix(torch.from_numpy(vectors.astype(np.float64)).reshape(-1, 3)).numpy()


@quickly
@given(seeds)
def test_projected_3d_joints_still_match_2d_joints(seed: int) -> None:
    batch = make_batch([person(seed % 50)], WINDOW, "smpl24", changes=changed(seed))
    points = batch.targets["keypoints3d.smpl24"][0, :, :3].double()
    seen = points @ batch.targets["camera.crop_intrinsics"][0].double().T
    expected = from_crop_units(batch.targets["keypoints2d.smpl24"][0, :, :2].numpy(), WINDOW)
    np.testing.assert_allclose((seen[:, :2] / seen[:, 2:]).numpy(), expected, atol=2e-2)


@quickly
@given(seeds, st.sampled_from(["smpl24", "coco17"]))
def test_labels_lie_on_the_dots_of_the_warped_picture(seed: int, set_name: str) -> None:
    window = (224, 224)
    mild = Augment(rotation_degrees=45, rotation_chance=1.0, scale=0.2, shift=0.05, colour=0.0)
    changes = drawn(seed, mild)
    batch = make_batch([dotted_person(seed, set_name)], window, set_name, changes=changes)
    image = batch.image[0].permute(1, 2, 0).numpy()
    points = batch.targets[f"keypoints2d.{set_name}"][0].numpy()
    order = joint_set(set_name).mirror if batch.flipped[0] else range(len(points))
    checked = 0
    for joint, origin in enumerate(order):
        x, y = np.rint(from_crop_units(points[joint, :2], window)).astype(int)
        if 4 <= x < 220 and 4 <= y < 220:
            np.testing.assert_allclose(image[y, x][::-1], dot_colour(origin), atol=12)
            checked += 1
    assert checked > len(points) // 2


@quickly
@given(seeds)
def test_a_flip_mirrors_pixels_and_labels_and_twice_is_nothing(seed: int) -> None:
    sample = person(seed % 50)
    plain = make_batch([sample], WINDOW, "smpl24", changes=changed(seed, flip=np.array([False])))
    flipped = make_batch([sample], WINDOW, "smpl24", changes=changed(seed, flip=np.array([True])))
    assert flipped.flipped.tolist() == [True]
    # x -> W - x: pixel centres at x and W - x, so column 0 has no partner
    difference = plain.image[..., 1:].int() - flipped.image[..., 1:].flip(-1).int()
    assert difference.abs().float().mean() < 2
    order = list(joint_set("smpl24").mirror)
    for name, sign in {
        "keypoints2d.smpl24": [-1, 1, 1],
        "keypoints3d.smpl24": [-1, 1, 1, 1],
    }.items():
        twice = flipped.targets[name][:, order] * torch.tensor(sign)
        torch.testing.assert_close(twice, plain.targets[name])
    pose = flipped.targets["smpl.body_pose"].numpy()
    twice_pose = mirror_pose(pose, pose_order("smpl.body_pose"))
    np.testing.assert_allclose(twice_pose, plain.targets["smpl.body_pose"].numpy())
    root = mirror_pose(flipped.targets["smpl.global_orient"].numpy())
    np.testing.assert_allclose(root, plain.targets["smpl.global_orient"].numpy())


@quickly
@given(seeds, st.floats(-180, 180))
def test_the_root_turns_about_the_camera_axis_like_the_picture(seed: int, angle: float) -> None:
    vectors = np.random.default_rng(seed).normal(size=(5, 3))
    vectors[0] = 0
    turned = turn_axis_angle(vectors, np.full(5, angle))
    cosine, sine = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    about_z = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    np.testing.assert_allclose(matrices(turned), about_z @ matrices(vectors), atol=1e-5)
    assert np.linalg.norm(turned, axis=1).max() <= np.pi + 1e-5


@pytest.mark.parametrize("kind", ["smpl", "smplx"])
def test_a_mirrored_pose_poses_the_mirrored_skeleton(kind: str) -> None:
    """Forward kinematics on a symmetric skeleton: joints of the mirrored pose are the mirrored joints."""
    sizes = {"smpl": ("smpl24", 24), "smplx": ("smplx55", 22)}
    name, count = sizes[kind]
    generator = np.random.default_rng(5)
    mirror = list(joint_set(name).mirror[:count])
    parents = [-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21]
    rest = generator.normal(size=(count, 3))
    rest = (rest + rest[mirror] * [-1, 1, 1]) / 2
    root, body = generator.normal(size=(1, 3)), generator.normal(size=(1, 3 * (count - 1)))

    def joints(root: np.ndarray, body: np.ndarray) -> np.ndarray:
        local = matrices(np.concatenate([root, body], axis=1))
        turned, placed = [local[0]], [rest[0] * [0, 1, 1]]
        for joint in range(1, count):
            parent = parents[joint]
            turned.append(turned[parent] @ local[joint])
            placed.append(placed[parent] + turned[parent] @ (rest[joint] - rest[parent]))
        return np.array(placed)

    mirrored = joints(mirror_pose(root), mirror_pose(body, pose_order(f"{kind}.body_pose")))
    np.testing.assert_allclose(mirrored, joints(root, body)[mirror] * [-1, 1, 1], atol=1e-6)


def whole_body(number: int):
    generator = np.random.default_rng(number)
    names = {
        "left_hand_pose": 45,
        "right_hand_pose": 45,
        "leye_pose": 3,
        "reye_pose": 3,
        "expression": 10,
    }
    arrays = {
        f"smplx.{name}": np.float32(generator.normal(size=size)) for name, size in names.items()
    }
    return person(number, arrays=arrays)


def test_a_flip_swaps_hands_and_eyes_and_keeps_the_expression() -> None:
    sample = whole_body(4)
    changes = Changes(**{**vars(unchanged(1)), "flip": np.array([True])})
    batch = make_batch([sample], WINDOW, "smpl24", changes=changes)
    for name, other in {"left_hand_pose": "right_hand_pose", "reye_pose": "leye_pose"}.items():
        expected = mirror_pose(sample.arrays[f"smplx.{other}"][None])
        np.testing.assert_array_equal(batch.targets[f"smplx.{name}"].numpy(), expected)
    assert batch.present["smplx.expression"].tolist() == [True]
    kept = batch.targets["smplx.expression"][0].numpy()
    np.testing.assert_array_equal(kept, sample.arrays["smplx.expression"])


def test_one_labelled_hand_is_the_other_one_after_a_flip() -> None:
    pose = np.arange(45, dtype=np.float32)
    arrays = {"smplx.left_hand_pose": pose}
    changes = Changes(**{**vars(unchanged(2)), "flip": np.array([True, False])})
    batch = make_batch([person(1, arrays=arrays)] * 2, WINDOW, "smpl24", changes=changes)
    assert batch.present["smplx.left_hand_pose"].tolist() == [False, True]
    assert batch.present["smplx.right_hand_pose"].tolist() == [True, False]
    mirrored = batch.targets["smplx.right_hand_pose"]
    np.testing.assert_array_equal(mirrored[0].numpy(), mirror_pose(pose[None])[0])
    assert not mirrored[1].any() and not batch.targets["smplx.left_hand_pose"][0].any()


def test_translation_is_dropped_where_it_no_longer_holds() -> None:
    changes = Changes(
        **{
            **vars(unchanged(3)),
            "rotation_degrees": np.array([0.0, 9.0, 0.0]),
            "flip": np.array([0, 0, 1], bool),
        }
    )
    batch = make_batch([person(1)] * 3, WINDOW, "smpl24", changes=changes)
    assert batch.present["smpl.transl"].tolist() == [True, False, False]
    assert batch.targets["smpl.transl"][1:].abs().sum() == 0
    assert batch.present["untouched.smpl.transl"].all()
    assert (batch.targets["untouched.smpl.transl"] == torch.tensor([0.0, 0.0, 3.0])).all()


def hand(side: str):
    generator = np.random.default_rng(0)
    arrays = {
        "mano.hand_pose": np.float32(generator.normal(size=45)),
        "mano.global_orient": np.float32(generator.normal(size=3)),
    }
    return person(1, arrays=arrays, meta={"hand": side})


def test_left_hands_are_always_mirrored_and_right_hands_never() -> None:
    changes = Changes(**{**vars(unchanged(4)), "flip": np.array([False, True, False, True])})
    people = [hand("left"), hand("left"), hand("right"), hand("right")]
    batch = make_batch(people, WINDOW, "smpl24", changes=changes)
    assert batch.flipped.tolist() == [True, True, False, False]
    mirrored = mirror_pose(people[0].arrays["mano.hand_pose"][None])[0]
    np.testing.assert_array_equal(batch.targets["mano.hand_pose"][0].numpy(), mirrored)


def test_what_some_samples_lack_is_marked_and_zero() -> None:
    poor = person(2)
    for name in [n for n in poor.arrays if n.startswith(("smpl.", "keypoints3d.", "camera."))]:
        del poor.arrays[name]  # type: ignore[attr-defined]
    batch = make_batch([person(1), poor, person(3)], WINDOW, "smpl24", changes=changed(3, 3))
    for name in ("smpl.betas", "keypoints3d.smpl24", "camera.crop_intrinsics"):
        assert batch.present[name].tolist() == [True, False, True]
        assert batch.targets[name][1].abs().sum() == 0
    assert batch.present["keypoints2d.smpl24"].all()
    alone = make_batch(
        [person(1)],
        WINDOW,
        "smpl24",
        changes=Changes(**{k: v[:1] for k, v in vars(changed(3, 3)).items()}),
    )
    for name in alone.targets:
        torch.testing.assert_close(batch.targets[name][:1], alone.targets[name])


def test_joints_of_several_sets_end_up_in_the_one_that_is_asked_for() -> None:
    coco = np.ones((17, 3), np.float32) * [20, 30, 1]
    coco[0] = [5, 6, 0]  # the nose was not labelled
    sample = person(1, arrays={"keypoints2d.coco17": np.float32(coco)})
    batch = make_batch([sample], WINDOW, "coco17")
    points = batch.targets["keypoints2d.coco17"][0].numpy()
    np.testing.assert_allclose(points[1], [(20 - 32) / 20, 0.0, 1.0], atol=1e-6)
    np.testing.assert_array_equal(points[0], [0, 0, 0])  # absent is zero with confidence 0
    lacks = make_batch([person(1)], WINDOW, "coco17").targets["keypoints2d.coco17"][0, :, 2].numpy()
    names = joint_set("coco17").joints
    assert not lacks[names.index("nose")] and lacks[names.index("left_knee")]


def test_colour_and_erasing_change_the_picture_but_no_label() -> None:
    plain = make_batch([person(1)], WINDOW, "smpl24")
    changes = Changes(
        **{
            **vars(unchanged(1)),
            "colour": np.array([[0.5, 1.0, 2.0]]),
            "erase": np.array([[0.25, 0.5, 0.5, 1.0]]),
            "erase_colour": np.array([[1, 2, 3]], np.uint8),
        }
    )
    loud = make_batch([person(1)], WINDOW, "smpl24", changes=changes)
    assert loud.image[0, :, 40, 20].tolist() == [1, 2, 3]
    outside = plain.image[0, :, 5, 50].float() * torch.tensor([0.5, 1.0, 2.0])
    assert (loud.image[0, :, 5, 50].float() - outside.clamp(0, 255)).abs().max() <= 0.5
    for name in plain.targets:
        assert torch.equal(plain.targets[name], loud.targets[name])


@quickly
@given(seeds, st.integers(1, 9))
def test_a_draw_is_within_its_ranges_and_belongs_to_its_sample(seed: int, count: int) -> None:
    settings = Augment(rotation_degrees=40, scale=0.2, shift=0.1, colour=0.3, erase=0.5)
    changes = drawn(seed, settings, count)
    assert np.abs(changes.rotation_degrees).max() <= 80
    assert np.abs(changes.scale - 1).max() <= 0.2
    assert np.abs(changes.shift).max() <= 0.1
    assert np.abs(changes.colour - 1).max() <= 0.3
    assert changes.erase.min() >= 0 and changes.erase.max() <= 1
    more = drawn(seed, settings, count + 3)
    for name, values in vars(changes).items():
        np.testing.assert_array_equal(values, vars(more)[name][:count])


def test_chances_are_kept_over_many_draws() -> None:
    settings = Augment(flip=0.3, rotation_chance=0.6, erase=0.2)
    changes = drawn(0, settings, 20_000)
    assert changes.flip.mean() == pytest.approx(0.3, abs=0.02)
    assert (changes.rotation_degrees != 0).mean() == pytest.approx(0.6, abs=0.02)
    assert (changes.erase[:, 2] > changes.erase[:, 0]).mean() == pytest.approx(0.2, abs=0.02)


def test_a_stored_crop_gives_the_same_labels_as_the_original() -> None:
    shifted = np.float32([[0.5, 0, 3], [0, 0.5, -2]])
    plain = make_batch([person(1)], WINDOW, "smpl24", changes=changed(7))
    stored = make_batch(
        [person(1, arrays={"image.affine": shifted})], WINDOW, "smpl24", changes=changed(7)
    )
    for name in plain.targets:
        assert torch.equal(plain.targets[name], stored.targets[name])


def test_ready_normalises_once_and_in_place_of_the_bytes() -> None:
    batch = make_batch([person(1)], WINDOW, "smpl24")
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    normal = ready(batch, mean, std)
    expected = (batch.image[0, 1].float() / 255 - mean[1]) / std[1]
    torch.testing.assert_close(normal.image[0, 1], expected, atol=1e-5, rtol=1e-5)
    assert ready(normal, mean, std) is normal


def test_a_broken_picture_is_named_by_row_and_by_key() -> None:
    broken = person(2, image=b"\xff\xd8\xff no picture")
    packed = pack([person(1), broken], WINDOW, "smpl24")
    assert list(packed.broken) == [1]
    with pytest.raises(InvalidData, match="sample 'person-0002': the image is"):
        make_batch([person(1), broken], WINDOW, "smpl24")


def test_vertices_turn_with_the_picture_and_are_dropped_by_a_flip() -> None:
    vertices = np.float32(np.random.default_rng(0).normal(size=(6890, 3)))
    changes = Changes(
        **{
            **vars(unchanged(2)),
            "rotation_degrees": np.array([90.0, 0.0]),
            "flip": np.array([False, True]),
        }
    )
    people = [person(1, arrays={"vertices.smpl": vertices})] * 2
    batch = make_batch(people, WINDOW, "smpl24", changes=changes)
    turned = batch.targets["vertices.smpl"][0].numpy()
    np.testing.assert_allclose(turned, vertices[:, [1, 0, 2]] * [-1, 1, 1], atol=1e-6)
    assert batch.present["vertices.smpl"].tolist() == [True, False]


def test_a_picture_is_rgb_and_upright() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:32, :, 2] = 255  # upper half red, in OpenCV's order
    sample = person(1, image=bytes(cv2.imencode(".png", image)[1]))
    batch = make_batch([sample], WINDOW, "smpl24")
    assert batch.image[0, :, 5, 32].tolist() == [255, 0, 0]
    assert batch.image[0, :, 60, 32].tolist() == [0, 0, 0]
