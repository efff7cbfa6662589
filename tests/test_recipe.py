import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpscli.errors import UsageError
from hpscli.recipe import as_start, flat_values, load_recipe, recipe_hash, to_toml

MINIMAL = """
name = "small"
[model]
name = "hmr"
[data.mix.people]
shards = "people/train"
[train]
epoch_samples = 100
"""


@pytest.fixture
def recipe_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(MINIMAL)
    return path


def test_defaults_fill_what_the_file_does_not_say(recipe_file: Path) -> None:
    recipe = load_recipe(str(recipe_file))
    assert (recipe.optim.name, recipe.train.dtype, recipe.data.joints) == (
        "adamw",
        "fp32",
        "smpl24",
    )


def test_an_unknown_key_is_named_with_the_nearest_one(recipe_file: Path) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(str(recipe_file), ["optim.batchs=3"])
    assert "optim.batch" in caught.value.fix and "optim.batchs" in caught.value.problem


def test_an_unknown_key_in_the_file_names_the_file(recipe_file: Path) -> None:
    recipe_file.write_text(MINIMAL + "epocs = 3\n")
    with pytest.raises(UsageError) as caught:
        load_recipe(str(recipe_file))
    assert "train.epocs" in str(caught.value) and str(recipe_file) in str(caught.value)
    assert "train.epochs" in caught.value.fix


@pytest.mark.parametrize(
    "word", ["train.epochs=many", "optim.lr=-1", "train.dtype=fp8", "seed=1.5"]
)
def test_a_wrong_type_or_value_names_the_key_and_the_value(recipe_file: Path, word: str) -> None:
    key, value = word.split("=")
    with pytest.raises(UsageError) as caught:
        load_recipe(str(recipe_file), [word])
    assert key in str(caught.value) and value in str(caught.value)


def test_every_mistake_is_told_in_plain_words_with_the_place_where_it_was_written(
    recipe_file: Path,
) -> None:
    recipe_file.write_text(MINIMAL + 'epochs = "two"\n')
    words = ["optim.lr=abc", "data.image_size=64", "optim.lrr=3", "optim.name=lion"]
    words += ["augment.flip=2", "data.mix.peple.weight=2", "data.mix.people.weigth=2"]
    with pytest.raises(UsageError) as caught:
        load_recipe(str(recipe_file), words)
    assert set(caught.value.problem.splitlines()) == {
        f"{recipe_file}: train.epochs wants a whole number, not 'two'.",
        "the command line: optim.lr wants a number, not 'abc'.",
        "the command line: data.image_size wants 2 whole numbers in brackets, not 64.",
        "the command line: unknown key 'optim.lrr'.",
        "the command line: optim.name wants one of adam, adamw, sgd, not 'lion'.",
        "the command line: augment.flip wants at most 1, not 2.",
        "the command line: no member 'peple' in data.mix.",
        "the command line: unknown key 'data.mix.people.weigth'.",
    }
    assert "Did you mean 'optim.lr'?" in caught.value.fix
    assert "Did you mean 'data.mix.people.weight'?" in caught.value.fix
    assert "Did you mean 'people'?" in caught.value.fix


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("lr=3", "Did you mean 'optim.lr' or 'adversary.lr'?"),
        ("epochs=3", "Did you mean 'train.epochs'?"),
        ("sed=3", "Did you mean 'seed'?"),
    ],
)
def test_a_key_without_its_section_is_told_with_it(recipe_file: Path, word: str, fix: str) -> None:
    with pytest.raises(UsageError, match="unknown key") as caught:
        load_recipe(str(recipe_file), [word])
    assert caught.value.fix == fix


@pytest.mark.parametrize(
    ("word", "fix"),
    [
        ("data.mix.peeple=0", "Did you mean 'people'?"),
        ("data.mix.extras=1", "Did you mean 'extra'?"),  # of the catalogue
        ("data.mix.x=1", "Its shards: data.mix.x.shards=FOLDER"),
    ],
)
def test_a_member_that_is_not_there_is_told_with_its_neighbour(
    recipe_file: Path, word: str, fix: str
) -> None:
    recipe_file.write_text(MINIMAL + '[data.members]\nextra = { shards = "e" }\n')
    with pytest.raises(UsageError, match="no member") as caught:
        load_recipe(str(recipe_file), [word])
    assert caught.value.fix == fix


@pytest.mark.parametrize(
    ("typed", "quoted"),
    [
        (
            "data.mix.people.without=[keypoints3d.*]",
            """'data.mix.people.without=["keypoints3d.*"]'""",
        ),
        ("train.freeze=backbone.*", """'train.freeze=["backbone.*"]'"""),
        ("optim.step_epochs=100", "'optim.step_epochs=[100]'"),
    ],
)
def test_a_list_whose_quotes_the_shell_took_is_shown_as_it_is_typed(
    recipe_file: Path, typed: str, quoted: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(str(recipe_file), [typed])
    assert caught.value.fix == f"In single quotes: {quoted}"
    word = shlex.split(quoted)[0]
    assert load_recipe(str(recipe_file), [word])


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("data.image_size=[64]", "2 whole numbers"),
        ("data.image_size=[64,1.5]", "2 whole numbers"),
        ("optim.betas=[1,2,3]", "2 numbers"),
        ("optim.step_epochs=3", "whole numbers in brackets"),
        ("train.compile=maybe", "true or false"),
        ("name=3", "text"),
        ("train=3", "a table"),
        ("loss.pose=much", "a number"),
        ("loss.pose=-1", "at least 0, not -1"),
        ("data.validation=3", "a table"),
    ],
)
def test_what_a_key_wants_is_said_for_every_kind_of_value(
    recipe_file: Path, word: str, wanted: str
) -> None:
    with pytest.raises(UsageError) as caught:
        load_recipe(str(recipe_file), [word])
    (line,) = caught.value.problem.splitlines()
    assert f"{word.split('=')[0]} wants {wanted}" in line


def test_overrides_are_typed_by_the_schema(recipe_file: Path) -> None:
    recipe = load_recipe(
        str(recipe_file), ["optim.lr=1e-3", "data.mix.people.weight=0.5", "data.image_size=[64,64]"]
    )
    assert recipe.optim.lr == 1e-3
    assert recipe.data.mix["people"].weight == 0.5
    assert recipe.data.image_size == (64, 64)


def test_a_word_that_is_not_key_value_is_refused(recipe_file: Path) -> None:
    with pytest.raises(UsageError, match="not key=value"):
        load_recipe(str(recipe_file), ["optim.lr"])


def test_another_model_does_not_inherit_the_options_of_the_first(recipe_file: Path) -> None:
    recipe_file.write_text(MINIMAL.replace('name = "hmr"', 'name = "hmr"\npreset = "tiny"'))
    recipe = load_recipe(str(recipe_file), ["model.name=foo"])
    assert (recipe.model.name, recipe.model.preset, recipe.model.options) == ("foo", "", {})


def test_a_base_is_read_first_and_may_not_have_a_base_itself(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(MINIMAL)
    (tmp_path / "big.toml").write_text('base = "small"\nname = "big"\n[optim]\nbatch = 8\n')
    (tmp_path / "bigger.toml").write_text('base = "big"\nname = "bigger"\n')
    recipe = load_recipe(str(tmp_path / "big.toml"))
    assert (recipe.name, recipe.optim.batch, recipe.train.epoch_samples) == ("big", 8, 100)
    with pytest.raises(UsageError, match="one only"):
        load_recipe(str(tmp_path / "bigger.toml"))


def test_a_file_that_is_not_toml_is_named(recipe_file: Path) -> None:
    recipe_file.write_text("name = ")
    with pytest.raises(UsageError, match="not valid TOML"):
        load_recipe(str(recipe_file))


@given(
    lr=st.floats(1e-8, 10.0),
    batch=st.integers(1, 4096),
    seed=st.integers(0, 2**31),
    size=st.tuples(st.integers(8, 1024), st.integers(8, 1024)),
    name=st.text("abcäöü\"'\\ 𝄞", min_size=1, max_size=20),
)
def test_a_resolved_recipe_reads_back_as_itself(
    tmp_path_factory: pytest.TempPathFactory,
    lr: float,
    batch: int,
    seed: int,
    size: tuple[int, int],
    name: str,
) -> None:
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "a.toml").write_text(MINIMAL)
    words = [f"optim.lr={lr!r}", f"optim.batch={batch}", f"seed={seed}"]
    first = load_recipe(str(folder / "a.toml"), [*words, f"data.image_size=[{size[0]},{size[1]}]"])
    first = first.model_copy(update={"name": name})
    (folder / "b.toml").write_text(to_toml(first), encoding="utf-8")
    second = load_recipe(str(folder / "b.toml"))
    assert flat_values(first) == flat_values(second)
    assert recipe_hash(first) == recipe_hash(second)


def test_a_copy_to_start_from_is_the_same_training_under_the_name_of_its_file(
    tmp_path: Path,
) -> None:
    recipe = load_recipe("hmr/mixes/mix01")
    (tmp_path / "mine.toml").write_text(as_start(recipe))
    mine = load_recipe(str(tmp_path / "mine.toml"))
    assert mine.name == "mine" and recipe.about.targets
    assert (mine.about.source, mine.about.targets) == ("", ())
    assert mine.about.licence == recipe.about.licence
    apart = {"name", "base", "about"}
    assert mine.model_dump(exclude=apart) == recipe.model_dump(exclude=apart)


def test_a_recipe_with_a_named_base_has_the_name_of_its_own_file(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(to_toml(load_recipe("tiny", ["name=small"])))
    (tmp_path / "mine.toml").write_text('base = "small"\n[optim]\nbatch = 8\n')
    assert load_recipe(str(tmp_path / "mine.toml")).name == "mine"
