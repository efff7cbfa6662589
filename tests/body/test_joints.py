"""Joint sets: names, mirrors, and conversions that lose nothing silently."""

import numpy as np
import pytest
import torch

from hpscli.body.joints import (
    conversion_index,
    convert,
    convertible_sets,
    joint_set,
    joint_set_names,
)
from hpscli.errors import UsageError

NEEDED = {
    name: count
    for count, names in {
        14: ["lsp14"],
        16: ["mano16", "mpii16"],
        17: ["coco17", "h36m17", "h36m17_lfirst", "mpi_inf_3dhp17_test"],
        21: ["mano21", "freihand21"],
        24: ["smpl24", "metro24"],
        25: ["openpose25"],
        44: ["hmr2_44"],
        45: ["smpl45"],
        49: ["smpl49"],
        54: ["smpl54"],
        55: ["smplx55"],
        127: ["smplx127"],
        137: ["osx_smplx137"],
        144: ["smplx144"],
    }.items()
    for name in names
}


@pytest.mark.parametrize("name", joint_set_names())
def test_mirroring_twice_changes_nothing(name: str) -> None:
    chosen = joint_set(name)
    assert sorted(chosen.mirror) == list(range(len(chosen)))
    assert all(chosen.mirror[chosen.mirror[i]] == i for i in range(len(chosen)))


@pytest.mark.parametrize("name", joint_set_names())
def test_every_joint_has_a_name_of_its_own_and_a_slot_or_none(name: str) -> None:
    chosen = joint_set(name)
    assert len(set(chosen.joints)) == len(chosen) == len(chosen.slots)
    assert all(-1 <= slot < 190 for slot in chosen.slots) and max(chosen.slots) >= 0
    assert chosen.source


@pytest.mark.parametrize("name", NEEDED)
def test_the_sets_that_models_and_data_speak_of_are_there(name: str) -> None:
    assert joint_set(name).name == name and len(joint_set(name)) == NEEDED[name]


def test_old_spellings_are_the_same_sets() -> None:
    for old, ours in {
        "smpl_24": "smpl24",
        "h36m_17_rfirst": "h36m17",
        "h36m_17_lfirst": "h36m17_lfirst",
        "hmr2_44": "hmr2_44",
        "COCO_17": "coco17",
        "mpi_inf_3dhp_28": "mpi_inf_3dhp28",
    }.items():
        assert joint_set(old).name == ours


def test_an_unknown_set_gets_the_nearest_name() -> None:
    with pytest.raises(UsageError, match="no joint set named 'lsp15'. Did you mean 'lsp14'"):
        joint_set("lsp15")


def test_h36m17_has_the_right_leg_first_and_its_sister_the_left() -> None:
    assert joint_set("h36m17").joints[1:4] == ("right_hip", "right_knee", "right_ankle")
    assert joint_set("h36m17_lfirst").joints[1:4] == ("left_hip", "left_knee", "left_ankle")


def test_lsp14_out_of_h36m17_is_the_list_of_metro() -> None:
    # METRO's H36M_J17_TO_J14, for its regressor with the right leg first.
    expected = [3, 2, 1, 4, 5, 6, 16, 15, 14, 11, 12, 13, 8, 10]
    assert conversion_index("h36m17", "lsp14").tolist() == expected


def test_lsp14_out_of_the_other_h36m_is_the_list_of_spin() -> None:
    expected = [6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10]
    assert conversion_index("h36m17_lfirst", "lsp14").tolist() == expected


@pytest.mark.parametrize(
    ("studio", "middle", "top"),
    [("h36m17", 9, 10), ("h36m17_lfirst", 9, 10), ("mpi_inf_3dhp28", 6, 7), ("muco21", 16, 0)],
)
def test_the_head_of_metro_is_the_top_of_a_studios_head(studio: str, middle: int, top: int) -> None:
    # SPIN, datasets/preprocess/h36m.py and mpi_inf_3dhp.py: 24 joints with Jaw 17 and Head 18
    found = conversion_index(studio, "metro24")
    assert found[[17, 18]].tolist() == [middle, top]
    spin = conversion_index("spin49", "metro24")
    assert spin[[17, 18]].tolist() == [42, 43]  # who has these joints gives them


def test_freihand_order_differs_from_mano_order() -> None:
    index = conversion_index("mano21", "freihand21")
    assert index.tolist() == [0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20]  # fmt: skip


def test_absent_joints_are_zero_and_said_to_be_absent() -> None:
    points = np.ones((2, 24, 3))
    coco, present = convert(points, "smpl24", "coco17")
    assert present.tolist() == [False] * 5 + [True] * 6 + [False] * 2 + [True] * 4
    assert (coco[:, present] == 1).all() and (coco[:, ~present] == 0).all()


def test_an_absent_joint_is_zero_even_when_joint_zero_is_not_a_number() -> None:
    points = np.ones((24, 2))
    points[0] = np.nan
    coco, present = convert(points, "smpl24", "coco17")
    assert (coco[~present] == 0).all()
    coco_torch, _ = convert(torch.from_numpy(points), "smpl24", "coco17")
    assert torch.equal(coco_torch, torch.from_numpy(coco))


def test_tensors_convert_as_arrays_do_and_pass_gradients() -> None:
    points = torch.randn(2, 49, 3, requires_grad=True)
    lsp, present = convert(points, "smpl49", "lsp14")
    assert present.dtype == torch.bool and bool(present.all())
    expected, _ = convert(points.detach().numpy(), "smpl49", "lsp14")
    np.testing.assert_array_equal(lsp.detach(), expected)
    lsp.sum().backward()
    assert points.grad.sum() == lsp.numel()


def test_a_set_to_itself_keeps_even_joints_without_a_slot() -> None:
    name = "coco_wholebody133"
    assert min(joint_set(name).slots) == -1
    assert conversion_index(name, name).tolist() == list(range(133))


def test_conversion_there_and_back_finds_the_same_joint() -> None:
    forth, back = conversion_index("smpl45", "coco17"), conversion_index("coco17", "smpl45")
    for target, source in enumerate(forth):
        assert source == -1 or back[source] == target


def test_mirroring_and_converting_can_be_swapped() -> None:
    smpl, lsp = joint_set("smpl49"), joint_set("lsp14")
    index = conversion_index("smpl49", "lsp14")
    one = [smpl.mirror[i] for i in index]
    other = [index[lsp.mirror[i]] for i in range(14)]
    assert one == other


def test_convertible_sets_count_what_can_be_supplied() -> None:
    found = convertible_sets("h36m17")
    assert found["lsp14"] == 14 and found["h36m17_lfirst"] == 17 and found["mano21"] == 1
    assert "mmhuman3d_flame" not in found


def test_sets_of_osx_meet_by_their_names_as_in_its_code() -> None:
    """Its H36M hips, which annotators put elsewhere, are SMPL-X's; a face point is no eye ball."""
    found = conversion_index("osx_h36m17", "osx_smplx137")
    goal = joint_set("osx_smplx137").joints
    assert found[[goal.index(name) for name in ("Pelvis", "L_Hip", "R_Hip", "Neck")]].min() >= 0
    assert conversion_index("osx_mscoco134", "osx_smplx137")[goal.index("Face_3")] == -1
    assert conversion_index("h36m17", "osx_smplx137")[goal.index("Pelvis")] == -1
