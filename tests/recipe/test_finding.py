"""Which recipe a word means, and what is said where it means none."""

from pathlib import Path

import pytest

from hpscli.errors import UsageError
from hpscli.recipe.finding import find_recipe, list_recipes, recipes_like, run_name


@pytest.mark.parametrize(
    "word",
    [
        "hmr/mixes/mix01",
        "recipes/hmr/mixes/mix01.toml",
        "hmr-mixes-mix01",  # as its runs are named, and `show` prints it
    ],
)
def test_a_recipe_is_found_by_name_path_and_the_name_of_its_runs(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_recipe(word) == list_recipes()["hmr/mixes/mix01"]


def test_no_two_recipes_have_runs_of_one_name() -> None:
    paths = list_recipes().values()
    assert len({run_name(path) for path in paths}) == len(paths)


@pytest.mark.parametrize(
    ("word", "problem", "fix"),
    [
        ("recipes/tinny.toml", "no recipe", "Did you mean 'tiny'?"),
        ("mix01", "no recipe 'mix01'", "Did you mean 'hmr/mixes/mix01'?"),
        ("mix_01", "no recipe", "Did you mean 'hmr/mixes/mix01'?"),
        ("../tiny", "no recipe", "Did you mean 'tiny'?"),
        ("hmr/_base", "a base that others start from, not run by itself", "hps recipes list hmr"),
        ("_metro_body", "a base that others start from", "The others: hps recipes list"),
        ("hmr/mixes", "'hmr/mixes' means", "hps recipes check hmr/mixes --all"),
        ("metro_*", "recipes, and one is wanted", "hps recipes list 'metro_*'"),
    ],
)
def test_a_word_that_means_no_recipe_is_answered_with_what_to_type(
    word: str, problem: str, fix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as caught:
        find_recipe(word)
    assert problem in caught.value.problem and fix in caught.value.fix


def test_patterns_are_of_whole_names_or_their_last_parts() -> None:
    names = list(list_recipes())
    assert list(recipes_like("*_free")) == [name for name in names if name.endswith("_free")]
    assert set(recipes_like("mix0?")) > {"hmr/mixes/mix01", "hmr/mixes/mix02"}
    assert list(recipes_like("")) == names
    with pytest.raises(UsageError, match="named like"):
        recipes_like("*_fre")
