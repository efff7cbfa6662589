"""The 3DPW challenge's scores, and its way from shards through a model and a file back to scores."""

import warnings
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hps_benchmarks.challenge import score
from hps_benchmarks.challenge.submission.files import read
from hps_benchmarks.challenge.submission.write import write
from hpscli.body.layer import load_body
from hpscli.cli.app import run
from hpscli.data.evalset import EvalSet
from hpscli.errors import InvalidData, UsageError
from hpscli.metrics.curves import area
from hpscli.metrics.results import Result, read_result
from hpscli.records import PredictionSet
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate, evaluate_predictions
from tests.plugins.benchmarks.challenge.people import write_threedpw
from tests.run.people import oracle_model, parameters, tiny_checkpoint

OFFICIAL, CORRECTED = "3dpw/test@challenge-v1", "3dpw/test@challenge-corrected-v1"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_threedpw(tmp_path_factory.mktemp("3dpw") / "shards")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_checkpoint(tmp_path_factory.mktemp("model") / "tiny.safetensors")


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, people: Path, checkpoint: Path) -> Path:
    out = tmp_path_factory.mktemp("out") / "pred.zip"
    words = ["--checkpoint", str(checkpoint), "--shards", str(people), "--out", str(out), "-q"]
    assert run(["export-preds", "3dpw-challenge", *words]) == 0
    return out


def rotations(count: int, seed: int = 0) -> np.ndarray:
    vectors = np.random.RandomState(seed).randn(count, 3)
    return np.stack([cv2.Rodrigues(vector)[0] for vector in vectors])


def given_set(shards: Path, **arrays: np.ndarray) -> PredictionSet:
    return PredictionSet(keys=tuple(EvalSet(shards).keys), arrays=arrays, body={"kind": "smpl"})


def truth(shards: Path) -> dict[str, np.ndarray]:
    """-> joints and parts of everybody, as the free body has them."""
    import torch

    from hpscli.body.layer import matrices

    body, samples = load_body("smpl", source="free"), list(EvalSet(shards))
    flat = {
        name: torch.tensor(np.stack([sample.arrays[f"smpl.{name}"] for sample in samples]))
        for name in ("global_orient", "body_pose", "betas")
    }
    turned = matrices(flat)
    whole = np.concatenate([turned["global_orient"][:, None], turned["body_pose"]], axis=1)
    return {
        "joints.smpl24": body(turned).joints.numpy(),
        "extras.part_rotations": score.global_rotations(whole, body.parents)[:, list(score.PARTS)],
    }


def measured(shards: Path, arrays: dict[str, np.ndarray], name: str = OFFICIAL) -> Result:
    protocol = get_registry().protocol(name)
    body = load_body("smpl", source="free")
    return evaluate_predictions(given_set(shards, **arrays), body, shards, protocol)


@pytest.mark.parametrize("pattern", ["pw3d*"])
def test_the_official_scores_are_ours(reference: Path, pattern: str) -> None:
    assert run(["selfcheck", str(reference / "metrics"), "--only", pattern, "-q"]) == 0


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_angles_are_the_lengths_of_opencvs_vectors(seed: int) -> None:
    random = np.random.RandomState(seed)
    turned = rotations(18, seed).reshape(2, 9, 3, 3) * random.choice(
        [1.0, 1.05, -1.0, 1e-3], (2, 9, 1, 1)
    )
    turned += random.choice([0.0, 0.1]) * random.randn(2, 9, 3, 3)
    turned[0, 0] = random.choice([0, 1]) * np.outer(*random.randn(2, 3))  # singular
    turned[0, 1] = np.nan
    turned[0, 2] *= 1e6
    true = rotations(18, seed + 1).reshape(2, 9, 3, 3)
    found = score.part_angles(turned, true)
    for frame, part in np.ndindex(2, 9):
        between = turned[frame, part] @ true[frame, part].T
        expected = np.degrees(np.linalg.norm(cv2.Rodrigues(between)[0]))
        assert found[frame, part] == pytest.approx(expected, abs=2e-5), (frame, part)


def test_half_turns_have_the_rounding_of_opencvs_vectors() -> None:
    true = rotations(90, 3).astype(np.float32).astype(np.float64).reshape(10, 9, 3, 3)
    turned = (true @ np.diag([1.0, -1.0, -1.0])).astype(np.float32)
    lengths = [
        np.linalg.norm(cv2.Rodrigues(first @ second.T)[0])
        for first, second in zip(
            turned.astype(np.float64).reshape(-1, 3, 3), true.reshape(-1, 3, 3), strict=True
        )
    ]
    found = score.part_angles(turned, true)
    np.testing.assert_allclose(found.ravel(), np.degrees(lengths), rtol=1e-12)


@settings(max_examples=20)
@given(st.integers(0, 10_000), st.sampled_from(["any", "mirrored", "line", "zero", "point"]))
def test_the_similarity_is_the_loops_one_by_one(seed: int, kind: str) -> None:
    random = np.random.RandomState(seed)
    true, given_points = random.randn(2, 3, 24, 3)
    if kind == "mirrored":
        given_points = true * [-1, 1, 1]
    elif kind == "line":
        given_points = random.randn(3, 24, 1) * random.randn(3, 1, 3)
    elif kind == "zero":
        given_points[:] = 0
    elif kind == "point":
        given_points[:] = random.randn(3, 1, 3)
    found = score.joint_errors(given_points, true)
    for row in range(3):
        p, t = ((x[row] - x[row, 0]) * 1000 for x in (given_points, true))
        if np.abs(p).sum() == 0:
            expected, turn = np.tile(t.mean(axis=0), (24, 1)), np.eye(3)
        else:
            x, y = p - p.mean(axis=0), t - t.mean(axis=0)
            u, _, vt = np.linalg.svd(x.T @ y)
            flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
            turn = vt.T @ flip @ u.T
            scale = np.trace(turn @ (x.T @ y)) / (x**2).sum()
            expected = scale * x @ turn.T + t.mean(axis=0)
        np.testing.assert_allclose(
            found.aligned_mm[row], np.linalg.norm(expected - t, axis=1), rtol=1e-9, atol=1e-7
        )
        if kind != "line":  # about a line every rotation is as good
            np.testing.assert_allclose(found.turns[row], turn, atol=1e-9)


def test_a_joint_at_fifty_millimetres_is_a_hit_and_the_quadrature_is_near_the_trapezoids() -> None:
    errors = np.array([[50.0, np.nextafter(50.0, 51.0)] * 6])
    assert score.pck(errors) == 50.0
    curve = score.pck_curve(np.random.RandomState(0).rand(40, 12) * 250)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quadrature = score.auc_by_quadrature(curve)
    assert quadrature == pytest.approx(float(area(curve, score.AUC_THRESHOLDS_MM)), abs=1e-5)
    assert score.person_auc(errors).shape == (1,)
    assert score.pck_curve(np.array([[0.0, 199.0, 200.0, 3.5]])).tolist()[::199] == [0.25, 0.75]


def test_scores_have_every_digit_and_leave_out_what_is_not_there() -> None:
    text = score.scores_text({"MPJPE": 1 / 3, "AUC": np.inf})
    assert text == "MPJPE: 0.3333333333333333\n"


def test_the_truth_has_no_error_and_frames_without_a_2d_pose_do_not_count(people: Path) -> None:
    shards = people / "train"
    arrays = truth(shards)
    result = measured(shards, arrays)
    count = len(EvalSet(shards))
    assert result.metrics["mpjpe"].value < 1e-3 and result.metrics["mpjpe"].n == count - 2
    assert result.metrics["mpjae"].value < 0.05 and result.metrics["pck"].value == 100.0
    assert list(result.metrics) == ["mpjpe", "pa_mpjpe", "pck", "auc", "mpjae", "pa_mpjae"]
    assert np.isnan(result.errors["mpjpe"]).sum() == 2
    assert any("2 people are not evaluated" in note for note in result.notes)
    assert any("87" in note for note in result.notes)
    assert not any("no 2D poses" in note for note in result.notes)
    assert result.official_text.splitlines()[0].startswith("MPJPE: ")
    assert len(result.tables["sequences"].rows) == 24 and len(result.tables["parts"].rows) == 9
    arrays["joints.smpl24"][1] = np.nan  # the frame without a 2D pose
    assert measured(shards, arrays).metrics["mpjpe"].value == result.metrics["mpjpe"].value
    arrays["joints.smpl24"][0, 3] = np.nan
    with pytest.raises(InvalidData, match="seq_00-00000-0"):
        measured(shards, arrays)


def test_a_rotation_without_numbers_is_right_officially_and_named_in_the_corrected_protocol(
    people: Path,
) -> None:
    shards = people / "validation"
    arrays = truth(shards)
    half_turn = np.diag([1.0, -1.0, -1.0])
    arrays["extras.part_rotations"] = arrays["extras.part_rotations"] @ half_turn
    whole = measured(shards, arrays).metrics["mpjae"].value
    assert whole == pytest.approx(180.0, abs=0.1)
    arrays["extras.part_rotations"][:, 0] = np.nan
    unread = measured(shards, arrays)
    assert unread.metrics["mpjae"].value == pytest.approx(160.0, abs=0.1)
    assert any("takes for right; first 'seq_24-00000-0'" in note for note in unread.notes)
    with pytest.raises(InvalidData, match="rotation"):
        measured(shards, arrays, CORRECTED)
    arrays["extras.part_rotations"][:, 0] = np.diag([1.0, 1.0, -1.0])
    with pytest.raises(InvalidData, match="singular or mirrored"):
        measured(shards, arrays, CORRECTED)
    arrays["extras.part_rotations"][:, 0] = np.eye(3)
    corrected = measured(shards, arrays, CORRECTED)
    official = measured(shards, arrays)
    assert corrected.metrics["auc"].value == pytest.approx(official.metrics["auc"].value, abs=1e-5)
    protocols = [get_registry().protocol(name) for name in (OFFICIAL, CORRECTED)]
    assert [p.beside for p in protocols] == [CORRECTED, OFFICIAL]


def test_joints_alone_give_four_scores(people: Path) -> None:
    arrays = truth(people / "test")
    arrays.pop("extras.part_rotations")
    result = measured(people / "test", arrays)
    assert list(result.metrics) == ["mpjpe", "pa_mpjpe", "pck", "auc"]
    assert [line.split(":")[0] for line in result.official_text.splitlines()] == [
        "MPJPE",
        "MPJPE_PA",
        "PCK",
        "AUC",
    ]


def test_a_model_that_knows_the_truth_has_no_error(people: Path) -> None:
    shards = people / "test"
    answers = [
        {name: sample.arrays[name] for name in parameters("smpl", 0)} for sample in EvalSet(shards)
    ]
    result = evaluate(oracle_model("smpl", answers), shards, get_registry().protocol(OFFICIAL))
    assert result.metrics["mpjpe"].value < 1e-3 and result.metrics["mpjae"].value < 0.05


def test_what_is_exported_passes_the_check_and_scores_as_the_model_does(
    people: Path, checkpoint: Path, exported: Path, tmp_path: Path
) -> None:
    assert run(["export-preds", "3dpw-challenge", "--check", str(exported), "-q"]) == 0
    words = ["--protocol", OFFICIAL, "--shards", str(people / "test"), "-q"]
    for name, source in (("model", checkpoint), ("file", exported)):
        out = tmp_path / f"{name}.json"
        assert run(["eval", str(source), *words, "--out", str(out)]) == 0
    model, file = (read_result(tmp_path / f"{name}.json") for name in ("model", "file"))
    assert list(model.metrics) == list(file.metrics) and len(model.metrics) == 6
    for name, figure in model.metrics.items():
        assert file.metrics[name].value == pytest.approx(figure.value, rel=1e-6), name
        assert file.metrics[name].n == figure.n
    np.testing.assert_allclose(
        file.details["joint_errors_mm"], model.details["joint_errors_mm"], rtol=1e-4, atol=1e-3
    )


def test_the_three_splits_together_are_the_whole_that_the_program_prints(
    people: Path, exported: Path
) -> None:
    """One plain loop over the file's arrays, as the challenge's program goes through them."""
    predictions = read(exported)
    rows = {key: row for row, key in enumerate(predictions.keys)}
    distances, kept = [], 0
    results = []
    for split in ("train", "validation", "test"):
        true = truth(people / split)["joints.smpl24"]
        for sample, joints in zip(EvalSet(people / split), true, strict=True):
            if np.abs(sample.arrays["keypoints2d.pw3d18"]).sum() == 0:
                continue
            guess = predictions.arrays["joints.smpl24"][rows[sample.key]].astype(np.float64)
            error = (guess - guess[0]) - (joints.astype(np.float64) - joints[0])
            distances.append(1000 * np.linalg.norm(error, axis=1).mean())
            kept += 1
        protocol = get_registry().protocol(OFFICIAL)
        body = load_body("smpl", source="free")
        results.append(evaluate_predictions(predictions, body, people / split, protocol))
    counts = [result.metrics["mpjpe"].n for result in results]
    values = [result.metrics["mpjpe"].value for result in results]
    assert sum(counts) == kept == 87 * 2 - 2
    assert np.dot(counts, values) / kept == pytest.approx(np.mean(distances), rel=1e-6)


def test_files_of_single_splits_join_to_one(people: Path, checkpoint: Path, tmp_path: Path) -> None:
    before = ""
    for split in ("train", "validation", "test"):
        out = tmp_path / f"{split}.zip"
        words = ["--checkpoint", str(checkpoint), "--shards", str(people / split)]
        also = [f"also={before}"] if before else []
        code = run(
            [
                "export-preds",
                "3dpw-challenge",
                *also,
                "--split",
                split,
                *words,
                "--out",
                str(out),
                "-q",
            ]
        )
        assert code == (0 if split == "test" else 4)  # the others are not whole yet
        before = str(out)
    assert len(read(tmp_path / "test.zip")) == 87 * 2


def test_the_writer_says_what_it_needs(tmp_path: Path, people: Path) -> None:
    body, out = load_body("smpl", source="free"), tmp_path / "x.zip"
    joints = np.zeros((2, 24, 3), np.float32)
    some = PredictionSet(keys=("a", "b"), arrays={"joints.smpl24": joints})
    with pytest.raises(InvalidData, match="who they are about"):
        write(some, out, body)
    with pytest.raises(InvalidData, match="sequence"):
        write(replace(some, meta=({}, {})), out, body)
    meta = tuple({"sequence": "a", "person": 0, "frame": frame} for frame in (0, 3))
    write(replace(some, meta=meta), out, body, split="validation")
    found = read(out)
    assert len(found) == 4 and found.meta[0]["split"] == "validation"
    with pytest.raises(InvalidData, match="NaN"):
        write(replace(some, meta=meta, arrays={"joints.smpl24": joints * np.nan}), out, body)
    with pytest.raises(UsageError, match="split"):
        write(replace(some, meta=meta), out, body, split="valid")
    with pytest.raises(InvalidData, match="name"):
        write(replace(some, meta=tuple({**m, "sequence": "../x"} for m in meta)), out, body)
    with pytest.raises(InvalidData, match="smpl24"):
        write(replace(some, arrays={}), out, body)
