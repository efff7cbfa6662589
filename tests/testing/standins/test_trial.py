"""A recipe on stand-ins stays as it is where it can."""

from pathlib import Path

import pytest

from hpscli.recipe import load_recipe
from hpscli.testing.recipes import check_recipe
from hpscli.testing.standins import trial as trials
from hpscli.testing.standins.folders import Standins
from hpscli.testing.standins.trial import trial
from hpscli.train.plan import selection
from hpscli.train.recipes.network import network_of


@pytest.fixture(scope="module")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Standins:
    return Standins(tmp_path_factory.mktemp("standins"))


def test_a_tiny_network_keeps_the_groups_and_frozen_parts_that_it_has(standins: Standins) -> None:
    recipe = load_recipe("hmr/backbones/twins_svt", ["train.freeze=['regressor.fc1.*']"])
    tried = trial(recipe, standins, small=True)
    assert tried.small and tried.recipe.optim.groups == recipe.optim.groups
    assert tried.recipe.train.freeze == ("regressor.fc1.*",)
    assert "tiny network" not in str(tried.notes)


def test_a_tiny_network_goes_without_parts_that_it_does_not_have(standins: Standins) -> None:
    words = [
        "optim.groups.patches.match=['backbone.trunk.patch_embeds.*','regressor.*']",
        "optim.groups.blocks.match=['backbone.trunk.blocks.*']",
        "train.freeze=['*']",
    ]
    tried = trial(load_recipe("hmr/backbones/twins_svt", words), standins, small=True)
    assert {n: g.match for n, g in tried.recipe.optim.groups.items()} == {
        "backbone": ("backbone.*",),
        "patches": ("regressor.*",),
    }
    assert tried.recipe.train.freeze == ()  # nothing would learn
    assert "not of the tiny network: backbone.trunk.patch_embeds.*, " in str(tried.notes)


def test_a_glob_that_means_nothing_in_the_large_network_is_told(standins: Standins) -> None:
    words = ["train.freeze=['backbone.nothing.*']"]
    outcome = check_recipe("graphormer_h36m", words, standins=standins, small=True)
    assert not outcome.ran
    assert "train.freeze: no parameter of the network is called" in outcome.problems[0]


def test_a_large_network_is_tried_as_it_is_when_asked(standins: Standins) -> None:
    recipe = load_recipe("graphormer_h36m")
    assert network_of(recipe).parameters > trials.LARGEST
    assert trial(recipe, standins).small
    whole = trial(recipe, standins, whole=True)
    assert not whole.small and whole.recipe.model.preset == recipe.model.preset


@pytest.mark.parametrize("name", ["graphormer_h36m", "hmr/mixes/mix01"])
def test_people_of_the_test_set_choose_as_published(name: str, standins: Standins) -> None:
    recipe = load_recipe(name, ["train.as_published=true"])
    chooses = selection(trial(recipe, standins, small=True).recipe)
    assert chooses is not None and Path(chooses.shards).parent == standins.folder
    assert (
        trial(load_recipe(name), standins, small=True).recipe.data.validation_as_published is None
    )
