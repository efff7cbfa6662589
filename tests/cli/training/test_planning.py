"""What is said before a training starts."""

import json
import re
from pathlib import Path

import pytest

from hpscli.cli.app import run as hps
from hpscli.cli.training.aims import aims
from hpscli.recipe import load_recipe
from tests.cli.training.asking import said


def test_a_limit_is_told_beside_what_there_is(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--limit", "3", "--dry-run"]) == 0
    assert "people 1.00 3 of 12 people · validation 3 of 4 people" in said(capsys)


def test_a_rate_that_cannot_be_scaled_is_told(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--scale-lr", "--dry-run"]) == 0
    assert "warning     --scale-lr changes nothing" in said(capsys)
    batch = "optim.global_batch=8"
    assert hps(["train", recipe, batch, "--scale-lr", "--dry-run"]) == 0
    assert "changes nothing" not in said(capsys)


def test_two_rules_for_one_rate_are_refused(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--scale-lr", "--keep-lr"]) == 2
    assert "Give one of them" in said(capsys)


def test_the_run_that_a_start_means_is_named(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--no-validate", "train.epochs=1"]) == 0
    (run,) = Path("runs/small").iterdir()
    capsys.readouterr()
    assert hps(["train", recipe, "--init", "runs/small", "--dry-run"]) == 0
    assert f"start       {run}\n" in said(capsys)


def test_a_member_is_left_out_in_the_words_of_the_pages(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data.mix.more.shards=shards/3dpw/train", "--dry-run"]
    assert hps(["train", recipe, *words]) == 3
    [less] = re.findall(r"or train without: (\S+)", said(capsys))
    assert less == "data.mix.more=0"
    assert hps(["train", recipe, *words, less]) == 0


def test_a_dry_run_says_the_plan_and_writes_nothing(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--dry-run"]) == 0
    text = said(capsys)
    assert "people 1.00 12 people · validation 4 people" in text
    assert "M parameters" in text
    assert "nothing was trained" in text
    assert [path.name for path in Path().iterdir()] == [recipe]


def test_a_dry_run_is_one_json_document_too(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/train/1"
    assert document["dry_run"] and document["run"] is None


def test_a_dry_run_without_data_says_how_to_make_them(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = "data.mix.people.shards=shards/synthetic/train"
    assert hps(["train", recipe, shards, "--dry-run"]) == 3
    text = said(capsys)
    assert "people 1.00 MISSING" in text
    assert "hps prepare synthetic --split train --out shards/synthetic/train" in text


def test_a_dry_run_says_what_it_starts_from_and_is_to_reach(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, "--dry-run"]) == 0
    text = said(capsys)
    assert "start       all weights at random" in text
    assert "to reach    nothing was published for this training" in text


def test_the_aims_of_a_published_training_are_its_figures() -> None:
    lines = list(aims(load_recipe("hmr/mixes/mix06"), validate=False))
    assert lines[0][1].startswith("imagenet resnet50.tv_in1k for the backbone")
    assert ("best", "the last: nothing is measured") in lines
    assert ("to reach", "3dpw/test@mmhuman3d-v1   PA-MPJPE 55.47") in lines
    best = dict(aims(load_recipe("graphormer_3dpw"), validate=True))["best"]
    assert best.endswith("--as-published: 3dpw/test@metro-v1, as its authors chose")


def test_a_dry_run_names_everything_that_is_in_the_way(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shards = "data.mix.people.shards=shards/synthetic/train"
    words = [shards, "optim.global_batch=512", "model.init=nobody.pth", "model.backbone=no.pth"]
    words += ["augment.occluders=0.5", "augment.occluders_file=no.npy"]
    assert hps(["train", recipe, *words, "--gpus", "99", "--dry-run"]) == 3
    text = said(capsys)
    assert "shards/synthetic/train has no index.json" in text
    assert "no checkpoint 'nobody.pth'" in text
    assert "model.backbone = 'no.pth', are not there" in text
    assert "augment.occluders_file = 'no.npy', are not there" in text
    assert "but the recipe is made for 512" in text
    assert "--gpus 99, but this machine has" in text


def test_a_training_that_cannot_start_names_all_reasons_each_with_its_remedy(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data.mix.people.shards=shards/3dpw/train", "optim.global_batch=512"]
    assert hps(["train", recipe, *words]) == 3
    lines = [line.strip() for line in said(capsys).splitlines()]
    missing = lines.index("error  no shards 'people': shards/3dpw/train has no index.json.")
    assert lines[missing + 1].startswith("Make them: hps prepare 3dpw --from DIR")
    assert "but the recipe is made for 512" in lines[missing + 2]
    assert "or train with this one: --scale-lr" in lines[missing + 4]
    assert lines[-1] == f"What it needs and from where: hps recipes show {recipe}"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["data.validation.metric=pa_mpjp"], "has no such figure"),
        (["loss.foo=1"], "no loss named 'foo'"),
        (["--seed", "-5"], "seed wants at least 0, not -5"),
        (["optim.betas=[2,3]"], "optim.betas wants less than 1"),
        (["model.options.backbone=vit-b", "data.image_size=[1,1]"], "at pictures of 1x1 px"),
        (["data.mix.people.shards=small.toml"], "small.toml is a file; shards are a folder"),
    ],
)
def test_a_dry_run_refuses_what_would_fail_later(
    words: list[str], told: str, recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert hps(["train", recipe, *words, "--dry-run"]) == 2
    assert told in said(capsys)


def test_a_network_that_cannot_be_is_told_before_people_are_made_for_it(
    recipe: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["data.mix.people.shards=shards/synthetic/train", "model.options.iterations=-1"]
    words += ["data.mix.people.prepare=synthetic --split train --count 2 --size 32"]
    assert hps(["train", recipe, *words]) == 2
    assert "make no network" in said(capsys)
    assert not Path("shards").exists()
