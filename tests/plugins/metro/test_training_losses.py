"""METRO's and FastMETRO's losses of people out of METRO's tables: as of the labels of the authors' loader.

A prediction is measured twice: against a batch that came through `hps prepare` and the crops of training,
and against what the official loader gave for the same rows and changes.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from hps_models.fastmetro.losses import TERMS
from hpscli import open_shards
from hpscli.body.kit import BodyKit
from hpscli.cli.app import app
from hpscli.data.batch import pack, to_batch
from hpscli.nn.mesh.losses import METRO, Term, measured
from hpscli.nn.mesh.space import mesh_space
from hpscli.records import Batch, Prediction
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.mesh_goldens import LABEL_SETS, label_batch, surrogate_kit
from tests.plugins.datasets.shard_forms.shard_files import MEAN_HAND, import_mano
from tests.plugins.metro.test_training_labels import changes

NAMES = ("joints_2d", "joints_3d", "pose", "betas")
FLAGS = ("has_smpl", "has_3d_joints", "has_2d_joints")
ROUNDED = 0.02  # relative: METRO cuts 2D points to whole pixels, training does not


def batches(name: str, kind: str, folder: Path, out: Path) -> tuple[Batch, Batch, BodyKit]:
    """-> the rows of a fixture as training has them, as the official loader gave them, the body."""
    table = folder / "fixtures" / f"tsv_{name}"
    words = ["prepare", "tsv", "--split", "train", "yaml=train.yaml", "--out", str(out)]
    done = CliRunner().invoke(app, [*words, "--from", str(table)])
    assert done.exit_code == 0, done.output
    people = open_shards(out)
    with np.load(folder / "goldens" / f"preprocess_{name}.npz") as archive:
        golden = dict(archive)
    count = len(people)
    samples = [people[row] for row in range(count)]
    packed = pack(
        samples, (224, 224), LABEL_SETS[kind], changes=changes(golden, name, count), seen=1.0
    )
    rows = [line.split("\t")[1] for line in (table / "train.label.tsv").read_text().splitlines()]
    labels: list[dict[str, Any]] = [json.loads(row)[0] for row in rows]
    chosen = [int(row) for row in (table / "train.linelist.tsv").read_text().split()]
    arrays = {n: np.stack([golden[f"{name}{row}_{n}"] for row in range(count)]) for n in NAMES}
    arrays |= {flag: np.array([labels[row][flag] for row in chosen]) for flag in FLAGS}
    kit = surrogate_kit(kind, folder, ReplayOptions(), MEAN_HAND if kind == "mano" else None)
    return to_batch(packed), label_batch(arrays, kit), kit


def random_prediction(kit: BodyKit, count: int) -> Prediction:
    space = mesh_space(kit)
    draw = torch.Generator().manual_seed(3)
    sizes = reversed(space.hierarchy.sizes)
    levels = tuple(0.3 * torch.randn(count, size, 3, generator=draw) for size in sizes)
    tokens = 0.3 * torch.randn(count, space.target.joints, 3, generator=draw)
    camera = 0.1 * torch.randn(count, 3, generator=draw) + torch.tensor([0.9, 0.0, 0.0])
    return Prediction(
        camera=camera, vertices=levels[-1], levels=levels, extras={"joint_tokens": tokens}
    )


@pytest.mark.parametrize(("name", "kind"), [("body", "smpl"), ("hand", "mano")])
def test_people_of_metros_tables_cost_what_they_cost_their_authors(
    name: str, kind: str, reference: Path, tmp_path: Path
) -> None:
    import_mano()
    ours, theirs, kit = batches(name, kind, reference / "metro_graphormer", tmp_path)
    prediction = random_prediction(kit, len(ours))
    tables: list[dict[str, Term]] = [dict(METRO), dict(TERMS)]
    for terms in tables:
        names = [n for n in terms if not n.startswith("smpl_")]
        names = [n for n in names if kind == "smpl" or n != "vertices_middle"]
        found = measured(terms, prediction, ours, kit, names)
        wanted = measured(terms, prediction, theirs, kit, names)
        for term in names:
            # normals of random faces that are hardly any turn with the last bits of their labels
            near = ROUNDED if "2d" in term else 1e-3 if term == "normals" else 1e-5
            assert float(found[term]) == pytest.approx(float(wanted[term]), rel=near), term
