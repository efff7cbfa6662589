"""Recipes of METRO, Mesh Graphormer, FastMETRO, OSX, PARE, HMR 2.0 and the course project against what was
published: the tables of the reference folder, and where it has none, figures typed here with their section.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hpscli.nn.mesh.weightings import FASTMETRO, METRO
from hpscli.recipe import Recipe, list_recipes, load_recipe
from hpscli.registry import get_registry

TAX = {"h36m", "coco40k", "muco", "up3d", "mpii"}  # metro_graphormer SPEC 3.3
MESH = {  # recipe -> its name among the recipes of constants.json
    "metro_h36m": "metro-body",
    "metro_3dpw": "metro-body-3dpw-finetune",
    "metro_freihand": "metro-hand",
    "graphormer_h36m": "graphormer-body",
    "graphormer_3dpw": "graphormer-body-3dpw-finetune",
    "graphormer_freihand": "graphormer-hand",
}
SIZES = {  # FastMETRO: name of the recipe, with the place of its data; its preset
    "fastmetro_{}": "l-hrnet-w64",
    "fastmetro/m_resnet50_{}": "m-resnet50",
    "fastmetro/s_resnet50_{}": "s-resnet50",
}
FAMILIES = ("metro_", "graphormer_", "fastmetro_", "fastmetro/", "osx/", "pare/", "hmr2/", "mp2022")
SIBLINGS = [name for name in list_recipes() if name.endswith("without_h36m")]
OURS = [name for name in list_recipes() if name.startswith(FAMILIES) and not name.endswith("_free")]


@dataclass(frozen=True, kw_only=True)
class Published:
    """One training in a few facts."""

    batch: int  # of one GPU
    gpus: int
    epochs: int
    lr: float
    optimiser: str
    losses: Mapping[str, float]
    mix: frozenset[str]
    weight_decay: float = 0.0
    clip: float = 0.0
    mixing: str = "concatenation"
    drops: tuple[int, ...] = ()  # the rate to a tenth behind these epochs
    schedule: str = "constant"


def facts(recipe: Recipe) -> Published:
    """-> the same of a recipe."""
    optim = recipe.optim
    gpus, rest = divmod(optim.global_batch, optim.batch * optim.accumulate)
    assert rest == 0
    return Published(
        batch=optim.batch,
        gpus=gpus,
        epochs=recipe.train.epochs,
        lr=optim.lr,
        optimiser=optim.name,
        losses={name: weight for name, weight in recipe.loss.items() if weight},
        mix=frozenset(name for name, member in recipe.data.mix.items() if member.weight),
        weight_decay=optim.weight_decay,
        clip=optim.clip_norm,
        mixing=recipe.data.mixing,
        drops=optim.step_epochs,
        schedule=optim.schedule,
    )


@pytest.fixture(scope="module")
def constants(reference: Path) -> dict[str, Any]:
    table = json.loads((reference / "metro_graphormer/constants.json").read_text())
    found: dict[str, Any] = table["training"]
    return found


@pytest.fixture(scope="module")
def osx(reference: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((reference / "osx/tables/config.json").read_text())
    return found


@pytest.mark.parametrize("name", MESH)
def test_metro_and_graphormer_are_trained_as_their_table_says(
    name: str, constants: dict[str, Any]
) -> None:
    table = constants["recipes"][MESH[name]]
    adam, epochs = constants["optimizer"], table["epochs"]
    hand = name.endswith("freihand")
    mix = frozenset({"freihand"} if hand else {"pw3d"} if name.endswith("3dpw") else TAX)
    recipe = load_recipe(name)
    assert facts(recipe) == Published(
        batch=table["batch_per_gpu"],
        gpus=table["gpus"],
        epochs=epochs,
        lr=adam["lr"],
        optimiser=adam["name"].lower(),
        losses=METRO["hand" if hand else "body"],
        mix=mix,
        weight_decay=adam["weight_decay"],
        drops=(math.ceil(epochs / 2),),  # lr * 0.1^(epoch // (epochs / 2))
        schedule="step",
    )
    assert (recipe.optim.step_factor, recipe.optim.betas) == (0.1, tuple(adam["betas"]))
    assert recipe.train.dtype == "fp32"


@pytest.mark.parametrize("target", ["body", "hand"])
def test_the_weights_of_metros_losses_are_those_of_its_table(
    target: str, constants: dict[str, Any]
) -> None:
    table, weights = constants[target], METRO[target]
    vertices = table["vertices_loss_weight"]
    levels = {"body": ("431", "1723", "6890"), "hand": ("195", "778")}[target]
    names = {"body": ("coarse", "middle", "fine"), "hand": ("coarse", "fine")}[target]
    expected = {
        "token_joints3d": table["joints_loss_weight"],
        "mesh_joints3d": table["joints_loss_weight"],
        "token_joints2d": table["joints2d_loss_weight"],
        "mesh_joints2d": table["joints2d_loss_weight"],
        **{
            f"vertices_{level}": vertices * table[f"w_{size}"]
            for level, size in zip(names, levels, strict=True)
        },
    }
    assert weights == pytest.approx(expected)


@pytest.mark.parametrize("name", [*MESH, "fastmetro_h36m", "fastmetro_3dpw", "fastmetro_freihand"])
def test_crops_of_metros_family_change_as_its_table_says(
    name: str, constants: dict[str, Any]
) -> None:
    hand = name.endswith("freihand")
    table, augment = constants["hand" if hand else "body"], load_recipe(name).augment
    assert augment.flip == table["flip_probability"]
    assert augment.rotation_degrees == table["rot_std_deg"]
    assert 2 * augment.rotation_degrees == table["rot_clip_deg"]
    assert augment.rotation_chance == table["rot_keep_probability"]
    assert augment.scale == table["scale_std"] == pytest.approx(table["scale_clip"][1] - 1)
    assert augment.colour == pytest.approx(table["noise"][1] - 1)


@pytest.mark.parametrize("pattern", SIZES)
@pytest.mark.parametrize("data", ["h36m", "3dpw", "freihand"])
def test_fastmetro_is_trained_as_its_specification_says(pattern: str, data: str) -> None:
    # fastmetro SPEC 4.1
    rate, epochs = {"h36m": (1e-4, 60), "3dpw": (2e-5, 8), "freihand": (1e-4, 200)}[data]
    recipe = load_recipe(pattern.format(data))
    assert facts(recipe) == Published(
        batch=16,
        gpus=4,
        epochs=epochs,
        lr=rate,
        optimiser="adamw",
        losses=FASTMETRO["hand" if data == "freihand" else "body"],
        mix=frozenset({"h36m": TAX, "3dpw": {"pw3d"}, "freihand": {"freihand"}}[data]),
        weight_decay=1e-4,
        clip=0.3,
    )
    hand = "hand-" if data == "freihand" else ""
    assert recipe.model.preset == hand + SIZES[pattern]


@pytest.mark.parametrize("pattern", SIZES)
@pytest.mark.parametrize("data", ["h36m", "3dpw"])
def test_the_stage_of_the_parameters_has_the_losses_of_its_specification(
    pattern: str, data: str
) -> None:
    # fastmetro SPEC 4.4: 1e-8 of everything else on Human3.6M, all of it on 3DPW
    recipe = load_recipe(pattern.format(f"smpl_{data}"))
    assert recipe.loss == pytest.approx(FASTMETRO[f"body-smpl-{data}"])
    assert recipe.model.preset == f"{SIZES[pattern]}-smpl"
    assert recipe.model.init
    before = load_recipe(pattern.format(data))
    assert (recipe.optim, recipe.train) == (before.optim, before.train)


OSX_MIX = {  # osx SPEC 5.1: setting -> 3D sets, 2D sets
    1: ({"human36m"}, {"mscoco", "mpii"}),
    2: ({"agora"}, set[str]()),
    3: ({"human36m"}, {"ubody", "mscoco", "mpii"}),
}
OSX_TERMS = (  # osx SPEC 5.4
    *("smplx_pose", "smplx_shape", "smplx_expr", "joint_cam", "smplx_joint_cam"),
    *("lhand_bbox", "rhand_bbox", "face_bbox", "joint_proj", "joint_img", "joint_img_face"),
    "smplx_joint_img",
)


def osx_losses(setting: int) -> dict[str, float]:
    """osx SPEC 3.12 and 5.4 -> weights: without decoders no face, on AGORA five terms twice."""
    found = dict.fromkeys(OSX_TERMS, 1.0)
    if setting > 1:
        del found["joint_img_face"]
    if setting == 2:
        found |= dict.fromkeys(OSX_TERMS[:5], 2.0)
        found["joint_proj_camera"] = found.pop(
            "joint_proj"
        )  # 3.10: the gradient reaches the camera
    return found


@pytest.mark.parametrize("size", ["l", "b"])
@pytest.mark.parametrize("setting", OSX_MIX)
def test_osx_is_trained_as_its_table_says(setting: int, size: str, osx: dict[str, Any]) -> None:
    script = osx["train_script_defaults"]
    three, two = OSX_MIX[setting]
    recipe = load_recipe(f"osx/setting{setting}_{size}")
    assert facts(recipe) == Published(
        batch=script["train_batch_size"],
        gpus=4,  # osx SPEC 5.1
        epochs=140 if setting == 2 else script["end_epoch"],
        lr=script["lr"],
        optimiser="adam",
        losses=osx_losses(setting),
        mix=frozenset(three | two),
        mixing="balanced",
        schedule="cosine",
    )
    assert recipe.optim.min_lr == osx["cosine_eta_min"]
    sides = {name: member.side for name, member in recipe.data.mix.items()}
    assert sides == {**dict.fromkeys(three, "3d"), **dict.fromkeys(two, "2d")}
    assert recipe.model.preset == (size if setting == 1 else f"{size}-wo-decoder")
    assert recipe.data.workers == script["num_thread"]


def test_crops_of_osx_change_as_its_table_says(osx: dict[str, Any]) -> None:
    table, augment = osx["augmentation"], load_recipe("osx/setting1_l").augment
    assert augment.scale == table["scale_factor"]
    assert augment.rotation_degrees == table["rot_factor_deg"]
    assert augment.rotation_chance == table["rot_prob"]
    assert augment.colour == table["color_factor"]
    assert augment.flip == table["flip_prob"]
    assert (table["scale_clip"], table["rot_clip"]) == (1.0, 2.0)  # where our ranges are cut


PARE = {"keypoints2d": 300, "keypoints3d": 300, "pose": 60, "betas": 0.06, "camera": 60}


def test_pare_is_trained_as_its_specification_says() -> None:
    # hmr SPEC 3.3 and 3.4; shares and batch: mkocabas/PARE, pare/core/config.py
    recipe = load_recipe("pare/mixed")
    assert facts(recipe) == Published(
        batch=64,
        gpus=1,
        epochs=100,
        lr=1e-4,
        optimiser="adam",
        losses={**PARE, "parts": 60},
        mix=frozenset({"h36m", "eft_mpii", "eft_lspet", "eft_coco", "mpi_inf_3dhp"}),
        mixing="partition",
    )
    assert recipe.augment.motion_blur == 0.5  # pare/dataset/base_dataset.py, whatever is configured
    shares = {name: member.weight for name, member in recipe.data.mix.items()}
    assert (shares["h36m"], shares["mpi_inf_3dhp"]) == (0.3, 0.1)
    wild = {"eft_mpii": 14361, "eft_lspet": 2946, "eft_coco": 79051}  # people, by EFT's own lists
    for name, people in wild.items():
        assert shares[name] == pytest.approx(0.6 * people / sum(wild.values()), abs=1e-4)


def test_fine_tuned_pare_keeps_the_shares_of_the_mixture_beside_3dpw() -> None:
    before, after = (load_recipe(f"pare/{name}").data.mix for name in ("mixed", "3dpw"))
    assert after["pw3d"].weight == 0.5
    for name, member in before.items():
        assert after[name].weight == pytest.approx(member.weight / 2)


@pytest.mark.parametrize("name", ["mp2022", "pare/3dpw"])
def test_3dpw_alone_teaches_the_joints_of_its_bodies(name: str) -> None:
    # hmr SPEC 7; PARE's dataset/base_dataset.py
    mix = load_recipe(name).data.mix
    assert [member for member in mix if mix[member].joints3d == "body"] == ["pw3d"]


def test_the_course_project_is_trained_as_its_starter_code() -> None:
    # hmr SPEC 7
    recipe = load_recipe("mp2022")
    assert facts(recipe) == Published(
        batch=64,
        gpus=1,
        epochs=100,
        lr=1e-4,
        optimiser="adam",
        losses=PARE,
        mix=frozenset({"mpii", "pw3d"}),
        mixing="partition",
    )
    assert {member.weight for member in recipe.data.mix.values()} == {0.5}
    augment = recipe.augment
    assert not any([augment.flip, augment.rotation_chance, augment.scale, augment.colour])
    assert recipe.export is not None
    assert get_registry().get("writer", recipe.export.writer).file_name == "test_pred_joints.csv"


HMR2 = {  # hmr SPEC 3.5
    "keypoints3d": 0.05,
    "keypoints2d": 0.01,
    "global_orient": 0.001,
    "body_pose": 0.001,
    "betas": 0.0005,
}
HMR2_SHARES = {"h36m": 0.1, "mpii": 0.1, "coco": 0.1, "coco_vitpose": 0.1, "mpi_inf_3dhp": 0.02}
HMR2_SHARES |= {"ava": 0.19, "aic": 0.19, "insta": 0.2}


def test_hmr2_is_trained_as_its_specification_says() -> None:
    recipe = load_recipe("hmr2/published")
    found = facts(recipe)
    assert (found.batch, found.gpus, found.lr, found.weight_decay) == (48, 8, 1e-5, 1e-4)
    assert (found.optimiser, found.schedule, found.clip) == ("adamw", "constant", 0)
    assert found.losses == HMR2
    assert recipe.train.epochs * recipe.train.epoch_samples == 1_000_000 * 384
    assert recipe.train.dtype == "fp16"
    assert {name: member.weight for name, member in recipe.data.mix.items()} == HMR2_SHARES
    assert recipe.adversary is not None
    learner = recipe.adversary
    assert (learner.weight, learner.name, learner.lr) == (0.0005, "adamw", 1e-5)
    assert learner.weight_decay == 1e-4
    # 4D-Humans 6ec7965, configs_hydra/experiment/default.yaml; extreme crops for one in ten
    augment = recipe.augment
    assert (augment.scale, augment.rotation_degrees, augment.rotation_chance) == (0.3, 30, 0.6)
    assert (augment.colour, augment.shift, augment.flip) == (0.2, 0.02, 0.5)
    assert (augment.body_part, augment.truncation) == (0.1, 0)


def test_the_budget_of_hmr2_is_what_its_comment_reckons() -> None:
    published, budget = load_recipe("hmr2/published"), load_recipe("hmr2/budget")
    people = 1_000_000 * 384 * 96 / 1344
    assert budget.train.epochs * budget.train.epoch_samples == pytest.approx(people, rel=1e-3)
    batch = budget.optim.batch * budget.optim.accumulate
    assert batch == budget.optim.global_batch == published.optim.global_batch / 8
    assert budget.train.epoch_samples % batch == 0
    assert budget.optim.lr == pytest.approx(published.optim.lr * math.sqrt(1 / 8), rel=0.02)
    assert budget.loss == published.loss


@pytest.mark.parametrize("name", OURS)
def test_checkpoints_are_chosen_on_people_that_are_no_test(name: str) -> None:
    data = load_recipe(name).data
    if data.validation is None:  # FreiHAND's trainings choose nothing, as published
        assert name.endswith("freihand")
        return
    assert "/validation" in data.validation.shards or data.validation.shards.endswith("validation")
    assert data.validation.metric


@pytest.mark.parametrize("name", SIBLINGS)
def test_siblings_need_no_human36m(name: str) -> None:
    recipe = load_recipe(name)
    places = [member for member in recipe.data.mix.values() if member.weight]
    assert places
    for member in places:
        assert "36m" not in (member.shards + member.prepare).lower()


def test_every_family_has_a_sibling_without_human36m() -> None:
    families = ("metro", "graphormer", "fastmetro", "osx", "pare", "hmr2")
    for family in families:
        assert any(name.startswith(family) for name in SIBLINGS), family


@pytest.mark.parametrize("name", OURS)
def test_a_training_says_where_it_is_from_and_under_which_licence(name: str) -> None:
    about = load_recipe(name).about
    assert about.source
    assert about.licence
    assert about.gpus or name.endswith("without_h36m")
