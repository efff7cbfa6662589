"""Human3.6M: what we do, and what official converters do instead, each on the same files."""

import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from cdflib.cdfwrite import CDF

from hps_datasets.studio.cameras import h36m_cameras, turned
from hps_datasets.studio.cdf import read_pose
from hps_datasets.studio.masks import open_masks
from hpscli.cli.app import run
from hpscli.data.people import Layout, make_sample
from hpscli.data.sample import decode_image
from hpscli.errors import InvalidData, MissingError
from hpscli.records import Picture
from hpscli.registry import get_registry
from tests.plugins.datasets.reading import people_of, read
from tests.plugins.datasets.studio.studio_files import copied, problems

POSES = ("MyPoseFeatures/D2_Positions", "MyPoseFeatures/D3_Positions_mono")
MASKS = "MySegmentsMat/ground_truth_bs"
SET = "h36m17_lfirst"


@pytest.fixture
def root(reference: Path, tmp_path: Path) -> Path:
    return copied(reference, "h36m", tmp_path)


def add_take(root: Path, subject: str, name: str) -> None:
    """Labels of another recording: a copy of one of the subject's."""
    for folder, suffix in ((POSES[0], ".cdf"), (POSES[1], ".cdf"), (MASKS, ".mat")):
        source = sorted((root / subject / folder).glob(f"*{suffix}"))[0]
        shutil.copy(source, root / subject / folder / f"{name}{suffix}")
    label = f"{subject}_{name.replace(' ', '_')}"
    (root / subject / "images" / label).mkdir(parents=True, exist_ok=True)


def sequences(root: Path, split: str, **options: str) -> set[str]:
    return {str(person.meta["sequence"]) for person in people_of("h36m", root, split, **options)}


def test_joints_stay_in_the_camera_in_metres_and_official_ones_are_relative_to_the_pelvis(
    root: Path,
) -> None:
    ours = people_of("h36m", root, "train")[1]
    theirs = people_of("h36m", root, "train", reference="mmhuman3d")[1]
    stored = read_pose(root / "S1" / POSES[1] / "Directions 1.54138969.cdf", 3)[5]
    points = ours.arrays[f"keypoints3d.{SET}"][:, :3]
    assert np.allclose(points[[0, 3, 16]], stored[[11, 8, 27]] / 1000)
    assert np.allclose(theirs.arrays[f"keypoints3d.{SET}"][:, :3], points - points[0])
    assert ours.meta["frame"] == 5 and ours.image.endswith("_000006.jpg")


def test_recordings_of_all_actions_and_the_corrupt_one_are_left_out_where_official_code_keeps_them(
    root: Path,
) -> None:
    for name in ("_ALL 1.54138969", "_ALL.54138969", "Directions.54138969"):
        add_take(root, "S11", name)
    ours = people_of("h36m", root, "validation-p1")
    theirs = people_of("h36m", root, "validation-p1", reference="mmhuman3d")
    recordings = [
        {f"{p.meta['sequence']}.{p.meta['camera']}" for p in found if p.meta["subject"] == "S11"}
        for found in (ours, theirs)
    ]
    assert recordings[0] == {"Directions.60457274"}
    assert recordings[1] - recordings[0] == {"_ALL 1.54138969", "Directions.54138969"}


def test_the_camera_sits_where_the_metadata_says_and_mmhuman3d_stores_it_the_other_way(
    root: Path,
) -> None:
    ours = h36m_cameras(root / "metadata.xml")["S9", "60457274"]
    theirs = h36m_cameras(root / "metadata.xml", "mmhuman3d")["S9", "60457274"]
    center = theirs.translation
    assert np.allclose(ours.rotation @ center + ours.translation, 0)
    assert np.allclose(ours.rotation @ ours.rotation.T, np.eye(3))
    assert np.allclose(theirs.rotation, ours.rotation.T)
    person = people_of("h36m", root, "validation-p2")[0]
    assert np.array_equal(person.arrays["camera.rotation"], ours.rotation)
    assert person.arrays["camera.intrinsics"][0, 0] == pytest.approx(1148.05)


def test_joints_in_the_world_place_the_camera_whatever_the_metadata_says(root: Path) -> None:
    name = "Greeting 1.60457274.cdf"
    rotation = turned(np.array([1.2, -0.4, 2.0]))
    seen = read_pose(root / "S9" / POSES[1] / name, 3)
    world = (seen - [100.0, -200.0, 5000.0]) @ rotation  # of a rotation's inverse
    path = root / "S9" / "MyPoseFeatures" / "D3_Positions" / name
    path.parent.mkdir()
    file = CDF(str(path))
    about = {"Variable": "Pose", "Data_Type": 45, "Num_Elements": 1, "Rec_Vary": True}
    file.write_var(about | {"Dim_Sizes": [7, 96]}, var_data=world.reshape(1, 7, 96))
    file.close()
    arrays = people_of("h36m", root, "validation-p2")[0].arrays
    assert np.allclose(arrays["camera.rotation"], rotation)
    assert np.allclose(arrays["camera.translation"], [0.1, -0.2, 5.0])
    theirs = people_of("h36m", root, "validation-p2", reference="mmhuman3d")[0].arrays
    assert not np.allclose(theirs["camera.rotation"], rotation)


def test_without_mosh_people_have_no_smpl_and_official_code_leaves_the_recording_out(
    root: Path, reference: Path, tmp_path: Path
) -> None:
    fits = copied(reference, "h36m_mosh", tmp_path)
    (fits / "S5" / "Walking_cam2_aligned.pkl").unlink()
    ours = people_of("h36m", root, "train", mosh=str(fits))
    theirs = people_of("h36m", root, "train", mosh=str(fits), reference="mmhuman3d")
    has = {str(p.meta["subject"]): "smpl.betas" in p.arrays for p in ours}
    assert has == {"S1": True, "S5": False}
    assert {p.meta["subject"] for p in theirs} == {"S1"}
    between = people_of("h36m", root, "train", mosh=str(fits), every=1)[:6]
    assert ["smpl.betas" in p.arrays for p in between] == [True, *[False] * 4, True]


def test_one_action_has_one_name_and_pictures_keep_their_owners(root: Path) -> None:
    add_take(root, "S5", "Photo 1.58860488")
    add_take(root, "S5", "WalkDog.58860488")
    found = [p for p in people_of("h36m", root, "train") if p.meta["subject"] == "S5"]
    assert {p.meta["action"] for p in found} == {"TakingPhoto", "WalkingDog", "Walking"}
    assert any("S5_Photo_1.58860488_000001" in p.image for p in found)
    assert all(p.key.replace("_", "").replace("-", "").isalnum() for p in found)


def test_protocols_cameras_and_sampling_are_what_papers_mean(root: Path) -> None:
    first = people_of("h36m", root, "validation-p1")
    second = people_of("h36m", root, "validation-p2")
    assert {p.meta["camera"] for p in first} == {"55011271", "60457274"}
    assert {p.meta["camera"] for p in second} == {"60457274"}
    assert {p.meta["frame"] for p in people_of("h36m", root, "train", every=10)} == {0, 10}
    assert {p.meta["frame"] for p in people_of("h36m", root, "validation-p2", every=64)} == {0}


def test_without_a_silhouette_the_box_is_around_the_joints(root: Path) -> None:
    before = people_of("h36m", root, "train")[0]
    (root / "S1" / MASKS / "Directions 1.54138969.mat").unlink()
    after = people_of("h36m", root, "train")[0]
    flat = after.arrays[f"keypoints2d.{SET}"][:, :2]
    assert before.box is not None and after.box is not None
    assert not np.allclose(before.box, after.box)
    assert np.allclose(after.box[2:], 1.2 * np.ptp(flat, axis=0))


def test_metro_sees_the_whole_silhouette_and_spin_nine_tenths(root: Path) -> None:
    """GraphCMR, whose boxes METRO has: a square with the longer side of the mask, no factor."""
    mask = root / "S1" / MASKS / "Directions 1.54138969.mat"
    with open_masks(mask) as masks:
        tight = masks.box(0)
    person = people_of("h36m", root, "train")[0]
    assert tight is not None and person.box is not None
    box = person.arrays["extra.box_metro"]
    np.testing.assert_allclose(box[2:], max(tight[2:]))
    np.testing.assert_allclose(box[:2] + box[2:] / 2, tight[:2] + tight[2:] / 2)
    assert max(person.box[2:]) / box[2] == pytest.approx(0.9)
    for reference in ("mmhuman3d", "spin"):
        theirs = people_of("h36m", root, "train", reference=reference)[0]
        assert "extra.box_metro" not in theirs.arrays
    mask.unlink()
    assert "extra.box_metro" not in people_of("h36m", root, "train")[0].arrays


def write_counting_video(path: Path, frames: int) -> None:
    """Frame k is a plain grey of 10 k."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=50)
        stream.width, stream.height, stream.pix_fmt = 1000, 1002, "yuv420p"
        for number in range(frames):
            grey = np.full((1002, 1000, 3), 10 * number, np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")))
        container.mux(stream.encode(None))


def test_frames_come_from_folders_or_the_video_and_spin_takes_the_one_after(root: Path) -> None:
    label = "S9_Greeting_1.60457274"
    folder = root / "S9" / "images" / label
    assert people_of("h36m", root, "validation-p2")[1].picture == Picture(
        path=f"S9/images/{label}/{label}_000006.jpg"
    )
    (root / "images").mkdir()
    for path in folder.iterdir():
        path.rename(root / "images" / path.name)
    folder.rmdir()
    assert people_of("h36m", root, "validation-p2")[1].picture == Picture(
        path=f"images/{label}_000006.jpg"
    )
    shutil.rmtree(root / "images")
    write_counting_video(root / "S9" / "Videos" / "Greeting 1.60457274.mp4", 7)
    ours = people_of("h36m", root, "validation-p2")[1]
    theirs = people_of("h36m", root, "validation-p2", reference="spin")[1]
    assert ours.image == f"S9/images/{label}/{label}_000006.jpg"
    assert [p.picture.frame for p in (ours, theirs) if p.picture] == [5, 6]
    sample = make_sample(root, ours, Layout(kind="full"))
    assert decode_image(sample.image).mean() == pytest.approx(50, abs=2)
    assert sample.meta["image_size_px"] == [1002, 1000]


def test_what_is_broken_is_named_with_its_recording_and_the_others_are_read(root: Path) -> None:
    whole = len(people_of("h36m", root, "train"))
    take = "Directions 1.54138969"
    for name in (f"{POSES[0]}/{take}.cdf", f"{POSES[1]}/{take}.cdf", f"{MASKS}/{take}.mat"):
        path = root / "S1" / name
        data = path.read_bytes()
        for broken in (data[: len(data) // 2], b"", data[:400] + b"\xff" * 64 + data[464:]):
            path.write_bytes(broken)
            found = read("h36m", root, "train")
            said = problems(found)
            assert len(said) in (0, 1, 3), (name, said)  # the recording, or each of its frames
            assert all(line.startswith("S1_Directions_1.54138969") for line in said)
            assert len(found) - len(said) >= whole - 3
        path.write_bytes(data)
    assert problems(read("h36m", root, "train")) == []
    shutil.rmtree(root / "S5" / "images")
    assert problems(read("h36m", root, "train")) == [
        "S5_Walking.58860488: neither its video S5/Videos/Walking.58860488.mp4 nor frames of it "
        "are there."
    ]


def test_a_cdf_that_announces_entries_without_end_is_refused_at_once(root: Path) -> None:
    path = root / "S1" / POSES[0] / "Directions 1.54138969.cdf"
    data = bytearray(path.read_bytes())
    general = 8 + int.from_bytes(data[8:16], "big")  # the record after the file's own
    data[general + 56 : general + 60] = b"\x7f\xff\xff\xff"  # its number of dimensions
    path.write_bytes(data)
    with pytest.raises(InvalidData, match="its index has no end"):
        read_pose(path, 2)


def test_a_folder_without_the_data_set_and_bad_metadata_stop_at_once(
    root: Path, tmp_path: Path
) -> None:
    with pytest.raises(MissingError, match="D3_Positions_mono"):
        read("h36m", tmp_path / "nothing", "train")
    (root / "metadata.xml").write_text("<metadata><w0>[1 2 3]</w0></metadata>")
    with pytest.raises(InvalidData, match="w0 has 3 numbers, expected 300"):
        read("h36m", root, "train")
    (root / "metadata.xml").unlink()
    assert "camera.intrinsics" not in people_of("h36m", root, "train")[0].arrays


def test_splits_may_be_called_as_papers_and_official_files_call_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = get_registry().dataset("human3.6m")
    assert spec.split_aliases["protocol2"] == "validation-p2"
    assert set(spec.split_aliases.values()) <= set(spec.splits)
    code = run(["prepare", "h36m", "--split", "protocol1", "--from", str(tmp_path), "--dry-run"])
    assert code == 3  # the split is known, its files are not there
    assert "D3_Positions_mono" in capsys.readouterr().err
