"""Where training cuts people out, against what each family's own loader recorded of the same people.

METRO, Graphormer and FastMETRO: tests/plugins/metro/test_training_labels.py; OSX: test_osx_crops.py.
"""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpscli.cli.app import run
from hpscli.data.augmentations.changes import unchanged
from hpscli.data.batch import make_batch
from hpscli.data.evalset import EvalSet
from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.placing import seen_by
from hpscli.data.preparation import HMR2, MMHUMAN3D
from hpscli.recipe import load_recipe
from hpscli.records import Sample
from hpscli.registry import get_registry
from hpscli.train.recipes.network import spec_of
from tests.data.people import person

BOX_UNIT = 200.0
SQUARE = (224, 224)
FLOAT32 = 1e-3  # px


def boxed(center: Any, width: float, height: float) -> Sample:
    """-> a person as it is stored with this box."""
    low = np.asarray(center, np.float64) - [width / 2, height / 2]
    arrays = {"box.center": np.float32(center), "box.size": np.float32([max(width, height)])}
    if width != height:
        arrays["box.xywh"] = np.float32([*low, width, height])
    return person(1, arrays=arrays)


@pytest.mark.parametrize("name", ["preprocess_spin", "preprocess_mmhuman3d"])
def test_hmr_and_pare_are_cut_out_as_their_loaders_do(name: str, reference: Path) -> None:
    golden = np.load(reference / "hmr" / "goldens" / f"{name}.npz")
    for number, case in enumerate(json.loads(str(golden["cases_json"]))):
        side = BOX_UNIT * case["scale"]
        flip, turn = bool(case["flip"]), -case["rot"]
        if name == "preprocess_spin":  # turned, then mirrored; the matrix is without the mirror
            expected, flip = golden[f"case{number}_transform_matrix"][:2], False
        else:  # mirrored, then turned
            turn = -turn if flip else turn
            expected = MMHUMAN3D.affine(case["center"], side, SQUARE, case["rot"], flip)
        changes = replace(
            unchanged(1), rotation_degrees=np.array([float(turn)]), flip=np.array([flip])
        )
        sample = boxed(case["center"], side, side)
        batch = make_batch([sample], SQUARE, "smpl24", changes=changes)
        np.testing.assert_allclose(batch.affine[0].numpy(), expected, atol=FLOAT32)


def test_hmr2_is_cut_out_as_its_loader_does(reference: Path, tmp_path: Path) -> None:
    """Of 256 x 256 px its network sees 192 columns: a box is widened until they hold it."""
    recipe = load_recipe("hmr2/published")
    golden = np.load(reference / "datasets" / "expected" / "hmr2" / "hmr2__webdataset.npz")
    words = shlex.split(recipe.data.mix["coco"].prepare)
    words[-1] = ""  # all tars of the fixture
    source = reference / "datasets" / "fixtures" / "hmr2"
    places = ["--from", str(source), "--out", str(tmp_path / "out"), "--workers", "1", "--quiet"]
    assert run(["prepare", *[word for word in words if word], *places]) == 0
    people = list(EvalSet(str(tmp_path / "out")))
    seen = seen_by(spec_of(recipe).crop)
    batch = make_batch(people, HMR2.window, "hmr2_44", seen=seen)
    np.testing.assert_allclose(batch.affine.numpy(), golden["_trans"], atol=FLOAT32)
    widths = HMR2.window[1] / batch.affine[:, 0, 0].numpy()
    np.testing.assert_allclose(widths, golden["box_size"], rtol=1e-5)
    official = prepared_batch(people, HMR2.window, "hmr2_44", HMR2)
    np.testing.assert_allclose(official.affine.numpy(), golden["_trans"], atol=FLOAT32)


def test_hmr2_measures_and_predicts_the_same_crop(reference: Path) -> None:
    golden = np.load(reference / "hmr" / "goldens" / "preprocess_hmr2.npz")
    for number, (left, top, right, bottom) in enumerate(golden["boxes_xyxy"]):
        width, height = right - left, bottom - top
        sample = boxed([left + width / 2, top + height / 2], width, height)
        wide = float(golden[f"box{number}_box_size"])
        for batch in (
            prepared_batch([sample], HMR2.window, "smpl24", HMR2),
            make_batch([sample], HMR2.window, "smpl24", seen=HMR2.seen),
        ):
            assert HMR2.window[1] / float(batch.affine[0, 0, 0]) == pytest.approx(wide, rel=1e-5)
        box = np.array([left, top, width, height], np.float64)
        assert HMR2.place(box, (480, 640), HMR2.window)[1] == pytest.approx(wide, rel=1e-6)


def test_only_a_network_that_cuts_columns_off_has_wider_crops() -> None:
    seen = {spec.name: seen_by(spec.crop) for spec in get_registry().all("model")}
    assert {name for name, part in seen.items() if part != 1} == {"hmr2"} and seen["hmr2"] == 0.75
    assert seen_by(spec_of(load_recipe("hmr2_free")).crop) == 1.0
