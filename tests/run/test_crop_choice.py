"""Which crop a model sees: the authors' for imported weights, ours for weights trained here."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hpscli.body.cameras import to_weak
from hpscli.data.placing import fast_place
from hpscli.data.preparation import (
    HMR2,
    METRO,
    METRO_DEMO,
    MMHUMAN3D,
    OSX,
    SPIN,
    Preparation,
    crop_window,
)
from hpscli.errors import UsageError
from hpscli.metrics.protocol_names import find_protocol
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Camera
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.run.inference import mirror_image, preparation_of, said_crop
from hpscli.run.predict import predict_image
from tests.run.people import oracle_model, parameters, tiny_model, write_people

DEMO = Path(__file__).parents[2] / "shards" / "demo"
HEIGHT, WIDTH = 240, 320
IMAGE = np.random.RandomState(4).randint(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
BOX = [120, 30, 70, 150]


def prepared(model: LoadedModel, name: str, trained: bool = False) -> LoadedModel:
    """-> the model as if its record named this official preparation."""
    return model.but(
        spec=replace(model.spec, crop=f"hpscli.data.preparation:{name}"),
        info=replace(model.info, step=100 if trained else 0, recipe_toml=""),
    )


def watched(model: LoadedModel) -> list[torch.Tensor]:
    """-> the list that fills with every picture that the model is shown."""
    seen: list[torch.Tensor] = []
    answer = model.module.forward
    model.module.forward = lambda image: seen.append(image) or answer(image)  # type: ignore[method-assign]
    return seen


@pytest.fixture
def model(tmp_path: Path) -> LoadedModel:
    return tiny_model(tmp_path)


@pytest.mark.parametrize(
    ("trained", "asked", "expected"),
    [
        (False, "", METRO),
        (False, "fast", None),
        (False, "official", METRO),
        (True, "", None),
        (True, "official", METRO),
    ],
)
def test_weights_see_what_they_were_trained_on_unless_told(
    model: LoadedModel, trained: bool, asked: str, expected: Preparation | None
) -> None:
    assert preparation_of(prepared(model, "METRO", trained), asked) is expected


def test_a_model_without_an_official_crop_says_so(model: LoadedModel) -> None:
    plain = model.but(spec=replace(model.spec, crop="fast"))
    assert preparation_of(plain) is None and said_crop(plain, "") == "our one warp"
    with pytest.raises(UsageError, match="'hmr' has no official crop"):
        preparation_of(plain, "official")


def test_another_word_is_refused(model: LoadedModel) -> None:
    with pytest.raises(UsageError, match="no crop 'slow'"):
        preparation_of(model, "slow")


def test_the_demo_people_are_measured_as_the_authors_cut_them_out(model: LoadedModel) -> None:
    protocol = find_protocol(get_registry(), testset="synthetic", body="smpl")
    official = prepared(model, "METRO")
    seen = watched(official)
    result = evaluate(official, DEMO, protocol, limit=6, batch=4)
    assert result.settings["crop"] == "metro"
    assert sum(len(batch) for batch in seen) == 6 and seen[0].dtype == torch.float32
    shown = torch.cat(seen)
    seen.clear()
    fast = evaluate(official, DEMO, protocol, limit=6, batch=4, crop="fast")
    assert fast.settings["crop"] == "fast"
    away = (torch.cat(seen) - shown).abs().mean()
    assert 0.01 < away < 0.5  # the same people, not the same pixels
    assert not np.array_equal(result.errors["mpjpe"], fast.errors["mpjpe"])


def test_a_window_that_is_not_square_is_measured_and_predicted(tmp_path: Path) -> None:
    folder = write_people(tmp_path / "people", 2)
    known = [parameters("smpl", seed) for seed in range(2)]
    wide = prepared(oracle_model("smpl", known), "OSX").but(input_size=OSX.window)
    seen = watched(wide)
    protocol = find_protocol(get_registry(), testset="synthetic", body="smpl")
    result = evaluate(wide, folder, protocol)
    assert result.metrics["mpjpe"].value < 0.01
    assert seen[0].shape == (2, 3, *OSX.window) and seen[0].min() >= 0 and seen[0].max() <= 1
    wide.module.answers = known[:1]
    (person,) = predict_image(wide, IMAGE, [BOX])
    assert person.crop_size == OSX.window and person.preparation == "osx"


@pytest.mark.parametrize("name", ["METRO", "SPIN", "MMHUMAN3D", "HMR2", "OSX"])
def test_a_known_camera_comes_back_in_the_original_image(name: str, model: LoadedModel) -> None:
    import hpscli.data.preparation

    found: Preparation = getattr(hpscli.data.preparation, name)
    intrinsics = np.array([[300.0, 0, WIDTH / 2], [0, 300.0, HEIGHT / 2], [0, 0, 1]])
    truth = Camera(
        intrinsics=intrinsics, translation=np.array([0.12, -0.3, 4.2]), focal_assumed=False
    )
    place = found.place(np.array(BOX, float), (HEIGHT, WIDTH), found.window)
    weak = to_weak(truth, found.affine(*place, found.window), found.window)
    known = prepared(oracle_model("smpl", [parameters("smpl", 1)]), name)
    known = known.but(input_size=found.window)
    answer = known.module.forward
    known.module.forward = lambda image: replace(
        answer(image), camera=torch.tensor(weak, dtype=torch.float32)[None]
    )
    (person,) = predict_image(known, IMAGE, [BOX], focal_px=300.0)
    np.testing.assert_allclose(person.camera.translation, truth.translation, atol=1e-4)


def test_a_box_is_placed_by_the_rule_of_the_authors(model: LoadedModel) -> None:
    centre, side = HMR2.place(np.array(BOX, float), (HEIGHT, WIDTH), HMR2.window)
    other = crop_window(np.array(BOX, float), (HEIGHT, WIDTH), HMR2.window)
    assert side == 150.0 and other[1] == pytest.approx(180.0)
    (person,) = predict_image(prepared(model, "HMR2"), IMAGE, [BOX])
    scale = model.input_size[1] / side
    np.testing.assert_allclose(person.affine[:, :2], np.eye(2) * scale)
    np.testing.assert_allclose(centre, [155, 105])


@pytest.mark.parametrize("found", [OSX, HMR2, METRO], ids=lambda p: p.name)
def test_weights_trained_here_see_people_as_large_as_the_authors_show_them(
    found: Preparation, model: LoadedModel
) -> None:
    ours = prepared(model, found.name.upper(), trained=True).but(input_size=found.window)
    center, width = found.place(np.array(BOX, float), (HEIGHT, WIDTH), found.window)
    ours.module.forward = oracle_model("smpl", [parameters("smpl", 1)]).module.forward
    (person,) = predict_image(ours, IMAGE, [BOX])
    assert person.preparation == "fast"
    np.testing.assert_allclose(person.affine, found.affine(center, width, found.window))


def test_a_window_of_other_proportions_has_the_usual_margin() -> None:
    box = np.array(BOX, float)
    other = fast_place("hpscli.data.preparation:OSX", box, (HEIGHT, WIDTH), (64, 64))
    assert other[1] == pytest.approx(150 * 1.2)
    assert fast_place("fast", box, (HEIGHT, WIDTH), (64, 64))[1] == other[1]


def test_a_picture_without_a_box_is_taken_as_in_the_demo(model: LoadedModel) -> None:
    official = prepared(model, "METRO")
    seen = watched(official)
    (person,) = predict_image(official, IMAGE)
    place = METRO_DEMO.place(None, (HEIGHT, WIDTH), model.input_size)
    expected = METRO_DEMO.pixels(IMAGE, *place, window=model.input_size)
    np.testing.assert_allclose(seen[0][0].numpy(), expected, atol=1e-6)
    assert person.preparation == "metro_demo"
    assert preparation_of(official, boxes=False) is METRO_DEMO


@pytest.mark.parametrize("found", [SPIN, MMHUMAN3D], ids=lambda p: p.name)
def test_the_flip_test_mirrors_as_the_preparation_does(
    found: Preparation, model: LoadedModel
) -> None:
    official = prepared(model, found.name.upper())
    seen = watched(official)
    predict_image(official, IMAGE, [BOX], flip=True)
    plain, mirrored = seen
    place = found.place(np.array(BOX, float), (HEIGHT, WIDTH), model.input_size)
    expected = found.pixels(IMAGE, *place, window=model.input_size, flip=True)
    np.testing.assert_allclose(mirrored[0, ..., 1:].numpy(), expected[..., 1:], atol=0.05)
    shifted = mirror_image(plain, shift=not found.reverses_columns)
    torch.testing.assert_close(mirrored, shifted)


@pytest.mark.parametrize("found", [METRO, MMHUMAN3D], ids=lambda p: p.name)
def test_a_left_hand_is_the_mirror_image_of_a_right_one(found: Preparation) -> None:
    known = [parameters("mano", 2)] * 2
    official = prepared(oracle_model("mano", known), found.name.upper())
    seen = watched(official)
    (right,) = predict_image(official, IMAGE, [BOX], hand="right", focal_px=300.0)
    (left,) = predict_image(official, IMAGE, [BOX], hand="left", focal_px=300.0)
    place = found.place(np.array(BOX, float), (HEIGHT, WIDTH), official.input_size)
    expected = found.pixels(IMAGE, *place, window=official.input_size, flip=True)
    np.testing.assert_allclose(seen[1][0].numpy(), expected, atol=1e-6)
    np.testing.assert_allclose(left.vertices, right.vertices * [-1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(left.affine, right.affine)
