"""hps eval, from words typed to files on disk."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hpscli.cli.app import run
from hpscli.cli.evaluating.table import against
from hpscli.metrics.results import read_result
from tests.run.people import tiny_checkpoint, write_people

COUNT = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("eval")
    write_people(folder / "test", COUNT)
    write_people(folder / "train", 8, split="train", seed=50)
    write_people(folder / "hands", 2, kind="mano")
    tiny_checkpoint(folder / "tiny.safetensors")
    tiny_checkpoint(folder / "other.safetensors", seed=1)
    return folder


@pytest.fixture
def here(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return place


def words(place: Path, *more: str) -> list[str]:
    checkpoint = str(place / "tiny.safetensors")
    return ["eval", checkpoint, "--testset", "synthetic", "--shards", str(place / "test"), *more]


def test_figures_are_printed_and_saved_below_runs(here: Path, capsys) -> None:
    assert run(words(here)) == 0
    said = capsys.readouterr()
    assert "PA-MPJPE" in said.out and "6 people, body source free" in said.out
    assert "synthetic/test@smpl24-v1" in said.err and "flip off" in said.err
    (file,) = Path("runs/eval").rglob("result.json")
    assert f"saved       {file}" in said.err
    assert read_result(file).metrics["mpjpe"].n == COUNT


def test_json_is_one_document_with_the_essential_fields(here: Path, capsys) -> None:
    assert run(words(here, "--json", "--out", "r.json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/eval/1"
    assert document["protocol"]["id"] == "synthetic/test@smpl24-v1"
    assert {"sha256", "name"} <= set(document["checkpoint"])
    assert {"value", "unit", "n", "label", "smaller_is_better"} == set(document["metrics"]["mpjpe"])
    assert document["body"]["source"] == "free" and document["file"] == "r.json"
    people = np.load(document["samples_file"])
    assert list(people["keys"]) == [f"person-{i:04}" for i in range(COUNT)]


def test_the_mean_person_stands_beside_the_model(here: Path, capsys) -> None:
    train = str(here / "train")
    assert run(words(here, "--baseline", train, "--json", "--out", "r.json")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["baseline"]["metrics"]["mpjpe"]["n"] == COUNT
    assert (
        document["baseline"]["metrics"]["mpjpe"]["value"] != document["metrics"]["mpjpe"]["value"]
    )
    assert run(words(here, "--baseline", train)) == 0
    said = capsys.readouterr().out
    assert "mean person" in said and re.search(r"ours is +\d+\.\d % (above|below)", said)


@pytest.mark.parametrize(
    ("figures", "said"),
    [
        ((108.2, 100.0, "mm"), "8.2 % above"),
        ((91.8, 100.0, "mm"), "8.2 % below"),
        ((70.0, 50.0, "%"), "20.0 points above"),
        ((5.0, 0.0, "mm"), None),
        ((5.0, None, "mm"), None),
    ],
)
def test_the_distance_to_the_mean_person_says_its_direction(
    figures: tuple[float, float | None, str], said: str | None
) -> None:
    assert against(*figures) == said


def test_the_flip_test_changes_the_figures_and_is_recorded(here: Path) -> None:
    assert run(words(here, "--out", "a.json")) == 0
    assert run(words(here, "--flip", "--out", "b.json")) == 0
    plain, flipped = read_result(Path("a.json")), read_result(Path("b.json"))
    assert flipped.settings["flip"] and not plain.settings["flip"]
    assert flipped.metrics["mpjpe"].value != plain.metrics["mpjpe"].value


def test_pictures_of_worst_median_and_best_are_drawn(here: Path, capsys) -> None:
    from hpscli.render.pictures import read_image

    assert run(words(here, "--visualize", "--out", "r.json")) == 0
    assert read_image("r.people.png").shape[1] > 500
    assert "r.people.png" in capsys.readouterr().err


def test_nothing_is_overwritten_without_force(here: Path, capsys) -> None:
    assert run(words(here, "--out", "r.json")) == 0
    assert run(words(here, "--out", "r.json")) == 2
    assert "--force" in capsys.readouterr().err
    assert run(words(here, "--out", "r.json", "--force")) == 0


def test_two_results_are_compared_with_an_interval(here: Path, capsys) -> None:
    assert run(words(here, "--out", "a.json", "-q")) == 0
    other = ["eval", str(here / "other.safetensors"), *words(here, "--out", "b.json")[2:]]
    assert run(other) == 0
    capsys.readouterr()
    assert run(["eval", "--compare", "a.json", "b.json"]) == 0
    assert "95 % interval" in capsys.readouterr().out
    assert run(["eval", "--compare", "a.json", "b.json", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    first = document["differences"][0]
    assert first["low"] <= first["difference"] <= first["high"]
    assert first["significant"] == (first["low"] > 0 or first["high"] < 0)


def test_a_difference_that_rounds_to_zero_is_not_negative(here: Path, capsys) -> None:
    assert run(words(here, "--out", "a.json", "-q")) == 0
    with np.load("a.samples.npz") as stored:
        people = {k: v if k == "keys" else v - 1e-4 for k, v in stored.items()}  # mm
    np.savez("b.samples.npz", **people)
    document = json.loads(Path("a.json").read_text())
    Path("b.json").write_text(json.dumps({**document, "samples_file": "b.samples.npz"}))
    assert run(["eval", "--compare", "a.json", "b.json"]) == 0
    said = capsys.readouterr().out
    assert "+0.00" in said and "-0.00" not in said


def test_results_of_different_bodies_are_not_compared(here: Path, capsys) -> None:
    assert run(words(here, "--out", "a.json")) == 0
    document = json.loads(Path("a.json").read_text())
    document["body"]["source"] = "imported"
    Path("b.json").write_text(json.dumps(document))
    assert run(["eval", "--compare", "a.json", "b.json"]) == 2
    assert "body source" in capsys.readouterr().err


def test_missing_shards_name_the_command_that_makes_them(here: Path, capsys) -> None:
    name = "synthetic/validation@smpl24-v1"
    assert (
        run(["eval", str(here / "tiny.safetensors"), "--protocol", name]) == 3
    )  # the few people that come with hps are of the test split
    said = capsys.readouterr().err
    assert "hps prepare synthetic --split validation --out shards/synthetic/validation" in said


def test_people_of_another_split_are_refused_with_the_protocol_that_is_theirs(
    here: Path, capsys
) -> None:
    write_people(Path("validation"), 2, split="validation")
    assert run([*words(here)[:4], "--shards", "validation"]) == 2
    assert "--protocol synthetic/validation@smpl24-v1" in capsys.readouterr().err
    assert run([*words(here)[:4], "--shards", str(here / "train"), "--limit", "2"]) == 2
    assert "hps prepare synthetic --split test" in capsys.readouterr().err  # nobody measures train
    assert not Path("runs").exists()


def test_people_of_another_data_set_are_measured_with_a_note(here: Path, capsys) -> None:
    index = json.loads((write_people(Path("mine"), 2) / "index.json").read_text())
    Path("mine/index.json").write_text(json.dumps({**index, "dataset": "mine"}))
    assert run([*words(here)[:4], "--shards", "mine"]) == 0
    assert "people of mine/test; the figures are not those of" in capsys.readouterr().err
    assert run(words(here, "--limit", "2", "--out", "own")) == 0
    assert "figures are not" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "code", "said"),
    [
        (["--testset", "synthetik"], 2, "Did you mean 'synthetic'?"),
        (["--testset", "synthetic", "--shards", "nowhere"], 3, "nowhere"),
        (["--testset", "synthetic", "--dtype", "fp8"], 2, "bf16"),
        (["--testset", "synthetic", "--device", "tpu"], 2, "tpu"),
        (["--testset", "synthetic", "--gpus", "1", "--processes", "2"], 2, "exclude"),
        ([], 2, "hps protocols list"),
        (["--testset", "synthetic", "--shards", "{hands}"], 2, "are mano bodies"),
        (["--testset", "synthetic", "--shards", "{test}", "--baseline", "{hands}"], 2, "are mano"),
        (["--testset", "synthetic", "--shards", "{test}", "--baseline", "none"], 3, "none"),
        (["--testset", "synthetic", "--protocol", "synthetic-hands/test@mano21-v1"], 2, "for mano"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_message(
    here: Path, capsys, more: list[str], code: int, said: str
) -> None:
    more = [word.format(test=here / "test", hands=here / "hands") for word in more]
    assert run(["eval", str(here / "tiny.safetensors"), *more, "--json"]) == code
    shown = capsys.readouterr()
    assert said in shown.err and "measuring" not in shown.err
    assert shown.err.count("error") == 1 and shown.out == ""


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [("photo.png", b"\x89PNG", "hps predict photo.png"), ("mine.json", b"{}", "info predictions")],
)
def test_a_file_that_is_no_checkpoint_is_told_what_else_it_may_be(
    here: Path, capsys, name: str, content: bytes, said: str
) -> None:
    Path(name).write_bytes(content)
    assert run(["eval", name, "--testset", "synthetic"]) == 5
    assert said in capsys.readouterr().err


def test_a_checkpoint_that_is_not_there_is_exit_3(here: Path, capsys) -> None:
    assert run(["eval", "none.safetensors", "--testset", "synthetic"]) == 3


def test_an_empty_data_set_is_refused(here: Path, capsys) -> None:
    empty = Path("empty")
    document = json.loads((here / "test" / "index.json").read_text())
    empty.mkdir()
    (empty / "index.json").write_text(json.dumps({**document, "samples": 0, "shards": []}))
    assert run([*words(here)[:4], "--shards", "empty"]) == 5


def test_a_result_that_cannot_be_written_stops_before_anybody_is_measured(
    here: Path, capsys
) -> None:
    Path("file").write_text("not a folder")
    assert run(words(here, "--out", "file/results")) == 1
    said = capsys.readouterr().err
    assert "file" in said and "measuring" not in said and "bug" not in said


@pytest.mark.slow
def test_torchrun_gives_the_same_figures_as_one_process(here: Path) -> None:
    assert run(words(here, "--out", "one.json")) == 0
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    command += ["-m", "hpscli", *words(here, "--device", "cpu", "--out", "two.json", "--json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["processes"] == 2  # only one process prints
    one, two = read_result(Path("one.json")), read_result(Path("two.json"))
    assert one.keys == two.keys
    np.testing.assert_allclose(one.errors["mpjpe"], two.errors["mpjpe"], atol=1e-3)
    again = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert again.returncode != 0 and "two.json exists already" in again.stderr
    assert "bug" not in again.stderr  # no process waits for one that has gone


def test_a_checkpoint_may_be_named_as_for_predict(here: Path, capsys) -> None:
    command, checkpoint, *rest = words(here, "--limit", "2", "--quiet", "--out", "r.json")
    assert run([command, *rest, "--checkpoint", checkpoint]) == 0
    assert run([command, checkpoint, *rest, "--checkpoint", checkpoint]) == 2
    assert "two checkpoints are named" in capsys.readouterr().err
