"""AGORA: bodies on their joints, children, broken records."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from hpscli.body.assets.files import read_asset
from hpscli.data.crops import crop_box
from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.people import Layout, make_sample
from hpscli.data.preparation import OSX
from hpscli.errors import InvalidData, MissingError, UsageError
from tests.plugins.datasets.rendered.rendered_files import posed, write_table
from tests.plugins.datasets.scenes.scene_files import import_free_body, pickled, picture, read

SMALL = "images/train/some_cam01_00000_1280x720.png"
NUMBERS = np.random.default_rng(11)
COUNTS = {"body_pose": 63, "left_hand_pose": 45, "right_hand_pose": 45, "expression": 10}
COUNTS |= {"jaw_pose": 3, "leye_pose": 3, "reye_pose": 3}


def agora_fit(betas: int = 10) -> dict[str, Any]:
    """-> a fit of SMPL-X to a scan, as the owner stores it."""
    fit = {name: NUMBERS.normal(0, 0.2, (1, count)) for name, count in COUNTS.items()}
    fit |= {"global_orient": NUMBERS.normal(0, 1, (1, 3)), "betas": np.zeros((1, betas))}
    return {**fit, "transl": NUMBERS.normal(0, 0.3, (1, 3)), "gender": "male"}


def owners_projection(places: np.ndarray, cells: Mapping[str, Any]) -> np.ndarray:
    """Joints of a posed scan -> in the camera: agora_evaluation's rule, here for a picture of cam01."""
    turned = places * [1, -1, -1]
    turned = Rotation.from_euler("y", cells["Yaw"] - 90, degrees=True).apply(turned)
    moved = turned + np.array([cells["Y"], -cells["Z"], cells["X"]]) / 100
    outside = np.array([2.25, -2.65, 4.0])
    seen = Rotation.from_euler("y", 135, degrees=True).apply(moved - outside)
    return np.asarray(Rotation.from_euler("x", 30, degrees=True).apply(seen))


def write_agora(
    root: Path, monkeypatch: pytest.MonkeyPatch, people: list[dict[str, Any]], size: Any = None
) -> list[dict[str, Any]]:
    """A picture of cam01 with people -> their cells; `fit` among them."""
    import_free_body("smplx", "male")
    for number, cells in enumerate(people):
        fit = cells.pop("fit")
        pickled(root / f"smplx_gt/scan{number}.pkl", fit)
        arrays = {
            f"smplx.{k}": v[0][:10] if k == "betas" else v[0]
            for k, v in fit.items()
            if k != "gender"
        }
        for side in ("left", "right"):  # the owner's are relative to the mean hand
            mean = read_asset("smplx-male")[0][f"hands_mean{side[0]}"]
            arrays[f"smplx.{side}_hand_pose"] = arrays[f"smplx.{side}_hand_pose"] + mean
        joints = owners_projection(posed("smplx", "male", arrays), cells)
        cells["gt_joints_3d"] = np.concatenate([joints, np.tile(joints[:1], (72, 1))])
        ahead = cells["gt_joints_3d"]
        cells["gt_joints_2d"] = ahead[:, :2] / ahead[:, 2:] * 1920 + [1920, 1080]
        cells["gt_path_smplx"] = f"smplx_gt/scan{number}.obj"
    columns: dict[str, list[Any]] = {"imgPath": ["some_cam01_00000.png"], "camYaw": [7.0]}
    columns |= {name: [[cells[name] for cells in people]] for name in people[0]}
    write_table(root / "camera_dataframe/train_0_withjv.pkl", columns, monkeypatch)
    picture(root / SMALL, size or (72, 128))
    return people


def person_cells(**different: Any) -> dict[str, Any]:
    """-> one person's cells of the table."""
    cells = {"X": -60.0, "Y": 20.0, "Z": 5.0, "Yaw": 40.0, "gender": "male", "kid": False}
    cells |= {"age": "adult", "ethnicity": "other", "occlusion": 12.5, "isValid": True}
    return {**cells, "fit": agora_fit(), **different}


def test_agoras_bodies_lie_on_its_joints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_agora(tmp_path, monkeypatch, [person_cells(), person_cells(Yaw=-100.0, X=-80.0)])
    people, bad = read("agora", tmp_path, "train")
    assert bad == []
    for person in people:
        joints = person.arrays["keypoints3d.agora127"][:55, :3]
        np.testing.assert_allclose(posed("smplx", "male", person.arrays), joints, atol=2e-5)
        seen = joints @ person.arrays["camera.intrinsics"].T
        points = person.arrays["keypoints2d.agora127"][:55, :2]
        np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], points, atol=1e-6)
    # the picture that is there decides: labels are for 3840x2160
    assert people[0].image_size_px == (72, 128)
    (first, _), _ = read("agora", tmp_path, "train", resolution="3840x2160")
    ratio = (
        first.arrays["keypoints2d.agora127"][:, :2]
        / people[0].arrays["keypoints2d.agora127"][:, :2]
    )
    np.testing.assert_allclose(ratio, 30)
    (official, _), _ = read("agora", tmp_path, "train", reference="mmhuman3d")
    wrong = posed(
        "smplx",
        "male",
        {**first.arrays, "smplx.global_orient": official.arrays["smplx.global_orient"]},
    )
    assert np.abs(wrong - people[0].arrays["keypoints3d.agora127"][:55, :3]).max() > 0.1


def test_agoras_children_keep_their_weight_and_invalid_people_stay_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = agora_fit(betas=11)
    child["betas"][0, 10] = 0.75
    girl = {"kid": True, "gender": "female", "fit": child}
    cells = [person_cells(isValid=False), person_cells(**girl), person_cells(fit=agora_fit(11))]
    write_agora(tmp_path, monkeypatch, cells)
    (found, adult), _ = read("agora", tmp_path, "train")
    assert found.arrays["smplx.kid"].tolist() == [0.75]
    assert "smplx.transl" not in found.arrays  # its pelvis at rest is not the adult's
    assert (found.meta["gender"], found.meta["scan_gender"]) == ("neutral", "female")
    assert found.key.endswith("-1")  # its number in the table, whoever is left out
    assert adult.arrays["extra.betas"].shape == (11,)
    assert "smplx.kid" not in adult.arrays
    (official, _), _ = read("agora", tmp_path, "train", reference="mmhuman3d")
    assert official.meta["gender"] == "female"
    for name, count in (("betas", 10), ("transl", 3), ("left_hand_pose", 45)):  # as in the file
        np.testing.assert_array_equal(official.arrays[f"smplx.{name}"], child[name][0, :count])


def test_agoras_broken_records_are_named_and_the_others_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [person_cells() for _ in range(4)]
    write_agora(tmp_path, monkeypatch, cells)
    pickled(tmp_path / "smplx_gt/scan1.pkl", {"betas": np.zeros((1, 10))})
    (tmp_path / "smplx_gt/scan2.pkl").unlink()
    people, bad = read("agora", tmp_path, "train")
    assert len(people) == 2
    assert "train_0_withjv.pkl row 0 person 1" in bad[0]
    assert "scan2.pkl" in bad[1]
    (tmp_path / "camera_dataframe/train_0_withjv.pkl").write_bytes(b"\x80\x04}.")
    with pytest.raises(InvalidData, match="no table"):
        read("agora", tmp_path, "train")
    with pytest.raises(MissingError, match="validation"):
        read("agora", tmp_path, "validation")
    with pytest.raises(UsageError, match="body=smplx"):
        read("agora", tmp_path, "train", body="mano")


def test_osx_sees_agoras_people_with_its_two_margins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files enlarge the joints' box by a fifth, its crop the 3:4 box around that by a quarter."""
    write_agora(tmp_path, monkeypatch, [person_cells()])
    ((person,), _) = read("agora", tmp_path, "train", resolution="3840x2160")
    points = person.arrays["keypoints2d.agora127"][:, :2]
    low, extent = points.min(0), np.ptp(points, axis=0)
    assert (low > 0.1 * extent).all() and (low + 1.1 * extent < [3839, 2159]).all()  # inside
    side = 1.2 * extent - 1  # OSX counts from pixel to pixel
    official = 1.25 * max(side[1], side[0] * 4 / 3)
    sample = make_sample(tmp_path, replace(person, image=SMALL), Layout())
    batch = prepared_batch([sample], OSX.window, "agora127", OSX)
    assert OSX.window[0] / batch.affine[0, 1, 1] == pytest.approx(official, rel=1e-5)
    _, annotated = crop_box(sample, OSX.window)
    assert official / (annotated * 4 / 3) == pytest.approx(1.25, rel=0.01)
    for other in ({"reference": "mmhuman3d"}, {"resolution": "1280x720"}):
        ((found,), _) = read("agora", tmp_path, "train", **other)
        small = found.arrays.get("extra.box_osx")
        assert (small is None) == ("reference" in other)
    np.testing.assert_allclose(3 * small, person.arrays["extra.box_osx"])


def test_agoras_test_people_are_cropped_as_osx_does(tmp_path: Path) -> None:
    """Listed at 300 x 900 px of the large picture: OSX's crop is 3:4 and a quarter larger."""
    picture(tmp_path / "images/test/hall_00001_1280x720.png", (720, 1280))
    listed = {"hall_00001.png": [{"bbox": [900, 600, 300, 900]}]}
    (tmp_path / "AGORA_test_bbox.json").write_text(json.dumps(listed))
    (person,), bad = read("agora", tmp_path, "test")
    assert bad == []
    sample = make_sample(tmp_path, person, Layout())
    center, width = crop_box(sample, OSX.window)
    np.testing.assert_allclose(center, [1050 / 3, 1050 / 3])
    assert width * 4 / 3 == pytest.approx(1.25 * 900 / 3)
    box = person.arrays["extra.box_osx"]
    assert box[3] / box[2] == pytest.approx(4 / 3, rel=1e-6)
    assert box[3] == pytest.approx(1.25 * 899 / 3)  # OSX counts from pixel to pixel
