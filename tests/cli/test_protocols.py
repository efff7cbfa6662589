"""hps protocols."""

import json
import sys

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
    hands = next(p for p in document["protocols"] if p["body"] == "mano" and p["split"] == "test")
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


def test_listing_does_not_need_torch() -> None:
    import subprocess

    code = (
        "import sys\nfrom hpscli.cli.app import run\n"
        "code = run(['protocols', 'list'])\nsys.exit('torch' in sys.modules or code)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
