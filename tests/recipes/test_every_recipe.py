"""Every shipped recipe resolves, names only what exists, and trains a batch of stand-ins."""

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hpscli.recipe import list_recipes, load_recipe
from hpscli.testing.recipes import check_recipe
from hpscli.testing.standins.folders import Standins
from hpscli.testing.standins.trial import LARGEST, network_of
from hpscli.train.recipes.naming import problems
from hpscli.train.recipes.prepare_lines import read_line

NAMES = list(list_recipes())
OF_FAMILIES = (
    *("tiny", "graphormer_h36m", "metro_freihand", "fastmetro_smpl_h36m", "hmr/mixes/mix10"),
    *("hmr/combined/twins_svt_mix1_aug", "osx/setting1_b", "pare/mixed", "hmr2/published"),
    "mp2022",
)


def once_per_network() -> frozenset[str]:
    """-> the first recipe of each network: it is tried as large as it is, the others are tiny."""
    first: dict[str, str] = {}
    for name, path in list_recipes().items():
        model = load_recipe(str(path)).model
        first.setdefault(f"{model.name} {model.preset} {sorted(model.options.items())}", name)
    return frozenset(first.values())


WHOLE = once_per_network()


def once_per_family() -> dict[str, str]:
    """-> by model the first recipe that says on which test set its authors chose."""
    first: dict[str, str] = {}
    for name, path in list_recipes().items():
        recipe = load_recipe(str(path))
        if recipe.data.validation_as_published is not None:
            first.setdefault(recipe.model.name, name)
    return first


@pytest.fixture(scope="module")
def standins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standins]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield Standins(tmp_path_factory.mktemp("standins"))
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_resolves_and_names_only_what_exists(name: str) -> None:
    assert problems(load_recipe(name)) == []


@pytest.mark.parametrize("name", OF_FAMILIES)
def test_one_recipe_of_each_family_trains_a_batch(name: str, standins: Standins) -> None:
    outcome = check_recipe(name, standins=standins, small=True)
    assert outcome.problems == () and outcome.ran
    assert bool(outcome.figures) == (load_recipe(name).data.validation is not None)


SECOND_WAY = {  # the members that stand for the authors' tables
    "h36m": ["h36m_owner", "eft_coco", "muco_owner", "up3d_owner", "eft_mpii"],
    "3dpw": ["pw3d_owner"],
}


@pytest.mark.parametrize("part", SECOND_WAY)
@pytest.mark.parametrize("family", ["metro", "fastmetro"])
def test_owners_files_teach_every_term_that_the_authors_tables_teach(
    family: str, part: str, standins: Standins
) -> None:
    name = f"{family}_{part}"
    words = [f"data.mix.{member}=0" for member in load_recipe(name).data.mix]
    words += [f"data.mix.{member}=1" for member in SECOND_WAY[part]]
    outcome = check_recipe(name, words, standins=standins, small=True)
    assert outcome.ran
    assert [note for note in outcome.notes if "teaches nothing" in note] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_trains_a_batch(name: str, standins: Standins, tmp_path: Path) -> None:
    outcome = check_recipe(name, standins=standins, small=name not in WHOLE, place=tmp_path)
    assert outcome.problems == () and outcome.ran
    assert name not in WHOLE or outcome.small == (
        network_of(load_recipe(name)).parameters > LARGEST
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", once_per_family().values())
def test_a_recipe_of_each_family_is_chosen_as_published(name: str, standins: Standins) -> None:
    words = ["train.as_published=true"]
    outcome = check_recipe(name, words, standins=standins, small=True)
    assert outcome.problems == () and outcome.figures


BASES = sorted({path.parent for path in list_recipes().values()})


@pytest.mark.parametrize("folder", BASES, ids=lambda folder: folder.name)
def test_a_family_says_of_every_member_how_it_is_made(folder: Path) -> None:
    for base in folder.glob("_*.toml"):
        members = tomllib.loads(base.read_text()).get("data", {}).get("members", {})
        for member in members.values():
            read_line(member.get("prepare", ""), member["shards"])
