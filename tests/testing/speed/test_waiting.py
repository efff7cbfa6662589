"""Waiting for data is measured on crops as large, and as different, as those of a training."""

from pathlib import Path

import numpy as np
import pytest

from hpscli.data.evalset import EvalSet
from hpscli.data.people import Layout
from hpscli.data.sample import decode_bgr
from hpscli.testing.speed import training
from hpscli.testing.speed.waiting import all_labels, data_wait, make_crops
from hpscli.train.telling.active import active_terms_of

COUNT = 32


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> EvalSet:
    folder = tmp_path_factory.mktemp("waiting") / "people"
    return EvalSet(make_crops(folder, all_labels("smpl", "smpl24"), COUNT))


def test_everybody_has_another_crop_of_about_the_size_that_prepare_stores(crops: EvalSet) -> None:
    assert len({person.image for person in crops}) == COUNT
    for person in crops:
        assert person.meta["image_size_px"] == [1000, 1000]
        assert 0.8 < len(decode_bgr(person.image)) / Layout().side_px < 1.2


def test_labels_lie_where_the_box_of_the_large_picture_is(crops: EvalSet) -> None:
    for person in crops:
        two, three = (person.arrays[f"keypoints{n}d.smpl24"] for n in (2, 3))
        away = np.abs(two[:, :2] - person.arrays["box.center"]).max()
        assert 0.2 * person.arrays["box.size"][0] < away < 0.75 * person.arrays["box.size"][0]
        seen = three[:, :3] @ person.arrays["camera.intrinsics"].T
        np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], two[:, :2], atol=0.1)


def test_a_run_tells_how_long_it_waited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "ROWS", {"tiny": "tiny"})
    recipe = training.recipe_of("tiny", tmp_path, 8, crops=COUNT)
    assert active_terms_of(recipe).idle() == []
    waited = data_wait(recipe, tmp_path / "run", workers=1, steps=2, device="cpu")
    assert 0 <= waited < 1
    log = (tmp_path / "run" / "log.jsonl").read_text()
    assert '"step": 8,' in log and '"step": 9,' not in log
