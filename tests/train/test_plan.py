"""What a training says before it starts."""

from pathlib import Path

from hpscli.recipe import Recipe
from hpscli.train.plan import check_recipe, check_shards
from hpscli.train.telling.describing import describe
from tests.run.people import write_people
from tests.train.labelled import small_recipe


def warnings(recipe: Recipe) -> list[str]:
    steps = check_recipe(recipe, 1, keep_lr=False, scale_lr=False)
    lines = describe(recipe, steps, check_shards(recipe), recipe.optim.lr)
    return [str(text) for label, text in lines if label == "warning"]


def test_people_made_with_other_bodies_than_the_model_s_are_named_with_both(tmp_path: Path) -> None:
    train = write_people(tmp_path / "train", 2, source="imported")
    test = write_people(tmp_path / "test", 2, source="imported")
    about_train, about_test = warnings(small_recipe(train, test))
    assert f"{train} were made with imported bodies, the model's body is free" in about_train
    assert "Validation will refuse them" in about_test


def test_people_made_with_the_same_bodies_or_none_pass_without_a_word(tmp_path: Path) -> None:
    same = write_people(tmp_path / "train", 2)
    unknown = write_people(tmp_path / "test", 2, source="")
    assert warnings(small_recipe(same, unknown)) == []


def test_hands_in_the_training_of_bodies_are_named(tmp_path: Path) -> None:
    hands = write_people(tmp_path / "train", 2)
    index = hands / "index.json"
    index.write_text(index.read_text().replace('"kind": "smpl"', '"kind": "mano"'))
    (about_train,) = warnings(small_recipe(hands, write_people(tmp_path / "test", 2)))
    assert "holds hands (mano), the model learns bodies (smpl)" in about_train
