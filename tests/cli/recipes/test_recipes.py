"""hps recipes."""

import json
from pathlib import Path
from typing import Any

import pytest

from hpscli.cli.app import load_command, run
from hpscli.recipe import load_recipe
from hpscli.train.recipes.prepare_lines import SWITCHES, WITH_VALUE

BROKEN = """
[model]
name = "hmr"
preset = "tiny"
[data.mix.people]
shards = "shards/nowhere/train"
[loss]
keypoints3d = 1
"""
INDEX = {"schema": "hps/shards/1", "samples": 1}


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder in which no shards are."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(capsys: pytest.CaptureFixture, *words: str, code: int = 0) -> dict[str, Any]:
    """Run `hps recipes WORDS --json` -> the document."""
    assert run(["recipes", *words, "--json"]) == code
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def pretend(folder: str) -> None:
    """Put an index where shards would be."""
    Path(folder).mkdir(parents=True)
    (Path(folder) / "index.json").write_text(json.dumps(INDEX))


def test_list_groups_recipes_by_model_and_folder(capsys: pytest.CaptureFixture) -> None:
    assert run(["recipes", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "graphormer" in lines and "recipes/hmr/mixes" in lines
    titles = [line for line in lines if line.startswith("recipes/")]
    assert len(titles) == len(set(titles))


def test_list_says_the_published_number_of_each(capsys: pytest.CaptureFixture) -> None:
    rows = {row["name"]: row for row in answer(capsys, "list", "hmr/mixes")["recipes"]}
    target = rows["hmr/mixes/mix01"]["targets"][0]
    assert (target["testset"], target["metric"], target["value"]) == ("3dpw", "pa_mpjpe", 66.14)
    assert all(name.startswith("hmr/mixes/") for name in rows)


def test_list_keeps_one_model_or_what_can_start(empty: Path, capsys: pytest.CaptureFixture) -> None:
    rows = answer(capsys, "list", "--model", "graphormer")["recipes"]
    assert {row["model"] for row in rows} == {"graphormer"}
    ready = {row["name"] for row in answer(capsys, "list", "--ready")["recipes"]}
    assert "tiny" in ready and "graphormer_h36m" not in ready  # generated people need no files


def test_list_takes_patterns_and_counts_what_it_shows(
    empty: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(["recipes", "list", "*_free", "--model", "graphormer", "--json"]) == 0
    shown = capsys.readouterr()
    rows = json.loads(shown.out)["recipes"]
    assert {row["name"] for row in rows} >= {"graphormer_free", "graphormer_hand_free"}
    assert all(row["name"].endswith("_free") for row in rows)
    assert f"{len(rows)} of " in shown.err and f" {len(rows)} of these ready" in shown.err


def test_list_knows_when_data_arrive(empty: Path, capsys: pytest.CaptureFixture) -> None:
    [before] = answer(capsys, "list", "metro_3dpw")["recipes"]
    assert not before["ready"]
    data = load_recipe("metro_3dpw").data
    assert data.validation is not None
    for place in {data.validation.shards, *(m.shards for m in data.mix.values())}:
        pretend(place)
    [after] = answer(capsys, "list", "metro_3dpw")["recipes"]
    assert after["ready"] and after["missing"] == []


def test_a_folder_that_is_not_there_is_suggested(capsys: pytest.CaptureFixture) -> None:
    assert run(["recipes", "list", "hmr/mixs"]) == 2
    assert "Did you mean 'hmr/mixes'?" in capsys.readouterr().err


def test_show_says_what_is_missing_and_what_to_type(
    empty: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(["recipes", "show", "graphormer_h36m"]) == 0
    shown = capsys.readouterr()
    for words in ("MeshGraphormer", "MISSING", "smpl-neutral", "51.2", "h36m/validation-p2@metro"):
        assert words in shown.out
    assert "next        hps prepare" in shown.err


def test_show_names_the_weights_that_the_authors_started_from(
    empty: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(["recipes", "show", "graphormer_h36m"]) == 0
    shown = capsys.readouterr().out
    assert "imagenet hrnet_w64.ms_in1k" in shown
    assert "hrnetv2_w64_imagenet_pretrained.pth, github.com/HRNet" in shown
    assert run(["recipes", "show", "osx/setting1_l"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    place = lines.index("data/checkpoints/osx_vit_l.pth  MISSING, for the start of the backbone")
    assert "any ViTPose-L of COCO" in lines[place + 1]
    assert run(["recipes", "show", "fastmetro/s_resnet50_freihand"]) == 0
    assert "nothing was published for this training" in capsys.readouterr().out


def test_show_names_the_objects_to_paste_and_what_takes_their_place(
    empty: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(["recipes", "show", "hmr/pare_coco"]) == 0
    _, told = capsys.readouterr().out.split(" data/occluders/pascal_occluders.npy ")
    what, where, instead = (line.strip() for line in told.splitlines()[:3])
    assert what == "MISSING, for the objects that are pasted over people"
    assert where == "README of mmhuman3d's configs/pare"
    assert instead == "or paste shapes that hps draws: augment.occluders_file="


def test_show_of_what_can_start_ends_with_train(empty: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["recipes", "show", "tiny", "optim.lr=1e-3"]) == 0
    shown = capsys.readouterr()
    assert "made by itself" in shown.out and "lr 0.001" in shown.out
    assert "next        hps train tiny optim.lr=1e-3" in shown.err


def test_show_as_json_has_shares_and_presence(empty: Path, capsys: pytest.CaptureFixture) -> None:
    document = answer(capsys, "show", "hmr/mixes/mix01")
    members = {need["name"]: need for need in document["data"] if need["role"] == "training"}
    assert sum(need["share"] for need in members.values()) == pytest.approx(1)
    assert members["coco_2014_train"]["here"] is False
    assert members["coco_2014_train"]["command"].startswith("hps prepare coco ")


def test_show_resolved_is_the_start_of_a_recipe_of_ones_own(
    empty: Path, capsys: pytest.CaptureFixture
) -> None:
    assert run(["recipes", "show", "hmr/mixes/mix01", "--resolved"]) == 0
    Path("mine.toml").write_text(capsys.readouterr().out)
    assert load_recipe("mine.toml").name == "mine"
    assert run(["recipes", "diff", "hmr/mixes/mix01", "mine.toml"]) == 0
    assert "same training" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["--lr", "3"], "Keys of a recipe are words: optim.lr=3 or adversary.lr=3"),
        (["--train.epochs=2"], "Keys of a recipe are words: train.epochs=2"),
        (["--layer-decay"], "Keys of a recipe are words: optim.layer_decay=..."),
    ],
)
def test_a_key_that_is_typed_as_an_option_is_told_as_a_word(
    words: list[str], fix: str, capsys: pytest.CaptureFixture
) -> None:
    assert run(["recipes", "show", "tiny", *words]) == 2
    said = capsys.readouterr().err
    assert f"has no option '{words[0].partition('=')[0]}'" in said and fix in said


def test_a_recipe_is_shown_by_the_name_that_show_prints(capsys: pytest.CaptureFixture) -> None:
    name = answer(capsys, "show", "hmr/mixes/mix01")["recipe"]["name"]
    assert answer(capsys, "show", name)["recipe"]["name"] == name


def test_diff_tells_mixes_as_shares_and_the_rest_by_section(
    capsys: pytest.CaptureFixture,
) -> None:
    assert run(["recipes", "diff", "hmr/mixes/mix01", "hmr/mixes/mix05_l1"]) == 0
    out = capsys.readouterr().out
    assert "[data.mix] shares" in out and "34.0%" in out and "[model]" in out
    assert "summary" not in out and "about" not in out
    document = answer(capsys, "diff", "hmr/mixes/mix01", "hmr/mixes/mix05_l1")
    assert document["mix_shares"]["lsp_train"] == [None, 0.1]


def test_diff_of_a_recipe_with_itself_says_so(capsys: pytest.CaptureFixture) -> None:
    assert run(["recipes", "diff", "tiny", "tiny"]) == 0
    assert "same training" in capsys.readouterr().out


def test_check_trains_a_batch_of_stand_ins(capsys: pytest.CaptureFixture) -> None:
    document = answer(capsys, "check", "tiny")
    [found] = document["recipes"]
    assert document["ok"] and found["ran"] and found["loss"] > 0
    assert any(words.startswith("mpjpe ") for words in found["figures"])


@pytest.mark.parametrize(
    ("word", "fix"),
    [("tinny", "Did you mean 'tiny'?"), ("hmr/mixes", "hps recipes check hmr/mixes --all")],
)
def test_check_refuses_what_is_no_recipe(
    word: str, fix: str, capsys: pytest.CaptureFixture
) -> None:
    assert run(["recipes", "check", word, "--no-run"]) == 2
    assert fix in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "network"), [("tiny", " 2 M "), ("hmr/mixes/mix01", "tiny (own: 27 M)")]
)
def test_check_says_whose_network_it_tried(
    name: str, network: str, capsys: pytest.CaptureFixture
) -> None:
    assert run(["recipes", "check", name, "--small"]) == 0
    assert network in capsys.readouterr().out


def test_check_tries_a_large_network_whole_when_asked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr("hpscli.testing.standins.trial.LARGEST", 5e6)
    words = ("hmr_synthetic", "data.image_size=[64,64]")
    [small] = answer(capsys, "check", *words)["recipes"]
    [whole] = answer(capsys, "check", *words, "--whole")["recipes"]
    assert (small["small"], whole["small"]) == (True, False)
    assert small["parameters"] == whole["parameters"] > 5e6
    assert run(["recipes", "check", "tiny", "--small", "--whole"]) == 2


def test_check_of_one_recipe_ends_with_what_is_wrong_in_it(capsys: pytest.CaptureFixture) -> None:
    assert run(["recipes", "check", "tiny", "seed=-5", "--no-run"]) == 4
    error = capsys.readouterr().err
    assert "recipe 'tiny' failed" in error and "seed wants at least 0, not -5" in error


def test_check_names_every_mistake_at_once(capsys: pytest.CaptureFixture) -> None:
    words = ["loss.bones=1", "data.joints=smpl25", "optim.groups.all.match=['nothing.*']"]
    document = answer(capsys, "check", "tiny", *words, "--no-run", code=4)
    said = " ".join(document["recipes"][0]["problems"])
    assert "'bones'" in said and "'smpl25'" in said and "'nothing.*'" in said


def test_check_refuses_what_training_would(capsys: pytest.CaptureFixture) -> None:
    words = ["augment.only.occluders_on=['synthetic']", "data.mixing=balanced"]
    document = answer(capsys, "check", "tiny", *words, "--no-run", code=4)
    said = " ".join(document["recipes"][0]["problems"])
    assert "no such augmentation" in said and "is on no side" in said


def test_check_of_all_goes_on_after_one_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    shipped = Path(load_recipe.__code__.co_filename).parents[2] / "recipes"
    (tmp_path / "a_broken.toml").write_text(BROKEN)
    (tmp_path / "b_good.toml").write_text((shipped / "tiny.toml").read_text())
    monkeypatch.setattr("hpscli.recipe.finding.recipe_folders", lambda: [tmp_path])
    document = answer(capsys, "check", "--all", "--no-run", code=4)
    assert [found["ok"] for found in document["recipes"]] == [False, True]
    assert "nothing says how shards/nowhere/train is made" in str(document["recipes"][0])


def test_check_wants_a_name_or_all(capsys: pytest.CaptureFixture) -> None:
    assert run(["recipes", "check"]) == 2
    assert "hps recipes check --all" in capsys.readouterr().err


def test_flags_of_prepare_lines_are_those_of_the_command() -> None:
    options = {
        name.removeprefix("--"): parameter.is_flag
        for parameter in load_command("prepare").params
        if parameter.param_type_name == "option"
        for name in parameter.opts
        if name.startswith("--")
    }
    options.pop("help", None)
    assert {name for name, flag in options.items() if flag} == set(SWITCHES)
    assert {name for name, flag in options.items() if not flag} == set(WITH_VALUE)
