import json

import pytest
import rich.console

from hpscli.cli.output import Output, show_error, table
from hpscli.errors import MissingError


def test_json_puts_one_document_on_stdout_and_the_story_on_stderr(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output(json=True)
    output.say("reading", "shards")
    output.result("eval", {"value": 1.5}, lambda: print("never drawn"))
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {"schema": "hps/eval/1", "value": 1.5}
    assert "reading" in shown.err


def test_quiet_tells_no_story(capsys: pytest.CaptureFixture[str]) -> None:
    output = Output(quiet=True)
    output.say("reading", "shards")
    assert list(output.track([1, 2], "work", 2)) == [1, 2]
    assert capsys.readouterr().err == ""


def test_progress_without_a_terminal_is_lines_not_a_bar(capsys: pytest.CaptureFixture[str]) -> None:
    list(Output().track(range(100), "work", 100, "people"))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) < 25 and lines[-1].startswith("work        100/100")


def test_a_rate_leaves_out_the_start_and_earlier_work_and_is_not_told_too_soon(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 60.0, 60.0, 60.5, 60.5, 64.0, 64.0])
    monkeypatch.setattr("hpscli.cli.output.time.monotonic", lambda: next(clock))
    with Output().progress("writing", 100, "people") as advance:
        for count in (50, 10, 40):  # 50 of them by an earlier run
            advance(count)
    assert capsys.readouterr().err.splitlines() == [
        "writing     50/100",
        "writing     100/100  12 people/s",
    ]


def test_a_rate_begins_anew_where_earlier_work_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, *(seconds for seconds in (1.0, 8.0, 9.0, 19.0) for _ in range(2))])
    monkeypatch.setattr("hpscli.cli.output.time.monotonic", lambda: next(clock))
    with Output().progress("writing", 100, "people") as advance:
        for count in (30, 30, 0, 40):  # 60 of them by an earlier run, which takes a while to read
            advance(count)
    assert capsys.readouterr().err.splitlines()[-1] == "writing     100/100  4 people/s"


def test_progress_towards_an_unknown_end_is_not_a_line_for_each_step(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(Output().track(range(100), "work", 0, "people")) == list(range(100))
    assert "/0" not in (told := capsys.readouterr().err) and len(told.splitlines()) < 5


def test_an_error_says_what_and_what_to_type(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(MissingError("no shards at x.", "hps prepare x\nor bring your own"))
    assert capsys.readouterr().err.splitlines() == [
        "error  no shards at x.",
        "       hps prepare x",
        "       or bring your own",
    ]


def test_a_table_keeps_long_cells_whole_when_piped(capsys: pytest.CaptureFixture[str]) -> None:
    table(("name", "value"), [("x" * 60, 1.234), ("y", None)])
    shown = capsys.readouterr().out
    assert "x" * 60 in shown and "1.23" in shown


def test_a_title_wider_than_its_table_stays_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    table(("a", "b"), [(1, 2)], title="24 people, body source free")
    assert "24 people, body source free\n" in capsys.readouterr().out


def test_a_narrow_terminal_cuts_no_name_and_loses_no_word(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    screen = rich.console.Console(width=40, highlight=False, markup=False)
    monkeypatch.setattr("hpscli.cli.output.console", lambda: screen)
    table(("preset", "sets"), [("hand-l-hrnet-w64", "backbone=" + "x" * 60)])
    shown = capsys.readouterr().out
    assert "hand-l-hrnet-w64" in shown
    assert "…" not in shown and shown.count("x") == 60
