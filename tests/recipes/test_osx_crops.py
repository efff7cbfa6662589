"""What the recipes of OSX prepare is cut out in training as OSX's own loaders cut it, pixel for pixel."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hps_models.osx.goldens.loaders import CHANGES, PICTURE_STRIDE
from hpscli.cli.app import run
from hpscli.data.augmentations.changes import Changes, unchanged
from hpscli.data.batch import make_batch
from hpscli.data.evalset import EvalSet
from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.official_crops.osx import Change, patch_affines, person_box
from hpscli.data.preparation import OSX
from hpscli.recipe import load_recipe
from hpscli.records import Batch, Sample

JOINTS = "osx_smplx137"
MEMBERS = {  # folder of the fixtures: the recipe that trains on it, and its name there
    "Human36M": ("osx/setting1_b", "human36m"),
    "MSCOCO": ("osx/setting1_b", "mscoco"),
    "MPII": ("osx/setting1_b", "mpii"),
    "AGORA": ("osx/setting2_b", "agora"),
    "UBody": ("osx/setting3_b", "ubody"),
}
RAW_BOXES = {"Human36M": [60, 20, 70, 120], "MSCOCO": [40, 20, 90, 120]}  # of the first person
JPEG = 0.02  # mean difference of colours 0..1 that storing crops costs
AFFINE = 1e-3  # px, rounded to float32
DRAWN = ("aug0", "aug1")  # of the goldens: enlarged, turned, recoloured; the second is mirrored


@pytest.fixture(scope="module")
def prepared(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Sample]]:
    """-> {set: its people}, made of the fixtures by the line of a recipe."""
    found = {}
    for folder, (recipe, member) in MEMBERS.items():
        out = tmp_path_factory.mktemp("shards") / folder
        words = shlex.split(load_recipe(recipe).data.mix[member].prepare)
        places = ["--from", str(reference / "osx" / "fixtures"), "--out", str(out)]
        assert run(["prepare", *words, *places, "--workers", "1", "--quiet"]) == 0
        found[folder] = list(EvalSet(str(out)))
    return found


@pytest.fixture(scope="module")
def golden(reference: Path) -> Any:
    return np.load(reference / "osx" / "goldens" / "datasets.npz")


def as_drawn(change: Change, count: int) -> Changes:
    """OSX's change -> ours: a positive rotation turns its pictures the other way, before the mirror."""
    turn = change.rotation_degrees if change.flip else -change.rotation_degrees
    return replace(
        unchanged(count),
        flip=np.full(count, change.flip),
        rotation_degrees=np.full(count, turn),
        scale=np.full(count, change.scale),
        colour=np.tile(np.array(change.colour, np.float32), (count, 1)),
    )


def official_affine(sample: Sample, change: Change) -> np.ndarray:
    """-> (2,3) picture to patch, also of a mirrored person from the picture as it is."""
    width = sample.meta["image_size_px"][1]
    affine = patch_affines(sample.arrays["box.xywh"], change, image_width=width)[0]
    mirror = np.array([[-1.0, 0, width - 1], [0, 1, 0], [0, 0, 1]]) if change.flip else np.eye(3)
    return np.asarray(affine @ mirror)


def off(batch: Batch, people: list[Sample], change: Change) -> float:
    """-> how far the numbers of the affines are from those of OSX, at most."""
    ours = batch.affine.double().numpy()
    theirs = np.stack([official_affine(sample, change) for sample in people])
    return float(np.abs(ours - theirs).max())


@pytest.mark.parametrize("folder", MEMBERS)
def test_an_unchanged_person_fills_the_window_as_in_osx(
    folder: str, prepared: dict[str, list[Sample]]
) -> None:
    people = prepared[folder]
    trained = make_batch(people, OSX.window, JOINTS)
    assert off(trained, people, CHANGES["test"]) < AFFINE
    measured = prepared_batch(people, OSX.window, JOINTS, None)
    assert off(measured, people, CHANGES["test"]) < AFFINE
    official = prepared_batch(people, OSX.window, JOINTS, OSX)
    assert off(official, people, CHANGES["test"]) < AFFINE
    away = np.abs(trained.image.numpy() / 255 - official.image.numpy())
    assert away.mean() < 1 / 255


@pytest.mark.parametrize("change", DRAWN)
@pytest.mark.parametrize("folder", MEMBERS)
def test_a_changed_person_is_the_picture_of_osx_loader(
    folder: str, change: str, prepared: dict[str, list[Sample]], golden: Any
) -> None:
    people = prepared[folder]
    batch = make_batch(people, OSX.window, JOINTS, changes=as_drawn(CHANGES[change], len(people)))
    assert off(batch, people, CHANGES[change]) < AFFINE
    shown = batch.image.numpy() / 255
    for row in range(len(people)):
        place = f"{folder}/train/{row}/{change}"
        ours = shown[row, :, ::PICTURE_STRIDE, ::PICTURE_STRIDE]
        assert np.abs(ours - golden[f"{place}/img_stride16"]).mean() < JPEG, place
        np.testing.assert_allclose(
            shown[row].mean((1, 2)), golden[f"{place}/img_mean"], atol=1 / 255
        )


def test_what_is_cut_out_already_is_shown_whole(prepared: dict[str, list[Sample]]) -> None:
    """AGORA's people come as pictures of 384 x 512 px: the window shows every pixel where it was."""
    people = prepared["AGORA"]
    for affine in make_batch(people, OSX.window, JOINTS).affine.numpy():
        np.testing.assert_array_equal(affine, np.eye(2, 3))


@pytest.mark.parametrize("folder", RAW_BOXES)
def test_a_tight_box_is_placed_as_in_training(
    folder: str, prepared: dict[str, list[Sample]]
) -> None:
    sample = prepared[folder][0]
    height, width = sample.meta["image_size_px"]
    box = person_box(RAW_BOXES[folder], (height, width))
    np.testing.assert_allclose(box, sample.arrays["box.xywh"])
    center, wide = OSX.place(np.array(RAW_BOXES[folder], float), (height, width), OSX.window)
    np.testing.assert_allclose(center, sample.arrays["box.center"])
    assert wide == sample.arrays["box.xywh"][2]
