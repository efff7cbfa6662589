"""Stand-ins are sound people whose labels agree with each other."""

from pathlib import Path

import numpy as np
import pytest

from hpscli.body.joints import joint_set
from hpscli.data.evalset import EvalSet
from hpscli.data.motion.poses import read_poses
from hpscli.data.sample import complaints
from hpscli.registry import get_registry
from hpscli.testing.standins.folders import PEOPLE, POSES, Standins
from hpscli.testing.standins.labels import Labels, labels_of
from hpscli.testing.standins.people import people
from hpscli.train.recipes.prepare_lines import read_line

DATASETS = [spec.name for spec in get_registry().all("dataset") if not spec.poses]


@pytest.mark.parametrize("name", DATASETS)
def test_stand_ins_of_every_data_set_are_sound_and_labelled(name: str) -> None:
    labels = labels_of(read_line(name, ""), "smpl")
    [sample] = people(labels, 1)
    assert complaints(sample) == []
    for group, sets in (("keypoints2d", labels.joints2d), ("keypoints3d", labels.joints3d)):
        for joints in sets:
            known = sample.arrays[f"{group}.{joints}"][:, -1] > 0
            assert known.sum() >= 7, f"{joints}: hardly a joint is known"
    assert any(n.startswith(f"{labels.body}.") for n in sample.arrays) == labels.parameters


def test_joints_in_the_picture_are_joints_in_space_seen_by_the_camera() -> None:
    labels = Labels(body="smpl", joints2d=("coco17",), joints3d=("coco17",))
    [sample] = people(labels, 1)
    placed = sample.arrays["keypoints3d.coco17"][:, :3] @ sample.arrays["camera.intrinsics"].T
    flat = sample.arrays["keypoints2d.coco17"][:, :2]
    assert np.allclose(placed[:, :2] / placed[:, 2:], flat, atol=1e-2)


def test_a_joint_of_another_definition_stands_at_the_plain_one() -> None:
    [plain] = people(Labels(body="smplx", joints3d=("smplx55",)), 1)
    [other] = people(Labels(body="smplx", joints3d=("openpose25",)), 1)
    knee = [joint_set(n).joints.index("left_knee") for n in ("smplx55",)][0]
    theirs = next(
        index
        for index, name in enumerate(joint_set("openpose25").common_names())
        if name and name.startswith("left_knee")
    )
    assert np.allclose(
        plain.arrays["keypoints3d.smplx55"][knee], other.arrays["keypoints3d.openpose25"][theirs]
    )


def test_equal_labels_are_one_folder_that_is_made_once(tmp_path: Path) -> None:
    standins = Standins(tmp_path)
    labels = Labels(body="smpl", joints2d=("coco17",))
    first = standins.shards(labels)
    made = (first / "index.json").stat().st_mtime_ns
    assert standins.shards(Labels(body="smpl", joints2d=("coco17",))) == first
    assert (first / "index.json").stat().st_mtime_ns == made
    assert len(EvalSet(first)) == PEOPLE
    assert "not to learn from" in EvalSet(first).index.licence


def test_poses_are_as_motion_captures_are_prepared(tmp_path: Path) -> None:
    poses = read_poses(Standins(tmp_path).poses(), ("body_pose", "betas"))
    assert {name: rows.shape for name, rows in poses.items()} == {
        "body_pose": (POSES, 69),
        "betas": (POSES, 10),
    }
