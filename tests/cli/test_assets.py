"""hps assets: one table, one import command, one folder, and links that are asked for real."""

import json
import os
import pickle
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from hpscli.body.assets.files import have_asset
from hpscli.body.assets.links import check_links
from hpscli.body.assets.sources import AssetSource, asset_records, asset_sources
from hpscli.cli.app import run
from tests.body.official.makers import h36m_regressor, write_zip
from tests.body.official.test_pickles import Runs


@pytest.fixture
def regressor(tmp_path: Path) -> Path:
    np.save(tmp_path / "J_regressor_h36m.npy", h36m_regressor(right_leg_first=False))
    return tmp_path / "J_regressor_h36m.npy"


def test_the_list_shows_every_asset_with_licence_and_place(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["assets", "list"]) == 0
    shown = capsys.readouterr()
    for record in asset_records().values():
        (line,) = [row for row in shown.out.splitlines() if row.split()[:1] == [record.id]]
        assert "missing" in line
        assert record.source.terms in line
    assert "0 of 26" in shown.err


def test_the_list_as_json_has_what_a_program_needs(
    regressor: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["assets", "import", str(regressor)])
    capsys.readouterr()
    assert run(["assets", "list", "regressor", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/assets/1"
    rows = {row["id"]: row for row in document["assets"]}
    assert rows["regressor-h36m"]["present"] is True
    assert rows["regressor-h36m"]["meta"]["legs_swapped"] is True
    assert rows["regressor-h36m"]["bytes"] > 900_000
    assert rows["regressor-extra"]["present"] is False
    assert rows["regressor-extra"]["page"].startswith("https://")


def test_an_unknown_asset_in_the_list_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["assets", "list", "nothing"]) == 2
    assert "smpl-neutral" in capsys.readouterr().err


def test_a_damaged_asset_does_not_spoil_the_list(
    own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (own_home / "assets").mkdir()
    (own_home / "assets" / "kid-smpl.safetensors").write_bytes(b"rubbish")
    assert run(["assets", "list", "kid", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["assets"]
    assert "cannot be read" in rows[0]["meta"]["damaged"]


def test_import_says_what_where_and_what_next(
    regressor: Path, own_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["assets", "import", str(regressor)]) == 0
    shown = capsys.readouterr()
    assert "imported" in shown.out
    assert "regressor-h36m" in shown.out
    assert "legs were exchanged" in shown.out
    assert str(own_home / "assets") in shown.err
    assert "next        hps assets list" in shown.err
    assert run(["assets", "import", str(regressor)]) == 0
    assert "already there" in capsys.readouterr().out


def test_import_as_json_names_the_asset_and_the_source(
    regressor: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["assets", "import", str(regressor), "--json", "--quiet"]) == 0
    shown = capsys.readouterr()
    (entry,) = json.loads(shown.out)["files"]
    assert (entry["id"], entry["status"]) == ("regressor-h36m", "imported")
    assert len(entry["sha256"]) == 64
    assert shown.err == ""


@pytest.mark.parametrize(
    ("name", "content", "code", "said"),
    [
        ("evil.pkl", pickle.dumps(Runs(os.system, "touch canary")), 5, "system"),
        ("text.pkl", b"text", 5, "Accepted: SMPL"),
        ("cut.npz", b"PK\x03\x04cut", 5, "damaged"),
    ],
)
def test_a_bad_file_ends_in_one_message_and_exit_5(
    name: str,
    content: bytes,
    code: int,
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(content)
    assert run(["assets", "import", name]) == code
    shown = capsys.readouterr().err
    assert said in shown
    assert "Traceback" not in shown
    assert not (tmp_path / "canary").exists()


def test_a_path_that_is_not_there_is_exit_3(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["assets", "import", "nowhere/SMPL.zip"]) == 3
    assert "nowhere/SMPL.zip" in capsys.readouterr().err


def test_a_zip_with_a_member_outside_is_exit_5_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_zip(tmp_path / "a.zip", {"../evil.pkl": b"\x80\x02N.", "a.txt": b""})
    assert run(["assets", "import", str(path)]) == 5
    assert "'../evil.pkl'" in capsys.readouterr().err


def test_good_files_beside_a_hostile_one_are_imported_and_the_exit_is_5(
    regressor: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (regressor.parent / "evil.pkl").write_bytes(pickle.dumps(Runs(os.system, "true")))
    assert run(["assets", "import", str(regressor.parent)]) == 5
    shown = capsys.readouterr()
    assert "regressor-h36m" in shown.out
    assert "evil.pkl asks for" in shown.err
    assert "1 other file imported." in shown.err
    assert have_asset("regressor-h36m")


def test_one_bad_path_among_several_does_not_hide_what_was_imported(
    regressor: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["assets", "import", str(regressor), "nowhere.zip"]) == 3
    shown = capsys.readouterr()
    assert "regressor-h36m" in shown.out
    assert "nowhere.zip" in shown.err
    assert "1 other file imported." in shown.err


def test_a_gender_for_several_files_is_a_usage_error(
    regressor: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = [str(regressor), str(regressor)]
    assert run(["assets", "import", *two, "--gender", "male"]) == 2
    assert "one file" in capsys.readouterr().err


def test_where_prints_the_folder_alone(own_home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["assets", "where"]) == 0
    assert capsys.readouterr().out == f"{own_home / 'assets'}\n"


class Answers(BaseHTTPRequestHandler):
    """/gone says 404, /no-head refuses HEAD, the rest is there."""

    def do_HEAD(self) -> None:
        codes = {"/gone": 404, "/no-head": 405}
        self.send_response(codes.get(self.path, 200))
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output clean."""


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()


@pytest.fixture
def closed_port() -> Iterator[str]:
    with socket.socket() as probe:  # held, and not listened at: nobody else gets it
        probe.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{probe.getsockname()[1]}"


def source(page: str, name: str = "a", since: str = "") -> AssetSource:
    return AssetSource(
        name=name, page=page, file="a.zip", licence="none", terms="none", unreachable_since=since
    )


def test_links_are_asked_and_each_answer_is_reported(server: str, closed_port: str) -> None:
    pages = [f"{server}/here", f"{server}/gone", f"{server}/no-head", closed_port, "http://"]
    reports = check_links([source(page) for page in pages], timeout=5)
    assert [report.status for report in reports] == [
        *("ok", "refused", "ok", "unreachable", "unreachable")
    ]
    assert reports[1].detail.startswith("HTTP 404")
    assert "refused" in reports[3].detail


def test_a_server_that_never_answers_costs_only_the_timeout() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        page = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (report,) = check_links([source(page)], timeout=0.3)
    assert report.status == "unreachable"
    assert "timed out" in report.detail
    assert report.seconds < 3


@pytest.mark.parametrize(
    ("paths", "code", "said"),
    [
        ({"good": "/here", "also": "/no-head"}, 0, "asking"),
        ({"good": "/here", "lost": "/gone"}, 4, "lost"),
        ({"good": "/here", "closed": "/gone"}, 0, "asking"),
        ({"closed": "/here"}, 0, "answers again"),
    ],
)
def test_check_links_fails_only_for_what_was_not_known_to_be_closed(
    paths: dict[str, str],
    code: int,
    said: str,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    listed = {
        name: source(server + path, name, "2025-03" if name == "closed" else "")
        for name, path in paths.items()
    }
    monkeypatch.setattr("hpscli.body.assets.sources.asset_sources", lambda: listed)
    assert run(["assets", "check-links", "--timeout", "5"]) == code
    shown = capsys.readouterr()
    assert said in shown.err
    for name in paths:
        assert name in shown.out


def test_without_a_network_check_links_says_so(
    closed_port: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        "hpscli.body.assets.sources.asset_sources", lambda: {"a": source(closed_port)}
    )
    assert run(["assets", "check-links", "--json"]) == 0
    shown = capsys.readouterr()
    (entry,) = json.loads(shown.out)["links"]
    assert entry["status"] == "unreachable"
    assert "no network" in shown.err


def test_the_storage_that_closed_is_listed_with_its_date() -> None:
    closed = [place for place in asset_sources().values() if place.unreachable_since]
    assert [(place.name, place.unreachable_since) for place in closed] == [
        ("metro_storage", "2025-03")
    ]
