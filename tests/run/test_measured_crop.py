"""4D-Humans' demo blurs pictures of large people, its evaluation never does: so do predicting and measuring."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hpscli.data.evalset import EvalSet
from hpscli.data.preparation import HMR2, HMR2_EVALUATION, METRO
from hpscli.data.sample import decode_image
from hpscli.metrics.protocol_names import find_protocol
from hpscli.nn.checkpoints import LoadedModel
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.run.inference import preparation_of, said_crop
from hpscli.run.predict import predict_image
from hpscli.run.tta import predicted_views
from tests.run import people
from tests.run.people import oracle_model, parameters, write_people
from tests.run.test_crop_choice import prepared, watched

SIDE = 960
BOX = np.array([135.0, 30.0, 675.0, 900.0])  # 192:256, so that the crop is 900 px wide
CENTRE = BOX[:2] + BOX[2:] / 2
PROTOCOL = find_protocol(get_registry(), testset="synthetic", body="smpl")


def noise(seed: int) -> bytes:
    """-> a JPEG in which every pixel has a grey level of its own."""
    pixels = np.random.RandomState(seed).randint(0, 256, (SIDE, SIDE), np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """-> shards of one person of 900 px."""
    monkeypatch.setattr(people, "IMAGE_PX", SIDE)
    monkeypatch.setattr(people, "picture", noise)
    box = {"center": CENTRE, "size": BOX[3:], "xywh": BOX}
    arrays = {f"box.{name}": value.astype(np.float32) for name, value in box.items()}
    return write_people(tmp_path / "people", 1, shards=1, extra={0: arrays})


@pytest.fixture
def picture(folder: Path) -> np.ndarray:
    return decode_image(EvalSet(str(folder))[0].image)


@pytest.fixture
def model() -> LoadedModel:
    known = prepared(oracle_model("smpl", [parameters("smpl", 0)]), "HMR2")
    return known.but(input_size=HMR2.window)


def warped(picture: np.ndarray, side_px: float = 900.0, degrees: float = 0.0) -> np.ndarray:
    """-> the picture itself, warped once by OpenCV, in 4D-Humans' normalisation."""
    scale, half = 256 / side_px, 128.0
    turn = cv2.getRotationMatrix2D((float(CENTRE[0]), float(CENTRE[1])), degrees, scale)
    turn[:, 2] += half - CENTRE
    crop = cv2.warpAffine(picture, turn, (256, 256), flags=cv2.INTER_LINEAR) / 255.0
    normal = (crop - np.array(HMR2.mean)) / np.array(HMR2.std)
    return np.asarray(normal.transpose(2, 0, 1), np.float32)


def distance(first: torch.Tensor, second: np.ndarray) -> float:
    return float(np.abs(first.numpy() - second).mean())


def test_large_people_are_measured_unblurred(
    folder: Path, picture: np.ndarray, model: LoadedModel
) -> None:
    seen = watched(model)
    result = evaluate(model, folder, PROTOCOL)
    assert result.settings["crop"] == "hmr2_evaluation"
    assert distance(seen[0][0], warped(picture)) < 1e-5
    demo = HMR2.pixels(picture, CENTRE, 900.0, window=HMR2.window)
    assert distance(seen[0][0], demo) > 0.05


def test_large_people_are_predicted_blurred(picture: np.ndarray, model: LoadedModel) -> None:
    seen = watched(model)
    (person,) = predict_image(model, picture, [BOX.tolist()])
    assert person.preparation == "hmr2"
    sigma = (900 / 256 / 2 - 1) / 2
    blurred = cv2.GaussianBlur(picture.astype(np.float64), (0, 0), sigma)
    assert distance(seen[0][0], warped(blurred)) < 1e-5
    assert distance(seen[0][0], warped(picture)) > 0.05


def test_every_view_of_several_is_measured_unblurred(
    folder: Path, picture: np.ndarray, model: LoadedModel
) -> None:
    seen = watched(model)
    (scale, degrees), _ = next(predicted_views(model, [EvalSet(str(folder))[0]], PROTOCOL))
    assert 900 * scale > 563.2  # the demo would blur it
    assert distance(seen[0][0], warped(picture, 900 * scale, degrees)) < 1e-5


def test_people_of_usual_size_look_the_same_in_both(picture: np.ndarray) -> None:
    for side_px in (200.0, 563.0):
        both = [
            found.pixels(picture, CENTRE, side_px, window=HMR2.window, flip=True)
            for found in (HMR2, HMR2_EVALUATION)
        ]
        np.testing.assert_array_equal(*both)


def test_a_family_whose_evaluation_is_its_demo_has_one_crop(model: LoadedModel) -> None:
    assert preparation_of(model, measuring=True) is HMR2_EVALUATION
    assert preparation_of(model) is HMR2
    assert said_crop(model, "", measuring=True).startswith("official: hmr2_evaluation ")
    assert preparation_of(model, "fast", measuring=True) is None
    assert preparation_of(prepared(model, "METRO"), measuring=True) is METRO
