"""Files say in flags who has a label: people of a recipe's own line have those labels and no others."""

import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from hpscli import open_shards
from hpscli.cli.app import app
from hpscli.data.batch import make_batch
from hpscli.errors import HpsError
from hpscli.recipe import Member, Recipe, list_recipes, load_recipe
from hpscli.records import Batch
from hpscli.registry import resolve
from hpscli.train.recipes.prepare_lines import read_line
from tests.plugins.datasets.shard_forms.shard_files import import_mano

FLAGS = {
    "has_smpl": "smpl.body_pose",
    "has_3d_joints": "keypoints3d",
    "has_2d_joints": "keypoints2d",
}


def members(dataset: str) -> list[Any]:
    """-> every member of a mix that is made of this data set, once per line."""
    found: dict[str, tuple[Recipe, Member]] = {}
    for name in list_recipes():
        recipe = load_recipe(name)
        for member in recipe.data.mix.values():
            if member.prepare.split(" ")[:1] == [dataset]:
                found.setdefault(member.prepare, (recipe, member))
    return [pytest.param(*pair, id=line) for line, pair in found.items()]


def prepared(line: str, root: Path, out: Path, **other: str) -> Path:
    """The line of a recipe, other values of its options -> shards; `only` has no meaning elsewhere."""
    words = [word for word in shlex.split(line) if not word.startswith(("only=", *other))]
    words += [f"{name}={value}" for name, value in other.items()]
    done = CliRunner().invoke(app, ["prepare", *words, "--from", str(root), "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out


def whole_batch(shards: Path, joints: str) -> Batch:
    people = open_shards(shards)
    return make_batch([people[row] for row in range(len(people))], (64, 64), joints)


@pytest.mark.parametrize(("recipe", "member"), members("tsv"))
def test_people_of_metros_tables_have_what_their_flags_say(
    recipe: Recipe, member: Member, reference: Path, tmp_path: Path
) -> None:
    if "freihand" in member.prepare:
        case, yaml, body = "freihand_train", "freihand/train.yaml", "mano.hand_pose"
        import_mano()
    else:
        case, yaml, body = "tax", "Tax-fixture/train.yaml", "smpl.body_pose"
    golden = np.load(reference / f"datasets/expected/metro/metro_tsv__{case}.npz")
    root = reference / "datasets/fixtures/metro_tsv"
    batch = whole_batch(prepared(member.prepare, root, tmp_path, yaml=yaml), recipe.data.joints)
    for flag, label in {**FLAGS, "has_smpl": body}.items():
        found = [batch.present[name] for name in batch.present if name.startswith(label)]
        assert len(found) == 1
        assert found[0].tolist() == golden[flag].astype(bool).tolist(), flag


@pytest.mark.parametrize(("recipe", "member"), members("spin-npz"))
def test_people_of_spins_files_have_parameters_where_their_flag_says(
    recipe: Recipe, member: Member, reference: Path
) -> None:
    line = read_line(member.prepare, member.shards)
    options = {**line.options, "annotations": "mpi_inf_3dhp_train.npz", "images": "", "fits": ""}
    root = reference / "datasets/fixtures/spin"
    flags = np.load(root / "mpi_inf_3dhp_train.npz")["has_smpl"].astype(bool).tolist()
    assert set(flags) == {True, False}
    people = resolve(line.dataset.people)(root, line.split, **options)
    found = [None if isinstance(p, HpsError) else "smpl.body_pose" in p.arrays for p in people]
    assert found == flags
