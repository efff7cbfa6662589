"""hps bench free: recipes of free people from scratch, beside the mean person."""

import json
import shutil
from pathlib import Path

import pytest

from hpscli.cli.app import run
from hpscli.cli.bench.free import HEAD, page
from hpscli.recipe import list_recipes, load_recipe
from hpscli.testing.free_training import Row, Times, free_recipes

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "shards" / "demo"
RECIPE = """
name = "short"
seed = 1
[model]
name = "hmr"
preset = "tiny"
body = "free"
[data]
image_size = [64, 64]
workers = 0
[data.mix.synthetic]
shards = "{shards}"
[data.validation]
shards = "{shards}"
protocol = "synthetic/test@smpl24-v1"
limit = 8
[loss]
keypoints3d = 10.0
[optim]
batch = 4
[train]
epochs = 1
epoch_samples = 8
overlays = 0
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe of two steps, on the people of the checkout."""
    file = tmp_path / "short.toml"
    file.write_text(RECIPE.format(shards=DEMO))
    return file


def row(name: str = "some_free", *, ours: float = 80.0) -> Row:
    """A recipe that ended at this error, the mean person having 100 mm."""
    times = Times(recipe_hash="0", date="2026-11-20", wall_s=90.0, cpu_s=120.0, load=0.5)
    return Row(
        name=name,
        family="hmr",
        people="bodies",
        steps=100,
        samples=3200,
        times=times,
        mean={"mpjpe": 100.0, "pa_mpjpe": 60.0},
        ours={"mpjpe": ours, "pa_mpjpe": 57.0},
    )


@pytest.mark.slow
def test_a_recipe_is_trained_and_measured_once_and_taken_when_it_is_there(
    recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["bench", "free", str(recipe), "--out", str(tmp_path / "runs"), "--json", "-q"]
    assert run(words) == 0
    (first,) = json.loads(capsys.readouterr().out)["rows"]
    assert (first["name"], first["steps"], first["samples"]) == ("short", 2, 8)
    assert first["mean_mpjpe"] > 100
    assert first["wall_s"] > 0
    assert run([*words, "--markdown", str(tmp_path / "page.md"), "--check"]) == 4
    printed = capsys.readouterr()
    assert json.loads(printed.out)["rows"] == [first]
    assert "less than 15 % below the mean person: short" in printed.err
    assert "| short | hmr | bodies | 2 | 8 |" in (tmp_path / "page.md").read_text()
    recipe.write_text(recipe.read_text().replace("seed = 1", "seed = 2"))
    assert run(words) == 2
    assert f"rm -r {tmp_path / 'runs' / 'short'}" in capsys.readouterr().err


def test_a_run_that_was_stopped_begins_anew(recipe: Path, tmp_path: Path) -> None:
    from hpscli.testing.free_training import train_from_scratch

    place = tmp_path / "run"
    place.mkdir()
    shutil.copy(recipe, place / "recipe.toml")
    (place / "rest-of-a-run").touch()
    train_from_scratch(str(recipe), load_recipe(str(recipe)), place, quiet=True)
    assert (place / "finished.json").is_file()
    assert not (place / "rest-of-a-run").exists()


def test_far_enough_is_fifteen_percent_below_the_mean_person() -> None:
    assert row(ours=85.0).ok(15.0)
    assert not row(ours=85.1).ok(15.0)
    assert row(ours=75.0).below["mpjpe"] == pytest.approx(25.0)


def test_the_page_says_figures_times_and_machine() -> None:
    text = page([row(), row("other_free", ours=99.0)], 15.0, "a CPU, 2 cores", ["third_free"])
    assert "| some_free | hmr | bodies | 100 | 3200 | 1.5 | 2.0 | 100.0 | 80.0 | 20.0 |" in text
    assert "above 15 %" in text.partition("other_free")[2]
    assert "a CPU, 2 cores." in text
    assert "Not in this table, for nobody asked for them: third_free." in text


def test_the_page_in_the_documents_begins_as_the_command_writes_it() -> None:
    page = (ROOT / "docs/explanation/free-recipes.md").read_text(encoding="utf-8")
    assert page.startswith(HEAD)


def test_the_page_names_the_augmentations_that_free_recipes_leave_off() -> None:
    assert "rotation and colours\nstay off" in HEAD
    for name in free_recipes(()):
        augment = load_recipe(name).augment
        chances = (augment.rotation_degrees * augment.rotation_chance, augment.colour)
        assert chances == (0, 0), name
        assert not (augment.hard_erasing or augment.occluders or augment.crop), name


def test_an_unknown_free_recipe_is_an_error_with_the_nearest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["bench", "free", "metro_fre"]) == 2
    assert "metro_free" in capsys.readouterr().err


def test_every_family_has_a_free_recipe_of_its_small_network() -> None:
    recipes = [load_recipe(name) for name in free_recipes()]
    assert len(recipes) == sum(name.endswith("_free") for name in list_recipes())
    families = {recipe.model.name for recipe in recipes}
    assert families == {"hmr", "pare", "hmr2", "metro", "graphormer", "fastmetro", "osx"}
    assert all(recipe.model.preset in ("tiny", "hand-tiny") for recipe in recipes)
    assert all(recipe.model.body == "free" for recipe in recipes)
