"""MuPoTs-3D, MuCo-3DHP and 3DOH50K: what we do, and what hmr-benchmarks does instead."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.io import loadmat, savemat

from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import MissingError
from tests.plugins.datasets.reading import people_of, read
from tests.plugins.datasets.studio.studio_files import copied, problems, projected

THEIRS = "hmr-benchmarks"


def test_mupots_goes_picture_by_picture_and_the_official_converter_person_by_person(
    reference: Path, tmp_path: Path
) -> None:
    root = copied(reference, "mupots", tmp_path)
    ours, theirs = (people_of("mupots-3d", root, "test", reference=name) for name in ("", THEIRS))
    first = [[p.meta["frame"] for p in found][:3] for found in (ours, theirs)]
    assert first == [[0, 0, 1], [0, 1, 0]]
    assert len(ours) == len(theirs) == 22
    assert len({p.key for p in ours}) == 22


def test_mupots_joints_are_those_of_the_camera_and_official_ones_are_universal(
    reference: Path, tmp_path: Path
) -> None:
    root = copied(reference, "mupots", tmp_path)
    entry = loadmat(root / "MultiPersonTestSet/TS1/annot.mat")["annotations"][0, 0][0, 0]
    ours = people_of("mupots-3d", root, "test")[0].arrays["keypoints3d.mupots17"][:, :3]
    theirs = people_of("mupots-3d", root, "test", reference=THEIRS)[0]
    universal = entry["univ_annot3"].T / 1000
    assert np.allclose(ours, entry["annot3"].T / 1000)
    assert np.allclose(
        theirs.arrays["keypoints3d.mupots17"][:, :3], universal - universal[14], atol=1e-9
    )


def test_mupots_keeps_people_outside_the_picture_as_the_official_converter_does(
    reference: Path, tmp_path: Path
) -> None:
    root = copied(reference, "mupots", tmp_path)
    path = root / "MultiPersonTestSet/TS1/annot.mat"
    table = loadmat(path)["annotations"]
    table[0, 0][0, 0]["annot2"] -= 5000
    hidden = np.empty(table.shape, object)
    for place in np.ndindex(table.shape):
        hidden[place] = np.arange(17) % 2
    savemat(path, {"annotations": table})
    savemat(path.parent / "occlusion.mat", {"occlusion_labels": hidden})
    for name in ("", THEIRS):
        found = people_of("mupots-3d", root, "test", reference=name)
        assert len(found) == 22
    assert found[0].arrays["extra.occluded"].tolist() == [0, 1] * 8 + [0]
    path.write_bytes(path.read_bytes()[:300])
    assert len(problems(read("mupots-3d", root, "test"))) == 1


def write_muco(root: Path, change: Any) -> None:
    """MuCo's labels, changed."""
    path = root / "extras" / "MuCo-3DHP.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_muco_is_in_metres_before_its_camera_and_the_official_file_in_millimetres(
    reference: Path, tmp_path: Path
) -> None:
    root = copied(reference, "muco", tmp_path)
    points = np.random.default_rng(0).uniform(-500, 500, (21, 3)) + [0, 0, 3000]
    intrinsics = np.array([[1500.0, 0, 64], [0, 1501.0, 65], [0, 0, 1]])

    def consistent(document: Any) -> None:
        for entry in document["annotations"]:
            entry["keypoints_cam"] = points.tolist()
            entry["keypoints_img"] = projected(points, intrinsics).tolist()

    write_muco(root, consistent)
    ours = people_of("muco-3dhp", root, "train-augmented")[0]
    solid = ours.arrays["keypoints3d.muco21"]
    seen = projected(solid[:, :3], ours.arrays["camera.intrinsics"])
    assert np.allclose(seen, ours.arrays["keypoints2d.muco21"][:, :2])
    theirs = people_of("muco-3dhp", root, "train-augmented", reference=THEIRS)[0]
    relative = theirs.arrays["keypoints3d.muco21"][:, :3]
    assert np.allclose(relative, 1000 * (solid[:, :3] - solid[14, :3]))
    moved = [p.arrays["camera.translation"] for p in (ours, theirs)]
    assert np.allclose(1000 * moved[0], moved[1])
    assert "smpl.transl" in ours.arrays and "smpl.transl" not in theirs.arrays
    assert ours.box is not None and theirs.box is not None
    assert ours.box[2:].tolist() == [96, 96] and theirs.box[2:].tolist() == [60, 80]
    assert ours.picture == theirs.picture
    assert (root / ours.image).is_file()


def test_muco_keeps_people_without_fit_or_pelvis_whom_the_official_converter_drops(
    reference: Path, tmp_path: Path
) -> None:
    root = copied(reference, "muco", tmp_path)
    splits = ("train", "train-augmented", "train-unaugmented")
    before = [len(people_of("muco-3dhp", root, split)) for split in splits]
    assert before[0] == before[1] + before[2] > before[1] > 0
    fits = root / "muco" / "SMPLX" / "smpl_param.json"
    document = json.loads(fits.read_text())
    broken = {name: {**fit, "pose": [float("nan")] * 72} for name, fit in document.items()}
    fits.write_text(json.dumps(broken))
    found = people_of("muco-3dhp", root, "train")
    assert len(found) == before[0]
    assert not any("smpl.betas" in person.arrays for person in found)
    assert not people_of("muco-3dhp", root, "train", reference=THEIRS)
    fits.unlink()
    assert len(people_of("muco-3dhp", root, "train")) == before[0]


def test_broken_records_of_muco_are_named(reference: Path, tmp_path: Path) -> None:
    root = copied(reference, "muco", tmp_path)

    def damage(document: Any) -> None:
        first, second, *_ = document["annotations"]
        first["keypoints_cam"] = first["keypoints_cam"][:20]
        second["image_id"] = 77

    whole = len(people_of("muco-3dhp", root, "train"))
    write_muco(root, damage)
    found = read("muco-3dhp", root, "train")
    said = problems(found)
    assert [line.split(":")[0] for line in said] == [
        "MuCo-3DHP.json annotation 0",
        "MuCo-3DHP.json annotation 1",
    ]
    assert len(found) == whole
    with pytest.raises(MissingError, match="MuCo-3DHP.json"):
        read("muco-3dhp", tmp_path / "nothing", "train")


def test_3doh50k_is_in_the_camera_and_official_joints_stay_in_the_world(
    reference: Path, tmp_path: Path
) -> None:
    root = copied(reference, "oh50k3d", tmp_path)
    path = root / "trainset" / "annots.json"
    document = json.loads(path.read_text())
    entry = document["00000"]
    place = np.array(entry["extri"])
    world = (np.random.default_rng(0).uniform(-1, 1, (24, 3)) + [0, 0, 5] - place[:3, 3]) @ place[
        :3, :3
    ]
    in_camera = world @ place[:3, :3].T + place[:3, 3]
    entry["smpl_joints_3d"] = world.tolist()
    entry["smpl_joints_2d"] = projected(in_camera, np.array(entry["intri"])).tolist()
    path.write_text(json.dumps(document))
    ours = people_of("3doh50k", root, "train")[0]
    theirs = people_of("3doh50k", root, "train", reference=THEIRS)[0]
    solid = ours.arrays["keypoints3d.smpl24"][:, :3]
    seen = projected(solid, ours.arrays["camera.intrinsics"])
    assert np.allclose(seen, ours.arrays["keypoints2d.smpl24"][:, :2])
    assert np.allclose(theirs.arrays["keypoints3d.smpl24"][:, :3], world - world[0])
    root_of = axis_angle_to_matrix(torch.tensor(np.array(entry["pose"])[0, :3]))
    turned = axis_angle_to_matrix(torch.from_numpy(ours.arrays["smpl.global_orient"]))
    assert np.allclose(turned, place[:3, :3] @ root_of.numpy())
    assert "smpl.transl" not in ours.arrays
    assert np.allclose(theirs.arrays["smpl.transl"], entry["trans"])
    assert ours.image == "trainset/images/00000.jpg"  # the file has a backslash
    assert ours.box is not None and ours.box[2] == ours.box[3] == pytest.approx(1.2 * 58)


def test_broken_records_of_3doh50k_are_named(reference: Path, tmp_path: Path) -> None:
    root = copied(reference, "oh50k3d", tmp_path)
    path = root / "testset" / "annots.json"
    document = json.loads(path.read_text())
    document["00000"]["bbox"] = [[1, 2]]
    path.write_text(json.dumps(document))
    found = read("3doh50k", root, "test")
    assert len(found) == 2
    assert [line.split(":")[0] for line in problems(found)] == ["testset/annots.json 00000"]
    path.unlink()
    with pytest.raises(MissingError, match="annots.json"):
        read("3doh50k", root, "test")
