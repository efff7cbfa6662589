"""Every leaderboard's file from words typed: made of a few free people, checked; the examples are taken."""

import json
from pathlib import Path

import pytest

from hpscli.body.layer import load_body
from hpscli.cli.app import run
from hpscli.nn.checkpoints import build_model, save_checkpoint
from hpscli.nn.files import CheckpointInfo
from tests.run.people import IMAGE_PX, write_people

FEW = 3
MODELS = {
    "mano": ("metro", "hand-tiny"),
    "smpl": ("hmr", "tiny"),
    "smplx": ("osx", "tiny"),
}
SEEN = {
    "image_path": "images/ag_testset_01_1280x720.png",
    "image_size_px": [IMAGE_PX, IMAGE_PX],
    "sequence": "downtown_arguing_00",
    "person": 0,
    "frame": 0,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("leaderboards")
    for kind, (name, preset) in MODELS.items():
        write_people(folder / kind, FEW, kind=kind, meta=SEEN, shards=1)
        module, spec, options = build_model(name, preset=preset, body_source="free")
        info = CheckpointInfo(
            model=name,
            options=options,
            input_size=spec.input_size,
            body=load_body(kind, source="free").describe(),
        )
        save_checkpoint(folder / f"{kind}.safetensors", module, info)
    return folder


@pytest.mark.parametrize(
    ("writer", "kind", "file"),
    [
        ("freihand", "mano", "ckpt0-sc10_rot0-pred.zip"),
        ("ho3d", "mano", "ho3d-ckpt0-sc10_rot0-pred.zip"),
        ("agora", "smplx", "predictions.zip"),
        ("agora", "smpl", "predictions.zip"),
        ("mp2022", "smpl", "test_pred_joints.csv"),
        ("3dpw-challenge", "smpl", "3dpw-challenge-pred.zip"),
    ],
)
def test_a_file_of_few_people_breaks_no_rule_but_their_number(
    writer: str, kind: str, file: str, place: Path, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["export-preds", writer, "--checkpoint", str(place / f"{kind}.safetensors")]
    code = run([*words, "--shards", str(place / kind), "--split", "test", "--json", "-q"])
    document = json.loads(capsys.readouterr().out)
    assert document["file"] == file and Path(file).is_file()
    assert document["people"] == FEW and document["body"]["source"] == "free"
    broken = [finding["problem"] for finding in document["findings"] if finding["error"]]
    assert code == (4 if broken else 0) and document["ok"] == (not broken)
    about_number = ("evaluation list has", "there is no folder", "test holds", "it has to be 87")
    assert all(any(w in p for w in about_number) for p in broken), broken
    assert all(finding["fix"] for finding in document["findings"] if finding["error"])
    assert run(["export-preds", writer, "--check", file, "-q"]) == code


@pytest.mark.parametrize(
    ("writer", "file", "code"),
    [
        *(
            ("agora", f"agora_{name}_predictions.zip", 0)
            for name in (
                "smpl_axisangle",
                "smpl_rotmat",
                "smplx_axisangle",
                "smplx_kid",
                "smplx_rotmat",
            )
        ),
        ("3dpw-challenge", "pw3d_challenge_example.zip", 0),
        ("freihand", "freihand_pred_2samples.zip", 4),
        ("ho3d", "ho3d_pred_2samples.zip", 4),
        ("mp2022", "eth_test_pred_joints_3rows.csv", 0),
    ],
)
def test_the_examples_are_taken_and_short_ones_name_their_count(
    writer: str, file: str, code: int, reference: Path, capsys
) -> None:
    path = reference / "metrics" / "submissions" / file
    assert run(["export-preds", writer, "--check", str(path), "--json", "-q"]) == code
    broken = [f["problem"] for f in json.loads(capsys.readouterr().out)["findings"] if f["error"]]
    if code:
        (problem,) = broken
        assert {"freihand": "3960", "ho3d": "11524 or 20137"}[writer] in problem


def test_a_file_made_elsewhere_is_not_said_to_be_the_free_body_s(
    reference: Path, tmp_path: Path, capsys
) -> None:
    file = reference / "metrics" / "submissions" / "agora_smplx_rotmat_predictions.zip"
    out = tmp_path / "predictions.zip"
    assert run(["export-preds", "agora", "--checkpoint", str(file), "--out", str(out)]) == 0
    said = capsys.readouterr().err
    assert "stands in for what the file of predictions lacks" in said and "upload it" in said
