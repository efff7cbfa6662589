"""SURREAL, 3DPeople, GTA-Human and HuMMan."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import scipy.io
from scipy.spatial.transform import Rotation

from hpscli.body.placement import rest_pelvis
from hpscli.data.people import Layout, make_sample
from hpscli.errors import MissingError, UsageError
from tests.plugins.datasets.rendered.rendered_files import posed
from tests.plugins.datasets.scenes.scene_files import import_free_body, pickled, picture, read

NUMBERS = np.random.default_rng(11)
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
