import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from hpscli.cli.app import run
from hpscli.cli.datasets import cards
from hpscli.render.pictures import read_image
from tests.data.people import make_shards


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("datasets") / "shards" / "made-up" / "train", 12)


def test_the_list_shows_access_and_licence(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["datasets", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["datasets"]}
    assert rows["synthetic"]["access"] == "generated" and rows["synthetic"]["licence"]
    assert rows["folder"]["splits"] == ["train", "validation", "test"]
    assert run(["datasets", "list"]) == 0
    assert "synthetic" in capsys.readouterr().out


def test_the_list_shows_what_is_prepared_under_whatever_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    small = ["prepare", "synthetic", "--count", "1", "--size", "32"]
    for words in (["--split", "test"], ["--split", "test", "--out", "shards/synthetic-hands/test"]):
        assert run([*small, *words]) == 0
    assert run([*small, "--out", "shards/few"]) == 0
    broken = Path("shards/synthetic/train/index.json")
    broken.parent.mkdir()
    broken.write_text("{")
    capsys.readouterr()
    assert run(["datasets", "list", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["datasets"]}
    assert rows["synthetic"]["prepared"] == ["test", "few", "synthetic-hands/test"]
    assert rows["folder"]["prepared"] == []
    assert run(["datasets", "show", "synthetic"]) == 0
    assert "test few synthetic-hands/test" in capsys.readouterr().out


def test_show_explains_a_data_set_and_how_to_prepare_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["datasets", "show", "folder"]) == 0
    told = capsys.readouterr()
    assert "box_scale=1.2" in told.out
    assert "hps prepare folder --from DIR" in told.err


def test_a_narrow_terminal_shows_both_sides_of_a_defect_and_short_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cards, "console", lambda: Console(width=80))
    assert run(["datasets", "show", "3dpw"]) == 0
    told = capsys.readouterr().out
    assert "ours       Only valid frames." in told and "reference  m or f" in told
    assert max(map(len, told.partition("defects")[2].splitlines())) <= 80
    assert run(["datasets", "list"]) == 0
    assert "licence" not in capsys.readouterr().out.splitlines()[1]


def test_show_explains_shards(shards: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["datasets", "show", str(shards)]) == 0
    assert "kind=smpl  source=free" in capsys.readouterr().out


def test_shards_are_found_by_the_name_of_their_data_set(
    shards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shards.parents[2])
    for name in ("made-up", "made-up/train", "shards/made-up/train"):
        assert run(["datasets", "audit", name, "--json", "--fast"]) == 0
        assert json.loads(capsys.readouterr().out)["samples"] == 12


def test_show_finds_shards_by_the_name_of_their_folder_and_split(
    shards: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(shards.parents[2])
    for words in (["made-up/train"], ["made-up"], ["made-up", "--split", "train"]):
        assert run(["datasets", "show", *words, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["samples"] == 12
    assert run(["datasets", "show", "made-up/test"]) == 3
    assert "no shards at made-up/test. Make them: hps prepare" in " ".join(
        capsys.readouterr().err.split()
    )


def test_one_person_is_drawn_with_labels(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "one.png"
    assert (
        run(["datasets", "show", str(shards), "--sample", "7", "--out", str(path), "--json"]) == 0
    )
    document = json.loads(capsys.readouterr().out)
    assert document["key"] == "person-0007"
    assert np.shape(document["arrays"]["keypoints3d.smpl24"]) == (24, 4)
    assert cv2.imread(str(path)).shape == (512, 1024, 3)  # joints, and beside them the body
    assert run(["datasets", "show", str(shards), "--sample", "12"]) == 2
    assert "has no person 12; it has 12" in capsys.readouterr().err


def test_an_unknown_name_is_an_error_with_its_neighbour(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["datasets", "show", "sinthetic"]) == 2
    assert "Did you mean 'synthetic'?" in capsys.readouterr().err


def test_the_audit_of_damaged_shards_ends_with_code_5(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_shards(tmp_path / "shards", 12)
    tar = folder / "000001.tar"
    tar.write_bytes(tar.read_bytes()[:-1])
    assert run(["datasets", "audit", str(folder)]) == 5
    assert "000001.tar is truncated or changed" in capsys.readouterr().err
    (folder / "index.json").unlink()
    assert run(["datasets", "audit", str(folder)]) == 3
    assert "has no index.json" in capsys.readouterr().err


def test_an_audit_tells_no_rate_for_tars_that_it_could_not_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_shards(tmp_path / "shards", 8)
    (folder / "000000.tar").write_bytes(b"cut")
    assert run(["datasets", "audit", str(folder)]) == 5
    assert "checking    8/8\n" in capsys.readouterr().err


def test_statistics_count_people_and_ranges(
    shards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["datasets", "stats", str(shards), "--json", "-q"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["samples"] == 12 and document["kinds"] == {"jpg": 12}
    assert document["arrays"]["smpl.betas"] == 12
    assert document["box_px"] == [40, 40, 40]
    low, high = document["ranges"]["keypoints3d.smpl24"]
    assert -1 < low < 0 and 3 < high < 4
    assert run(["datasets", "stats", str(shards)]) == 0
    assert "smpl.body_pose" in capsys.readouterr().out


def test_dumps_hold_every_label(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["datasets", "dump", str(shards), "--limit", "3"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["key"] for line in lines] == ["person-0000", "person-0001", "person-0002"]
    assert len(lines[0]["arrays"]["smpl.body_pose"]) == 69
    for name in ("all.jsonl", "all.npz"):
        assert run(["datasets", "dump", str(shards), "--out", str(tmp_path / name)]) == 0
    stacked = np.load(tmp_path / "all.npz")
    assert stacked["smpl.betas"].shape == (12, 10) and stacked["keys"][11] == "person-0011"
    assert len((tmp_path / "all.jsonl").read_text().splitlines()) == 12
    assert run(["datasets", "dump", str(shards), "--out", str(tmp_path / "all.xlsx")]) == 2


def test_dumps_come_in_the_forms_of_other_code(shards: Path, tmp_path: Path) -> None:
    words = ["datasets", "dump", str(shards), "--as"]
    out = tmp_path / "new" / "people.npz"
    assert run([*words, "humandata", "--out", str(out), "compressed=false"]) == 0
    assert np.load(out)["keypoints2d"].shape == (12, 190, 3)
    assert run([*words, "humandata"]) == 2
    assert run([*words, "spin", "--out", str(out)]) == 2


def test_pictures_alone_come_without_labels_on_stdout(
    shards: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["datasets", "dump", str(shards), "--limit", "2", "--images"]
    assert run([*words, str(tmp_path / "alone")]) == 0
    assert capsys.readouterr().out == ""
    assert len(list((tmp_path / "alone").glob("*.jpg"))) == 2
    labels = tmp_path / "labels.jsonl"
    assert run([*words, str(tmp_path / "both"), "--out", str(labels)]) == 0
    assert len(labels.read_text().splitlines()) == 2


def test_what_a_recipe_does_to_people_is_drawn(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = make_shards(tmp_path / "shards", 9), tmp_path / "sheet.png"
    words = ["datasets", "show", str(folder), "--augment", "everything", "--out", str(out)]
    assert run([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["people"] == ["person-0000", "person-0003", "person-0006"]
    whole = read_image(out)
    assert whole.shape[1] > 9 * 224
    assert run(["datasets", "show", str(folder), "--augment", "tiny", "--out", str(out)]) == 0
    assert read_image(out).shape[0] < whole.shape[0]  # it has fewer


@pytest.mark.parametrize("name", ["demo", "shards/demo"])
def test_the_people_that_come_with_hps_are_found_from_everywhere(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["datasets", "show", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dataset"] == "synthetic"
