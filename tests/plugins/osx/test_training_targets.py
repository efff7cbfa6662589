"""What the recipes of OSX prepare is learnt as OSX's own loaders give it: targets, masks and boxes."""

import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from hps_models.osx.goldens.bodies import surrogate_smplx
from hps_models.osx.goldens.loader_targets import Array, learnt, named
from hps_models.osx.goldens.loaders import CHANGES, checked
from hps_models.osx.targets import from_batch
from hpscli.body.assets.files import write_asset
from hpscli.body.layer import Body, load_body
from hpscli.cli.app import run
from hpscli.data.augmentations.changes import Changes, unchanged
from hpscli.data.batch import make_batch
from hpscli.data.evalset import EvalSet
from hpscli.data.official_crops.osx import WINDOW, Change
from hpscli.recipe import load_recipe
from hpscli.records import Sample
from hpscli.testing.goldens import ReplayOptions

MEMBERS = {  # folder of the fixtures: the recipe that trains on it, and its name there
    "Human36M": ("osx/setting1_b", "human36m"),
    "MSCOCO": ("osx/setting1_b", "mscoco"),
    "MPII": ("osx/setting1_b", "mpii"),
    "AGORA": ("osx/setting2_b", "agora"),
    "UBody": ("osx/setting3_b", "ubody"),
}
# OSX's change turns the other way than ours, but of a mirrored picture
TURNS = {"aug0": -1.0, "aug1": 1.0}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home in which the goldens' SMPL-X is imported."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HPS_HOME", str(folder))
        arrays = {
            name: np.asarray(value, np.float32) if np.asarray(value).dtype.kind == "f" else value
            for name, value in surrogate_smplx(ReplayOptions()).items()
        }
        about = {"kind": "smplx", "gender": "neutral", "betas": 10, "expressions": 10}
        write_asset("smplx-neutral", arrays, about)
    return folder


@pytest.fixture(scope="module")
def body(home: Path) -> Body:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HPS_HOME", str(home))
        return load_body("smplx", source="imported")


@pytest.fixture(scope="module")
def prepared(
    home: Path, reference: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, list[Sample]]:
    """-> {set: its people}, made of the fixtures by the line of a recipe."""
    found = {}
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HPS_HOME", str(home))
        for folder, (recipe, member) in MEMBERS.items():
            out = tmp_path_factory.mktemp("shards") / folder
            words = shlex.split(load_recipe(recipe).data.mix[member].prepare)
            places = ["--from", str(reference / "osx" / "fixtures"), "--out", str(out)]
            assert run(["prepare", *words, *places, "--workers", "1", "--quiet"]) == 0
            found[folder] = list(EvalSet(str(out)))
    return found


@pytest.fixture(scope="module")
def golden(reference: Path) -> dict[str, Array]:
    with np.load(reference / "osx" / "goldens" / "datasets.npz") as archive:
        return {name: archive[name] for name in archive.files if "/img_" not in name}


def as_drawn(change: str, count: int) -> Changes:
    drawn: Change = CHANGES[change]
    return replace(
        unchanged(count),
        flip=np.full(count, drawn.flip),
        rotation_degrees=np.full(count, TURNS[change] * drawn.rotation_degrees),
        scale=np.full(count, drawn.scale),
    )


@pytest.mark.parametrize("change", TURNS)
@pytest.mark.parametrize("folder", MEMBERS)
def test_a_training_batch_teaches_what_osx_loader_gives(
    folder: str,
    change: str,
    prepared: dict[str, list[Sample]],
    body: Body,
    golden: dict[str, Array],
) -> None:
    people = prepared[folder]
    joints = load_recipe(MEMBERS[folder][0]).data.joints
    batch = make_batch(people, WINDOW, joints, changes=as_drawn(change, len(people)))
    targets = from_batch(batch, body)
    assert len(people) == len(
        {name.split("/")[2] for name in golden if name.startswith(folder + "/train")}
    )
    for row in range(len(people)):
        start = f"{folder}/train/{row}/{change}/"
        stored = {n.rpartition("/")[2]: v for n, v in golden.items() if n.startswith(start)}
        ours = named(targets, row)
        checks = [
            checked(start + name, ours, value) for name, value in learnt(stored, ours).items()
        ]
        assert len(checks) == len(ours) and not [check for check in checks if not check.ok]


def test_what_is_compared_is_not_empty(
    prepared: dict[str, list[Sample]], body: Body, golden: dict[str, Array]
) -> None:
    """Of each set somebody has joints in the picture; who has depth and boxes is who should."""
    for folder, people in prepared.items():
        targets = from_batch(make_batch(people, WINDOW, "osx_smplx137"), body)
        assert targets.joint_seen.any() and targets.pose_valid.any(), folder
        assert bool(targets.has_depth.all()) == (folder in ("Human36M", "AGORA"))
        assert bool(targets.boxes_valid.any()) == (folder in ("MSCOCO", "AGORA", "UBody"))
        assert bool(torch.isfinite(targets.body_image).all())
