import json
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from hpscli.cli.app import run
from hpscli.registry import get_registry
from tests.programs import program, wait_until


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve pictures with people, of which one is cut and one line is broken."""
    root = tmp_path / "photos"
    root.mkdir()
    lines = []
    for number in range(12):
        blobs = np.random.default_rng(number).integers(0, 255, (8, 8, 3), dtype=np.uint8)
        cv2.imwrite(str(root / f"{number}.jpg"), cv2.resize(blobs, (64, 64)))
        points = [[20 + joint, 30 + joint, 1] for joint in range(17)]
        lines.append(json.dumps({"image": f"{number}.jpg", "keypoints2d": {"coco17": points}}))
    whole = (root / "3.jpg").read_bytes()
    (root / "3.jpg").write_bytes(whole[: len(whole) // 2])
    lines[5] = "{"
    (root / "people.jsonl").write_text("\n".join(lines))
    return root


def command(photos: Path, *words: str) -> list[str]:
    """Two of the twelve records are bad, which most tests accept."""
    out = str(photos.parent / "out")
    return ["prepare", "folder", "--from", str(photos), "--out", out, "--allow-bad", "0.2", *words]


def test_it_says_what_was_done_what_was_bad_and_what_comes_next(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(photos)) == 0
    told = capsys.readouterr()
    assert told.out.startswith("done  10 people in 1 shard")
    assert "2 of 12 records left out" in told.err
    assert "people.jsonl line 4: '3.jpg': the image is a truncated JPG" in told.err
    assert "people.jsonl line 6: not JSON" in told.err
    assert f"hps datasets show {photos.parent / 'out'} --sample 0" in told.err
    assert told.err.splitlines()[-1].startswith("next        hps train recipes/tiny.toml")
    sheet = cv2.imread(str(photos.parent / "out" / "contact-sheet.png"))
    assert sheet is not None and sheet.shape[0] > 600


def test_json_is_one_document(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(photos, "--json", "--quiet")) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "hps/prepare/1"
    assert (document["samples"], document["bad"]["count"], document["shards"]) == (10, 2, 1)
    index = json.loads((photos.parent / "out" / "index.json").read_text())
    assert index["bad"] == document["bad"]


def test_a_file_in_the_place_of_the_folder_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    words = ["--count", "2", "--out", str(tmp_path / "notes.txt")]
    assert run(["prepare", "synthetic", *words]) == 2
    assert "notes.txt is a file, and shards are a folder" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command(photos, "--dry-run", "crop_px=32")) == 0
    told = capsys.readouterr()
    assert "12" in told.out and "crop_px" in told.out
    assert "nothing was written" in told.err
    assert not (photos.parent / "out").exists()


@pytest.mark.parametrize(("allowed", "code"), [("0.01", 5), ("0.16", 5), ("0.17", 0)])
def test_more_bad_records_than_allowed_end_in_code_5_with_whole_shards(
    photos: Path, allowed: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # the second time nothing is made, and the verdict is the same
        assert run([*command(photos), "--allow-bad", allowed, "--json"]) == code
        told = capsys.readouterr()
        assert json.loads(told.out)["samples"] == 10
        assert ("2 of 12 records are bad (16.7%)" in told.err) == (code == 5)
    assert run(["datasets", "audit", str(photos.parent / "out")]) == 0


def test_check_says_no_when_records_are_bad(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(photos, "--check", "--json")) == 4
    told = capsys.readouterr()
    assert "2 records of 'folder' are bad" in told.err
    document = json.loads(told.out)
    assert (document["samples"], document["bad"]["count"]) == (10, 2)
    assert sum(document["problems"].values()) == 2
    assert 10_000 < document["bytes"] < document["free_bytes"]
    assert not (photos.parent / "out").exists()
    (photos / "3.jpg").write_bytes((photos / "4.jpg").read_bytes())
    lines = (photos / "people.jsonl").read_text().splitlines()
    (photos / "people.jsonl").write_text("\n".join(lines[:5] + lines[6:]))
    assert run(command(photos, "--check")) == 0


def test_check_lists_the_files_and_names_all_that_are_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "annotations").mkdir()
    assert run(["prepare", "coco", "--from", str(tmp_path), "--check", "--json"]) == 3
    told = capsys.readouterr()
    files = json.loads(told.out)["files"]
    missing = [group["glob"] for group in files if group["missing"]]
    assert len(missing) > 1 and all(f"has no {glob}" in told.err for glob in missing)
    assert "hps datasets show coco" in told.err and "Traceback" not in told.err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["prepare", "fodler"], 2, "no dataset named 'fodler'. Did you mean 'folder'?"),
        (["prepare", "folder"], 3, "no data/folder"),
        (["prepare", "folder", "--from", "nowhere"], 3, "no folder nowhere"),
        (["prepare", "folder", "--from", ".", "box=2"], 2, "no option 'box'"),
        (["prepare", "folder", "--from", ".", "--count", "3"], 2, "no option 'count'"),
        (["prepare", "folder", "--split", "tran"], 2, "Did you mean 'train'?"),
        (["prepare", "folder", "--from", ".", "--size", "4"], 2, "crops of 4 px are too small"),
        (["prepare", "synthetic", "count=many"], 2, "option 'count' of 'synthetic' is 'many', expected a whole number"),
    ],
)  # fmt: skip
def test_wrong_words_end_in_one_message_and_the_right_code(
    words: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(words) == code
    told = capsys.readouterr().err
    assert message in told.replace("\n       ", " ") and "Traceback" not in told


def test_an_empty_folder_of_people_is_invalid_data(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photos / "people.jsonl").write_text("")
    assert run(command(photos)) == 5
    assert "data set 'folder' is empty" in capsys.readouterr().err


def test_a_second_time_it_says_that_all_is_there(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(photos)) == 0
    assert run(command(photos)) == 0
    assert "these shards were finished before" in capsys.readouterr().err
    assert run(command(photos, "--limit", "5")) == 2
    assert "finished shards that differ in: limit." in capsys.readouterr().err
    assert run(command(photos, "--limit", "5", "--force")) == 0


def test_a_truncated_shard_is_mended_by_the_same_command(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(photos)) == 0
    tar = photos.parent / "out" / "000000.tar"
    whole = tar.read_bytes()
    tar.write_bytes(whole[:1000])
    capsys.readouterr()
    assert run(["datasets", "stats", str(tar.parent)]) == 5
    assert "Repeat the same `hps prepare`" in capsys.readouterr().err
    assert run(command(photos)) == 0
    told = capsys.readouterr().err
    assert "1 shard was broken or missing: made again" in told and "nothing was written" not in told
    assert tar.read_bytes() == whole


def test_flags_for_generated_people_are_short_for_options(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        "prepare",
        "synthetic",
        "--body",
        "mano",
        "--count",
        "4",
        "--size",
        "64",
        "--seed",
        "3",
    ]
    assert run([*words, "--split", "test", "--out", str(tmp_path / "out"), "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["body"] == {"kind": "mano", "source": "free"}
    assert "body=mano" in told.err and "seed=3" in told.err
    options = json.loads((tmp_path / "out" / "index.json").read_text())["made_by"]["options"]
    assert (options["count"], options["size_px"], options["seed"]) == (4, 64, 3)


@pytest.mark.slow
def test_interrupting_keeps_what_is_done_and_says_how_to_go_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [
        "prepare",
        "synthetic",
        "--count",
        "400",
        "--size",
        "64",
        "--out",
        str(out),
        "--workers",
        "2",
    ]
    call = [sys.executable, "-m", "hpscli", *words, "--shard-samples", "20"]
    # tests that run in the background ignore Ctrl-C, and so would what they start
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with program(call, stderr=subprocess.PIPE, preexec_fn=heed) as process:
        wait_until(process, (out / "000001.json").exists)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Repeat the same command to go on" in told and "Traceback" not in told
    assert not list(out.glob(".*.partial"))
    assert "resumed" in subprocess.run(call, capture_output=True, text=True).stderr


def test_what_comes_next_measures_under_the_protocol_of_the_split(
    tmp_path: Path, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*words: str) -> str:
        assert run(["prepare", *words]) == 0
        return capsys.readouterr().err.splitlines()[-1]

    small = ("--count", "1", "--size", "32", "--out")
    test, held_out = tmp_path / "test", tmp_path / "validation"
    ours = told("synthetic", "--split", "test", *small, str(test))
    assert ours.endswith(f"hps eval CHECKPOINT --testset synthetic --shards {test}")
    other = told("synthetic", "--split", "validation", *small, str(held_out))
    assert "--protocol synthetic/validation@smpl24-v1" in other
    assert "hps eval" not in told(*command(photos, "--split", "test")[1:])


def test_a_lost_file_is_an_error_whatever_its_share_of_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = tmp_path / "lossy.py"
    plugin.write_text(LOSSY)
    monkeypatch.setenv("HPS_PLUGINS", str(plugin))
    get_registry.cache_clear()
    command = ["prepare", "lossy", "--out", str(tmp_path / "out"), "--workers", "1"]
    try:
        assert run([*command, "--allow-bad", "0.5"]) == 5
        said = capsys.readouterr().err
        assert "1 file could not be read" in said and "take-7.pkl is torn" in said
        assert run([*command, "--allow-bad", "0.5", "--partial"]) == 0
    finally:
        get_registry.cache_clear()


LOSSY = """
import cv2
import numpy as np
from hpscli.errors import LostFile
from hpscli.hooks import DatasetSpec, hookimpl
from hpscli.records import Sample


def samples(root, split):
    image = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    arrays = {"box.center": np.full(2, 4.0), "box.size": np.ones(1), "image.affine": np.eye(2, 3)}
    for number in range(3):
        yield Sample(key=f"p{number}", image=image, arrays=arrays, meta={"image_size_px": [8, 8]})
    yield LostFile("take-7.pkl is torn.")


@hookimpl
def hps_datasets():
    return [
        DatasetSpec(
            name="lossy", samples="lossy:samples", splits=("train",), summary="Three people",
            licence="CC0", access="generated", homepage="-", needs_root=False,
        )
    ]
"""
