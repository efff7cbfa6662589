"""hps predict, from words typed to files on disk."""

import json
import math
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hpscli.cli.app import run
from hpscli.records import Prediction
from hpscli.registry import get_registry
from hpscli.render.pictures import read_image
from tests.run.people import picture, tiny_checkpoint

DETECTOR = '''
"""A detector that always finds the same two people."""
import numpy as np
from hpscli.hooks import DetectorSpec, hookimpl

def build(device):
    return lambda image: np.array([[4, 4, 40, 80, 0.9], [50, 4, 40, 80, 0.8]])

@hookimpl
def hps_detectors():
    return [DetectorSpec(name="twice", build="twice:build", summary="two people", licence="MIT")]
'''


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny.safetensors"))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for index in range(2):
        (tmp_path / "images" / f"{index}.jpg").write_bytes(picture(index))
    return tmp_path


def words(checkpoint: str, source: str, *more: str) -> list[str]:
    return ["predict", source, "--checkpoint", checkpoint, "--out", "out", *more]


def test_an_image_becomes_pictures_numbers_and_a_mesh(here: Path, checkpoint: str, capsys) -> None:
    assert run(words(checkpoint, "images/0.jpg")) == 0
    said = capsys.readouterr().err
    assert "whole image is taken as one person" in said and "body source free" in said
    assert "focal length assumed" in said
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["0.glb", "0.json", "0.npz", "0.overlay.png", "0.turntable.png"]
    original, drawn = read_image("images/0.jpg"), read_image("out/0.overlay.png")
    assert drawn.shape == original.shape
    changed = np.abs(drawn.astype(int) - original).max(axis=2) > 30
    assert 0.01 < changed.mean() < 0.9  # the body is on it, and not everywhere
    assert read_image("out/0.turntable.png").shape[1] > read_image("out/0.turntable.png").shape[0]


def test_the_numbers_are_those_of_the_original_image(here: Path, checkpoint: str) -> None:
    assert run(words(checkpoint, "images/0.jpg", "--fov", "60", "--bbox", "10,10,50,70")) == 0
    document = json.loads(Path("out/0.json").read_text())
    assert document["schema"] == "hps/predict/1" and document["body"]["source"] == "free"
    (person,) = document["people"]
    focal = person["camera"]["intrinsics"][0][0]
    assert focal == pytest.approx(96 / 2 / math.tan(math.radians(30)))
    assert person["camera"]["focal_assumed"] is False and person["box"] == [10, 10, 50, 70]
    arrays = np.load("out/0.npz")
    assert arrays["vertices"].shape == (1, 6890, 3)
    placed = (arrays["joints.smpl24"][0] + arrays["translation"][0]) @ arrays["intrinsics"][0].T
    np.testing.assert_allclose(
        placed[:, :2] / placed[:, 2:], person["joints2d"]["smpl24"], atol=1e-3
    )


def test_each_box_is_a_person_with_a_mesh_of_its_own(here: Path, checkpoint: str, capsys) -> None:
    boxes = ["--bbox", "5,5,40,80", "--bbox", "50,5,40,80"]
    assert run(words(checkpoint, "images/0.jpg", *boxes, "--save", "obj,ply", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["people"] == 2
    names = sorted(path.name for path in Path("out").iterdir())
    assert names == ["0-0.obj", "0-0.ply", "0-1.obj", "0-1.ply"]


def test_a_broken_image_in_a_folder_is_named_and_the_rest_goes_on(
    here: Path, checkpoint: str, capsys
) -> None:
    Path("images/1.jpg").write_bytes(picture(1)[:40])
    assert run(words(checkpoint, "images", "--save", "json", "--json")) == 5
    said = capsys.readouterr()
    document = json.loads(said.out)
    assert (document["images"], document["failed"]) == (2, 1)
    assert "1 of 2 images failed" in said.err and "1.jpg" in said.err
    assert Path("out/0.json").exists() and not Path("out/1.json").exists()


def test_images_of_one_name_do_not_overwrite_each_other(here: Path, checkpoint: str) -> None:
    Path("images/0.png").write_bytes(
        cv2.imencode(".png", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
    )
    assert run(words(checkpoint, "images", "--save", "json")) == 0
    assert sorted(p.name for p in Path("out").iterdir()) == ["0_jpg.json", "0_png.json", "1.json"]


def test_boxes_of_a_coco_file_are_used(here: Path, checkpoint: str, capsys) -> None:
    coco = {
        "images": [{"id": 1, "file_name": "1.jpg"}],
        "annotations": [{"image_id": 1, "bbox": [5, 5, 40, 60]}] * 3,
    }
    Path("coco.json").write_text(json.dumps(coco))
    assert run(words(checkpoint, "images", "--boxes", "coco.json", "--save", "npz", "--json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert [entry["people"] for entry in document["results"]] == [0, 3]


def test_a_detector_plugin_finds_the_people(
    here: Path, checkpoint: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("twice.py").write_text(DETECTOR)
    monkeypatch.setenv("HPS_PLUGINS", str(here / "twice.py"))
    get_registry.cache_clear()
    try:
        code = run(
            words(checkpoint, "images/0.jpg", "--detector", "twice", "--save", "json", "--json")
        )
    finally:
        get_registry.cache_clear()
    assert code == 0
    assert json.loads(capsys.readouterr().out)["people"] == 2
    assert json.loads(Path("out/0.json").read_text())["people"][1]["score"] == 0.8


def test_a_box_outside_one_image_of_a_folder_does_not_stop_the_others(
    here: Path, checkpoint: str, capsys
) -> None:
    boxes = [{"image_id": 0, "bbox": [900, 0, 9, 9]}, {"image_id": 1, "bbox": [0, 0, 50, 90]}]
    Path("boxes.json").write_text(json.dumps(boxes))
    more = ["--boxes", "boxes.json", "--save", "json", "--json"]
    assert run(words(checkpoint, "images", *more)) == 5
    shown = capsys.readouterr()
    assert json.loads(shown.out)["failed"] == 1 and Path("out/1.json").is_file()
    assert "images/0.jpg: box 900,0,9,9 lies outside" in shown.err


def test_the_focal_length_that_a_camera_noted_is_used(here: Path, checkpoint: str) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif.get_ifd(0x8769)[0xA405] = 28  # 35 mm equivalent
    Image.fromarray(read_image("images/0.jpg")).save("images/noted.jpg", exif=exif)
    assert run(words(checkpoint, "images/noted.jpg", "--save", "json")) == 0
    document = json.loads(Path("out/noted.json").read_text())
    assert document["focal_source"] == "exif"
    focal = document["people"][0]["camera"]["intrinsics"][0][0]
    assert focal == pytest.approx(28 / math.hypot(36, 24) * math.hypot(96, 96))


@pytest.mark.parametrize(
    ("number", "code", "said"),
    [
        (-1.0, 0, "behind the camera, not drawn: 1"),
        (math.nan, 5, "images/0.jpg: the prediction"),
    ],
)
def test_a_prediction_that_cannot_be_drawn_is_told(
    here: Path, checkpoint: str, capsys, monkeypatch, number: float, code: int, said: str
) -> None:
    from hps_models.hmr.network import HMR

    answer = HMR.forward

    def broken(self: HMR, image: torch.Tensor) -> Prediction:
        prediction = answer(self, image)
        return replace(prediction, camera=torch.full_like(prediction.camera, number))

    monkeypatch.setattr(HMR, "forward", broken)
    assert run(words(checkpoint, "images/0.jpg", "--save", "overlay,json")) == code
    assert said in capsys.readouterr().err


def test_nothing_is_overwritten_without_force(here: Path, checkpoint: str, capsys) -> None:
    once = words(checkpoint, "images/0.jpg", "--save", "json")
    assert run(once) == 0
    assert run(once) == 2
    assert "--force" in capsys.readouterr().err
    assert run([*once, "--force"]) == 0


@pytest.mark.parametrize(
    ("source", "more", "code", "said"),
    [
        ("nowhere.jpg", [], 3, "nowhere.jpg"),
        ("images", ["--bbox", "1,2,3,4"], 2, "--boxes"),
        ("images/0.jpg", ["--bbox", "1,2,3"], 2, "x,y,w,h"),
        ("images/0.jpg", ["--bbox", "500,2,30,40"], 2, "outside"),
        ("images/0.jpg", ["--save", "gbl"], 2, "Did you mean 'glb'?"),
        ("images/0.jpg", ["--detector", "yolo"], 2, "no detector named 'yolo'"),
        ("images/0.jpg", ["--fov", "50", "--focal", "500"], 2, "twice"),
        ("images/0.jpg", ["--hand", "left"], 2, "hand models"),
        ("images/0.jpg", ["--hand", "lefty"], 2, "no hand 'lefty'"),
        ("images/0.jpg", ["--bbox", "1,2,3,4", "--boxes", "a.json"], 2, "exclude"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(
    here: Path, checkpoint: str, capsys, source: str, more: list[str], code: int, said: str
) -> None:
    assert run(words(checkpoint, source, *more)) == code
    assert said in capsys.readouterr().err


def test_a_folder_without_images_is_said(here: Path, checkpoint: str, capsys) -> None:
    Path("empty").mkdir()
    assert run(words(checkpoint, "empty")) == 3
    assert "no image in empty" in capsys.readouterr().err


def test_the_table_says_how_many_files_it_does_not_name(
    here: Path, checkpoint: str, capsys
) -> None:
    assert run(words(checkpoint, "images/0.jpg")) == 0
    assert "0.overlay.png 0.turntable.png and 3 more" in capsys.readouterr().out
    assert run(words(checkpoint, "images/1.jpg", "--save", "json,npz")) == 0
    assert "more" not in capsys.readouterr().out


def test_boxes_given_as_an_image_are_told_their_option(here: Path, capsys) -> None:
    Path("images/boxes.json").write_text("[]")
    assert run(["predict", "images/boxes.json"]) == 2
    assert "hps predict images --boxes images/boxes.json" in capsys.readouterr().err
