"""From predicted people to AGORA's file and back: the same figures, and a file that passes."""

import json
import pickle
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from hps_benchmarks.agora.rule import AgoraRule
from hps_benchmarks.agora.submission.check import check
from hps_benchmarks.agora.submission.naming import picture_stem
from hps_benchmarks.agora.submission.reading import read, recognise
from hps_benchmarks.agora.submission.writer import write
from hps_datasets.rendered.agora import agora
from hpscli.cli.app import run
from hpscli.errors import InvalidData, UsageError
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate, evaluate_predictions
from hpscli.run.prediction_files import read_predictions
from tests.plugins.benchmarks.agora.people import crowd, write_picture, write_shards
from tests.run.people import tiny_checkpoint, tiny_model

PICTURES = [3, 1, 12]  # of the last one text sorts person 10 before person 2


def rule(kind, body, standing="official"):
    return AgoraRule(get_registry().protocol(f"agora/validation@{standing}-{kind}-v1"), body)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("smplx", {}),
        ("smplx", {"rotations": "matrices"}),
        ("smplx", {"content": "mesh"}),
        ("smplx", {"layout": "osx"}),
        ("smpl", {}),
        ("smpl", {"rotations": "matrices"}),
    ],
)
def test_scoring_the_file_is_scoring_the_run(tmp_path, kind, options):
    people = crowd(kind, PICTURES if kind == "smplx" else [2, 11])
    file = tmp_path / "predictions.zip"
    write(people.predictions, file, people.body, **options)
    assert [f for f in check(file, layout=options.get("layout", "checker")) if f.error] == []
    assert recognise(file)
    of_run = rule(kind, people.body).score(people.predictions, people.samples)
    of_file = rule(kind, people.body).score(read(file), people.samples)
    assert of_run.metrics["f1"].value == 1.0
    assert set(of_run.metrics) == set(of_file.metrics)
    for name, figure in of_run.metrics.items():
        assert of_file.metrics[name].value == pytest.approx(figure.value, abs=0.11), name
    for name, values in of_run.errors.items():
        np.testing.assert_allclose(of_file.errors[name], values, atol=2e-3, err_msg=name)


def test_a_model_is_evaluated_exported_checked_and_evaluated_again(tmp_path):
    people = crowd("smpl", [3, 2, 1])
    shards = write_shards(tmp_path / "shards", people)
    model = tiny_model(tmp_path)
    spec = get_registry().protocol("agora/validation@corrected-smpl-v1")
    saved = tmp_path / "saved.npz"
    of_run = evaluate(model, shards, spec, batch=4, save=saved)
    assert of_run.metrics["precision"].value > 0
    file = tmp_path / "predictions.zip"
    write(read_predictions(saved, get_registry()), file, model.body)
    assert not [finding for finding in check(file) if finding.error]
    for source in (file, saved):
        given = read_predictions(source, get_registry())
        again = evaluate_predictions(given, model.body, shards, spec)
        assert set(again.metrics) == set(of_run.metrics)
        for name, figure in of_run.metrics.items():
            assert again.metrics[name].value == pytest.approx(figure.value, abs=2e-3), name


def test_the_folder_of_a_submission_is_read_as_its_zip(tmp_path):
    people = crowd("smpl", [2])
    write(people.predictions, tmp_path / "predictions.zip", people.body)
    with zipfile.ZipFile(tmp_path / "predictions.zip") as archive:
        archive.extractall(tmp_path / "out")
    of_zip = read(tmp_path / "predictions.zip")
    for folder in (tmp_path / "out", tmp_path / "out" / "predictions"):
        assert recognise(folder)
        of_folder = read_predictions(folder, get_registry())
        assert of_folder.meta == of_zip.meta
        for name, values in of_zip.arrays.items():
            np.testing.assert_array_equal(of_folder.arrays[name], values)
    (tmp_path / "out" / "predictions" / "somebody.pkl").write_bytes(b"")
    with pytest.raises(InvalidData, match="somebody.pkl is not called"):
        read(tmp_path / "out")


def test_equal_predictions_make_equal_bytes_that_old_servers_read(tmp_path):
    people = crowd("smplx", [2])
    for name in ("a.zip", "b.zip"):
        write(people.predictions, tmp_path / name, people.body)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        data = archive.read(archive.namelist()[0])
    assert data[:2] == bytes([0x80, 2])
    assert b"numpy.core.multiarray" in data
    assert b"_core" not in data
    entry = pickle.loads(data)  # our own file
    assert entry["joints"].shape == (144, 2)
    assert entry["joints"].max() > 1280  # pixels of the 4K picture
    assert entry["params"]["body_pose"].shape == (1, 63)


def test_the_layout_of_osx_is_that_of_its_authors(tmp_path):
    people = crowd("smplx", [1])
    write(people.predictions, file := tmp_path / "p.zip", people.body, layout="osx")
    with zipfile.ZipFile(file) as archive:
        entry = pickle.loads(archive.read(archive.namelist()[0]))
    assert set(entry) == {"joints", "params"}
    assert entry["joints"].shape == (1, 144, 2)
    assert entry["params"]["leye_pose"].dtype == np.float64
    assert [f.error for f in check(file) if "leading axis" in f.problem] == [True]
    assert not [f for f in check(file, layout="osx") if f.error]


def test_options_that_do_not_go_together_are_refused(tmp_path):
    people = crowd("smpl", [1])
    for options, words in (
        ({"track": "smplx"}, "no person of the smplx track"),
        ({"layout": "osx"}, "SMPL-X by parameters"),
        ({"rotations": "euler"}, "rotations=euler"),
    ):
        with pytest.raises(UsageError, match=words):
            write(people.predictions, tmp_path / "p.zip", people.body, **options)
    arrays = {n: v for n, v in people.predictions.arrays.items() if n != "camera"}
    with pytest.raises(InvalidData, match="matched in the picture"):
        write(replace(people.predictions, arrays=arrays), tmp_path / "p.zip", people.body)


def test_mixed_forms_have_no_official_figures(tmp_path):
    people = crowd("smplx", [2])
    write(people.predictions, tmp_path / "a.zip", people.body)
    given = read(tmp_path / "a.zip")
    meta = ({**given.meta[0], "num_betas": 11}, given.meta[1])
    with pytest.raises(InvalidData, match="differ in num_betas"):
        rule("smplx", people.body).score(replace(given, meta=meta), people.samples)


def test_predictions_of_pictures_that_nobody_knows_are_passed_over(tmp_path):
    people = crowd("smpl", [2, 2])
    write(people.predictions, tmp_path / "a.zip", people.body)
    found = rule("smpl", people.body).score(read(tmp_path / "a.zip"), people.samples[:2])
    assert found.metrics["f1"].value == 1.0
    assert found.notes[0].startswith("2 predictions are of pictures that are not among")


@pytest.mark.parametrize(
    "name", ["smplx_axisangle", "smplx_rotmat", "smplx_kid", "smpl_axisangle", "smpl_rotmat"]
)
def test_the_examples_pass_and_are_read(reference, name):
    file = reference / "metrics" / "submissions" / f"agora_{name}_predictions.zip"
    assert not [finding for finding in check(file) if finding.error]
    given = read_predictions(file, get_registry())
    assert given.about["format"] == "agora-zip"
    assert given.body["kind"] == name.split("_")[0]


def test_test_people_come_from_boxes_and_keep_their_pictures_names(tmp_path):
    root = tmp_path / "agora"
    (root / "images" / "test").mkdir(parents=True)
    write_picture(root / "images/test/ag_a_00001_1280x720.png")
    boxes = {"ag_a_00001.png": [{"bbox": [900, 600, 300, 600]}, {"bbox": [30, 90, 60, 30]}]}
    boxes["ag_b_00002.png"] = [{"bbox": [1, 2, 3, 4]}]
    boxes["ag_a_00001.png"].append({"bbox": [1, 2, -3, 4]})
    (root / "AGORA_test_bbox.json").write_text(json.dumps(boxes))
    options = {"reference": "", "body": "smplx", "resolution": "auto"}
    *people, bad, lost = agora(root, "test", **options)
    assert "the box is" in bad.problem
    assert "there is no images/test/ag_b_00002.png" in lost.problem
    np.testing.assert_allclose(people[0].box, [287.5, 175, 125, 250])  # 1.25, as OSX
    assert [picture_stem(person.image) for person in people] == ["ag_a_00001"] * 2


def test_hps_prepares_predicts_and_packs_the_test_people(tmp_path, monkeypatch, capsys):
    root = tmp_path / "agora"
    (root / "images" / "test").mkdir(parents=True)
    boxes = {}
    for name, count in (("ag_a_00001", 2), ("ag_b_00002", 1)):
        write_picture(root / f"images/test/{name}_1280x720.png")
        boxes[f"{name}.png"] = [{"bbox": [900 + 900 * i, 600, 300, 900]} for i in range(count)]
    (root / "AGORA_test_bbox.json").write_text(json.dumps(boxes))
    monkeypatch.chdir(tmp_path)
    tiny_checkpoint(tmp_path / "tiny.safetensors")
    assert run(["prepare", "agora", "body=smpl", "--from", "agora", "--split", "test"]) == 0
    listed = f"images={root / 'AGORA_test_bbox.json'}"
    capsys.readouterr()
    assert run(["export-preds", "agora", "--checkpoint", "tiny.safetensors", listed]) == 0
    assert "warning" not in capsys.readouterr().err  # all pictures, all people
    given = read(tmp_path / "predictions.zip")
    assert [entry["file"] for entry in given.meta] == [
        "ag_a_00001_personId_0.pkl",
        "ag_a_00001_personId_1.pkl",
        "ag_b_00002_personId_0.pkl",
    ]
    middles = given.arrays["joints2d.agora"].mean(axis=1)
    assert np.abs(middles - [[1050, 1050], [1950, 1050], [1050, 1050]]).max() < 400
