"""MPI-INF-3DHP: what we do, and what official converters do instead, each on the same files."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
from scipy.io import loadmat, savemat

from hpscli.errors import MissingError, UsageError
from hpscli.records import Picture
from tests.plugins.datasets.reading import people_of, read
from tests.plugins.datasets.studio.studio_files import copied, problems, projected

TRAIN, TEST = "mpi_inf_3dhp28", "mpi_inf_3dhp17_test"
NAME = "mpi-inf-3dhp"


@pytest.fixture
def root(reference: Path, tmp_path: Path) -> Path:
    return copied(reference, "mpi_inf_3dhp", tmp_path)


def change_labels(root: Path, sequence: str, **entries: np.ndarray) -> None:
    path = root / sequence / "annot.mat"
    content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
    savemat(path, content | entries)


def extract(root: Path, frames: list[int], layout: str = "video_0") -> None:
    """Frames of S1/Seq1's video as files, as far as they are named."""
    folder = root / "S1" / "Seq1" / layout
    folder.mkdir(parents=True)
    for frame in frames:
        prefix = "frame_" if "imageFrames" in layout else ""
        (folder / f"{prefix}{frame + 1:06d}.jpg").write_bytes(b"\xff\xd8\xff\xd9")


def test_training_joints_are_where_the_camera_saw_them(root: Path) -> None:
    intrinsics = np.array([[1497.693, 0, 1024.704], [0, 1497.103, 1051.394], [0, 0, 1]])
    content = loadmat(root / "S1" / "Seq1" / "annot.mat")
    points = np.random.default_rng(0).uniform(-500, 500, (12, 28, 3)) + [0, 0, 3000]
    flat = np.stack([projected(frame, intrinsics) for frame in points])
    for name, values in (("annot2", flat), ("annot3", points)):
        content[name][0, 0] = values.reshape(12, -1)
    change_labels(root, "S1/Seq1", annot2=content["annot2"], annot3=content["annot3"])
    person = people_of(NAME, root, "train")[0]
    solid = person.arrays[f"keypoints3d.{TRAIN}"][:, :3]
    assert np.allclose(solid * 1000, points[0])
    seen = projected(solid, person.arrays["camera.intrinsics"])
    assert np.abs(seen - person.arrays[f"keypoints2d.{TRAIN}"][:, :2]).max() < 0.01
    assert person.arrays["camera.translation"] == pytest.approx([2.041160, 2.893201, 1.913061])
    assert person.picture == Picture(path="S1/Seq1/imageSequence/video_0.avi", frame=0)


def test_official_training_joints_are_relative_to_the_pelvis(root: Path) -> None:
    ours = people_of(NAME, root, "train")[0].arrays[f"keypoints3d.{TRAIN}"]
    theirs = people_of(NAME, root, "train", reference="mmhuman3d")[0]
    assert np.allclose(theirs.arrays[f"keypoints3d.{TRAIN}"][:, :3], ours[:, :3] - ours[4, :3])
    assert "camera.intrinsics" not in theirs.arrays
    universal = people_of(NAME, root, "train", annotation="univ_annot3")[0]
    assert np.allclose(universal.arrays[f"keypoints3d.{TRAIN}"][4, :3], 0)
    assert universal.meta["root_relative"]


def test_every_tenth_of_those_that_pass_counts_on_over_videos_and_joints_inside_decide_who_passes(
    root: Path,
) -> None:
    def chosen(**options: int | str) -> list[tuple[object, ...]]:
        found = people_of(NAME, root, "train", **options)
        return [(p.meta["sequence"], p.meta["frame"]) for p in found]

    assert chosen() == [("S1/Seq1", 0), ("S1/Seq1", 10)]  # 17 joints, as SPIN
    assert chosen(reference="spin") == chosen()
    assert chosen(reference="mmhuman3d") == [("S1/Seq1", 0), ("S2/Seq2", 0)]
    assert chosen(inside=28) == [("S1/Seq1", 0), ("S2/Seq2", 0)]
    assert len(chosen(every=1, inside=0)) == 15
    assert chosen(every=1, inside=0, cameras="4") == [("S2/Seq2", n) for n in range(3)]


@pytest.mark.parametrize("layout", ["video_0", "imageFrames/video_0"])
def test_a_missing_frame_shifts_the_labels_of_official_code_and_not_ours(
    root: Path, layout: str
) -> None:
    every = people_of(NAME, root, "train", every=1, inside=0)
    extract(root, [0, 1, 3, 4], layout)
    ours = people_of(NAME, root, "train", every=1, inside=0)[2]
    theirs = people_of(NAME, root, "train", every=1, inside=0, reference="spin")[2]
    assert ours.picture is not None and ours.picture.path.endswith("000004.jpg")
    joints = [p.arrays[f"keypoints2d.{TRAIN}"] for p in (ours, every[3], every[2])]
    assert np.array_equal(joints[0], joints[1])
    # slot 14 of SPIN is the pelvis
    assert np.array_equal(theirs.arrays["keypoints2d.spin_gt24"][14], joints[2][4])
    assert theirs.image == "S1/Seq1/imageFrames/video_0/frame_000004.jpg"
    assert ours.image == "S1/Seq1/video_0/000004.jpg"


def test_all_valid_test_frames_are_kept_and_official_converters_drop_different_ones(
    root: Path,
) -> None:
    counts = [
        len(people_of(NAME, root, "test", reference=name)) for name in ("", "mmhuman3d", "spin")
    ]
    assert counts == [12, 12, 11]
    alone = root / "mpi_inf_3dhp_test_set"
    assert len(people_of(NAME, alone, "test")) == 12


def test_test_joints_are_those_of_the_camera_and_published_numbers_use_the_universal_ones(
    root: Path,
) -> None:
    ours = people_of(NAME, root, "test")[0].arrays[f"keypoints3d.{TEST}"]
    option = people_of(NAME, root, "test", annotation="univ_annot3")[0]
    theirs = people_of(NAME, root, "test", reference="mmhuman3d")[0].arrays[f"keypoints3d.{TEST}"]
    assert np.array_equal(option.arrays[f"keypoints3d.{TEST}"], theirs)
    assert np.allclose(theirs[14, :3], 0) and option.meta["root_relative"]
    assert not np.allclose(ours[14, :3], 0) and np.abs(ours).max() < 10


def test_what_is_broken_is_named_and_the_others_are_read(root: Path) -> None:
    test_file = "mpi_inf_3dhp_test_set/TS2/annot_data.mat"
    for name, split in (("S1/Seq1/annot.mat", "train"), (test_file, "test")):
        path = root / name
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        found = read(NAME, root, split)
        assert len(problems(found)) == 1 and Path(name).name in problems(found)[0]
        assert len(found) > 1
        path.write_bytes(data)
    calibration = root / "S1" / "Seq1" / "camera.calibration"
    calibration.write_text(calibration.read_text().replace("intrinsic   1497.693000", "intrinsic "))
    assert problems(read(NAME, root, "train")) == [
        f"S1/Seq1: {calibration} camera 0: intrinsic is not 16 numbers."
    ]
    video = root / "S2" / "Seq2" / "imageSequence" / "video_4.avi"
    video.write_bytes(video.read_bytes()[:100])
    calibration.unlink()
    shutil.copy(root / "S1/Seq1/imageSequence/video_0.avi", video.with_name("video_5.avi"))
    found = read(NAME, root, "train", cameras="4,5", inside=0, every=1)
    assert problems(found) == [
        "S2/Seq2 camera 4: video_4.avi is no video: Invalid data found when processing input."
    ]
    assert len(found) == 1 + 3  # camera 5 has 12 frames, labels of 3


def test_missing_files_and_strange_options_stop_at_once(root: Path, tmp_path: Path) -> None:
    for split in ("train", "test"):
        with pytest.raises(MissingError, match="annot"):
            read(NAME, tmp_path / "nothing", split)
    for option in ({"every": 0}, {"inside": 5}, {"cameras": "a"}, {"annotation": "annot4"}):
        with pytest.raises(UsageError, match=next(iter(option))):
            read(NAME, root, "train", **option)
    shutil.rmtree(root / "S1")
    assert {p.meta["subject"] for p in people_of(NAME, root, "train")} == {"S2"}


def test_a_camera_that_projects_all_test_labels_is_found_from_them(root: Path) -> None:
    intrinsics = np.array([[1500.0, 0, 1020], [0, 1490, 1030], [0, 0, 1]])
    rng = np.random.default_rng(0)
    path = root / "mpi_inf_3dhp_test_set" / "TS1" / "annot_data.mat"
    with h5py.File(path, "r+") as file:
        points = rng.uniform(-500, 500, (4, 1, 17, 3)) + [0, 0, 3000]
        file["annot3"][...] = points
        file["annot2"][...] = projected(points.reshape(-1, 3), intrinsics).reshape(4, 1, 17, 2)
    found = people_of(NAME, root, "test")
    with_camera = [p for p in found if "camera.intrinsics" in p.arrays]
    assert {p.meta["sequence"] for p in with_camera} == {"TS1"}  # labels of the others are noise
    assert np.allclose(with_camera[0].arrays["camera.intrinsics"], intrinsics, atol=1e-6)
    assert with_camera[0].meta["camera_from"] == "labels"
