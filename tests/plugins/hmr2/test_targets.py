"""HMR 2.0's targets: from the line that its recipes prepare people with to the masks of its losses."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from hps_models.hmr2.losses import hmr2_losses
from hpscli import open_shards
from hpscli.body.layer import load_body, matrices
from hpscli.cli.app import app
from hpscli.data.batch import make_batch
from hpscli.recipe import list_recipes, load_recipe
from hpscli.records import Batch, Prediction

PARAMETERS = ("global_orient", "body_pose", "betas")
RECIPES = [name for name in list_recipes() if name.startswith("hmr2/")]


def prepared(line: str, tars: Path, out: Path) -> Path:
    """The line of a recipe -> shards of what lies in a folder of tars, by that line's other words."""
    words = [word for word in shlex.split(line) if not word.startswith("tars=")]
    done = CliRunner().invoke(app, ["prepare", *words, "--from", str(tars), "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out


def batch_of(shards: Path, joints: str) -> Batch:
    people = open_shards(shards)
    return make_batch([people[row] for row in range(len(people))], (256, 256), joints)


def anybody(count: int) -> Prediction:
    random = torch.Generator().manual_seed(0)
    joints = torch.randn(count, 44, 3, generator=random)
    pose = {
        "global_orient": torch.randn(count, 3, generator=random),
        "body_pose": torch.randn(count, 69, generator=random),
        "betas": torch.randn(count, 10, generator=random),
    }
    return Prediction(
        camera=torch.ones(count, 3), joints={"hmr2_44": joints}, parameters=matrices(pose)
    )


def official_terms(prediction: Prediction, golden: dict[str, Any]) -> dict[str, Tensor]:
    """4D-Humans' sums on what its loader gave, its flags included.

    But for people whose pelvis has no confidence: theirs takes its coordinates all the same.
    """
    labels = {name: torch.from_numpy(golden[f"smpl_{name}"]) for name in PARAMETERS}
    wanted, found = matrices(labels), {}
    for name in PARAMETERS:
        has = torch.from_numpy(golden[f"has_{name}"])
        squares = (prediction.parameters[name] - wanted[name]).square().flatten(1)
        found[name] = (has * squares.sum(dim=1)).sum()
    points = torch.from_numpy(golden["keypoints_3d"])
    joints = prediction.joints["hmr2_44"]
    away = (joints - joints[:, 39:40]) - (points[..., :3] - points[:, 39:40, :3])
    rooted = points[:, 39:40, 3:] > 0
    found["keypoints3d"] = (rooted * points[..., 3:] * away.abs()).sum()
    return found


def test_every_recipe_prepares_its_people_as_the_official_loader_filters_them() -> None:
    lines = {m.prepare for name in RECIPES for m in load_recipe(name).data.mix.values()}
    assert {shlex.split(line)[0] for line in lines} == {"hmr2-tar"}
    assert all("--as-reference" in shlex.split(line) for line in lines)


@pytest.mark.parametrize("name", RECIPES)
def test_losses_leave_out_whom_the_official_flags_leave_out(
    name: str, reference: Path, tmp_path: Path
) -> None:
    golden = dict(np.load(reference / "datasets/expected/hmr2/hmr2__webdataset.npz"))
    assert 0 < golden["has_body_pose"].sum() < len(golden["has_body_pose"])
    recipe = load_recipe(name)
    line = next(iter(recipe.data.mix.values())).prepare
    shards = prepared(line, reference / "datasets/fixtures/hmr2", tmp_path / "shards")
    batch = batch_of(shards, recipe.data.joints)
    for parameter in PARAMETERS:
        present = batch.present[f"smpl.{parameter}"]
        assert present.tolist() == golden[f"has_{parameter}"].astype(bool).tolist()
    seen = (
        batch.targets["keypoints3d.hmr2_44"][..., 3] * batch.present["keypoints3d.hmr2_44"][:, None]
    )
    assert torch.equal(seen, torch.from_numpy(golden["keypoints_3d"][..., 3]))
    prediction = anybody(len(batch))
    wanted = official_terms(prediction, golden)
    found = hmr2_losses(prediction, batch, load_body("smpl", source="free"), list(wanted))
    for term, value in wanted.items():
        as_48 = 48 / len(batch) * float(value)
        assert float(found[term]) == pytest.approx(as_48, rel=1e-4), term
