"""`hps info` prints conventions: tables for people, one document for programs."""

import json
import subprocess
import sys

import pytest

from hpscli.cli.app import run


def document(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict:
    assert run(["info", *arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_all_joint_sets_are_listed_with_their_counts(capsys: pytest.CaptureFixture[str]) -> None:
    listed = {s["name"]: s["joints"] for s in document(capsys, "joints")["joint_sets"]}
    assert listed["lsp14"] == 14 and listed["smplx144"] == 144 and len(listed) > 60


def test_one_joint_set_tells_names_mirror_and_conversions(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lsp = document(capsys, "joints", "lsp_14")
    assert lsp["schema"] == "hps/joint-set/1" and lsp["name"] == "lsp14"
    assert lsp["joints"][0] == "right_ankle" and lsp["mirror"][0] == 5
    assert "h36m17" in lsp["comes_from"] and "smpl24" not in lsp["comes_from"]


def test_the_table_of_one_set_shows_every_joint(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "joints", "coco17"]) == 0
    out = capsys.readouterr().out
    assert "left_shoulder" in out and "right_shoulder" in out and "comes whole out of" in out


def test_an_unknown_set_is_usage_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["info", "joints", "coco18"]) == 2
    assert "Did you mean 'coco17'" in capsys.readouterr().err


@pytest.mark.parametrize("what", ["cameras", "formats", "schema", "predictions"])
def test_every_page_has_a_table_and_a_document(
    what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(document(capsys, what)) > 1
    assert run(["info", what]) == 0
    assert len(capsys.readouterr().out.splitlines()) > 4


def test_the_schema_names_shapes_and_units(capsys: pytest.CaptureFixture[str]) -> None:
    arrays = {a["name"]: a for a in document(capsys, "schema")["arrays"]}
    assert arrays["smpl.body_pose"]["shape"] == [69]
    assert arrays["smpl.body_pose"]["unit"] == "axis-angle, radians"
    assert arrays["smpl.transl"]["unit"] == "m" and arrays["box.size"]["required"]


def test_joint_sets_are_shown_without_importing_torch() -> None:
    code = (
        "import sys; from hpscli.cli.app import run; run(['info', 'joints', 'lsp14']); "
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def test_every_layout_of_predictions_says_who_writes_it(capsys: pytest.CaptureFixture[str]) -> None:
    layouts = document(capsys, "predictions")
    assert {"spin-results", "pare-evaluation"} <= {other["name"] for other in layouts["others"]}
    assert "vertices" in {entry["entry"] for entry in layouts["ours"]}
    for other in layouts["others"]:
        one = document(capsys, "predictions", other["name"])
        assert one["schema"] == "hps/prediction-file/1" and len(one["written by"]) > 30
        assert one["read as"]
    assert run(["info", "predictions", "spin-result"]) == 2
    assert "Did you mean 'spin-results'" in capsys.readouterr().err
