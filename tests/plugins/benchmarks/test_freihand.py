"""FreiHAND as a protocol: a model and its exported file have the same numbers, the official ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hps_benchmarks.freihand import files
from hps_benchmarks.freihand.plugin import COUNT, hps_protocols, hps_speeds, published
from hps_benchmarks.freihand.score import PROGRAM
from hpscli.body.layer import load_body
from hpscli.data.evalset import EvalSet
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.hands.scores import Hands, measure_hands, scores_text, set_scores
from hpscli.metrics.protocol_names import find_protocol
from hpscli.metrics.results import Result
from hpscli.nn.loaded import LoadedModel
from hpscli.records import Prediction, PredictionSet
from hpscli.registry import get_registry, resolve
from hpscli.run.evaluate import evaluate, evaluate_predictions
from hpscli.run.evaluating.collecting import collect
from hpscli.run.evaluating.settings import Settings
from hpscli.testing.speed.metrics import worst_difference
from hpscli.testing.speed.plain_hands import made_hands
from tests.plugins.benchmarks.hand_files import posed_hands
from tests.run.people import oracle_model, write_people

PEOPLE = 6
JOINTS, VERTICES = posed_hands(PEOPLE, "freihand21")
DRAW = np.random.RandomState(0)
GUESS = (VERTICES - [0, 0, 0.5] + 0.004 * DRAW.standard_normal(VERTICES.shape)).astype(np.float32)


class Says(torch.nn.Module):
    """Says one mesh after the other."""

    def __init__(self, vertices: np.ndarray) -> None:
        super().__init__()
        self.vertices, self.place = torch.from_numpy(vertices), 0

    def forward(self, image: torch.Tensor) -> Prediction:
        """image (B,3,H,W) -> the next B meshes."""
        start, self.place = self.place, self.place + len(image)
        camera = torch.tensor([[1.0, 0.0, 0.0]]).repeat(len(image), 1)
        return Prediction(camera=camera, vertices=self.vertices[start : self.place])


def model(vertices: np.ndarray = GUESS) -> LoadedModel:
    return oracle_model("mano", []).but(module=Says(vertices))


def protocol(name: str = "official-v1") -> ProtocolSpec:
    found: ProtocolSpec = get_registry().protocol(f"freihand/test@{name}")
    return found


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six hands with annotated joints and meshes in camera space."""
    ones = np.ones((21, 1), np.float32)
    extra = {
        row: {
            "keypoints3d.freihand21": np.concatenate([JOINTS[row], ones], 1).astype(np.float32),
            "vertices.mano": VERTICES[row].astype(np.float32),
        }
        for row in range(PEOPLE)
    }
    return write_people(tmp_path_factory.mktemp("hands"), PEOPLE, kind="mano", extra=extra)


def evaluated(shards: Path, name: str = "official-v1", vertices: np.ndarray = GUESS) -> Result:
    return evaluate(model(vertices), shards, protocol(name), limit=PEOPLE, batch=4)


def expected(vertices: np.ndarray = GUESS) -> dict[str, float]:
    regressed = load_body("mano", source="free").regress(torch.from_numpy(vertices), "metro_hand21")
    hands = Hands(joints=regressed.double().numpy(), vertices=vertices.astype(float))
    annotated = (points.astype(np.float32).astype(float) for points in (JOINTS, VERTICES))
    truth = Hands(**dict(zip(("joints", "vertices"), annotated, strict=True)))
    return set_scores(measure_hands(hands, truth, PROGRAM), PROGRAM)


def test_a_model_gets_the_official_numbers_of_its_mesh(shards: Path) -> None:
    result = evaluated(shards)
    wanted = expected()
    assert list(result.metrics) == list(PROGRAM.names)
    for name, value in wanted.items():
        assert result.metrics[name].value == pytest.approx(value, rel=1e-9)
    assert result.official_text.endswith(scores_text(wanted))
    assert result.metrics["mesh_al_mean3d"].unit == "cm"
    assert result.metrics["mesh_mean3d"].value == pytest.approx(50, rel=0.05)  # in another place


def test_the_official_block_has_its_lines_in_their_order(shards: Path) -> None:
    lines = evaluated(shards).official_text.splitlines()
    starts = [line.split("=")[0] for line in lines[:12]]
    assert starts == [
        "Evaluation 3D KP results:",
        "auc",
        "Evaluation 3D KP ALIGNED results:",
        "auc",
        "",
        "Evaluation 3D MESH results:",
        "auc",
        "Evaluation 3D MESH ALIGNED results:",
        "auc",
        "",
        "F-scores",
        "F@5.0mm ",
    ]
    assert lines[12].startswith("F@15.0mm = ") and "\tF_aligned@15.0mm = " in lines[12]


def test_every_hand_has_its_share_and_every_joint_its_bar(shards: Path) -> None:
    result = evaluated(shards)
    for name, metric in result.metrics.items():
        assert result.errors[name].mean() == pytest.approx(metric.value)
    assert result.details["joint_errors_mm"].shape == (PEOPLE, 21)
    assert result.tables["joints"].rows[0][0] == "wrist"
    assert set(result.curves) == {"pck", "pcv"}
    assert len(result.curves["pck"].x) == 100


def test_the_exported_file_has_the_numbers_of_the_run(
    shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = load_body("mano", source="free")
    keeps = ("vertices", "joints.freihand21")
    kept = collect(model(), EvalSet(shards), protocol(), Settings(limit=PEOPLE), keeps)
    for root in ("none", "wrist"):
        files.write(kept, tmp_path / "pred.zip", body, root=root)
        again = evaluate_predictions(
            files.read(tmp_path / "pred.zip"), body, shards, protocol(), limit=PEOPLE
        )
        for name, value in expected().items():
            if root == "none" or "_al" in name:
                assert again.metrics[name].value == pytest.approx(value, abs=1e-6)
        rules = files.RULES
        monkeypatch.setattr(files, "RULES", type(rules)(**{**vars(rules), "counts": (PEOPLE,)}))
        assert not [f for f in files.check(tmp_path / "pred.zip") if f.error]


def test_a_file_with_another_mesh_goes_the_way_of_the_joints(shards: Path, tmp_path: Path) -> None:
    joints = JOINTS.astype(float) - [0, 0, 0.5]
    document = [joints.tolist(), GUESS[:, ::3].astype(float).tolist()]
    (tmp_path / "pred.json").write_text(json.dumps(document))
    found, body = files.read(tmp_path / "pred.json"), load_body("mano", source="free")
    official, corrected = (
        evaluate_predictions(found, body, shards, protocol(name), limit=PEOPLE)
        for name in ("official-v1", "corrected-v1")
    )
    assert "mesh_mean3d: -100.000000\nmesh_auc3d: -1.000000" in official.official_text
    assert "MESH" not in official.official_text and "mesh_mean3d" not in official.metrics
    assert any("not MANO's" in note for note in official.notes)
    ours, theirs = (r.metrics["f_al_score_15"].value for r in (corrected, official))
    assert ours > 2 * theirs  # the official program forgets the size


def test_a_mirrored_hand_has_no_error_unless_corrected(shards: Path) -> None:
    mirrored = (VERTICES * [-1, 1, 1]).astype(np.float32)
    official = evaluated(shards, vertices=mirrored).metrics["mesh_al_mean3d"].value
    corrected = evaluated(shards, "corrected-v1", mirrored).metrics["mesh_al_mean3d"].value
    assert official < 1e-4 and corrected > 0.2
    upright = [
        evaluated(shards, n).metrics["mesh_al_mean3d"].value
        for n in ("official-v1", "corrected-v1")
    ]
    assert upright[0] == pytest.approx(upright[1], rel=1e-12)


def test_nan_is_named(shards: Path) -> None:
    bad = GUESS.copy()
    bad[3, 5, 1] = np.nan
    for name in ("official-v1", "corrected-v1"):
        with pytest.raises(InvalidData, match="person-0003"):
            evaluated(shards, name, bad)


def test_synthetic_hands_are_measured_against_their_pose(tmp_path: Path) -> None:
    posed = write_people(tmp_path, 3, kind="mano", meta={"hand": "right"})
    result = evaluate(model(), posed, protocol(), limit=3)
    assert result.metrics["mesh_al_mean3d"].n == 3


def test_who_is_not_annotated_is_left_out(tmp_path: Path) -> None:
    points = np.concatenate([JOINTS[1], np.ones((21, 1))], 1).astype(np.float32)
    extra = {1: {"keypoints3d.freihand21": points, "vertices.mano": VERTICES[1].astype(np.float32)}}
    some = write_people(tmp_path, 3, kind="mano", extra=extra, drop=("mano.",))
    result = evaluate(model(), some, protocol(), limit=3)
    assert result.metrics["xyz_mean3d"].n == 1
    assert np.isnan(result.errors["xyz_mean3d"][[0, 2]]).all()
    assert any("2 hands are left out" in note for note in result.notes)


def test_the_official_protocol_is_the_default_and_has_3960_hands() -> None:
    found = find_protocol(get_registry(), testset="freihand", body="mano", model="metro.freihand")
    assert found.name == "freihand/test@official-v1" and found.samples == COUNT == 3960
    pair = [spec for spec in hps_protocols() if spec.split == "test"]
    assert {spec.beside for spec in pair} == {spec.name for spec in pair}


def test_published_numbers_are_kept_apart_by_augmentation() -> None:
    def value(name: str, tta: str) -> list[float]:
        rows = [p for p in published() if p.model == name and p.tta == tta]
        return [p.value for p in rows if p.metric == "mesh_al_mean3d"]

    assert value("metro.freihand", "") == [0.67] and value("metro.freihand", "multiscale") == [0.63]
    assert value("graphormer.freihand", "") == []  # nobody published it
    assert value("graphormer.freihand", "multiscale") == [0.60]
    tags = {f"{m.name}.{w.tag}" for m in get_registry().all("model") for w in m.weights}
    assert {entry.model for entry in published()} <= tags
    assert {entry.metric for entry in published()} <= set(PROGRAM.names)


def test_the_plain_loop_of_the_speed_row_has_equal_results() -> None:
    spec = hps_speeds()[0]
    given = made()
    found, plain = (resolve(target)(given) for target in (spec.ours, spec.plain))
    assert list(found) == list(PROGRAM.names)
    assert worst_difference(spec.name, found, plain) <= spec.tolerance


def made() -> dict[str, np.ndarray]:
    """-> a few of the hands that the row is about, with few vertices: the loop is slow."""
    whole = made_hands(3, "metro_hand21")
    return {name: points[:, :: (40 if "vertices" in name else 1)] for name, points in whole.items()}


def test_predictions_are_counted_from_the_wrist(tmp_path: Path) -> None:
    body = load_body("mano", source="free")
    files.write(PredictionSet(keys=(), arrays={"vertices": GUESS}), tmp_path / "p.zip", body)
    found = files.read(tmp_path / "p.zip").arrays
    assert (found["joints.freihand21"][:, 0] == 0).all()
