"""Whatever somebody types for a key is refused by its name, or makes a recipe that can be planned."""

import json
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hpscli.errors import HpsError, UsageError
from hpscli.recipe import known_keys, load_recipe, to_toml
from hpscli.recipe.schema import Data, Export, Group, Member, Validation
from hpscli.train.plan import check_recipe, in_the_way
from hpscli.train.telling.describing import describe

RECIPE = """
[model]
name = "hmr"
preset = "tiny"
body = "free"
[data.mix.people]
shards = "nowhere/train"
side = "one"
[data.validation]
shards = "nowhere/test"
protocol = "synthetic/validation@smpl24-v1"
[data.validation_as_published]
shards = "nowhere/test"
protocol = "synthetic/validation@smpl24-v1"
[loss]
pose = 1.0
[adversary]
poses = "nowhere/poses"
[export]
writer = ""
shards = "nowhere/test"
[optim.groups.some]
match = ["*"]
[train]
epoch_samples = 100
"""
SECTIONS = {
    "data.mix.people": Member,
    "data.validation": Validation,
    "data.validation_as_published": Validation,
    "optim.groups.some": Group,
    "export": Export,
}
KEYS = sorted(
    {
        *known_keys(),
        *(key for name, section in SECTIONS.items() for key in known_keys(section, f"{name}.")),
        *("loss.pose", "loss.unknown", "model.options.hidden", "augment.only.flip"),
        *("data.mix.people", "data.members", "nothing"),
    }
)
EMPTY, ENDLESS = ['""', "[]", "{}", "{ a = {} }"], ["nan", "inf", "-inf", "1e400"]
KINDS = ["true", "2020-01-01", '"\\u0000"', '"a/../b"', "[[[", "[true]", "[nan, nan]", "[-1, 0]"]
HUGE = ["1" + "0" * 30, "9" * 5000, "1e308", "[" * 3000, f'"{"long" * 500}"']
NUMBERS = st.one_of(st.integers(), st.floats(width=64)).map(repr)
VALUES = st.one_of(
    st.sampled_from(["-1", "0", "-0.5", "3", *EMPTY, *ENDLESS, *KINDS, *HUGE]),
    NUMBERS,
    st.lists(NUMBERS, max_size=3).map(lambda parts: f"[{', '.join(parts)}]"),
    st.text(max_size=5).map(lambda text: json.dumps(text, ensure_ascii=False)),
)


@pytest.fixture(scope="module")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "small.toml"
    path.write_text(RECIPE)
    return path


@settings(max_examples=400)
@given(key=st.sampled_from(KEYS), value=VALUES)
@example(key="seed", value="-5")
@example(key="data", value="{ mix = 3 }")
@example(key="data.mix", value="3")
@example(key="data.validation.metric", value='"pa_mpjp"')
@example(key="data.validation.prepare", value='"it\'s"')
def test_a_silly_value_is_refused_by_its_key_or_can_be_planned(
    recipe_file: Path, key: str, value: str
) -> None:
    try:
        recipe = load_recipe(str(recipe_file), [f"{key}={value}"])
    except HpsError as error:
        assert key.rpartition(".")[2] in error.problem
        return
    again = recipe_file.with_name("again.toml")
    again.write_text(to_toml(recipe), encoding="utf-8")
    load_recipe(str(again))
    try:
        steps = check_recipe(recipe, 2, keep_lr=False, scale_lr=False)
        in_the_way(recipe, 2, start=True, keep_lr=False, scale_lr=False)
        list(describe(recipe, steps, [], recipe.optim.lr))
    except HpsError as error:
        assert error.problem


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("seed=-5", "seed wants at least 0, not -5"),
        ("seed=true", "seed wants a whole number, not True"),
        ("optim.lr=true", "optim.lr wants a number, not True"),
        ("loss.pose=nan", "loss.pose wants a finite number, not nan"),
        ("optim.betas=[2,3]", "optim.betas wants less than 1, not 2"),
        ("optim.momentum=-4", "optim.momentum wants at least 0, not -4"),
        ("optim.step_factor=-1", "optim.step_factor wants more than 0, not -1"),
        ("optim.step_epochs=[-3]", "optim.step_epochs wants at least 1, not -3"),
        ("optim.groups.some.match=[]", "match wants at least one entry in brackets, not []"),
        ("data.image_size=[0,64]", "data.image_size wants at least 1, not 0"),
        ("model.options.hidden=inf", "model.options.hidden wants a finite number, not inf"),
        ("name=a/b", "name wants the name of a folder below runs/"),
        ("data.mix.people.shards=", "data.mix.people.shards wants some text, not ''"),
        ("base=tiny", "a recipe's base is written in its file"),
    ],
)
def test_what_would_train_nonsense_is_refused_with_what_is_wanted(
    recipe_file: Path, word: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(str(recipe_file), [word])
    assert said in caught.value.problem


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('base = ["tiny"]', "base wants the name of one recipe"),
        ('base = "odd"', "is its own base"),
        ("[data]\nmix = 3", "data.mix wants a table, not 3"),
        ("[data]\nmembers = 3", "data.members wants a table of tables"),
        ("[data]\nmembers = { a = 3 }\n[data.mix]\na = 1", "data.members wants a table of tables"),
        ("seed = 1\nseed = 2", "not valid TOML"),
        ("seed = " + "9" * 5000, "not valid TOML"),
        ("x = " + "[" * 5000, "not valid TOML"),
    ],
)
def test_a_file_that_is_no_recipe_is_told_in_words(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "odd.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as caught:
        load_recipe(str(file))
    assert said in caught.value.problem


def test_the_mark_that_some_editors_put_before_a_file_is_passed_over(
    tmp_path: Path, recipe_file: Path
) -> None:
    marked = tmp_path / "small.toml"
    marked.write_text(recipe_file.read_text(), encoding="utf-8-sig")
    assert load_recipe(str(marked)).data == load_recipe(str(recipe_file)).data
    assert isinstance(load_recipe(str(marked)).data, Data)
