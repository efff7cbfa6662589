"""HO-3D as a protocol: fourteen numbers, two versions, axes that do not matter."""

from pathlib import Path

import numpy as np
import pytest

from hps_benchmarks.ho3d import files
from hps_benchmarks.ho3d.plugin import COUNTS, hps_protocols, hps_speeds
from hps_benchmarks.ho3d.score import PROGRAM
from hpscli.body.layer import load_body
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.hands.scores import Hands, measure_hands, scores_text, set_scores
from hpscli.metrics.protocol_names import find_protocol
from hpscli.metrics.results import Result
from hpscli.records import PredictionSet
from hpscli.registry import get_registry, resolve
from hpscli.run.evaluate import evaluate_predictions
from hpscli.testing.speed.metrics import worst_difference
from hpscli.testing.speed.plain_hands import made_hands
from tests.plugins.benchmarks.hand_files import posed_hands
from tests.run.people import write_people

PEOPLE = 4
JOINTS, VERTICES = posed_hands(PEOPLE, "mano21")
DRAW = np.random.RandomState(0)
GUESS = VERTICES + 0.004 * DRAW.standard_normal(VERTICES.shape)
GUESS_JOINTS = JOINTS + 0.004 * DRAW.standard_normal(JOINTS.shape)
OPENGL = np.array([1.0, -1.0, -1.0])


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four hands with annotated joints and meshes in camera space."""
    ones = np.ones((21, 1))
    extra = {
        row: {
            "keypoints3d.mano21": np.concatenate([JOINTS[row], ones], 1).astype(np.float32),
            "vertices.mano": VERTICES[row].astype(np.float32),
        }
        for row in range(PEOPLE)
    }
    return write_people(tmp_path_factory.mktemp("hands"), PEOPLE, kind="mano", extra=extra)


def evaluated(shards: Path, found: PredictionSet, name: str = "v2-v1") -> Result:
    protocol: ProtocolSpec = get_registry().protocol(f"ho3d/test@{name}")
    body = load_body("mano", source="free")
    return evaluate_predictions(found, body, shards, protocol, limit=PEOPLE)


def given(joints: np.ndarray, vertices: np.ndarray) -> PredictionSet:
    return PredictionSet(keys=(), arrays={"joints.mano21": joints, "vertices": vertices})


def test_a_file_has_the_fourteen_numbers_of_its_arrays(shards: Path, tmp_path: Path) -> None:
    body = load_body("mano", source="free")
    single = given(GUESS_JOINTS.astype(np.float32), GUESS.astype(np.float32))
    files.write(single, tmp_path / "pred.zip", body, root="none")
    result = evaluated(shards, files.read(tmp_path / "pred.zip"))
    truth = Hands(joints=JOINTS.astype(float) * OPENGL, vertices=VERTICES.astype(float) * OPENGL)
    arrays = (single.arrays[name].astype(float) * OPENGL for name in ("joints.mano21", "vertices"))
    guess = Hands(**dict(zip(("joints", "vertices"), arrays, strict=True)))
    wanted = set_scores(measure_hands(guess, truth, PROGRAM), PROGRAM)
    assert len(wanted) == 14 and list(result.metrics) == list(wanted)
    for name, value in wanted.items():
        assert result.metrics[name].value == pytest.approx(value, rel=1e-9)
    assert result.official_text.endswith(scores_text(wanted))
    assert "Evaluation 3D KP SCALE-TRANSLATION ALIGNED results:\n" in result.official_text


def test_scale_and_place_cost_nothing_after_their_alignment(shards: Path) -> None:
    result = evaluated(shards, given(JOINTS * 2 + 0.3, VERTICES * 2 + 0.3))
    assert result.metrics["xyz_scale_trans_al_mean3d"].value < 1e-5
    assert result.metrics["xyz_scale_trans_al_auc3d"].value == pytest.approx(1, abs=0.01)
    assert result.metrics["xyz_mean3d"].value > 30


def test_mirrored_hands_are_punished_where_it_is_corrected(shards: Path) -> None:
    mirrored = given(JOINTS * [-1, 1, 1], VERTICES * [-1, 1, 1])
    values = [
        evaluated(shards, mirrored, name).metrics["mesh_al_mean3d"].value
        for name in ("v2-v1", "v2-corrected-v1")
    ]
    assert values[0] < 1e-4 and values[1] > 0.2


def test_both_versions_have_their_counts_and_partners() -> None:
    specs = {spec.name: spec for spec in hps_protocols()}
    assert {spec.samples for spec in specs.values()} == set(COUNTS.values()) == {11524, 20137}
    assert all(specs[spec.beside].beside == name for name, spec in specs.items())
    found = find_protocol(get_registry(), testset="ho3d", body="mano")
    assert found.name == "ho3d/test@v2-v1"


def test_the_plain_loop_of_the_speed_row_has_equal_results() -> None:
    spec = hps_speeds()[0]
    whole = made_hands(3, "mano21")
    few = {n: points[:, :: (40 if "vertices" in n else 1)] for n, points in whole.items()}
    found, plain = (resolve(target)(few) for target in (spec.ours, spec.plain))
    assert list(found) == list(PROGRAM.names)
    assert worst_difference(spec.name, found, plain) <= spec.tolerance
