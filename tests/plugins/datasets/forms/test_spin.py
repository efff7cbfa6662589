"""SPIN's .npz: what the reader understands and corrects."""

from pathlib import Path

import numpy as np
import pytest

from hpscli.errors import InvalidData, UsageError
from tests.plugins.datasets.forms.npz_files import SPIN, N, box_of, one, read


def test_spin_differs_from_its_own_loader_where_that_is_wrong(tmp_path: Path) -> None:
    poses = {"pose": np.ones((N, 72)), "shape": np.ones((N, 10)), "has_smpl": np.array([0, 1, 1])}
    entries = SPIN | poses | {"gender": np.array(["male", "f", "n"])}
    ours, theirs = read(tmp_path, entries), read(tmp_path, entries, reference="spin")
    assert [person.meta.get("gender") for person in ours] == ["male", "female", "neutral"]
    assert [person.meta["gender"] for person in theirs] == ["female", "female", "female"]
    assert theirs[0].arrays["keypoints2d.spin49"][:25].max() == 0
    assert "keypoints2d.openpose25" not in ours[0].arrays
    assert ["smpl.betas" in person.arrays for person in ours] == [False, True, True]
    converted = read(
        tmp_path,
        entries | {"imgname": np.array(["S1/imageFrames/frame_1.jpg"] * N)},
        reference="mmhuman3d",
        file="mpi_inf_3dhp_train.npz",
        annotations="mpi_inf_3dhp_train.npz",
    )
    assert converted[0].image == "S1/1.jpg"
    assert [p.arrays["extra.human_data.has_smpl"] for p in converted] == [0, 1, 1]
    parts = ("smpl.global_orient", "smpl.body_pose", "smpl.betas")
    for beside, people in (("extra.absent.", converted[:1]), ("", converted[1:])):
        for person in people:
            held = [name for name in person.arrays if name.endswith(parts)]
            assert held == [f"{beside}{name}" for name in parts]
    assert converted[0].picture.path == "S1/imageFrames/frame_1.jpg"


def test_scales_are_200_px_or_two_sides_in_px(tmp_path: Path) -> None:
    np.testing.assert_array_equal(one(tmp_path, SPIN).box, [0, 0, 100, 100])
    sides = SPIN | {"scale": np.tile([60.0, 80], (N, 1))}
    np.testing.assert_array_equal(one(tmp_path, sides).box, [20, 10, 60, 80])
    small = SPIN | {"scale": np.tile([0.3, 0.4], (N, 1))}
    np.testing.assert_allclose(box_of(tmp_path, small, scale="200"), [20, 10, 60, 80])


def test_the_44_joints_of_hmr2_are_told_apart_from_its_loader(tmp_path: Path) -> None:
    entries = {k: v for k, v in SPIN.items() if k != "part"}
    for name, count in (("body", 25), ("extra", 19)):
        entries |= {f"{name}_keypoints_2d": np.ones((N, count, 3))}
        entries |= {f"{name}_keypoints_3d": np.full((N, count, 4), 0.5)}
    entries |= {"body_pose": np.ones((N, 72)), "betas": np.ones((N, 10))}
    entries |= {"has_body_pose": np.array([1.0, 0, 1]), "has_betas": np.array([0.0, 0, 1])}
    ours = read(tmp_path, entries)
    assert ours[0].arrays["keypoints3d.hmr2_44"][1, 3] == 0.5
    theirs = one(tmp_path, entries, reference="hmr2").arrays["keypoints3d.hmr2_44"]
    assert theirs[[1, 14], 3].max() == 0 and theirs[[0, 15], 3].min() == 0.5
    assert ["smpl.body_pose" in person.arrays for person in ours] == [True, False, True]
    assert ["smpl.betas" in person.arrays for person in ours] == [False, False, True]


def test_static_fits_are_for_people_without_parameters(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.full((N, 82), 0.25))
    poses = {"pose": np.ones((N, 72)), "shape": np.ones((N, 10)), "has_smpl": np.array([0, 1, 0])}
    people = read(tmp_path, SPIN | poses, fits="x.npy")
    assert [person.arrays["smpl.betas"][0] for person in people] == [0.25, 1, 0.25]
    assert [person.arrays["smpl.body_pose"][0] for person in people] == [0.25, 1, 0.25]
    assert [person.meta.get("fitted", False) for person in people] == [True, False, True]
    del poses["has_smpl"]
    everyone = read(tmp_path, SPIN | poses, fits="x.npy")
    assert not any("fitted" in person.meta for person in everyone)


def test_fits_and_pictures_may_lie_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "fits").mkdir()
    np.save(tmp_path / "fits" / "x.npy", np.arange(N * 82.0).reshape(N, 82))
    names = {"imgname": np.array([f"/data/x/{k}.jpg" for k in range(N)])}
    options = {"fits": "fits/x.npy", "strip": "/data/", "images": "pictures"}
    person = one(tmp_path, SPIN | names, **options)
    assert person.image == "x/0.jpg" and person.picture is not None
    assert person.picture.path == "pictures/x/0.jpg"
    assert person.arrays["smpl.betas"][0] == 72
    np.save(tmp_path / "fits" / "x.npy", np.zeros((N + 1, 82)))
    with pytest.raises(InvalidData, match=r"x\.npy.*4 rows"):
        one(tmp_path, SPIN | names, **options)
    with pytest.raises(UsageError, match="not below"):
        one(tmp_path, SPIN, images="/elsewhere")
