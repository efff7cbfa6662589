"""Files as other programs leave them, read back as predictions."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from hpscli.body.layer import load_body
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import HpsError, InvalidData
from hpscli.registry import get_registry
from hpscli.run.given_predictions import kind_of, widened
from hpscli.run.prediction_files import is_predictions, read_predictions, recognised
from tests.data.containers.joblib_writer import joblib_dump

COUNT = 3
RANDOM = np.random.RandomState(4)
POSE = RANDOM.randn(COUNT, 72) * 0.4
BETAS = RANDOM.randn(COUNT, 10)
CAMERA = RANDOM.rand(COUNT, 3)
JOINTS = RANDOM.randn(COUNT, 17, 3)
VERTICES = RANDOM.randn(COUNT, 6890, 3).astype(np.float32)
MATRICES = axis_angle_to_matrix(torch.from_numpy(POSE.reshape(COUNT, 24, 3))).numpy()


def spin(folder: Path) -> Path:
    path = folder / "result.npz"
    np.savez(path, pred_joints=JOINTS, pose=POSE, betas=BETAS, camera=CAMERA)
    return path


def mmhuman3d_json(folder: Path) -> Path:
    path = folder / "result_keypoints.json"
    whole = {"keypoints": JOINTS.tolist(), "poses": MATRICES.tolist(), "betas": BETAS.tolist()}
    path.write_text(json.dumps(whole))
    return path


def batches() -> list[dict]:
    """The second batch first, and one person twice, as several GPUs leave them."""
    return [
        {
            "keypoints_3d": JOINTS[rows],
            "smpl_pose": MATRICES[rows].astype(np.float32),
            "smpl_beta": BETAS[rows],
            "camera": CAMERA[rows],
            "vertices": VERTICES[rows],
            "image_path": [f"{row}.jpg" for row in rows],
            "image_idx": np.array(rows),
        }
        for rows in ([2, 0], [0, 1])
    ]


def mmhuman3d_outputs(folder: Path) -> Path:
    path = folder / "outputs.pkl"
    path.write_bytes(pickle.dumps(batches(), protocol=2))
    return path


def mmhuman3d_demo(folder: Path) -> Path:
    path = folder / "inference_result.npz"
    smpl = {"body_pose": POSE.reshape(COUNT, 24, 3)[:, 1:], "global_orient": POSE[:, :3]}
    np.savez(
        path,
        smpl={**smpl, "betas": BETAS},
        verts=VERTICES,
        pred_cams=CAMERA,
        bboxes_xyxy=np.zeros((COUNT, 5)),
        image_path=np.array([f"images/{i}.png" for i in range(COUNT)]),
        person_id=np.arange(COUNT),
        frame_id=np.arange(COUNT),
    )
    return path


def pare_results(**changes: object) -> dict:
    errors = {"mpjpe": np.ones((COUNT, 14)), "pampjpe": np.ones((COUNT, 14)), "v2v": np.ones(COUNT)}
    return {
        "imgname": np.array([f"seq/image_{i:05}.jpg" for i in range(COUNT)]),
        "dataset_name": np.array(["3dpw-all"] * COUNT),
        **errors,
        "pose": MATRICES.astype(np.float32),
        "shape": BETAS,
        "cam": CAMERA,
        "vertices": VERTICES,
        **changes,
    }


def pare(folder: Path) -> Path:
    return joblib_dump(pare_results(), folder / "evaluation_results_3dpw-all.pkl")


def tracks(folder: Path) -> Path:
    """Two pictures; in the second a person is only remembered."""
    smpl = [
        {"global_orient": m[:1], "body_pose": m[1:], "betas": b}
        for m, b in zip(MATRICES.astype(np.float32), BETAS, strict=True)
    ]
    box = np.array([1.0, 2, 3, 4])
    pictures = {
        "a.jpg": {
            "time": 0,
            "shot": 0,
            "frame_path": "a.jpg",
            "tracked_ids": [1, 2],
            "tracked_bbox": [box, box],
            "tid": [1, 2],
            "bbox": [box, box],
            "tracked_time": [0, 0],
            "conf": [0.9, 0.8],
            "smpl": smpl[:2],
        },
        "b.jpg": {
            "time": 1,
            "shot": 0,
            "frame_path": "b.jpg",
            "tracked_ids": [2],
            "tracked_bbox": [box],
            "tid": [1, 2],
            "bbox": [box, box],
            "tracked_time": [1, 0],
            "conf": [0.9, 0.7],
            "smpl": [smpl[0], smpl[2]],
        },
    }
    return joblib_dump(pictures, folder / "demo_video.pkl", compressed=True)


FILES = {
    "spin-results": spin,
    "mmhuman3d-json": mmhuman3d_json,
    "mmhuman3d-outputs": mmhuman3d_outputs,
    "mmhuman3d-demo": mmhuman3d_demo,
    "pare-evaluation": pare,
    "4d-humans-tracks": tracks,
}


@pytest.mark.parametrize("name", FILES)
def test_smpl_parameters_come_back_as_matrices_in_order(name: str, tmp_path: Path) -> None:
    read = read_predictions(FILES[name](tmp_path), get_registry())
    assert read.about["format"] == name and kind_of(read, ("smplx", "smpl")) == "smpl"
    assert len(read) == COUNT
    single = 1e-6  # some files are float32
    np.testing.assert_allclose(read.arrays["parameters.global_orient"], MATRICES[:, 0], atol=single)
    np.testing.assert_allclose(read.arrays["parameters.body_pose"], MATRICES[:, 1:], atol=single)
    np.testing.assert_allclose(read.arrays["parameters.betas"], BETAS)
    if "vertices" in read.arrays:
        np.testing.assert_array_equal(read.arrays["vertices"], VERTICES)
    if "camera" in read.arrays:
        np.testing.assert_allclose(read.arrays["camera"], CAMERA)


def test_meshes_are_made_of_parameters(tmp_path: Path) -> None:
    body = load_body("smpl", source="free")
    read = widened(read_predictions(spin(tmp_path), get_registry()), body, ("vertices", "joints.*"))
    named = {
        "global_orient": torch.from_numpy(MATRICES[:, 0]).float(),
        "body_pose": torch.from_numpy(MATRICES[:, 1:]).float(),
        "betas": torch.from_numpy(BETAS).float(),
    }
    np.testing.assert_allclose(read.arrays["vertices"], body(named).vertices.numpy(), atol=1e-5)
    assert "joints.smpl24" in read.arrays and "joints.h36m17_lfirst" in read.arrays


def test_joints_that_nobody_computed_are_left_out(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "r.npz", pred_joints=np.zeros((3, 17, 3)), pose=POSE, betas=BETAS, camera=CAMERA
    )
    read = read_predictions(tmp_path / "r.npz", get_registry())
    assert not any(name.startswith("joints.") for name in read.arrays)


def test_pictures_and_tracks_are_kept(tmp_path: Path) -> None:
    read = read_predictions(tracks(tmp_path), get_registry())
    assert [(m["image_path"], m["person_id"]) for m in read.meta] == [
        ("a.jpg", 1),
        ("a.jpg", 2),
        ("b.jpg", 2),
    ]
    np.testing.assert_allclose(read.arrays["score"], [0.9, 0.8, 0.7])
    outputs = read_predictions(mmhuman3d_outputs(tmp_path), get_registry())
    assert [m["image_path"] for m in outputs.meta] == ["0.jpg", "1.jpg", "2.jpg"]


def test_a_person_whom_no_gpu_measured_is_named(tmp_path: Path) -> None:
    found = batches()
    found[0]["image_idx"] = np.array([3, 0])
    (tmp_path / "o.pkl").write_bytes(pickle.dumps(found))
    with pytest.raises(InvalidData, match="lacks the person of image_idx 2"):
        read_predictions(tmp_path / "o.pkl", get_registry())


def test_results_without_predictions_say_which_option_lacks(tmp_path: Path) -> None:
    only_errors = {k: v for k, v in pare_results().items() if k != "pose"}
    path = joblib_dump(only_errors, tmp_path / "evaluation_results_x.pkl")
    with pytest.raises(InvalidData, match="no predictions") as caught:
        read_predictions(path, get_registry())
    assert "TESTING.SAVE_RESULTS" in caught.value.fix


def hand_mean(side: str) -> np.ndarray:
    return np.asarray(load_body("smplx").hand_means[f"hands_mean{side[0]}"], np.float64).reshape(-1)


def osx_person(number: int) -> dict:
    random = np.random.RandomState(number)
    draw = {name: random.randn(count) * 0.2 for name, count in OSX_NUMBERS.items()}
    return {
        "smplx_param": {name: values.tolist() for name, values in draw.items()},
        "cam_param": {"focal": [5000.0, 5000.0], "princpt": [96.0, 128.0]},
    }


OSX_NUMBERS = {
    "root_pose": 3,
    "body_pose": 63,
    "lhand_pose": 45,
    "rhand_pose": 45,
    "jaw_pose": 3,
    "shape": 10,
    "expr": 10,
    "trans": 3,
}


def osx(folder: Path) -> Path:
    out = folder / "osx"
    out.mkdir()
    for number in (10, 9, 101):
        (out / f"{number}.json").write_text(json.dumps(osx_person(number)))
    return out


def smpler_x(folder: Path) -> Path:
    out = folder / "vis"
    out.mkdir()
    for number in (10, 9, 101):
        person = {k: np.array(v) for k, v in osx_person(number)["smplx_param"].items()}
        np.savez(
            out / f"{number}.npz",
            global_orient=person["root_pose"].reshape(-1, 3),
            body_pose=person["body_pose"].reshape(-1, 3),
            left_hand_pose=person["lhand_pose"].reshape(-1, 3),
            right_hand_pose=person["rhand_pose"].reshape(-1, 3),
            jaw_pose=person["jaw_pose"].reshape(-1, 3),
            leye_pose=np.zeros((1, 3)),
            reye_pose=np.zeros((1, 3)),
            betas=person["shape"].reshape(-1, 10),
            expression=person["expr"].reshape(-1, 10),
            transl=person["trans"].reshape(-1, 3),
            img_path=f"/ehf/{number}.png",
        )
    return out


@pytest.mark.parametrize(
    ("name", "make"), [("osx-parameters", osx), ("smpler-x-parameters", smpler_x)]
)
def test_a_folder_of_people_is_read_by_number_and_hands_from_the_mean(
    name: str, make, tmp_path: Path
) -> None:
    read = read_predictions(make(tmp_path), get_registry())
    assert read.about["format"] == name and read.body["kind"] == "smplx" and len(read) == 3
    assert [m["annotation_id"] for m in read.meta] == [9, 10, 101]
    theirs = osx_person(9)["smplx_param"]
    left = torch.from_numpy((np.array(theirs["lhand_pose"]) + hand_mean("left")).reshape(15, 3))
    np.testing.assert_allclose(
        read.arrays["parameters.left_hand_pose"][0], axis_angle_to_matrix(left).numpy(), atol=1e-7
    )
    np.testing.assert_allclose(read.arrays["parameters.expression"][0], theirs["expr"])
    assert read.arrays["parameters.jaw_pose"].shape == (3, 3, 3)
    whole = widened(read, load_body("smplx", source="free"), ("vertices",))
    assert whole.arrays["vertices"].shape == (3, 10475, 3)


def test_a_single_person_of_osx_is_read(tmp_path: Path) -> None:
    read = read_predictions(osx(tmp_path) / "9.json", get_registry())
    assert len(read) == 1 and read.arrays["parameters.body_pose"].shape == (1, 21, 3, 3)


def test_meshes_of_osx_are_read_by_number(tmp_path: Path) -> None:
    out = tmp_path / "vis" / "mesh_origin"
    out.mkdir(parents=True)
    for number in (2, 10):
        np.save(out / f"{number}.npy", np.full((10475, 3), number, np.float32))
    for folder in (out, out.parent):
        read = read_predictions(folder, get_registry())
        assert read.arrays["vertices"][:, 0, 0].tolist() == [2.0, 10.0]


def test_other_folders_and_runs_are_no_predictions(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "1.json").write_text("{}")
    np.savez(tmp_path / "1.npz", a=np.zeros(3))
    np.save(tmp_path / "1.npy", np.zeros(3))
    assert not is_predictions(tmp_path, get_registry())


@pytest.mark.parametrize("name", FILES)
def test_damage_is_one_message(name: str, tmp_path: Path) -> None:
    path = FILES[name](tmp_path)
    whole = path.read_bytes()
    random = np.random.RandomState(0)
    for place in [len(whole) // 2, len(whole) - 3, *random.randint(0, len(whole), 12).tolist()]:
        path.write_bytes(whole[:place])
        with pytest.raises(HpsError):
            read_predictions(path, get_registry())
        flipped = bytearray(whole)
        flipped[place] ^= 0xFF
        path.write_bytes(bytes(flipped))
        try:
            read_predictions(path, get_registry())
        except HpsError as error:
            assert error.problem


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"pose": POSE[:, :69]}, r"'pose' has the shape \(3, 69\), expected \(N,72\)"),
        ({"betas": BETAS[:2]}, "parts are about different numbers of people"),
        ({"camera": np.array(["x"] * 3)}, "'camera' is not an array of numbers"),
    ],
)
def test_wrong_shapes_are_named(changes: dict, says: str, tmp_path: Path) -> None:
    whole = {"pred_joints": JOINTS, "pose": POSE, "betas": BETAS, "camera": CAMERA, **changes}
    np.savez(tmp_path / "r.npz", **whole)
    with pytest.raises(InvalidData, match=says):
        read_predictions(tmp_path / "r.npz", get_registry())


def test_each_file_has_one_reader(tmp_path: Path) -> None:
    for name, make in FILES.items():
        path = make(tmp_path)
        found = recognised(path, get_registry())
        assert found is not None and found.name == name
