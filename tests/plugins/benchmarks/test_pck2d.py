"""2D joints near the labels: as a plain loop counts them, from files and from models."""

from pathlib import Path

import numpy as np
import pytest

from hps_benchmarks.pck2d.joints import NAMES, PLACES
from hps_benchmarks.pck2d.rule import CROP
from hpscli.body.joints import conversion_index, joint_set
from hpscli.body.layer import load_body
from hpscli.cli.app import run
from hpscli.data.evalset import EvalSet
from hpscli.errors import InvalidData
from hpscli.metrics.results import Result
from hpscli.records import PredictionSet
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate, evaluate_predictions
from hpscli.run.inference import predict_batch
from tests.run.people import IMAGE_PX, tiny_model, write_people

COUNT = 7
SIDE = np.float32(IMAGE_PX * 0.9)  # of everybody's box
PROTOCOL = "coco/validation@hmr2-v1"


def labels(seed: int, joints: int, count: int = COUNT) -> np.ndarray:
    """-> points within the picture, confidences 0, 0.4 and 1; joint 3 is never labelled."""
    random = np.random.RandomState(seed)
    points = random.rand(count, joints, 3) * IMAGE_PX
    points[..., 2] = random.choice([0.0, 0.4, 1.0], (count, joints), p=[0.2, 0.2, 0.6])
    points[:, 3, 2] = 0.0
    return points.astype(np.float32)


def shards(folder: Path, points: np.ndarray, name: str = "coco17") -> Path:
    extra = {row: {f"keypoints2d.{name}": values} for row, values in enumerate(points)}
    return write_people(folder, len(points), drop=("smpl.",), extra=extra)


def measured(where: Path, protocol: str = PROTOCOL, **arrays: np.ndarray) -> Result:
    given = PredictionSet(keys=(), arrays={n.replace("_of_", "."): v for n, v in arrays.items()})
    body = load_body("smpl", source="free")
    return evaluate_predictions(given, body, where, get_registry().protocol(protocol))


def near(truth: np.ndarray, seed: int = 5) -> np.ndarray:
    noise = np.random.RandomState(seed).randn(*truth[..., :2].shape) * 5
    return (truth[..., :2] + noise).astype(np.float32)


@pytest.mark.parametrize("name", ["coco17", "lsp14", "posetrack17", "hmr2_44"])
def test_shares_are_those_of_a_plain_loop(name: str, tmp_path: Path) -> None:
    truth = labels(1, len(joint_set(name)))
    guess = near(truth)
    result = measured(shards(tmp_path / "a", truth, name), **{f"joints2d_of_{name}": guess})
    for figure, threshold in (("pck_005", 0.05), ("pck_01", 0.1)):
        per_joint = []
        for joint in range(truth.shape[1]):
            near_it, seen = 0, 0
            for person in range(COUNT):
                if truth[person, joint, 2] > 0.5:
                    away = np.linalg.norm(guess[person, joint] - truth[person, joint, :2]) / SIDE
                    seen, near_it = seen + 1, near_it + (away < threshold)
            if seen:
                per_joint.append(near_it / seen)
        assert result.metrics[figure].value == pytest.approx(np.mean(per_joint)), figure
    squares = ((guess.astype(float) - truth[..., :2]) ** 2).sum(axis=2) / (SIDE * CROP) ** 2
    expected = (squares * truth[..., 2]).sum(axis=1).mean() / 44
    assert result.metrics["mode_kpl2"].value == pytest.approx(expected, rel=1e-4)
    rows = {row[0] for row in result.tables["joints"].rows}
    assert NAMES[PLACES[name][3]] not in rows and NAMES[PLACES[name][5]] in rows
    assert f"kpAvg_pck_0.05: {result.metrics['pck_005'].value}" in result.official_text


def test_the_places_of_joints_are_those_of_their_names() -> None:
    assert [NAMES[place] for place in PLACES["coco17"][:7]] == [
        "OP Nose", "OP LEye", "OP REye", "OP LEar", "OP REar", "OP LShoulder", "OP RShoulder"
    ]  # fmt: skip
    for name in ("coco17", "posetrack17"):
        for joint, place in zip(joint_set(name).joints[5:], PLACES[name][5:], strict=True):
            side, _, part = joint.partition("_")
            assert NAMES[place] == f"OP {side[0].upper()}{part.capitalize()}"
    assert list(PLACES["lsp14"]) == conversion_index("hmr2_44", "lsp14").tolist()


def test_a_distance_of_the_threshold_is_a_miss_and_half_a_confidence_is_no_label(
    tmp_path: Path,
) -> None:
    truth = np.zeros((1, 14, 3), np.float32)
    truth[..., 2] = [1, 1, 0.5, *[0] * 11]
    guess = truth[..., :2].copy()
    guess[0, 0, 0] = SIDE * np.float32(0.1)
    guess[0, 1, 0] = SIDE * np.float32(0.099)
    result = measured(shards(tmp_path / "a", truth, "lsp14"), joints2d_of_lsp14=guess)
    assert result.metrics["pck_01"].value == 0.5 and result.metrics["pck_005"].value == 0.0


def test_a_prediction_without_numbers_is_named_where_it_counts(tmp_path: Path) -> None:
    truth = labels(2, 17)
    where, guess = shards(tmp_path / "a", truth), near(truth)
    guess[:, 3] = np.nan  # nobody has this joint
    assert measured(where, joints2d_of_coco17=guess).metrics["pck_01"].n == COUNT
    guess[4, truth[4, :, 2] > 0] = np.nan
    with pytest.raises(InvalidData, match="person-0004"):
        measured(where, joints2d_of_coco17=guess)


def test_a_file_without_joints_on_the_picture_is_told_what_to_give(tmp_path: Path) -> None:
    where = shards(tmp_path / "a", labels(3, 17))
    with pytest.raises(InvalidData) as caught:
        measured(where, joints_of_hmr2_44=np.zeros((COUNT, 44, 3), np.float32))
    assert "joints2d.hmr2_44" in caught.value.fix
    with pytest.raises(InvalidData, match="not understood"):
        measured(where, joints2d_of_mpii16=np.zeros((COUNT, 16, 2), np.float32))


def test_a_model_scores_as_its_joints_on_the_picture(tmp_path: Path) -> None:
    where = shards(tmp_path / "a", labels(4, 17))
    model = tiny_model(tmp_path)
    result = evaluate(model, where, get_registry().protocol(PROTOCOL), batch=3)
    assert result.metrics["pck_01"].n == COUNT
    import torch

    from hpscli.data.evalset import eval_batches

    (batch,) = eval_batches(EvalSet(where), size=model.input_size, joints="hmr2_44", batch=COUNT)
    prediction = predict_batch(model, batch, vertices=True)
    joints = model.body.regress(prediction.vertices, "hmr2_44", joints=prediction.joints["smpl24"])
    scale, shift = prediction.camera[:, None, :1], prediction.camera[:, None, 1:]
    depth = 2 * 5000 / (model.input_size[1] * scale + 1e-9)
    inside = 5000 * (joints[..., :2] + shift) / (joints[..., 2:] + depth)
    inside = (inside + model.input_size[0] / 2).double()
    affine = batch.affine.double()
    back = torch.linalg.solve(
        affine[:, :, :2], (inside - affine[:, None, :, 2]).transpose(1, 2)
    ).transpose(1, 2)
    again = measured(where, joints2d_of_hmr2_44=back.numpy())
    assert again.metrics["mode_kpl2"].value == pytest.approx(
        result.metrics["mode_kpl2"].value, rel=1e-3
    )
    assert again.metrics["pck_01"].value == pytest.approx(result.metrics["pck_01"].value)


def test_the_functions_are_those_of_the_official_program(reference: Path) -> None:
    words = ["selfcheck", str(reference / "hmr"), "--only", "*hmr2_pck*", "-q"]
    assert run(words) == 0
