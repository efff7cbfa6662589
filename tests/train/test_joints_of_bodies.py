"""3D joints of labelled bodies: who gets them, whose body they are, and what is learnt from them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from hps_models.hmr.losses import mmhuman3d_losses, spin_losses
from hps_models.pare.losses import pare_losses
from hpscli.body.assets.files import write_asset
from hpscli.body.free import free_arrays
from hpscli.body.layer import Body, load_body, matrices
from hpscli.data.augmentations.changes import unchanged
from hpscli.data.batch import make_batch
from hpscli.data.epochs.without import as_meant
from hpscli.recipe import Member
from hpscli.records import Batch, Prediction, Sample
from hpscli.train.loop import train
from hpscli.train.losses.bodies import with_joints_of_bodies
from tests.data.people import person
from tests.plugins.datasets.forms.npz_files import SPIN, N, read
from tests.run.people import write_people
from tests.train.labelled import small_recipe

ASKED = Member(shards="there", joints3d="body")
LOSSES: dict[str, Any] = {
    "smpl54": mmhuman3d_losses,
    "smpl49": spin_losses,
    "spin_gt24": pare_losses,
}


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("smpl", source="free")


def batch_of(people: list[Sample], joints: str) -> Batch:
    return make_batch(people, (64, 64), joints)


def given(batch: Batch) -> dict[str, Tensor]:
    """-> the labelled parameters (B,...), axis-angle."""
    names = ("global_orient", "body_pose", "betas")
    return {name: batch.targets[f"smpl.{name}"] for name in names}


def mesh_joints(body: Body, batch: Batch, joints: str) -> Tensor:
    posed = body(matrices(given(batch)))
    return body.regress(posed.vertices, joints, joints=posed.joints)


@pytest.mark.parametrize("joints", LOSSES)
def test_who_has_no_3d_joints_gets_those_of_the_mesh(body: Body, joints: str) -> None:
    batch = batch_of([as_meant(person(n), ASKED) for n in range(2)], joints)
    assert f"keypoints3d.{joints}" not in batch.targets
    made = with_joints_of_bodies(batch, body, joints)
    target = made.targets[f"keypoints3d.{joints}"]
    torch.testing.assert_close(target[..., :3], mesh_joints(body, batch, joints))
    assert bool((target[..., 3] == 1).all())
    assert made.present[f"keypoints3d.{joints}"].tolist() == [True, True]


@pytest.mark.parametrize("joints", LOSSES)
def test_the_labelled_body_costs_nothing_and_a_bent_one_does(body: Body, joints: str) -> None:
    asked = batch_of([as_meant(person(n), ASKED) for n in range(2)], joints)
    batch = with_joints_of_bodies(asked, body, joints)

    def loss(change: float) -> float:
        bent = {**given(batch), "body_pose": given(batch)["body_pose"] + change}
        prediction = Prediction(camera=torch.zeros(2, 3), parameters=matrices(bent))
        return float(LOSSES[joints](prediction, batch, body, ["keypoints3d"])["keypoints3d"])

    assert loss(0.0) < 1e-8
    assert loss(0.3) > 1e-4


def test_people_of_the_courses_3dpw_file_teach_pare_their_joints(
    body: Body, tmp_path: Path
) -> None:
    """Its fields are pose, shape and gender: no S, and no 2D joints."""
    poses = {"pose": np.full((N, 72), 0.1), "shape": np.zeros((N, 10))}
    entries = {name: SPIN[name] for name in ("imgname", "center", "scale")} | poses
    read_people = read(tmp_path, entries | {"gender": np.array(["m", "f", "m"])})
    crop = {name: person(0).arrays[name] for name in ("box.center", "box.size", "image.affine")}
    samples = []
    for one in read_people:
        arrays = {name: np.asarray(array, np.float32) for name, array in one.arrays.items()}
        samples.append(replace(person(0), arrays={**arrays, **crop}, meta=one.meta))
    bent = Prediction(
        camera=torch.zeros(N, 3),
        parameters=matrices({"global_orient": torch.zeros(N, 3), "body_pose": torch.zeros(N, 69)})
        | {"betas": torch.zeros(N, 10)},
    )

    def loss(members: list[Sample]) -> float:
        batch = with_joints_of_bodies(batch_of(members, "smpl49"), body, "smpl49")
        return float(pare_losses(bent, batch, body, ["keypoints3d"])["keypoints3d"])

    assert loss(samples) == 0
    assert loss([as_meant(one, ASKED) for one in samples]) > 1e-4


def test_people_of_other_members_keep_their_own_joints(body: Body) -> None:
    own, asked = person(0), as_meant(person(1), ASKED)
    batch = batch_of([own, asked], "smpl24")
    made = with_joints_of_bodies(batch, body, "smpl24")
    kept, new = made.targets["keypoints3d.smpl24"]
    assert torch.equal(kept, batch.targets["keypoints3d.smpl24"][0])
    torch.testing.assert_close(new[:, :3], mesh_joints(body, batch, "smpl24")[1])
    alone = batch_of([own], "smpl24")
    assert with_joints_of_bodies(alone, body, "smpl24") is alone


def test_who_has_no_parameters_has_no_joints_either(body: Body) -> None:
    member = Member(shards="there", joints3d="body", without=("smpl.betas",))
    unlabelled = as_meant(person(0), member)
    batch = batch_of([unlabelled, as_meant(person(1), ASKED)], "smpl24")
    made = with_joints_of_bodies(batch, body, "smpl24")
    assert made.present["keypoints3d.smpl24"].tolist() == [False, True]
    assert not made.targets["keypoints3d.smpl24"][0].any()
    nobody = batch_of([unlabelled], "smpl24")
    assert with_joints_of_bodies(nobody, body, "smpl24") is nobody


def test_joints_turn_and_mirror_as_labelled_ones_do(body: Body) -> None:
    whole = person(0)
    plain = batch_of([whole], "smpl24")
    points = torch.cat([mesh_joints(body, plain, "smpl24")[0], torch.ones(24, 1)], dim=1)
    own = person(0, arrays={"keypoints3d.smpl24": points.numpy()})
    changes = replace(unchanged(2), rotation_degrees=np.full(2, 30.0), flip=np.array([False, True]))
    labelled, asked = (
        make_batch([someone] * 2, (64, 64), "smpl24", changes=changes)
        for someone in (own, as_meant(whole, ASKED))
    )
    made = with_joints_of_bodies(asked, body, "smpl24").targets["keypoints3d.smpl24"]
    wanted = labelled.targets["keypoints3d.smpl24"]
    rooted = [joints[..., :3] - joints[:, :1, :3] for joints in (made, wanted)]
    torch.testing.assert_close(*rooted, atol=1e-4, rtol=0)


def imported(gender: str, size: float) -> None:
    """Write a body of a gender: the free one, larger or smaller."""
    arrays = dict(free_arrays("smpl"))
    arrays["v_template"] = arrays["v_template"] * size
    columns = arrays["shapedirs"].shape[-1]
    about: dict[str, Any] = {"gender": gender, "betas": columns, "expressions": 0}
    write_asset(f"smpl-{gender}", arrays, {**about, "sha256": "ab", "source": "X", "licence": "X"})


def test_joints_are_those_of_the_gender_where_its_body_was_imported() -> None:
    imported("neutral", 1.0)
    imported("male", 1.5)
    own, male = load_body("smpl"), load_body("smpl", gender="male")
    people = [
        as_meant(person(0, meta={"gender": gender}), ASKED)
        for gender in ("male", "female", "neutral")
    ]
    batch = batch_of(people, "smpl24")
    made = with_joints_of_bodies(batch, own, "smpl24").targets["keypoints3d.smpl24"][..., :3]
    torch.testing.assert_close(made[0], mesh_joints(male, batch, "smpl24")[0])
    torch.testing.assert_close(made[1:], mesh_joints(own, batch, "smpl24")[1:])
    assert float((made[0] - made[1]).abs().max()) > 0.1


def test_a_training_learns_joints_that_its_shards_do_not_hold(tmp_path: Path) -> None:
    people = str(write_people(tmp_path / "people", 8))
    mix = {"people": {"shards": people, "joints3d": "body"}}
    recipe = small_recipe(tmp_path, data__mix=mix, train__epochs=1, train__epoch_samples=8)
    run = train(recipe, tmp_path / "run")
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    learnt = [line["losses"]["keypoints3d"] for line in lines if "losses" in line]
    assert learnt and min(learnt) > 0
