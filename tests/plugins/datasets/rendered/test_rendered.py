"""AGORA, SURREAL, 3DPeople, GTA-Human and HuMMan, on invented files whose bodies fit their joints."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from scipy.spatial.transform import Rotation

from hpscli.body.files import read_asset
from hpscli.body.placement import rest_pelvis
from hpscli.data.people import Layout, make_sample
from hpscli.errors import InvalidData, MissingError, UsageError
from tests.plugins.datasets.rendered.rendered_files import posed, write_table
from tests.plugins.datasets.scenes.scene_files import import_free_body, pickled, picture, read

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
    picture(root / "images/train/some_cam01_00000_1280x720.png", size or (72, 128))
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


AXES = np.array([[0.0, 0, -1], [0, 1, 0], [-1, 0, 0]])
INTRINSICS = np.array([[600.0, 0, 160], [0, 600, 120], [0, 0, 1]])
CAMERA = np.array([7.2, -1.0, 0.1])


def write_surreal(root: Path, frames: int = 2, zrot: float = 0.7) -> None:
    """One clip: a body in Blender's world, seen by the owner's camera, which mirrors."""
    import_free_body("smpl", "female")
    pose, betas = NUMBERS.normal(0, 0.3, (72, frames)), NUMBERS.normal(0, 0.5, (10, frames))
    joints = np.zeros((3, 24, frames))
    for frame in range(frames):
        turn = Rotation.from_euler("x", 90, degrees=True) * Rotation.from_euler("z", zrot)
        root_turn = (turn * Rotation.from_rotvec(pose[:3, frame])).as_rotvec()
        rest = rest_pelvis("smpl", "female", betas[:, frame])
        assert rest is not None
        arrays = {"smpl.body_pose": pose[3:, frame], "smpl.betas": betas[:, frame]}
        arrays |= {
            "smpl.global_orient": root_turn,
            "smpl.transl": np.array([0.1, -1.0, 0.2]) - rest,
        }
        joints[..., frame] = posed("smpl", "female", arrays).T
    seen = np.einsum("ij,jkl->ikl", AXES, joints) - (AXES @ CAMERA)[:, None, None]
    points = np.einsum("ij,jkl->ikl", INTRINSICS, seen)
    folder = root / "train/run1/01_01"
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "pose": pose,
        "shape": betas,
        "joints3D": joints,
        "joints2D": points[:2] / points[2:],
    }
    content |= {"gender": np.zeros((frames, 1)), "zrot": np.full((frames, 1), zrot)}
    scipy.io.savemat(folder / "01_01_c0001_info.mat", {**content, "camLoc": CAMERA[:, None]})


def test_surreals_bodies_are_the_mirror_images_that_its_pictures_show(tmp_path: Path) -> None:
    write_surreal(tmp_path)
    people, bad = read("surreal", tmp_path, "train")
    assert (len(people), bad) == (2, [])
    for person in people:
        joints = person.arrays["keypoints3d.smpl24"][:, :3]
        seen = joints @ person.arrays["camera.intrinsics"].T
        points = person.arrays["keypoints2d.smpl24"][:, :2]
        np.testing.assert_allclose(seen[:, :2] / seen[:, 2:], points, atol=1e-3)
        np.testing.assert_allclose(np.linalg.det(person.arrays["camera.rotation"]), 1)
        # the free body is symmetric to a millimetre
        np.testing.assert_allclose(posed("smpl", "female", person.arrays), joints, atol=2e-3)
    assert people[1].picture is not None
    assert (people[1].picture.path, people[1].picture.frame) == (
        "train/run1/01_01/01_01_c0001.mp4",
        1,
    )
    (official, _), _ = read("surreal", tmp_path, "train", reference="mmhuman3d")
    np.testing.assert_allclose(np.linalg.det(official.arrays["camera.rotation"]), -1)


def test_a_clip_of_surreal_with_one_frame_is_read(tmp_path: Path) -> None:
    write_surreal(tmp_path, frames=1)
    path = tmp_path / "train/run1/01_01/01_01_c0001_info.mat"
    content = {k: v for k, v in scipy.io.loadmat(path).items() if not k.startswith("__")}
    for name in ("joints2D", "joints3D"):
        content[name] = content[name][..., 0]  # as MATLAB leaves it
    scipy.io.savemat(path, content)
    assert len(read("surreal", tmp_path, "train", run="1")[0]) == 1
    scipy.io.savemat(path, {**content, "pose": content["pose"][:40]})
    people, bad = read("surreal", tmp_path, "train")
    assert people == []
    assert "01_01_c0001_info.mat" in bad[0]
    with pytest.raises(MissingError, match="run0"):
        read("surreal", tmp_path, "train", run="0")
    with pytest.raises(UsageError, match="run 'x'"):
        read("surreal", tmp_path, "train", run="x")


def test_3dpeoples_subjects_are_split_and_its_joints_are_the_last_columns(tmp_path: Path) -> None:
    rows = np.hstack(
        [NUMBERS.uniform(5, 50, (67, 2)), np.ones((67, 2)), NUMBERS.normal(size=(67, 3))]
    )
    for subject in ("man01", "woman35"):
        picture(tmp_path / f"rgb/{subject}/01_walk/camera01/frames/0001.jpg")
        text = tmp_path / f"skeleton/{subject}/01_walk/camera01/0001.txt"
        text.parent.mkdir(parents=True)
        np.savetxt(text, rows)
    (person,), _ = read("3dpeople", tmp_path, "train")
    assert person.image.startswith("rgb/man01/")
    assert [p.meta["subject"] for p in read("people3d", tmp_path, "test")[0]] == ["woman35"]
    found = person.arrays["keypoints3d.people3d67"]
    np.testing.assert_allclose(found[:, :3], rows[:, 4:] - rows[0, 4:])
    assert (found[:, 3] == 1).all()
    official, _ = read("3dpeople", tmp_path, "train", reference="hmr-benchmarks")
    assert len(official) == 2
    assert (official[0].arrays["keypoints3d.people3d67"][:, 3] == 0).all()
    np.savetxt(text, rows[:60])
    assert "woman35/01_walk/camera01/0001.txt" in read("3dpeople", tmp_path, "test")[1][0]


def test_gta_human_is_read_as_it_is_described(tmp_path: Path) -> None:
    boxes = np.array([[100.0, 200, 300, 400], [-500, 0, 100, 100]])
    labels = {"bbox_xywh": boxes, "betas": np.zeros((2, 10)), "transl": np.ones((2, 3))}
    labels |= {"keypoints_2d": np.full((2, 100, 3), 300.0), "keypoints_3d": np.ones((2, 100, 4))}
    labels |= {"global_orient": np.zeros((2, 3)), "body_pose": np.zeros((2, 23, 3))}
    labels["keypoints_2d"][..., 2] = 1
    pickled(tmp_path / "annotations/seq_00000001.pkl", labels)
    pickled(tmp_path / "annotations/seq_00000002.pkl", {**labels, "gender": "x"})
    pickled(tmp_path / "annotations/seq_00000003.pkl", [1])
    (person,), bad = read("gta-human", tmp_path, "train")  # the other box lies outside
    assert person.image == "images/seq_00000001/00000000.jpeg"
    np.testing.assert_allclose(np.asarray(person.box), [10, 160, 480, 480])
    assert person.arrays["smpl.body_pose"].shape == (69,)
    assert [line.partition(":")[0] for line in bad] == [
        "seq_00000002.pkl frame 0",
        "seq_00000003.pkl",
    ]


def write_humman(path: Path, store: Callable[[h5py.Group, bytes], Any]) -> np.ndarray:
    """A capture with one Kinect and two frames -> its 3D joints in the world."""
    joints = np.concatenate([NUMBERS.normal(0, 0.3, (2, 133, 3)), np.ones((2, 133, 1))], axis=2)
    points = np.concatenate([NUMBERS.uniform(5, 35, (2, 133, 2)), np.ones((2, 133, 1))], axis=2)
    data = cv2.imencode(".jpg", np.full((40, 60, 3), 80, np.uint8))[1].tobytes()
    turn = Rotation.from_rotvec([0.1, 0.4, 0]).as_matrix()
    with h5py.File(path, "w") as file:
        file["Extrinsics"] = json.dumps({"0": {"R": turn.ravel().tolist(), "T": [0, 0, -3.0]}})
        file["Keypoints3D/keypoints3d"] = joints
        file["Keypoints2D/Kinect/0/keypoints2d"] = points
        file["Kinect/0/Calibration/Color/Intrinsics"] = np.array([30.0, 20, 500, 510, 0])
        file["Kinect/0/Calibration/Color/Resolution"] = np.array([60, 40])
        for frame in range(2):
            store(file.require_group("Kinect/0/Color"), data)
            file.move("Kinect/0/Color/new", f"Kinect/0/Color/{frame}")
        for name, count in (("global_orient", 3), ("body_pose", 69), ("transl", 3)):
            file[f"SMPL/{name}"] = np.zeros((2, count))
        file["SMPL/betas"] = np.zeros(10)
    return np.asarray((joints[0, :, :3] - [0, 0, -3.0]) @ turn)


@pytest.mark.parametrize("chunks", [None, True], ids=["contiguous", "chunked"])
def test_hummans_pictures_are_read_where_they_lie_in_the_file(tmp_path: Path, chunks: Any) -> None:
    def store(group: h5py.Group, data: bytes) -> None:
        array = np.frombuffer(data, np.uint8)
        group.create_dataset("new", data=array, chunks=(len(array),) if chunks else None)

    expected = write_humman(tmp_path / "p000001_a000001.smc", store)
    people, bad = read("humman", tmp_path, "train", every=1)
    assert (len(people), bad) == (2, [])
    np.testing.assert_allclose(
        people[0].arrays["keypoints3d.coco_wholebody133"][:, :3], expected, atol=1e-9
    )
    sample = make_sample(tmp_path, people[1], Layout(kind="full"))
    assert sample.meta["image_size_px"] == [40, 60]
    assert len(read("humman", tmp_path, "train")[0]) == 1  # every tenth


def test_hummans_compressed_pictures_and_broken_files_are_named(tmp_path: Path) -> None:
    def store(group: h5py.Group, data: bytes) -> None:
        group.create_dataset("new", data=np.frombuffer(data, np.uint8), compression="gzip")

    write_humman(tmp_path / "a.smc", store)
    (tmp_path / "b.smc").write_bytes(b"no HDF5")
    people, bad = read("humman", tmp_path, "train")
    assert people == []
    assert "not stored in one piece" in bad[0]
    assert "b.smc" in bad[1]
    with pytest.raises(MissingError, match=r"test\.txt"):
        read("humman", tmp_path, "test")
