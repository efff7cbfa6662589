"""Published figures and the recipes that are to reach them: none is left out, none stands in words alone."""

import re

from hpscli.recipe import list_recipes, load_recipe
from hpscli.registry import get_registry
from hpscli.train.recipes.targets import Goal, goals

FAMILIES = ("METRO", "Mesh Graphormer", "FastMETRO", "OSX", "PARE, ")  # as labels begin
NO_RECIPE = {  # of the paper alone: no document of its code trains it
    ("h36m/validation-p2@fastmetro-v1", "FastMETRO-L-R50"),
}


def all_goals() -> list[Goal]:
    """-> what all recipes are to reach."""
    registry = get_registry()
    return [goal for name in list_recipes() for goal in goals(load_recipe(name), registry)]


def test_every_training_with_a_published_number_names_it() -> None:
    registry = get_registry()
    said = {goal.published.model for goal in all_goals()}
    released = {
        row.model
        for spec in registry.all("protocol")
        for row in spec.published
        if row.model.partition(".")[0] in ("metro", "graphormer", "fastmetro", "osx")
        and not row.doubt
    }
    assert said >= released
    assert {"pare.official", "pare.official-3dpw", "hmr2.hmr2b"} <= said


def test_every_published_row_is_that_of_a_recipe_whether_weights_were_released_or_not() -> None:
    rows = {
        (spec.name, row.label)
        for spec in get_registry().all("protocol")
        for row in spec.published
        if row.label.startswith(FAMILIES) and not row.doubt
    }
    assert rows - {(g.protocol.name, g.published.label) for g in all_goals()} == NO_RECIPE


def test_no_figure_stands_in_a_summary_where_no_command_would_compare_it() -> None:
    summaries = {name: load_recipe(name).summary for name in list_recipes()}
    assert {n: text for n, text in summaries.items() if re.search(r"\d mm\b", text)} == {}
