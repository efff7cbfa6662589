"""FreiHAND's whole list once: 3960 hands through a model, the file, the check, and both scores."""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from hps_benchmarks.freihand import files
from hps_benchmarks.freihand.plugin import COUNT
from hpscli.body.layer import load_body
from hpscli.data.evalset import EvalSet
from hpscli.data.sample import encode_record
from hpscli.data.shards import ShardWriter, write_index
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate, evaluate_predictions
from hpscli.run.evaluating.collecting import collect
from hpscli.run.evaluating.settings import Settings
from tests.plugins.benchmarks.hand_files import posed_hands
from tests.plugins.benchmarks.test_freihand import model
from tests.run.people import common_arrays, parameters, picture

FEW = 24  # different hands; the list repeats them
SIDES = {"joints": 21, "vertices": 778}


def whole_list(folder: Path) -> Path:
    """-> shards of 3960 hands, all with one picture."""
    joints, vertices = posed_hands(FEW, "freihand21")
    image, writer = picture(0), ShardWriter(folder, 0, 0)
    writer.body_source = "free"
    for row in range(COUNT):
        own = row % FEW
        points = np.concatenate([joints[own], np.ones((21, 1))], 1).astype(np.float32)
        arrays = {
            **common_arrays(),
            **parameters("mano", 0),
            "keypoints3d.freihand21": points,
            "vertices.mano": vertices[own].astype(np.float32),
        }
        record = encode_record(arrays, {"hand": "right", "image_size_px": [96, 96]})
        writer.add(f"{row:08}", "jpg", image, record, list(arrays))
    about = {"dataset": "freihand", "split": "test", "body": "mano", "licence": "free"}
    write_index(folder, [writer.close(COUNT)], about)
    return folder


@pytest.mark.slow
def test_the_file_of_a_whole_run_passes_and_has_the_scores_of_the_run(tmp_path: Path) -> None:
    shards, body = whole_list(tmp_path), load_body("mano", source="free")
    protocol = get_registry().protocol("freihand/test@official-v1")
    noise = 0.004 * np.random.RandomState(0).standard_normal((FEW, 778, 3))
    guess = np.resize(posed_hands(FEW, "freihand21")[1] + noise, (COUNT, 778, 3))
    guess = guess.astype(np.float32)
    run = evaluate(model(guess), shards, protocol, batch=64)
    kept = collect(
        model(guess),
        EvalSet(shards),
        protocol,
        Settings(batch=64),
        ("vertices", "joints.freihand21"),
    )
    file = tmp_path / "ckpt200-sc10_rot0-pred.zip"
    files.write(kept, file, body)

    found = files.check(file)
    assert [finding for finding in found if finding.error] == []
    assert [finding.problem for finding in found] == ["3960 hands have only 24 different poses."]
    with zipfile.ZipFile(file) as archive:  # as the official program reads it
        assert archive.namelist() == ["pred.json"]
        document = json.loads(archive.read("pred.json"))
    assert len(document) == 2 and {len(part) for part in document} == {COUNT}
    for part, points in zip(document, SIDES.values(), strict=True):
        assert np.shape(part[0]) == np.shape(part[-1]) == (points, 3)
    del document

    again = evaluate_predictions(files.read(file), body, shards, protocol)
    assert again.keys == run.keys and len(run.keys) == COUNT
    for name, metric in run.metrics.items():
        if "_al_" in name:
            assert again.metrics[name].value == pytest.approx(metric.value, abs=1e-5)
    assert run.metrics["xyz_mean3d"].value < 0.5 < again.metrics["xyz_mean3d"].value
