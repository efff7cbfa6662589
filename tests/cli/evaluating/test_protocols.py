"""hps protocols."""

import json
import sys
from pathlib import Path

import pytest

from hpscli.cli.app import run


def test_list_names_every_protocol_and_marks_the_default(capsys: pytest.CaptureFixture) -> None:
    assert run(["protocols", "list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["synthetic/test@smpl24-v1"].rstrip().endswith("yes")
    assert lines["synthetic/validation@smpl24-v1"].rstrip().endswith("no")


def test_list_as_json_has_what_defines_a_number(capsys: pytest.CaptureFixture) -> None:
    assert run(["protocols", "list", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/protocols/1"
    hands = next(
        p for p in document["protocols"] if p["testset"] == "synthetic" and p["body"] == "mano"
    )
    assert (hands["joints"], hands["root"]) == ("mano21", ["right_wrist"])


def test_show_says_it_in_english(capsys: pytest.CaptureFixture) -> None:
    assert run(["protocols", "show", "synthetic/test@smpl24-v1"]) == 0
    out = capsys.readouterr().out
    for words in ("24 joints of smpl24", "pelvis is the origin", "without reflection", "PA-MPJPE"):
        assert words in out


def test_show_as_json_is_one_document(capsys: pytest.CaptureFixture) -> None:
    assert run(["protocols", "show", "synthetic/test@smpl24-v1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/protocol/1" and document["english"]["root"]


def test_a_near_miss_is_suggested(capsys: pytest.CaptureFixture) -> None:
    assert run(["protocols", "show", "synthetic/tests@smpl24-v1"]) == 2
    assert "Did you mean 'synthetic/test@smpl24-v1'?" in capsys.readouterr().err


def test_a_short_name_that_means_one_protocol_is_enough(capsys: pytest.CaptureFixture) -> None:
    for name in ("3dpw@spin", "3dpw/test@spin", "3dpw@spin-v1"):
        assert run(["protocols", "show", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["name"] == "3dpw/test@spin-v1"


@pytest.mark.parametrize(
    ("name", "said", "one"),
    [
        ("freihand", "is a test set", "freihand/test@corrected-v1"),
        ("spin", "is the name of several protocols", "h36m/validation-p2@spin-v1"),
        ("h36m@spin", "is the name of several protocols", "h36m/validation-p1@spin-v1"),
    ],
)
def test_a_name_of_several_protocols_is_answered_with_them(
    capsys: pytest.CaptureFixture, name: str, said: str, one: str
) -> None:
    assert run(["protocols", "show", name]) == 2
    shown = capsys.readouterr().err
    assert said in shown and one in shown


def test_figures_of_a_rule_of_its_own_are_shown_by_the_names_that_metrics_takes(
    capsys: pytest.CaptureFixture,
) -> None:
    assert run(["protocols", "show", "freihand/test@official-v1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert len(document["figures"]) == 12 and "xyz_al_mean3d" in document["figures"]
    assert {row["tta"] for row in document["published"]} == {"", "multiscale"}


def test_a_test_set_that_the_example_says_nothing_about_is_no_empty_table(
    capsys: pytest.CaptureFixture,
) -> None:
    assert run(["protocols", "effects", "--testset", "freihand"]) == 2
    assert "hps protocols explain NAME" in capsys.readouterr().err


def test_list_can_be_of_one_test_set(capsys: pytest.CaptureFixture) -> None:
    assert run(["protocols", "list", "--testset", "h36m/validation-p1", "--json"]) == 0
    names = [p["name"] for p in json.loads(capsys.readouterr().out)["protocols"]]
    assert "h36m/validation-p1@metro-v1" in names
    assert all(name.startswith("h36m/validation-p1@") for name in names)
    assert run(["protocols", "list", "--testset", "3dpww"]) == 2
    assert "Did you mean '3dpw'" in capsys.readouterr().err


def test_a_protocols_own_words_come_before_the_general_ones(capsys: pytest.CaptureFixture) -> None:
    assert run(["protocols", "show", "3dpw/test@metro-v1"]) == 0
    out = capsys.readouterr().out
    for words in (
        "batches of 30",
        "whatever the gender",
        "88.28",
        "metro-corrected-v1",
        "run_validate",
    ):
        assert words in out


def test_explain_measures_siblings_on_an_example(capsys: pytest.CaptureFixture) -> None:
    assert run(["protocols", "explain", "3dpw/test@spin-v1", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    values = {row["name"]: row["values"] for row in document["example"]}
    assert values["3dpw/test@spin-v1"]["mpjpe"] > values["3dpw/test@metro-v1"]["mpjpe"] > 50
    assert values["3dpw/test@pare-v1"]["pve"] > values["3dpw/test@mmhuman3d-v1"]["pve"]
    assert (
        values["3dpw/test@metro-v1"]["pa_mpjpe"]
        < values["3dpw/test@metro-corrected-v1"]["pa_mpjpe"]
    )
    assert document["licence"] and document["read in"]


def test_explain_against_another_measures_each_difference_alone(
    capsys: pytest.CaptureFixture,
) -> None:
    assert (
        run(["protocols", "explain", "3dpw/test@spin-v1", "--against", "3dpw/test@metro-v1"]) == 0
    )
    out = capsys.readouterr().out
    assert "with one thing as in 3dpw/test@metro-v1" in out and "unknown_gender" in out
    assert "1. people" in out


def test_the_page_about_protocols_shows_what_the_command_prints(
    capsys: pytest.CaptureFixture,
) -> None:
    page = Path("docs/explanation/protocols.md").read_text(encoding="utf-8")
    shown = page.partition("<!-- effects -->\n")[2].partition("<!-- /effects -->")[0]
    assert run(["protocols", "effects", "--testset", "3dpw/test", "--markdown"]) == 0
    printed = capsys.readouterr().out

    def cells(table: str) -> list[list[str]]:
        return [[cell.strip() for cell in line.split("|")] for line in table.strip().splitlines()]

    assert len(cells(shown)) == len(cells(printed)) > 12
    for told, found in zip(cells(shown), cells(printed), strict=True):
        for a, b in zip(told, found, strict=True):
            number = a.replace(".", "").isdigit()
            assert a == b or (number and abs(float(a) - float(b)) < 0.15), (told, found)


def test_listing_does_not_need_torch() -> None:
    import subprocess

    code = (
        "import sys\nfrom hpscli.cli.app import run\n"
        "code = run(['protocols', 'list'])\nsys.exit('torch' in sys.modules or code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
