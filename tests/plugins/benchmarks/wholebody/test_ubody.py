"""UBody: only what lies inside the picture counts, and nobody counts what nobody fitted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hps_benchmarks.wholebody.visibility import inside, through_lens, through_patch
from hpscli.data.official_crops.osx import patch_affines
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from tests.run.people import IMAGE_PX, oracle_model, parameters, write_people

COUNT = 2
FAR = 30.0  # metres
PATCH = np.array([IMAGE_PX / 8, 0, IMAGE_PX * 0.75, IMAGE_PX], np.float32)  # x, y, width, height
FOCAL_PX = 5000 / 192 * PATCH[2]  # what the patch's lens is in the picture
LENS = np.array([[FOCAL_PX, 0, IMAGE_PX / 2], [0, FOCAL_PX, IMAGE_PX / 2], [0, 0, 1]], np.float32)


def protocol(name: str) -> ProtocolSpec:
    """A protocol for as many people as there are here."""
    found: ProtocolSpec = get_registry().protocol(name)
    return replace(found, samples=0)


def people(folder: Path, moved: tuple[float, float], *drop: str, **more: np.ndarray) -> Path:
    """Write people whose bodies stand `moved` metres off the middle, FAR away."""
    transl = np.array([*moved, FAR], np.float32)
    arrays = {"smplx.transl": transl, "camera.intrinsics": LENS, "box.xywh": PATCH, **more}
    extra = dict.fromkeys(range(COUNT), arrays)
    return write_people(folder, COUNT, kind="smplx", extra=extra, drop=drop)


def answers(hand: float) -> list[dict[str, np.ndarray]]:
    """-> true people with another left hand."""
    found = [parameters("smplx", seed) for seed in range(COUNT)]
    for answer in found:
        answer["smplx.left_hand_pose"] = answer["smplx.left_hand_pose"] + hand
        answer["smplx.betas"] = answer["smplx.betas"].clip(-3, 3)
    return found


def measured(folder: Path, name: str, hand: float = 0.5) -> dict[str, float]:
    """-> the figures."""
    result = evaluate(oracle_model("smplx", answers(hand)), folder, protocol(name), batch=4)
    return {name: metric.value for name, metric in result.metrics.items()}


@pytest.mark.parametrize("name", ["ubody/test@osx-v1", "ubody/test@lens-v1"])
def test_people_in_the_middle_are_seen_whole(name: str, tmp_path: Path) -> None:
    figures = measured(people(tmp_path / "shards", (0, 0)), name)
    assert figures["mpvpe_hands"] > 5 > 0.1 > figures["mpvpe_face"]
    assert figures["mpvpe_all"] > 0.1


def test_both_cameras_see_the_same_where_the_patch_has_the_lens_of_the_picture(
    tmp_path: Path,
) -> None:
    shards = people(tmp_path / "shards", (0.5, 0.2))
    official, lens = (
        measured(shards, name) for name in ("ubody/test@osx-v1", "ubody/test@lens-v1")
    )
    assert official == pytest.approx(lens, abs=0.05)  # mm: float32 before the camera, 30 m away


def test_a_hand_that_is_outside_does_not_count(tmp_path: Path) -> None:
    """The picture shows 2 m times 0.96 in width; the left hand is at about 0.6 m from the middle."""
    straight = {
        f"smplx.{part}": np.zeros(3 * count, np.float32)
        for part, count in (("global_orient", 1), ("body_pose", 21))
    }
    inside_, outside = (
        measured_straight(people(tmp_path / name, (moved, 0), **straight), straight)
        for name, moved in (("inside", 0.0), ("outside", 0.65))
    )
    assert inside_["mpvpe_hands"] > 3  # the mean of a wrong and a right hand
    assert outside["mpvpe_hands"] < 0.1 and outside["mpvpe_all"] < inside_["mpvpe_all"]


def measured_straight(folder: Path, pose: dict[str, np.ndarray]) -> dict[str, float]:
    """-> the figures of people in rest pose."""
    said = [{**answer, **pose} for answer in answers(0.5)]
    spec = protocol("ubody/test@osx-v1")
    result = evaluate(oracle_model("smplx", said), folder, spec, batch=4)
    return {name: metric.value for name, metric in result.metrics.items()}


def test_nothing_inside_is_no_official_number_and_nobody_measured_otherwise(tmp_path: Path) -> None:
    shards = people(tmp_path / "shards", (5, 0))
    with pytest.raises(InvalidData, match="official mean is not a number") as caught:
        measured(shards, "ubody/test@osx-v1")
    assert "ubody/test@lens-v1" in caught.value.fix
    with pytest.raises(InvalidData, match="nobody"):
        measured(shards, "ubody/test@lens-v1")


def test_without_the_official_box_the_official_rule_says_what_to_do(tmp_path: Path) -> None:
    shards = people(tmp_path / "shards", (0, 0), "box.xywh")
    square = {
        number: {"smplx.transl": np.array([0, 0, FAR], np.float32)} for number in range(COUNT)
    }
    shards = write_people(tmp_path / "square", COUNT, kind="smplx", extra=square)
    with pytest.raises(InvalidData, match="3:4 box") as caught:
        measured(shards, "ubody/test@osx-v1")
    assert "--as-reference" in caught.value.fix and "lens-v1" in caught.value.fix


def test_a_hand_without_a_fit_is_the_mean_hand_officially_and_else_left_out(tmp_path: Path) -> None:
    shards = people(tmp_path / "shards", (0, 0), "smplx.left_hand_pose")
    assert measured(shards, "ubody/test@osx-v1", hand=0.0)["mpvpe_hands"] > 1
    assert measured(shards, "ubody/test@lens-v1", hand=0.0)["mpvpe_hands"] < 0.1


def test_a_shape_beyond_three_is_the_mean_shape_officially(tmp_path: Path) -> None:
    far = np.zeros(10, np.float32)
    far[0] = 3.5
    shards = people(tmp_path / "shards", (0, 0), **{"smplx.betas": far})
    spec = protocol("ubody/test@osx-v1")
    for shape, nearly in ((0.0, True), (3.5, False)):
        said = [{**answer, "smplx.betas": far / 3.5 * shape} for answer in answers(0.0)]
        result = evaluate(oracle_model("smplx", said), shards, spec, batch=4)
        assert (result.metrics["mpvpe_all"].value < 0.1) == nearly


def test_hands_stored_from_the_mean_hand_are_hands(tmp_path: Path) -> None:
    zero = np.zeros(45, np.float32)
    from hpscli.body.layer import load_body

    mean = load_body("smplx", source="free").hand_means["hands_meanl"].astype(np.float32)
    stored = {"extra.left_hand_pose_from_mean": zero}
    shards = people(tmp_path / "shards", (0, 0), "smplx.left_hand_pose", **stored)
    said = [{**answer, "smplx.left_hand_pose": mean} for answer in answers(0.0)]
    for name in ("ubody/test@osx-v1", "ubody/test@lens-v1"):
        result = evaluate(oracle_model("smplx", list(said)), shards, protocol(name), batch=4)
        assert result.metrics["mpvpe_hands"].value < 0.1
        assert result.metrics["mpvpe_hands"].n == COUNT


def test_borders_are_outside_and_so_is_what_is_behind_the_camera() -> None:
    pixels = np.array([[[0.0, 5], [1e-6, 5], [9.999, 5], [10, 5], [5, 20], [np.nan, 5]]])
    assert inside(pixels, np.array([[20, 10]])).tolist() == [
        [False, True, True, False, False, False]
    ]
    points = np.array([[[0.0, 0, -2], [0, 0, 2]]])
    seen = through_lens(points, LENS[None].astype(np.float64))
    assert np.isnan(seen[0, 0]).all() and np.allclose(seen[0, 1], IMAGE_PX / 2)


def test_the_patch_shows_its_middle_in_the_middle_of_the_box() -> None:
    affine = patch_affines(PATCH)[1]
    middle = through_patch(np.array([[[0.0, 0, FAR]]]), affine[None])
    np.testing.assert_allclose(middle[0, 0], PATCH[:2] + PATCH[2:] / 2, atol=1e-4)
