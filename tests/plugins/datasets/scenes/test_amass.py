"""AMASS: motions become poses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from hpscli.cli.app import app
from hpscli.data.motion.poses import prepare_poses, read_poses
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.registry import get_registry

SPEC = get_registry().dataset("amass")
FPS = {"fps": 5.0}


def motion(path: Path, frames: int = 60, **changes: Any) -> np.ndarray:
    """A motion of 60 frames a second -> its poses."""
    poses = np.random.default_rng(frames).normal(0, 0.2, (frames, 156))
    path.parent.mkdir(parents=True, exist_ok=True)
    entries: dict[str, Any] = {
        "poses": poses,
        "betas": np.arange(16.0),
        "mocap_framerate": 60,
        "gender": "male",
    }
    entries = {name: value for name, value in (entries | changes).items() if value is not None}
    np.savez(path, **entries)
    return poses


def test_motions_are_sampled_evenly_and_in_order(tmp_path: Path) -> None:
    second = motion(tmp_path / "in/b/1_stageii.npz", 25, mocap_framerate=None, mocap_frame_rate=8.0)
    first = motion(tmp_path / "in/a/1_poses.npz", 61)
    np.savez(tmp_path / "in/a/shape.npz", betas=np.zeros(16))
    report = prepare_poses(SPEC, tmp_path / "in", "train", tmp_path / "out", options=FPS)
    assert (report.motions, report.poses, report.bad) == (2, 6 + 16, [])
    found = read_poses(tmp_path / "out")
    frames = [int(k * 1.6) for k in range(16)]
    chosen = np.concatenate([first[::12], second[frames]]).astype(np.float32)
    np.testing.assert_array_equal(found["global_orient"], chosen[:, :3])
    np.testing.assert_array_equal(found["body_pose"][:, :63], chosen[:, 3:66])
    assert not found["body_pose"][:, 63:].any()
    np.testing.assert_array_equal(found["betas"], np.tile(np.arange(10.0), (22, 1)))


def test_a_stopped_run_goes_on_and_ends_in_the_same_bytes(tmp_path: Path) -> None:
    for number in range(5):
        motion(tmp_path / f"in/{number}.npz", 60 + number)
    options: dict[str, Any] = {"options": FPS, "file_poses": 8}
    whole = prepare_poses(SPEC, tmp_path / "in", "train", tmp_path / "a", **options)
    assert len(whole.files) == 3

    def stop(count: int, done: list[int] = []) -> None:  # noqa: B006
        done.append(count)
        if sum(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_poses(SPEC, tmp_path / "in", "train", tmp_path / "b", **options, advance=stop)
    with pytest.raises(MissingError, match="index.json"):
        read_poses(tmp_path / "b")
    report = prepare_poses(SPEC, tmp_path / "in", "train", tmp_path / "b", **options)
    assert report.resumed == 2
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    again = prepare_poses(SPEC, tmp_path / "in", "train", tmp_path / "b", **options)
    assert again.already_complete and again.poses == whole.poses
    with pytest.raises(UsageError, match="--force"):
        prepare_poses(SPEC, tmp_path / "in", "train", tmp_path / "b", options={"fps": 9.0})


def test_bad_motions_are_named_and_the_rest_is_kept(tmp_path: Path) -> None:
    good = tmp_path / "in"
    motion(good / "a.npz")
    motion(good / "b.npz", poses=np.zeros((4, 9)))
    motion(good / "c.npz", mocap_framerate=None)
    motion(good / "d.npz", mocap_framerate=np.nan)
    motion(good / "e.npz", betas=np.zeros(3))
    motion(good / "f.npz", betas=np.full(16, np.nan))
    (good / "g.npz").write_bytes((good / "a.npz").read_bytes()[:300])
    report = prepare_poses(SPEC, good, "train", tmp_path / "out", options=FPS)
    assert (report.poses, report.motions, len(report.bad)) == (5, 7, 6)
    words = (
        "shape (4, 9)",
        "no mocap_framerate",
        "nan frames",
        "shape (3,)",
        "not finite",
        "g.npz",
    )
    assert all(w in bad["problem"] for w, bad in zip(words, report.bad, strict=True))
    with pytest.raises(InvalidData, match="all 1 motions are bad"):
        prepare_poses(SPEC, _only(tmp_path, good / "b.npz"), "train", tmp_path / "o", options=FPS)
    with pytest.raises(MissingError, match=r"no \.npz"):
        prepare_poses(SPEC, tmp_path / "out", "train", tmp_path / "o", options=FPS)


def _only(folder: Path, file: Path) -> Path:
    (folder / "only").mkdir()
    (folder / "only" / file.name).write_bytes(file.read_bytes())
    return folder / "only"


def test_the_command_says_what_it_made(tmp_path: Path) -> None:
    motion(tmp_path / "in/a.npz")
    words = ["prepare", "amass", "fps=10", "--from", str(tmp_path / "in")]
    words += ["--out", str(tmp_path / "out")]
    run = CliRunner().invoke(app, [*words, "--dry-run"])
    assert (run.exit_code, (tmp_path / "out").exists()) == (0, False)
    run = CliRunner().invoke(app, [*words, "--check"])
    assert (run.exit_code, (tmp_path / "out").exists()) == (0, False)
    run = CliRunner().invoke(app, words)
    assert run.exit_code == 0 and "10 poses of 1 motion" in run.output
    assert len(read_poses(tmp_path / "out", ["betas"])["betas"]) == 10
    run = CliRunner().invoke(app, ["datasets", "stats", str(tmp_path / "out")])
    assert "no people in them" in str(run.exception)


def test_more_bad_motions_than_allowed_end_in_an_error(tmp_path: Path) -> None:
    motion(tmp_path / "in/a.npz")
    motion(tmp_path / "in/b.npz", poses=np.zeros((4, 9)))
    words = ["prepare", "amass", "--from", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    run = CliRunner().invoke(app, words)
    assert isinstance(run.exception, InvalidData) and "1 of 2 motions" in str(run.exception)
    assert CliRunner().invoke(app, [*words, "--allow-bad", "0.5"]).exit_code == 0
