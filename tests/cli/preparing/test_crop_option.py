"""--crop, from words typed to what the files say; and hps bench crops."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from hpscli.body.layer import load_body
from hpscli.cli.app import run
from hpscli.data.official_crops.difference import photo_like
from hpscli.metrics.results import read_result
from hpscli.nn.checkpoints import build_model, save_checkpoint
from hpscli.nn.files import CheckpointInfo

DEMO = Path(__file__).parents[3] / "shards" / "demo"
EVAL = ["--testset", "synthetic", "--shards", str(DEMO), "--limit", "3", "--device", "cpu"]


@pytest.fixture(scope="module")
def official(tmp_path_factory: pytest.TempPathFactory) -> str:
    """-> weights that nobody trained here, of a model whose authors crop as SPIN."""
    return checkpoint(tmp_path_factory.mktemp("weights") / "official.safetensors", step=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> str:
    return checkpoint(tmp_path_factory.mktemp("weights") / "trained.safetensors", step=7)


def checkpoint(path: Path, step: int) -> str:
    torch.manual_seed(0)
    module, spec, options = build_model("hmr", preset="tiny", options={"crop": "spin"})
    body = load_body("smpl", source="free")
    info = CheckpointInfo(
        model=spec.name, options=options, input_size=(64, 64), body=body.describe(), step=step
    )
    save_checkpoint(path, module, info)
    return str(path)


def test_imported_weights_are_measured_on_official_crops(
    official: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", official, *EVAL, "--out", str(tmp_path / "r.json")]) == 0
    assert "crop        official: spin" in capsys.readouterr().err
    ours = ["eval", official, *EVAL, "--crop", "fast", "--out", str(tmp_path / "f.json"), "--json"]
    assert run(ours) == 0
    said = capsys.readouterr()
    assert "crop        our one warp" in said.err
    assert json.loads(said.out)["settings"]["crop"] == "fast"
    spin, fast = (read_result(tmp_path / name) for name in ("r.json", "f.json"))
    assert spin.settings["crop"] == "spin"
    assert not np.array_equal(spin.errors["mpjpe"], fast.errors["mpjpe"])


def test_weights_trained_here_are_measured_on_our_crops(
    trained: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["eval", trained, *EVAL, "--out", str(tmp_path / "r.json")]) == 0
    said = capsys.readouterr().err
    assert "our one warp, which these weights were trained on" in said
    assert read_result(tmp_path / "r.json").settings["crop"] == "fast"


def test_the_drawn_people_are_those_that_were_measured(official: str, tmp_path: Path) -> None:
    assert run(["eval", official, *EVAL, "--visualize", "--out", str(tmp_path / "r.json")]) == 0
    assert (tmp_path / "r.people.png").is_file()


@pytest.mark.slow
def test_several_processes_use_the_same_crops(official: str, tmp_path: Path) -> None:
    for name, more in (("one", []), ("two", ["--processes", "2"])):
        assert run(["eval", official, *EVAL, *more, "--out", str(tmp_path / f"{name}.json")]) == 0
    one, two = (read_result(tmp_path / f"{name}.json") for name in ("one", "two"))
    assert one.settings["crop"] == two.settings["crop"] == "spin"
    np.testing.assert_allclose(one.errors["mpjpe"], two.errors["mpjpe"], rtol=1e-5)


@pytest.mark.parametrize("command", ["eval", "predict"])
def test_another_crop_is_refused_before_anything_is_loaded(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = {"eval": ["nothing.safetensors", *EVAL], "predict": [str(tmp_path)]}[command]
    assert run([command, *words, "--crop", "exact"]) == 2
    said = capsys.readouterr().err
    assert "no crop 'exact'" in said and "--crop official or --crop fast" in said


def test_predicted_people_say_how_they_were_cut_out(
    official: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), photo_like(120, 160))
    words = ["predict", str(photo), "--checkpoint", official, "--save", "json", "--device", "cpu"]
    affines = {}
    for crop in ("spin", "fast"):
        more = ["--crop", "fast"] if crop == "fast" else []
        box = ["--bbox", "40,10,50,90", "--bbox", "90,20,40,80"]
        assert run([*words, *box, *more, "--out", str(tmp_path / crop)]) == 0
        people = json.loads((tmp_path / crop / "photo.json").read_text())["people"]
        assert [person["crop"]["preparation"] for person in people] == [crop] * 2
        affines[crop] = people[0]["crop"]["affine"]
    np.testing.assert_allclose(affines["spin"], affines["fast"], atol=1e-9)
    assert "official: spin" in capsys.readouterr().err


def test_crops_are_compared_on_a_photograph(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), photo_like(300, 400))
    assert run(["bench", "crops", str(photo), "--bbox", "120.3,40.6,90,180", "--json", "-q"]) == 0
    rows = {row["preparation"]: row for row in json.loads(capsys.readouterr().out)["rows"]}
    assert {"metro", "metro_demo", "spin", "spin_scipy", "hmr2", "osx"} <= rows.keys()
    assert rows["mmhuman3d"]["mean"] < 0.1 < rows["metro"]["mean"] < rows["spin_scipy"]["mean"]
    assert rows["metro"]["greatest_shift_px"] > 0.2 > rows["mmhuman3d"]["greatest_shift_px"]


@pytest.mark.slow
def test_boxes_of_several_sizes_are_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), photo_like(500, 500))
    assert run(["bench", "crops", str(photo), "--boxes", "1", "-q"]) == 0
    said = capsys.readouterr().out
    assert said.count(" metro ") == 4 and "0.54" in said and "contrast" in said
