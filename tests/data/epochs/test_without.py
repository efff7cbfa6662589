"""Labels that a member leaves out."""

import pytest

from hpscli.data.epochs.without import check_globs, leave_out
from hpscli.errors import UsageError
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


def test_a_glob_that_no_label_can_match_is_an_error_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"data.mix.coco.without = 'smpl.body_pos' matches"
    ) as told:
        check_globs({"coco": ("smpl.body_pos",)}, {})
    assert "smpl.body_pose" in told.value.fix


def test_labels_that_the_shards_happen_to_lack_may_be_named() -> None:
    check_globs({"coco": ("keypoints3d.*", "vertices.*", "extra.mine")}, {"coco": {"extra.mine"}})
