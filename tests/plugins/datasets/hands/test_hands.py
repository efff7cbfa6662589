"""FreiHAND, HO-3D and EHF: ours, and as mmhuman3d makes them."""

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from hps_datasets.hands.ehf import CENTER_PX, FOCAL_PX, TRANSLATION, camera_rotation
from hpscli.body.joints import joint_set
from hpscli.body.layer import load_body
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.containers.ply import ply_vertices
from hpscli.data.forms.human_data import human_data
from hpscli.data.people import Layout, keyed, make_sample
from hpscli.data.sample import complaints
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from hpscli.records import Person
from hpscli.registry import get_registry, resolve
from tests.plugins.datasets.shard_forms.shard_files import MEAN_HAND, import_mano

POSES = 5
OPENGL = np.diag([1.0, -1.0, -1.0])


def read(name: str, root: Path, split: str = "train", **options: Any) -> list[Person | HpsError]:
    spec = get_registry().dataset(name)
    return list(keyed(resolve(spec.people)(root, split, **{**spec.options, **options})))


def people_of(name: str, root: Path, split: str = "train", **options: Any) -> list[Person]:
    found = read(name, root, split, **options)
    assert [error for error in found if isinstance(error, HpsError)] == []
    return [person for person in found if isinstance(person, Person)]


def picture(path: Path, side: int = 224) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.zeros((side, side, 3), np.uint8))


@pytest.fixture
def freihand(tmp_path: Path) -> Path:
    generator = np.random.default_rng(1)
    joints = generator.uniform(-0.08, 0.08, (POSES, 21, 3)) + [0, 0, 0.7]
    camera = np.array([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]])
    vertices = generator.uniform(-0.08, 0.08, (POSES, 778, 3)) + [0, 0, 0.7]
    lists = {
        "K": np.broadcast_to(camera, (POSES, 3, 3)),
        "xyz": joints,
        "mano": generator.normal(size=(POSES, 1, 61)) * 0.3,
        "scale": np.full(POSES, 0.03),
        "verts": vertices.round(4),
    }
    for name, values in lists.items():
        for part, count in (("training", POSES), ("evaluation", 3)):
            (tmp_path / f"{part}_{name}.json").write_text(json.dumps(values[:count].tolist()))
    for number in range(4 * POSES):
        picture(tmp_path / f"training/rgb/{number:08d}.jpg")
    return tmp_path


def test_freihands_joints_have_the_names_that_the_file_means(freihand: Path) -> None:
    place = np.array(json.loads((freihand / "training_xyz.json").read_text())[0])
    ours = people_of("freihand", freihand)[0].arrays["keypoints3d.freihand21"]
    reference = people_of("freihand", freihand, reference="mmhuman3d")[0]
    theirs = reference.arrays["keypoints3d.mano21"]
    assert np.allclose(ours[:, :3], place) and np.allclose(theirs[:, :3], place)
    names = [joint_set(name).common_names() for name in ("freihand21", "mano21")]
    assert sum(a == b for a, b in zip(*names, strict=True)) == 2  # the others are wrong
    assert {"smplx.global_orient", "smplx.right_hand_pose"} < set(reference.arrays)


def test_a_hand_of_freihand_is_whole_and_sound(freihand: Path) -> None:
    person = people_of("freihand", freihand)[7]
    assert (person.image, person.meta["pose"]) == ("training/rgb/00000007.jpg", 2)
    vertices = np.array(json.loads((freihand / "training_verts.json").read_text())[2])
    assert np.array_equal(person.arrays["vertices.mano"], vertices)
    assert person.meta["hand"] == "right"
    assert complaints(make_sample(freihand, person, Layout(kind="full"))) == []
    (freihand / "training_verts.json").unlink()
    assert "vertices.mano" not in people_of("freihand", freihand)[7].arrays


def test_hands_of_freihand_are_cut_out_as_large_as_metros_tables_have_them(freihand: Path) -> None:
    center, scale = np.array([112.0, 112.0]), 0.9  # tsv_demo_freihand.py; a scale of 1 is 200 px
    for split in ("train", "test"):
        box = np.asarray(people_of("freihand", freihand, split)[0].box)
        assert np.array_equal(box[:2] + box[2:] / 2, center)
        np.testing.assert_allclose(box[2:], 200 * scale)
    (whole, *_) = people_of("freihand", freihand, reference="mmhuman3d")
    assert np.asarray(whole.box).tolist() == [0, 0, 224, 224]


def test_poses_of_freihand_count_from_the_mean_hand(freihand: Path) -> None:
    stored = np.array(json.loads((freihand / "training_mano.json").read_text())[1])[0, 3:48]
    without = people_of("freihand", freihand)[1].arrays
    assert "mano.hand_pose" not in without  # nobody knows that hand without MANO
    assert np.array_equal(without["extra.hand_pose_from_mean"], stored)
    import_mano()
    found = people_of("freihand", freihand)[1].arrays
    np.testing.assert_allclose(found["mano.hand_pose"], stored + MEAN_HAND)
    assert "extra.hand_pose_from_mean" not in found


def test_poses_held_out_of_freihand_are_in_no_other_split(freihand: Path) -> None:
    def poses(split: str, **options: Any) -> set[int]:
        people = people_of("freihand", freihand, split, **options)
        return {int(person.image[-12:-4]) % POSES for person in people}

    assert len(people_of("freihand", freihand)) == 4 * POSES
    assert len(people_of("freihand", freihand, "test")) == 3
    train, validation = (poses(split, held_out=0.2) for split in ("train", "validation"))
    assert validation == {4} and train == {0, 1, 2, 3}
    assert poses("train", reference="mmhuman3d") & poses("validation", reference="mmhuman3d")
    with pytest.raises(UsageError, match="no validation pictures"):
        read("freihand", freihand, "validation")


def test_a_broken_entry_of_freihand_costs_its_four_pictures(freihand: Path) -> None:
    path = freihand / "training_xyz.json"
    joints = json.loads(path.read_text())
    joints[1], joints[3][0][2] = [[1, 2]], -0.5
    path.write_text(json.dumps(joints))
    errors = [e.problem for e in read("freihand", freihand) if isinstance(e, HpsError)]
    assert len(errors) == 8
    assert "training_xyz.json entry 1" in errors[0] and "behind the camera" in errors[1]
    path.write_text(json.dumps(joints[:4]))
    with pytest.raises(InvalidData, match="entries"):
        read("freihand", freihand)
    path.write_text("[[[1, 2, 3")
    with pytest.raises(InvalidData, match=r"training_xyz\.json ends in the middle"):
        read("freihand", freihand)


def posed(hand: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of MANO -> vertices (778,3), joints (16,3) metres of our own hand."""
    given = {name: torch.from_numpy(np.array(hand[name]))[None].float() for name in hand}
    for name in ("global_orient", "hand_pose"):
        given[name] = axis_angle_to_matrix(given[name].reshape(1, -1, 3))
    given["global_orient"] = given["global_orient"][:, 0]
    out = load_body("mano", source="free")(given)
    return out.vertices[0].numpy(), out.joints[0].numpy()


@pytest.fixture
def ho3d(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """A frame of HO-3D made with a hand of ours -> folder, vertices and joints in OpenGL's axes."""
    generator = np.random.default_rng(2)
    pose, betas = generator.normal(size=48) * 0.3, generator.normal(size=10) * 0.3
    transl = np.array([0.05, 0.02, -0.6])
    hand = {"global_orient": pose[:3], "hand_pose": pose[3:], "betas": betas, "transl": transl}
    vertices, body_joints = posed(hand)
    joints = np.zeros((21, 3))
    joints[:16] = body_joints[:16]
    joints[16:] = vertices[:5]
    labels = {
        "camMat": np.array([[600.0, 0, 320], [0, 600, 240], [0, 0, 1]]),
        "handPose": pose,
        "handBeta": betas,
        "handTrans": transl,
        "handJoints3D": joints,
        "objName": "025_mug",
    }
    write_frame(tmp_path, "train/ABF10", labels, ".png")
    alone = {"camMat": labels["camMat"], "handJoints3D": joints[0]}
    box = {"handBoundingBox": [300, 200, 380, 300]}
    write_frame(tmp_path, "evaluation/AP10", {**alone, **box}, ".jpg")
    (tmp_path / "train.txt").write_text("ABF10/0000\n")
    return tmp_path, vertices, joints


def write_frame(root: Path, sequence: str, labels: Any, suffix: str) -> None:
    (root / sequence / "meta").mkdir(parents=True)
    (root / sequence / "meta/0000.pkl").write_bytes(pickle.dumps(labels, protocol=2))
    picture(root / sequence / f"rgb/0000{suffix}", 480)


def test_a_hand_of_ho3d_is_turned_out_of_opengls_axes(
    ho3d: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    root, vertices, joints = ho3d
    (person,) = people_of("ho-3d", root)
    assert (person.image, person.meta["object"]) == ("train/ABF10/rgb/0000.png", "025_mug")
    assert np.allclose(person.arrays["keypoints3d.mano21"][:, :3], joints @ OPENGL)
    names = ("global_orient", "hand_pose", "betas", "transl")
    again, _ = posed({name: person.arrays[f"mano.{name}"] for name in names})
    assert np.allclose(again, vertices @ OPENGL, atol=1e-5)
    u, v = person.arrays["keypoints2d.mano21"][0, :2]
    x, y, z = joints[0]
    assert (u, v) == pytest.approx((320 + 600 * x / -z, 240 + 600 * -y / -z))
    assert complaints(make_sample(root, person, Layout(kind="full"))) == []


def test_evaluation_frames_of_ho3d_have_a_wrist_and_a_box(
    ho3d: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    (person,) = people_of("ho3d", ho3d[0], "test")
    assert person.image == "evaluation/AP10/rgb/0000.jpg"
    assert np.flatnonzero(person.arrays["keypoints3d.mano21"][:, 3]).tolist() == [0]
    assert person.box is not None and person.box.tolist() == pytest.approx([280, 190, 120, 120])


def test_released_joints_and_meshes_of_evaluation_frames_are_read(
    ho3d: tuple[Path, np.ndarray, np.ndarray],
) -> None:
    root, vertices, joints = ho3d
    (root / "evaluation.txt").write_text("AP10/0000\n")
    for name, points in (("xyz", joints), ("verts", vertices)):
        (root / f"evaluation_{name}.json").write_text(json.dumps([points.tolist()]))
    (person,) = people_of("ho3d", root, "test")
    assert np.allclose(person.arrays["keypoints3d.mano21"][:, :3], joints @ OPENGL)
    assert (person.arrays["keypoints3d.mano21"][:, 3] == 1).all()
    assert np.allclose(person.arrays["vertices.mano"], vertices @ OPENGL)
    assert complaints(make_sample(root, person, Layout(kind="full"))) == []
    (root / "evaluation.txt").write_text("AP10/0000\nAP10/0001\n")
    found = read("ho3d", root, "test")
    assert [isinstance(item, Person) for item in found] == [True, False]


def test_broken_frames_of_ho3d_are_named(ho3d: tuple[Path, np.ndarray, np.ndarray]) -> None:
    root = ho3d[0]
    (root / "train.txt").write_text("ABF10/0000\nABF10/0001\n../0002\nABF11/0000\nABF12/0000\n")
    write_frame(root, "train/ABF11", {"camMat": np.eye(3), "handJoints3D": None}, ".png")
    write_frame(root, "train/ABF12", [1], ".png")
    found = read("ho3d", root)
    assert [isinstance(item, Person) for item in found] == [True, False, False, False, False]
    assert "0001.pkl" in str(found[1]) and "outside the folder" in str(found[2])
    with pytest.raises(MissingError, match=r"evaluation\.txt"):
        read("ho3d", root / "train", "test")


def ply(points: np.ndarray, kind: str) -> bytes:
    head = f"ply\nformat {kind} 1.0\ncomment x\nelement vertex {len(points)}\nproperty uchar red\n"
    head += "".join(f"property float {axis}\n" for axis in "xyz")
    head += "element face 1\nproperty list uchar int vertex_indices\nend_header\n"
    if kind == "ascii":
        rows = [f"7 {x:.6f} {y:.6f} {z:.6f}" for x, y, z in points]
        return (head + "\n".join(rows) + "\n3 0 1 2\n").encode()
    order = "<" if "little" in kind else ">"
    rows_ = b"".join(struct.pack(f"{order}B3f", 7, *point) for point in points)
    return head.encode() + rows_ + struct.pack(f"{order}B3i", 3, 0, 1, 2)


@pytest.mark.parametrize("kind", ["ascii", "binary_little_endian", "binary_big_endian"])
def test_vertices_are_read_out_of_every_kind_of_ply(tmp_path: Path, kind: str) -> None:
    points = np.random.default_rng(0).normal(size=(6, 3))
    path = tmp_path / "a.ply"
    path.write_bytes(ply(points, kind))
    assert np.allclose(ply_vertices(path), points, atol=1e-5)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"obj\nend_header\n",
        b"ply\nformat ascii 1.0\nend_header\n",
        b"ply\nformat binary_little_endian 1.0\nelement vertex 99999999999\nproperty float x\n"
        b"property float y\nproperty float z\nend_header\nxx",
        b"ply\nformat ascii 1.0\nelement face 3\nelement vertex 1\nend_header\n",
    ],
)
def test_a_file_that_is_no_mesh_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.ply"
    path.write_bytes(data)
    with pytest.raises(InvalidData, match=r"a\.ply is no mesh"):
        ply_vertices(path)


def ehf_folder(root: Path, mesh: np.ndarray, points: np.ndarray) -> Path:
    picture(root / "01_img.jpg", 400)
    names = ("pose", "hand_left", "hand_right", "face")
    parts = np.split(points, [25, 46, 67])
    person = {f"{n}_keypoints_2d": p.ravel().tolist() for n, p in zip(names, parts, strict=True)}
    (root / "01_2Djnt.json").write_text(json.dumps({"people": [person]}))
    (root / "01_align.ply").write_bytes(ply(mesh, "binary_little_endian"))
    return root


def detected() -> np.ndarray:
    points = np.random.default_rng(4).uniform(100, 300, (137, 3))
    points[:, 2] = np.linspace(0.05, 1, 137)
    points[40] = 0  # not found
    return points


def test_ehf_keeps_confidences_and_leaves_out_what_was_not_found(tmp_path: Path) -> None:
    points = detected()
    root = ehf_folder(tmp_path, np.zeros((3, 3)), points)
    (ours,), (reference,) = (people_of("ehf", root, "test", reference=r) for r in ("", "mmhuman3d"))
    assert np.allclose(ours.arrays["keypoints2d.openpose137"], points)
    assert (reference.arrays["keypoints2d.openpose137"][:, 2] == 1).all()
    assert ours.box is not None and reference.box is not None
    assert (ours.box[:2] > 70).all() and (reference.box[:2] < 0).all()
    assert human_data([reference])["keypoints2d_mask"].sum() == 125  # of 137 points


def test_ehfs_mesh_is_moved_into_the_camera(tmp_path: Path) -> None:
    mesh = np.random.default_rng(5).uniform(-0.5, 0.5, (10475, 3)).astype(np.float32)
    root = ehf_folder(tmp_path, mesh, detected())
    (ours,), (reference,) = (people_of("ehf", root, "test", reference=r) for r in ("", "mmhuman3d"))
    rotation = cv2.Rodrigues(np.array([-2.98747896, 0.01172457, -0.05704687]))[0]
    assert np.allclose(camera_rotation(), rotation)
    turned = mesh @ rotation.T
    assert np.allclose(ours.arrays["vertices.smplx"], turned + TRANSLATION)
    assert np.allclose(reference.arrays["extra.human_data.vertices"], turned)
    intrinsics = ours.arrays["camera.intrinsics"]
    assert (intrinsics[0, 0], *intrinsics[:2, 2]) == (FOCAL_PX, *CENTER_PX)
    assert complaints(make_sample(root, ours, Layout(kind="full"))) == []


def test_a_broken_frame_of_ehf_is_named(tmp_path: Path) -> None:
    root = ehf_folder(tmp_path, np.zeros((3, 3)), detected())
    for text in ('{"people": []}', '{"people": [{"pose_keypoints_2d": [1]}]}', "{"):
        (root / "01_2Djnt.json").write_text(text)
        (error,) = read("ehf", root, "test")
        assert isinstance(error, InvalidData) and "01_2Djnt.json" in error.problem
    (root / "01_align.ply").unlink()
    with pytest.raises(MissingError, match="no pictures"):
        read("ehf", root / "nothing", "test")
