"""METRO's labels: from its files through `hps prepare` to a training batch, as its own loader gives them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner

from hpscli import open_shards
from hpscli.cli.app import app
from hpscli.data.augmentations.changes import Changes, unchanged
from hpscli.data.batch import Packed, pack
from hpscli.recipe import load_recipe
from tests.plugins.datasets.shard_forms.shard_files import MEAN_HAND, import_mano

METRES = RADIANS = 1e-5  # SPEC 9
PIXELS = 2.01  # METRO cuts its corners and points to whole pixels; training does not
GREY = 8.0  # the mean over a crop: its picture is placed by those corners
MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


class Kind(NamedTuple):
    name: str
    recipe: str
    body: str
    root: int  # joint that the loader subtracts


KINDS = [
    Kind("body", "graphormer_h36m", "smpl", 14),
    Kind("hand", "graphormer_freihand", "mano", 0),
]


def changes(golden: dict[str, np.ndarray], name: str, count: int) -> Changes:
    """-> what METRO's loader has drawn for each row; it turns the picture the other way round."""
    made = unchanged(count)
    for row in range(count):
        made.flip[row] = bool(golden[f"{name}{row}_flip"])
        made.rotation_degrees[row] = -golden[f"{name}{row}_rot"]
        made.scale[row] = golden[f"{name}{row}_sc"]
        made.colour[row] = golden[f"{name}{row}_pn"]
    return made


def pose(packed: Packed, body: str, row: int) -> np.ndarray:
    """-> (3K,) axis-angles, the root's first; of hands as METRO's layer takes them."""
    if body == "smpl":
        rest = packed.targets["smpl.body_pose"][row]
    else:
        rest = packed.targets["mano.hand_pose"][row] - MEAN_HAND
    return np.concatenate([packed.targets[f"{body}.global_orient"][row], rest])


@pytest.fixture(params=KINDS, ids=lambda kind: kind.name)
def replayed(
    request: pytest.FixtureRequest, reference: Path, tmp_path: Path
) -> tuple[Kind, str, dict[str, np.ndarray], Packed]:
    kind: Kind = request.param
    source = reference / "metro_graphormer"
    words = ["prepare", "tsv", "--split", "train", "yaml=train.yaml", "--out", str(tmp_path)]
    import_mano()
    words += ["--from", str(source / "fixtures" / f"tsv_{kind.name}")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    people = open_shards(tmp_path)
    with np.load(source / "goldens" / f"preprocess_{kind.name}.npz") as archive:
        golden = dict(archive)
    joints = load_recipe(kind.recipe).data.joints
    samples = [people[row] for row in range(len(people))]
    packed = pack(samples, (224, 224), joints, changes=changes(golden, kind.name, len(samples)))
    return kind, joints, golden, packed


def test_a_training_batch_has_the_labels_of_the_authors_loader(
    replayed: tuple[Kind, str, dict[str, np.ndarray], Packed],
) -> None:
    kind, joints, golden, packed = replayed
    for row in range(len(packed.keys)):
        theirs = {name: golden[f"{kind.name}{row}_{name}"] for name in ("joints_2d", "joints_3d")}
        points = packed.targets[f"keypoints2d.{joints}"][row]
        seen = theirs["joints_2d"][:, 2] > 0
        np.testing.assert_array_equal(points[:, 2] > 0, seen)
        far = np.abs(points[seen, :2] - theirs["joints_2d"][seen, :2]).max() * 112
        assert far < PIXELS
        if packed.present[f"keypoints3d.{joints}"][row]:
            found, wanted = packed.targets[f"keypoints3d.{joints}"][row], theirs["joints_3d"]
            np.testing.assert_array_equal(found[:, 3], wanted[:, 3])
            apart = (found - found[kind.root])[:, :3] - (wanted - wanted[kind.root])[:, :3]
            assert np.abs(apart[wanted[:, 3] > 0]).max() < METRES
        if packed.present[f"{kind.body}.betas"][row]:
            ours, wanted = pose(packed, kind.body, row), golden[f"{kind.name}{row}_pose"]
            turns = [Rotation.from_rotvec(p.reshape(-1, 3)).as_matrix() for p in (ours, wanted)]
            assert np.abs(turns[0] - turns[1]).max() < RADIANS
            betas = packed.targets[f"{kind.body}.betas"][row]
            np.testing.assert_allclose(betas, golden[f"{kind.name}{row}_betas"], atol=1e-6)


def test_what_their_flags_deny_is_absent(
    replayed: tuple[Kind, str, dict[str, np.ndarray], Packed],
) -> None:
    kind, joints, _, packed = replayed
    # the labels of these rows say has_3d_joints 0, and has_smpl 0
    assert packed.present[f"keypoints3d.{joints}"].tolist() == [True, False, True, True]
    for name in ("betas", "global_orient"):
        assert packed.present[f"{kind.body}.{name}"].tolist() == [True, True, True, False]


def test_the_picture_is_theirs_but_for_whole_pixels(
    replayed: tuple[Kind, str, dict[str, np.ndarray], Packed],
) -> None:
    kind, _, golden, packed = replayed
    compared = 0
    for row in range(len(packed.keys)):
        if (name := f"{kind.name}{row}_image") not in golden:
            continue
        ours = (packed.image[row] / 255 - MEAN[:, None, None]) / STD[:, None, None]
        assert np.abs(ours - golden[name]).mean() * STD.mean() * 255 < GREY
        compared += 1
    assert compared
