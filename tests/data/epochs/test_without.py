"""Labels that a member leaves out."""

import pytest

from hpscli.data.epochs.without import JOINTS_OF_BODY, as_meant, check_globs, leave_out
from hpscli.errors import UsageError
from hpscli.recipe import Member
from tests.data.people import person


def test_what_matches_is_left_out_and_boxes_never_are() -> None:
    whole = person(0)
    assert any(name.startswith("keypoints2d.") for name in whole.arrays)
    kept = leave_out(whole, ("keypoints2d.*", "box.*"))
    gone = set(whole.arrays) - set(kept.arrays)
    assert gone == {name for name in whole.arrays if name.startswith("keypoints2d.")} | (
        {"box.xywh"} & set(whole.arrays)
    )
    assert kept.key == whole.key


def test_a_member_of_labelled_joints_changes_nothing_but_what_it_leaves_out() -> None:
    whole = person(0)
    assert as_meant(whole, Member(shards="there")) is whole
    less = as_meant(whole, Member(shards="there", without=("smpl.*",)))
    assert "keypoints3d.smpl24" in less.arrays and "smpl.betas" not in less.arrays


def test_a_member_of_joints_of_bodies_marks_its_people_and_drops_their_own() -> None:
    whole = person(0)
    meant = as_meant(whole, Member(shards="there", joints3d="body"))
    assert set(whole.arrays) - set(meant.arrays) == {"keypoints3d.smpl24"}
    assert meant.meta[JOINTS_OF_BODY] and JOINTS_OF_BODY not in whole.meta


def test_a_glob_that_no_label_can_match_is_an_error_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"data.mix.coco.without = 'smpl.body_pos' matches"
    ) as told:
        check_globs({"coco": ("smpl.body_pos",)}, {})
    assert "smpl.body_pose" in told.value.fix


def test_labels_that_the_shards_happen_to_lack_may_be_named() -> None:
    check_globs({"coco": ("keypoints3d.*", "vertices.*", "extra.mine")}, {"coco": {"extra.mine"}})
