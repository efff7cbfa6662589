"""hps eval says what it takes, what it would need, and measures everything that is here."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from hpscli.cli.app import run
from hpscli.metrics.results import read_result
from hpscli.run.prediction_files import read_ours
from hpscli.run.sessions.choice import latest_run
from tests.run.people import tiny_checkpoint, write_people

COUNT = 5


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """-> a working folder with people where `hps prepare` would put them."""
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "WORLD_SIZE", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"):
        monkeypatch.delenv(name, raising=False)
    write_people(tmp_path / "shards" / "synthetic" / "test", COUNT)
    return tmp_path


def trained(folder: Path, seed: int = 0) -> Path:
    """-> a run folder as training leaves it."""
    file = folder / "checkpoints" / "step-00000001.safetensors"
    file.parent.mkdir(parents=True)
    tiny_checkpoint(file, seed)
    shutil.copy(file, file.with_name("last.safetensors"))
    return folder


def document(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict:
    assert run(["eval", *words, "--json"]) == code
    return json.loads(capsys.readouterr().out)


def test_without_a_checkpoint_the_latest_run_is_taken_and_said(here: Path, capsys) -> None:
    old, new = trained(Path("runs/tiny/a")), trained(Path("runs/b"), seed=1)
    for file in (new / "checkpoints").iterdir():
        os.utime(file, (1, 1))
    trained(Path("runs/tiny/fast-dev-2026-01-01T00-00-00"))  # newer, and no training
    assert run(["eval", "--testset", "synthetic", "--out", "r"]) == 0
    said = capsys.readouterr().err
    assert f"{old}   the latest run in runs for smpl" in said
    assert read_result(Path("r")).checkpoint["name"] == str(old)


def test_a_run_whose_files_come_and_go_is_looked_at_all_the_same(here: Path) -> None:
    checkpoints = trained(Path("runs/a")) / "checkpoints"
    (checkpoints / ".step-00000002.safetensors.part").symlink_to("removed meanwhile")
    assert latest_run(["smpl"]) == Path("runs/a")


def test_without_runs_the_weights_that_ship_are_taken(here: Path, capsys) -> None:
    (here / "runs" / "unfinished" / "checkpoints").mkdir(parents=True)
    found = document(capsys, "--testset", "synthetic", "--limit", "2")
    assert found["checkpoint"]["name"] == "hmr.tiny"


def test_without_weights_for_the_body_the_error_says_what_to_type(here: Path, capsys) -> None:
    trained(Path("runs/tiny/a"))  # of another body
    assert run(["eval", "--testset", "synthetic-wholebody"]) == 3
    said = capsys.readouterr().err
    assert "no run in runs predicts smplx" in said and "no trained weights for smplx" in said
    assert "hps eval CHECKPOINT --testset synthetic-wholebody" in said
    assert "hps models import" in said
    assert "osx" in said and "hmr2" not in said  # only models that predict hands and face


def test_for_hands_the_weights_that_ship_are_taken(here: Path, capsys) -> None:
    assert run(["eval", "--testset", "freihand"]) == 3  # nobody has prepared it
    said = capsys.readouterr().err
    assert "hmr.hand-tiny   the one that comes with hps" in said and "hps prepare freihand" in said


def test_a_short_name_of_a_protocol_is_enough(here: Path, capsys) -> None:
    found = document(capsys, "--testset", "3dpw", "--protocol", "spin", "--dry-run")
    assert "3dpw/test@spin-v1" in json.dumps(found)
    found = document(capsys, "--testset", "3dpw/test@pare-v1", "--dry-run")  # as lists show it
    assert "3dpw/test@pare-v1" in json.dumps(found)
    assert run(["eval", "--testset", "3dpw", "--protocol", "spim"]) == 2
    assert "Did you mean 'spin'?" in capsys.readouterr().err
    assert run(["eval", "--testset", "synthetic", "--protocol", "nothing"]) == 2
    assert "It has: smpl24-v1" in capsys.readouterr().err


def test_chosen_figures_are_the_only_ones_and_equal_the_whole(here: Path, capsys) -> None:
    whole = document(capsys, "--testset", "synthetic", "--out", "a")
    part = document(capsys, "--testset", "synthetic", "--metrics", "PVE,pa_mpjpe", "--out", "b")
    assert list(part["metrics"]) == ["pa_mpjpe", "pve"]
    assert all(whole["metrics"][name] == value for name, value in part["metrics"].items())
    assert set(read_result(Path("b")).errors) == {"pa_mpjpe", "pve"}
    assert run(["eval", "--testset", "synthetic", "--metrics", "pa_mpjp"]) == 2
    assert "Did you mean 'pa_mpjpe'?" in capsys.readouterr().err


def test_saved_predictions_give_the_figures_of_the_model(here: Path, capsys) -> None:
    words = ["--testset", "synthetic", "--out"]
    model = document(capsys, *words, "a", "--save-predictions", "p.npz")
    kept = read_ours(Path("p.npz"))
    assert len(kept.keys) == COUNT and "vertices" not in kept.arrays
    again = document(capsys, "p.npz", *words, "b")
    assert again["metrics"] == model["metrics"]
    one, two = read_result(Path("a")), read_result(Path("b"))
    assert one.keys == two.keys
    for name, values in one.errors.items():
        np.testing.assert_allclose(two.errors[name], values, atol=1e-3)  # mm
    assert again["body"]["source"] == "free" and again["checkpoint"]["name"] == "p.npz"
    first = document(capsys, "p.npz", *words, "c", "--limit", "2")
    assert first["data"]["samples"] == 2


def test_predictions_in_a_file_have_no_model_to_draw_or_flip(here: Path, capsys) -> None:
    assert run(["eval", "--testset", "synthetic", "--save-predictions", "p.npz", "-q"]) == 0
    for option in (["--visualize"], ["--tta", "flip"], ["--processes", "2"]):
        assert run(["eval", "p.npz", "--testset", "synthetic", *option]) == 2
        assert "holds predictions" in capsys.readouterr().err


def test_predictions_that_are_no_numbers_are_exit_5_and_named(here: Path, capsys) -> None:
    assert run(["eval", "--testset", "synthetic", "--save-predictions", "p.npz", "-q"]) == 0
    with np.load("p.npz") as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["parameters.betas"][3] = np.nan
    arrays["joints.smpl24"][3] = np.nan
    np.savez("q.npz", **arrays)
    assert run(["eval", "q.npz", "--testset", "synthetic"]) == 5
    assert "person-0003" in capsys.readouterr().err


def test_a_dry_run_says_what_is_there_and_what_would_be_needed(here: Path, capsys) -> None:
    assert run(["eval", "--testset", "synthetic", "--dry-run"]) == 0
    said = capsys.readouterr().out
    assert "shards/synthetic/test   5 people" in said and "would need" not in said
    for words in (
        ["metro.3dpw", "--testset", "3dpw"],
        ["--testset", "agora"],
        ["FastMETRO-L-H64.bin", "--testset", "h36m", "--gpus", "99"],
        ["--testset", "freihand", "--tta", "multiscale", "--boxes", "none.json"],
        ["--testset", "all"],
    ):
        assert run(["eval", *words, "--dry-run"]) == 0, words
        assert "would need" in capsys.readouterr().out
    assert not Path("runs").exists()
    assert run(["eval", "--testset", "agorra", "--dry-run"]) == 2  # what cannot be meant


def test_a_model_that_is_not_here_still_has_its_own_protocol_in_a_dry_run(
    here: Path, capsys
) -> None:
    found = document(capsys, "metro.3dpw", "--testset", "3dpw", "--dry-run")
    lines = {line["what"]: line["value"] for line in found["plan"] if line["what"]}
    assert lines["protocol"].startswith("3dpw/test@metro-v1")
    assert any("metro_3dpw_state_dict.bin" in need["problem"] for need in found["would_need"])


def test_all_test_sets_are_measured_and_the_others_say_why_not(here: Path, capsys) -> None:
    found = document(capsys, "--testset", "all", "--out", "all")
    assert [one["protocol"]["name"] for one in found["results"]] == ["synthetic/test@smpl24-v1"]
    left = {entry["protocol"]: entry for entry in found["left_out"]}
    assert "it is for mano" in left["synthetic-hands/test@mano21-v1"]["reason"]
    missing = next(entry for name, entry in left.items() if name.startswith("3dpw/"))
    assert "no shards" in missing["reason"] and "hps prepare 3dpw" in missing["fix"]
    assert json.loads(Path("all/all.json").read_text())["schema"] == "hps/eval-all/1"
    assert read_result(Path(found["results"][0]["file"])).keys
    assert left["synthetic-hands/test@mano21-v1"]["fix"].endswith("--testset synthetic-hands/test")
    assert run(["eval", "--testset", "all", "--shards", "x"]) == 2
    capsys.readouterr()
    assert run(["eval", "--testset", "all", "--limit", "1"]) == 0
    said = capsys.readouterr().out
    assert "hps prepare 3dpw --split test" in said and "has no index.json" not in said


def test_a_test_set_that_fails_does_not_stop_the_others_and_is_exit_4(here: Path, capsys) -> None:
    folder = write_people(here / "shards" / "3dpw" / "test", 2)  # not 35515 people
    index = json.loads((folder / "index.json").read_text())
    (folder / "index.json").write_text(json.dumps({**index, "dataset": "3dpw"}))
    assert run(["eval", "hmr.tiny", "--testset", "all", "--json"]) == 4
    said = capsys.readouterr()
    found = json.loads(said.out)
    failed = [entry for entry in found["left_out"] if entry["failed"]]
    assert len(found["results"]) == 1 and len(failed) == 1
    assert "holds 2 people" in failed[0]["reason"] and "1 of 2 test sets" in said.err


def test_bodies_of_another_source_are_refused_with_the_option_that_helps(
    here: Path, capsys
) -> None:
    write_people(here / "imported", 2, source="imported")
    assert run(["eval", "hmr.tiny", "--testset", "synthetic", "--shards", "imported"]) == 2
    assert "--body-source imported" in capsys.readouterr().err


def test_a_page_lies_beside_the_result_unless_it_is_not_wanted(here: Path, capsys) -> None:
    assert run(["eval", "--testset", "synthetic", "--out", "a", "--limit", "2"]) == 0
    assert Path("a/result.html").stat().st_size > 1000
    assert run(["eval", "--testset", "synthetic", "--out", "b", "--limit", "2", "--no-report"]) == 0
    assert not Path("b/result.html").exists()


def test_tta_flip_is_the_flip_test(here: Path, capsys) -> None:
    one = document(capsys, "--testset", "synthetic", "--tta", "flip", "--out", "a")
    two = document(capsys, "--testset", "synthetic", "--flip", "--out", "b")
    assert one["metrics"] == two["metrics"] and one["settings"]["tta"] == "flip"
    assert document(capsys, "--testset", "synthetic", "--tta", "none")["settings"]["tta"] == ""
    assert run(["eval", "--testset", "synthetic", "--tta", "multiscal"]) == 2
    assert "Did you mean 'multiscale'?" in capsys.readouterr().err


def test_a_job_for_the_cluster_needs_settings_that_exist(here: Path, capsys) -> None:
    assert run(["eval", "--testset", "synthetic", "--slurm", "partitoin=main"]) == 2
    assert "Did you mean 'partition'?" in capsys.readouterr().err
    assert run(["eval", "--testset", "synthetic", "--slurm", "tasks=2", "--processes", "2"]) == 2


@pytest.mark.slow
def test_the_same_request_as_a_job_gives_the_same_figures(here: Path, capsys) -> None:
    import time

    one = document(capsys, "hmr.tiny", "--testset", "synthetic", "--out", "a")
    job = document(
        capsys,
        "hmr.tiny",
        "--testset",
        "synthetic",
        "--out",
        "b",
        "--slurm",
        "executor=local,cpus=1",
    )
    end = time.monotonic() + 120
    while not Path(job["result"]).exists() and time.monotonic() < end:
        time.sleep(0.2)
    assert read_result(Path(job["result"])).metrics == read_result(Path("a")).metrics
    assert one["metrics"]["mpjpe"]["n"] == COUNT
