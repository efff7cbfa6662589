"""From an image to people in that image."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import hpscli
from hpscli.body.cameras import to_weak
from hpscli.body.layer import load_body, matrices
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.crops import crop_affine, crop_pixels
from hpscli.data.preparation import crop_window
from hpscli.errors import InvalidData, UsageError
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Camera, Prediction
from hpscli.run.predict import predict_image
from hpscli.run.predicting.save import overlay
from tests.run.people import oracle_model, parameters, tiny_model

HEIGHT, WIDTH, FOCAL = 240, 320, 400.0
RANDOM = np.random.RandomState(0)
IMAGE = cv2.resize(RANDOM.randint(0, 255, (24, 32, 3), np.uint8), (WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return tiny_model(tmp_path_factory.mktemp("model"))


def knowing(kind: str, seed: int, weak: np.ndarray) -> LoadedModel:
    """-> a model that always says person `seed` with this weak camera."""
    model = oracle_model(kind, [])
    flat = {
        k.partition(".")[2]: torch.tensor(v)[None] for k, v in parameters(kind, seed, 0.2).items()
    }
    camera = torch.tensor(weak, dtype=torch.float32)[None]
    model.module.forward = lambda image: Prediction(camera=camera, parameters=matrices(flat))
    return model


@pytest.mark.parametrize("window", [(32, 32), (32, 24), (24, 40)])
@pytest.mark.parametrize("box", [None, [90.0, 40.0, 100.0, 160.0]])
def test_a_known_camera_comes_back_in_the_original_image(
    box: list[float] | None, window: tuple[int, int]
) -> None:
    intrinsics = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    truth = Camera(
        intrinsics=intrinsics, translation=np.array([-0.3, 0.2, 4.0]), focal_assumed=False
    )
    row = None if box is None else np.array(box)
    centre, width = crop_window(row, (HEIGHT, WIDTH), window)
    affine = crop_affine(centre, width, window)
    model = knowing("smpl", 3, to_weak(truth, affine, window)).but(input_size=window)
    (person,) = predict_image(model, IMAGE, None if box is None else [box], focal_px=FOCAL)
    np.testing.assert_allclose(person.camera.translation, truth.translation, atol=1e-4)
    np.testing.assert_allclose(person.camera.intrinsics, intrinsics)
    assert not person.camera.focal_assumed
    placed = (person.joints["smpl24"] + truth.translation) @ intrinsics.T
    np.testing.assert_allclose(person.joints2d["smpl24"], placed[:, :2] / placed[:, 2:], atol=0.05)


def test_without_a_focal_length_one_is_assumed_and_said(model: LoadedModel) -> None:
    (person,) = predict_image(model, IMAGE)
    assert person.camera.focal_assumed
    assert person.camera.intrinsics[0, 0] == pytest.approx(np.hypot(HEIGHT, WIDTH))


def test_without_a_box_the_whole_image_is_one_person(model: LoadedModel) -> None:
    people = predict_image(model, IMAGE)
    assert len(people) == 1 and people[0].box is None
    corners = np.array([[0, 0, 1], [WIDTH, HEIGHT, 1]]) @ people[0].affine.T
    assert corners.min() >= 0 and corners.max() <= 64


def test_every_box_is_a_person_whatever_the_batch(model: LoadedModel) -> None:
    boxes = [[10, 10, 60, 120], [150, 30, 80, 200, 0.7], [200, 20, 90, 90]]
    rows = np.array([row + [1.0] * (5 - len(row)) for row in boxes])
    one, all_ = (predict_image(model, IMAGE, rows, batch=size) for size in (1, 8))
    assert len(one) == 3 and one[1].score == pytest.approx(0.7)
    for a, b in zip(one, all_, strict=True):
        np.testing.assert_allclose(a.vertices, b.vertices, atol=1e-5)
        np.testing.assert_allclose(a.camera.translation, b.camera.translation, rtol=1e-4)


def test_no_box_in_a_list_of_boxes_is_nobody(model: LoadedModel) -> None:
    assert predict_image(model, IMAGE, np.zeros((0, 4))) == []


def test_parameters_are_axis_angle_as_in_shards() -> None:
    known = parameters("smpl", 3, 0.2)
    (person,) = predict_image(knowing("smpl", 3, np.array([0.9, 0, 0])), IMAGE)
    for name in ("body_pose", "betas"):
        np.testing.assert_allclose(person.parameters[name], known[f"smpl.{name}"], atol=1e-5)


def test_a_left_hand_is_the_mirror_image_of_a_right_one() -> None:
    """The model says one right hand; asked for a left hand it must be that hand in the mirror."""
    right_model = knowing("mano", 2, np.array([0.8, 0.1, -0.2]))
    (right,) = predict_image(right_model, IMAGE[:, ::-1].copy(), hand="right", focal_px=FOCAL)
    (left,) = predict_image(right_model, IMAGE, hand="left", focal_px=FOCAL)
    np.testing.assert_allclose(left.vertices, right.vertices * [-1, 1, 1], atol=1e-6)
    mirrored = right.joints2d["mano16"] * [-1, 1] + [WIDTH, 0]
    np.testing.assert_allclose(left.joints2d["mano16"], mirrored, atol=1e-4)
    assert left.hand == "left" and left.camera.translation[2] == right.camera.translation[2]


def test_the_parameters_of_a_left_hand_pose_the_left_body() -> None:
    (left,) = predict_image(knowing("mano", 2, np.array([0.8, 0, 0])), IMAGE, hand="left")
    body = load_body("mano", hand="left", source="free")
    turned = {
        name: axis_angle_to_matrix(torch.tensor(left.parameters[name]).reshape(1, -1, 3))
        for name in ("global_orient", "hand_pose")
    }
    betas = torch.tensor(left.parameters["betas"])[None]
    posed = body({**turned, "betas": betas}).vertices[0].numpy()
    np.testing.assert_allclose(left.vertices, posed, atol=1e-4)


def test_the_faces_of_a_left_hand_still_look_outward() -> None:
    def volume(vertices: np.ndarray, faces: np.ndarray) -> float:
        a, b, c = (vertices[faces[:, i]] for i in range(3))
        return float(np.einsum("fc,fc->", a, np.cross(b, c)) / 6)

    for hand in ("right", "left"):
        (person,) = predict_image(knowing("mano", 2, np.array([0.8, 0, 0])), IMAGE, hand=hand)
        centred = person.vertices - person.vertices.mean(axis=0)
        assert volume(centred, person.faces) > 0, hand


def test_a_left_hand_is_shown_to_the_model_in_the_mirror() -> None:
    model, seen = knowing("mano", 2, np.array([0.8, 0, 0])), []
    answer = model.module.forward
    model.module.forward = lambda image: seen.append(image) or answer(image)
    predict_image(model, IMAGE, hand="right")
    predict_image(model, IMAGE, hand="left")
    np.testing.assert_allclose(seen[1][..., 1:], seen[0].flip(-1)[..., :-1], atol=0.05)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"boxes": [[1, 2, 3]]}, "expected"),
        ({"boxes": [[900, 10, 50, 50]]}, "outside"),
        ({"hand": "left"}, "hand models"),
    ],
)
def test_what_cannot_be_meant_is_refused(model: LoadedModel, arguments, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        predict_image(model, IMAGE, **arguments)


def test_an_array_that_is_no_image_is_refused(model: LoadedModel) -> None:
    with pytest.raises(InvalidData, match="uint8"):
        predict_image(model, IMAGE.astype(np.float32))


def test_a_large_image_is_averaged_before_it_is_sampled() -> None:
    board = (np.indices((512, 512)).sum(axis=0) % 2 * 255).astype(np.uint8)
    image = np.repeat(board[:, :, None], 3, axis=2)
    crop = crop_pixels(image, crop_affine(np.array([256.0, 256.0]), 512, (64, 64)), (64, 64))
    assert np.abs(crop[4:-4, 4:-4].astype(float) - 127.5).max() < 3


def test_a_box_much_larger_than_the_image_is_a_small_picture_not_a_full_memory(
    model: LoadedModel,
) -> None:
    crop = crop_pixels(IMAGE, crop_affine(np.array([160.0, 120.0]), 2e7, (64, 64)), (64, 64))
    assert crop.shape == (64, 64, 3)
    assert len(predict_image(model, IMAGE, [[-1e7, -1e7, 2e7, 2e7]])) == 1


@pytest.mark.parametrize("box", [None, [90.0, 40.0, 100.0, 160.0]])
def test_the_mesh_is_drawn_where_its_joints_are_said_to_be(box: list[float] | None) -> None:
    """The overlay, the joints in pixels and the weak camera in the crop are one and the same."""
    model = knowing("smpl", 3, np.array([0.9, 0.05, 0.2]))
    grey = np.full_like(IMAGE, 128)
    (person,) = predict_image(model, grey, None if box is None else [box])
    camera = person.camera
    seen = (person.vertices + camera.translation) @ camera.intrinsics.T
    seen = seen[:, :2] / seen[:, 2:]
    drawn = np.argwhere((overlay(grey, [person]) != grey).any(axis=2))[:, ::-1]
    np.testing.assert_allclose(drawn.min(axis=0), np.maximum(seen.min(axis=0), 0), atol=1)
    last = np.minimum(seen.max(axis=0), [WIDTH - 1, HEIGHT - 1])
    np.testing.assert_allclose(drawn.max(axis=0), last, atol=1)
    units = person.weak_camera[0] * person.weak_camera[1:]  # where the body's origin is
    in_crop = (units + 1) * np.array(person.crop_size[::-1]) / 2
    in_image = camera.intrinsics @ camera.translation / camera.translation[2]  # px, px, 1
    np.testing.assert_allclose(person.affine @ in_image, in_crop, atol=1e-4)


def test_the_public_function_takes_a_file(model: LoadedModel, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    cv2.imwrite(str(path), IMAGE[:, :, ::-1])
    from_file, from_array = hpscli.predict(model, path), hpscli.predict(model, IMAGE)
    np.testing.assert_allclose(from_file[0].vertices, from_array[0].vertices, atol=1e-6)
