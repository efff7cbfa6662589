"""hps eval --compare, from words typed to a page on disk."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hpscli.cli.app import run
from hpscli.metrics.results import write_result
from tests.run.report.results import result


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three results: the second is better by 2 mm, the third worse by 1 mm."""
    monkeypatch.chdir(tmp_path)
    for name, amount in (("a", 0.0), ("b", -2.0), ("c", 1.0)):
        errors = {metric: values + amount for metric, values in result().errors.items()}
        write_result(tmp_path / f"{name}.json", result(errors=errors))
    return tmp_path


def test_two_and_more_results_are_compared(results: Path, capsys) -> None:
    assert run(["eval", "--compare", "a.json", "b.json", "c.json"]) == 0
    said = capsys.readouterr().out
    assert "B is better" in said and "C is worse" in said and "-2.00 to -2.00" in said
    assert "people drawn one by one: no videos are known" in said


def test_results_of_one_checkpoint_say_what_sets_them_apart(results: Path, capsys) -> None:
    flipped = result(settings={**result().settings, "tta": "flip"})
    write_result(results / "d.json", flipped)
    assert run(["eval", "--compare", "a.json", "d.json", "--out", "page.html"]) == 0
    assert "(tta none)" in (said := capsys.readouterr().out) and "(tta flip)" in said
    assert "tta flip" in Path("page.html").read_text(encoding="utf-8")


def test_the_option_may_stand_before_or_after_the_files(results: Path, capsys) -> None:
    assert run(["eval", "a.json", "b.json", "--compare", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["differences"] == document["comparisons"][0]["differences"]
    first = document["differences"][0]
    assert (first["difference"], first["verdict"]) == (-2.0, "B is better")
    assert document["comparisons"][0]["people"] == 40


def test_a_figure_without_shares_is_valid_json(results: Path, capsys) -> None:
    assert run(["eval", "--compare", "a.json", "b.json", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["differences"]
    (f5,) = [one for one in found if one["metric"] == "f5"]
    assert f5["low"] is None and not f5["significant"]


def test_a_figure_without_a_value_is_null(results: Path, capsys) -> None:
    nothing = {"f5": replace(result().metrics["f5"], value=float("nan"))}
    write_result(results / "d.json", result(metrics=nothing))
    assert run(["eval", "--compare", "d.json", "d.json", "--json"]) == 0
    said = capsys.readouterr().out
    assert "NaN" not in said and json.loads(said)["differences"][0]["first"] is None


def test_a_page_is_written_where_asked_and_never_over_another(results: Path, capsys) -> None:
    words = ["eval", "--compare", "a.json", "b.json", "--out", "page.html"]
    assert run(words) == 0 and "B against A" in Path("page.html").read_text()
    assert run(words) == 2 and "--force" in capsys.readouterr().err
    assert run([*words, "--force"]) == 0
    assert run(["eval", "--compare", "a.json", "b.json", "--out", "folder"]) == 0
    assert Path("folder/comparison.html").is_file()
    assert run(["eval", "--compare", "a.json", "b.json", "--out", "a.json"]) == 2
    assert "--out a.html" in capsys.readouterr().err


def test_a_run_stands_for_its_newest_result(results: Path, capsys) -> None:
    for age, name in ((100, "old"), (0, "new")):
        folder = results / "runs" / "mine" / "eval" / name
        shift = {n: v + age for n, v in result().errors.items()}
        file = write_result(folder / "result.json", result(errors=shift))
        os.utime(file, (1e9 - age, 1e9 - age))
    (results / "runs" / "mine" / "run.json").write_text("{}")
    for run_name in ("mine", "runs/mine"):
        assert run(["eval", "--compare", "a.json", run_name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["differences"][0]["difference"] == 0.0


def test_a_run_without_results_says_how_to_get_one(results: Path, capsys) -> None:
    (results / "runs" / "empty").mkdir(parents=True)
    assert run(["eval", "--compare", "a.json", "empty"]) == 3
    assert "hps eval empty --testset" in capsys.readouterr().err


def test_one_result_is_not_compared_with_nothing(results: Path, capsys) -> None:
    assert run(["eval", "--compare", "a.json"]) == 2
    assert "two result files" in capsys.readouterr().err


def test_two_checkpoints_without_compare_are_an_error_that_names_it(results: Path, capsys) -> None:
    assert run(["eval", "a.json", "b.json", "--testset", "synthetic"]) == 2
    assert "--compare" in capsys.readouterr().err
