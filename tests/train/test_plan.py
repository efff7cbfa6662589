"""What a training says before it starts."""

import json
from pathlib import Path
from typing import Any

import pytest

from hpscli.errors import HpsError, UsageError
from hpscli.recipe import Recipe, load_recipe
from hpscli.train.plan import check_recipe, check_shards, in_the_way, makeable
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


def test_crops_that_the_window_would_enlarge_are_told_with_the_size_that_is_enough(
    tmp_path: Path,
) -> None:
    people = write_people(tmp_path / "train", 2)
    file = people / "index.json"
    index = json.loads(file.read_text())
    index["made_by"] = {"layout": {"kind": "crop", "side_px": 480}}
    file.write_text(json.dumps(index))
    assert warnings(small_recipe(people, data__image_size=[256, 192])) == []
    [told] = warnings(small_recipe(people, data__image_size=[512, 384]))
    assert "480 px large: the network's window of 512 px enlarges them" in told
    assert told.endswith("--size-px 922")


@pytest.mark.parametrize(
    ("changes", "problem", "fix"),
    [
        (
            {"data__validation__metric": "pa_mpjp"},
            "validation by 'pa_mpjp': protocol 'synthetic/validation@smpl24-v1' has no such figure",
            "Did you mean 'pa_mpjpe'?",
        ),
        (
            {"data__validation__protocol": "agora/validation@osx-v1"},
            "'agora/validation@osx-v1' is for smplx, model 'hmr' predicts smpl",
            "hps protocols list",
        ),
        ({"loss__foo": 1.0}, "no loss named 'foo'", "One of: keypoints2d"),
        ({"loss__poses": 0.0}, "no loss named 'poses'", "Did you mean 'pose'?"),
        ({"data__mixing": "balanced"}, "data.mix.people is on no side", "data.mix.people.side="),
        ({"optim__schedule": "step"}, "wants optim.step_epochs", "'optim.step_epochs=[30, 60]'"),
        ({"optim__min_lr": 0.1}, "more than optim.lr = 0.001", "where it ends"),
        ({"augment__only": {"flip": ["nobody"]}}, "'nobody', which is no member", "people"),
        ({"augment__only": {"flap": ["people"]}}, "no such augmentation", "'flip'"),
    ],
)
def test_what_would_end_a_training_later_is_refused_without_any_data(
    changes: dict[str, Any], problem: str, fix: str
) -> None:
    recipe = small_recipe(Path("nowhere/train"), Path("nowhere/test"), **changes)
    with pytest.raises(UsageError) as caught:
        check_recipe(recipe, 1, keep_lr=False, scale_lr=False)
    assert problem in caught.value.problem and fix in caught.value.fix


@pytest.mark.parametrize("name", ["graphormer_free", "osx_free", "fastmetro_free", "hmr2_free"])
def test_a_model_with_terms_of_its_own_refuses_others_without_any_data(name: str) -> None:
    with pytest.raises(UsageError, match="no loss named 'foo'"):
        check_recipe(load_recipe(name, ["loss.foo=1"]), 1, keep_lr=False, scale_lr=False)


def test_figures_of_a_rule_choose_though_its_protocol_names_none() -> None:
    recipe = load_recipe("osx/setting2_b", ["model.backbone="])
    assert recipe.data.validation is not None and recipe.data.validation.metric == "mpvpe_all"
    assert check_recipe(recipe, 1, keep_lr=True, scale_lr=False)
    wrong = load_recipe("osx/setting2_b", ["model.backbone=", "data.validation.metric=mpvpe"])
    with pytest.raises(UsageError, match="no such figure"):
        check_recipe(wrong, 1, keep_lr=True, scale_lr=False)


def test_a_file_in_the_place_of_shards_is_named_as_one(tmp_path: Path) -> None:
    (tmp_path / "train").touch()
    [part] = check_shards(small_recipe(tmp_path / "train"))
    assert part.problem is not None and not makeable(part)
    assert "train is a file; shards are a folder" in part.problem.problem


def about_occluders(*words: str) -> list[HpsError]:
    """-> what is in the way of a recipe that pastes the objects of a file."""
    recipe = load_recipe("hmr/augmentations/h36m_occluders", words)
    found = in_the_way(recipe, 8, start=True, keep_lr=False, scale_lr=False)
    return [error for error in found if "occluders" in error.problem]


def test_objects_to_paste_that_are_missing_are_told_before_the_start_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    [error] = about_occluders()
    assert "'data/datasets/pascal_occluders.npy', are not there" in error.problem
    bring, drawn = error.fix.splitlines()
    assert bring == "Bring it: README of mmhuman3d's configs/pare"
    word = drawn.removeprefix("or paste shapes that hps draws: ")
    assert about_occluders(word) == []
    [own] = about_occluders("augment.occluders_file=mine.npy")
    assert own.fix.splitlines() == ["Put the file there", drawn]


def test_objects_to_paste_are_in_nobody_s_way_when_they_are_there_or_not_wanted(
    tmp_path: Path,
) -> None:
    (tmp_path / "mine.npy").touch()
    assert about_occluders(f"augment.occluders_file={tmp_path / 'mine.npy'}") == []
    assert about_occluders("augment.occluders=0") == []


def test_a_member_that_is_left_out_may_still_be_named_by_an_augmentation() -> None:
    recipe = load_recipe(
        "hmr/combined/resnet50_mix1_aug", ["data.mix.h36m_mosh_train=0", "model.backbone="]
    )
    assert recipe.augment.only == {"self_mixing": ("h36m_mosh_train",)}
    check_recipe(recipe, 1, keep_lr=True, scale_lr=False)
