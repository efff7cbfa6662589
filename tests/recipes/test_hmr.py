"""recipes/hmr: what can be said of them without the tables, and without any data."""

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from hpscli.body.joints import joint_set
from hpscli.cards import load_card
from hpscli.nn.meta import meta_network
from hpscli.nn.options import complete_options
from hpscli.recipe import Recipe, list_recipes, load_recipe
from hpscli.registry import get_registry
from hpscli.testing.standins.folders import Standins
from hpscli.testing.standins.trial import trial
from hpscli.train.recipes.prepare_lines import read_line
from hpscli.train.telling.active import active_terms_of

SPIN_SIZES = {"lsp-orig": 1000, "mpii": 14810, "lspet": 9428, "coco": 28344}  # people of its files


@pytest.fixture(scope="module")
def recipes() -> dict[str, Recipe]:
    """-> all of the folder by name."""
    return {name: load_recipe(name) for name in list_recipes() if name.startswith("hmr/")}


def parameters(recipe: Recipe) -> dict[str, bool]:
    """-> the names of the network's parameters, and whether the network itself lets them learn."""
    spec = get_registry().model(recipe.model.name)
    options = complete_options(spec, recipe.model.preset, recipe.model.options)
    return {n: p.requires_grad for n, p in meta_network(spec, options).named_parameters()}


def test_resnext_keeps_what_the_official_network_keeps() -> None:
    recipe = load_recipe("hmr/backbones/resnext101")
    learning = parameters(recipe)
    named = {n for n in learning if any(fnmatchcase(n, glob) for glob in recipe.train.freeze)}
    assert named == {name for name, learns in learning.items() if not learns}
    assert len(named) > 200  # of 30 blocks and more


def test_the_group_of_a_backbone_is_all_but_the_regressor() -> None:
    for name in ("hmr/backbones/efficientnet_b5", "hmr/starts/twins_svt_coco"):
        recipe = load_recipe(name)
        [group] = recipe.optim.groups.values()
        rest = {n for n in parameters(recipe) if not fnmatchcase(n, group.match[0])}
        assert {n.partition(".")[0] for n in rest} == {"regressor"}


def test_no_gradient_is_cut_for_the_released_adversarial_training_never_did(
    recipes: dict[str, Recipe],
) -> None:
    """hmr-benchmarks, mmhuman3d/apis/train.py: optimizer_config, where grad_clip stands, is unused."""
    assert {name for name, recipe in recipes.items() if recipe.optim.clip_norm} == set()


def test_the_adversarys_rate_falls_where_mmcvs_hook_makes_it_fall(
    recipes: dict[str, Recipe],
) -> None:
    judged = {name: r for name, r in recipes.items() if r.adversary is not None}
    falling = {name for name, r in judged.items() if r.optim.schedule != "constant"}
    assert falling == {name for name, r in judged.items() if r.adversary and r.adversary.scheduled}
    assert falling == {"hmr/hmr_3dpw_e50"}


def test_spin_shares_pictures_from_everywhere_by_their_numbers() -> None:
    mix = load_recipe("hmr/spin_official").data.mix
    everywhere = sum(SPIN_SIZES.values())
    for name, people in SPIN_SIZES.items():
        assert mix[name].weight == pytest.approx(0.6 * people / everywhere, abs=5e-5)
    assert (mix["h36m"].weight, mix["mpi-inf-3dhp"].weight) == (0.3, 0.1)


@pytest.mark.parametrize("name", ["hmr/spin", "hmr/spin_official"])
def test_spin_says_that_smplify_does_not_run_in_the_loop(name: str) -> None:
    assert any(
        "SMPLify in the loop is out of scope" in d for d in load_recipe(name).about.decisions
    )


def test_one_recipe_needs_no_human36m() -> None:
    recipe = load_recipe("hmr/without_h36m")
    parts = [*recipe.data.mix.values(), recipe.data.validation]
    named = {read_line(part.prepare, part.shards).dataset.name for part in parts if part}
    assert "h36m" not in named and "agora" in named


def test_checkpoints_are_chosen_by_people_that_are_no_test(recipes: dict[str, Recipe]) -> None:
    for recipe in recipes.values():
        validation = recipe.data.validation
        assert validation is not None and validation.protocol.startswith("3dpw/validation@")


def test_a_member_has_the_same_place_and_command_wherever_it_is_named(
    recipes: dict[str, Recipe],
) -> None:
    known: dict[str, tuple[str, str, str]] = {}
    for name, recipe in recipes.items():
        for member in recipe.data.mix.values():
            found = read_line(member.prepare, member.shards)
            line = (found.dataset.name, found.split, member.prepare)
            assert known.setdefault(member.shards, line) == line, (name, member.shards)


def test_3d_joints_without_the_hips_of_annotators_are_not_learnt(
    recipes: dict[str, Recipe],
) -> None:
    """mmhuman3d's loss is relative to those hips: without them it would compare places in the camera."""
    hips = {"right_hip_extra", "left_hip_extra"}
    left_out: set[tuple[str, str]] = set()
    of_bodies: set[tuple[str, str]] = set()
    for recipe in recipes.values():
        for name, member in recipe.data.mix.items():
            dataset = read_line(member.prepare, member.shards).dataset
            sets = load_card(dataset.card).get("joints3d", ()) if dataset.card else ()
            known = [set(joint_set(one).common_names()) for one in sets]
            if recipe.model.name == "hmr" and known and not any(hips <= names for names in known):
                made = member.joints3d == "body"
                assert made or "keypoints3d.*" in member.without, (recipe.name, name)
                (of_bodies if made else left_out).add((dataset.name, name))
    assert {dataset for dataset, _ in left_out} == {"agora", "3dpw", "surreal", "3dpeople"}
    assert of_bodies == {("3dpw", "pw3d_train_regressed")}


def test_every_member_teaches_something(recipes: dict[str, Recipe], tmp_path: Path) -> None:
    """All members of all mixes at once: each has joints in 2D that the losses know."""
    mix = {name: member for r in recipes.values() for name, member in r.data.mix.items()}
    base = recipes["hmr/mixes/mix10"]
    whole = base.model_copy(update={"data": base.data.model_copy(update={"mix": mix})})
    tried = active_terms_of(trial(whole, Standins(tmp_path), small=True).recipe)
    assert {row.member for row in tried.rows} == set(mix) and len(mix) > 40
    for row in tried.rows:
        taught = {term for term, why in row.terms.items() if not why}
        assert "keypoints2d" in taught, row


def test_joints_of_3dpws_bodies_are_learnt(tmp_path: Path) -> None:
    tried = trial(load_recipe("hmr/datasets/pw3d"), Standins(tmp_path), small=True)
    assert active_terms_of(tried.recipe).idle() == []


def test_3dpw_is_the_same_training_without_3d_joints_but_for_them(
    recipes: dict[str, Recipe],
) -> None:
    with_them, without = (recipes[f"hmr/datasets/{name}"] for name in ("pw3d", "pw3d_no3dkp"))
    [regressed], [every] = with_them.data.mix.values(), without.data.mix.values()
    assert regressed.shards == every.shards and regressed != every
    assert (with_them.loss["keypoints3d"], without.loss["keypoints3d"]) == (100, 0)


def test_3d_joints_that_weigh_something_are_never_left_out_in_silence(
    recipes: dict[str, Recipe],
) -> None:
    published = [r for r in recipes.values() if not r.about.source.startswith("ours")]
    for recipe in published:
        for name, member in recipe.data.mix.items():
            if "keypoints3d.*" in member.without and recipe.loss["keypoints3d"]:
                told = any("3D joints are left out" in d for d in recipe.about.decisions)
                assert "no3dkp" in name or told, (recipe.name, name)


def test_pare_learns_parts_of_the_body_from_the_fits_of_eft(tmp_path: Path) -> None:
    tried = trial(load_recipe("hmr/pare_coco"), Standins(tmp_path), small=True)
    idle = active_terms_of(tried.recipe).idle()
    assert "parts" not in idle and "keypoints3d" in idle  # EFT has no joints in 3D


@pytest.mark.parametrize("name", ["hmr/spin", "hmr/spin_official"])
def test_spin_doubts_its_static_fits_and_judges_them_by_openpose_too(
    name: str, recipes: dict[str, Recipe]
) -> None:
    recipe = recipes[name]
    fitted = [m for m in recipe.data.mix.values() if "fits=" in m.prepare]
    assert len(fitted) == len(recipe.data.mix) - 1  # Human3.6M's parameters are measured
    assert not any(member.without for member in fitted)
    assert any("A static fit is a label while" in text for text in recipe.about.decisions)


def test_spin_says_which_crop_measures_the_weights_that_it_trains() -> None:
    decisions = " ".join(load_recipe("hmr/spin_official").about.decisions)
    assert "measure these weights with the default crop" in decisions
