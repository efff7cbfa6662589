"""Joint sets out of meshes: the right rows, in the right order, from the right file."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hpscli.body import regressors
from hpscli.body.assets.files import write_asset
from hpscli.body.free import free_arrays
from hpscli.body.joints import joint_set
from hpscli.body.layer import Body, load_body, matrices
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.testing.surrogates import surrogate_body, surrogate_regressor

ABOUT = {"sha256": "00" * 32, "source": "X", "licence": "test"}


@pytest.fixture(scope="module")
def rest() -> torch.Tensor:
    return load_body("smpl", source="free").template[None]


def test_vertex_numbers_are_those_of_the_smplx_package() -> None:
    from smplx.vertex_ids import vertex_ids

    face = ["nose", "reye", "leye", "rear", "lear"]
    feet = ["LBigToe", "LSmallToe", "LHeel", "RBigToe", "RSmallToe", "RHeel"]
    fingers = ["thumb", "index", "middle", "ring", "pinky"]
    names = face + feet + ["l" + f for f in fingers] + ["r" + f for f in fingers]
    assert tuple(vertex_ids["smplh"][n] for n in names) == regressors.SMPL_VERTICES
    assert tuple(vertex_ids["smplx"][n] for n in names) == regressors.SMPLX_VERTICES
    assert tuple(vertex_ids["mano"][n] for n in fingers) == regressors.MANO_TIPS


@pytest.mark.parametrize(
    "name",
    ["smpl24", "smpl45", "smpl54", "smpl49", "h36m17", "h36m17_lfirst", "lsp14", "hmr2_44"]
    + ["metro24", "coco17", "openpose25", "mpii16", "spin49", "spin_gt24", "star24"],
)
def test_the_joints_of_a_standing_body_are_where_their_names_say(
    name: str, rest: torch.Tensor
) -> None:
    points = load_body("smpl", source="free").regress(rest, name)[0]
    chosen = joint_set(name)
    assert points.shape == (len(chosen), 3)
    common = dict(zip(chosen.common_names(), points.tolist(), strict=True))
    for joint, (x, y, _) in common.items():
        words = (joint or "").split("_")
        assert x > 0 or words[0] != "left", f"{joint} at {x:.3f} is not on the left"
        assert x < 0 or words[0] != "right", f"{joint} at {x:.3f} is not on the right"
        if "ankle" in words:
            assert y < -0.9, f"{joint} at height {y:.3f}"
        if "headtop" in words or "nose" in words:
            assert y > 0.2, f"{joint} at height {y:.3f}"


def test_lsp14_comes_from_the_rows_of_human36m(rest: torch.Tensor) -> None:
    body = load_body("smpl", source="free")
    packed = free_arrays("smpl")
    expected = torch.from_numpy(packed["J_regressor_h36m"][packed["h36m_to_j14"]]) @ rest
    torch.testing.assert_close(body.regress(rest, "lsp14"), expected)


def test_known_joints_are_used_instead_of_regressed_ones(rest: torch.Tensor) -> None:
    own = torch.ones(1, 24, 3)
    points = load_body("smpl", source="free").regress(rest, "smpl54", joints=own)
    assert torch.equal(points[:, :24], own) and not torch.equal(points[:, 24:25], own[:, :1])


def test_hand_sets_have_their_own_orders_and_tips() -> None:
    body = load_body("mano", source="free")
    vertices = body.template[None]
    mano, freihand = (body.regress(vertices, name) for name in ("mano21", "freihand21"))
    assert torch.equal(freihand[:, 4], vertices[:, 744]) and torch.equal(
        mano[:, 16], freihand[:, 4]
    )
    metro = body.regress(vertices, "metro_hand21")
    assert torch.equal(metro[:, [4, 8, 12, 16, 20]], vertices[:, [745, 317, 445, 556, 673]])
    assert torch.equal(metro[:, 1], freihand[:, 1])


def test_the_jaw_line_turns_with_the_head_as_in_the_smplx_package() -> None:
    turned = torch.eye(3).repeat(4, 55, 1, 1)
    for row, degrees in enumerate((0.0, 20.0, -20.0, -80.0)):
        angle = torch.tensor(degrees).deg2rad()
        turned[row, 12, 0, 0] = turned[row, 12, 2, 2] = angle.cos()
        turned[row, 12, 0, 2], turned[row, 12, 2, 0] = angle.sin(), -angle.sin()
    rows = regressors.contour_row(turned).tolist()
    assert rows[0] == 0 and rows[3] in (39, 78) and rows[1] != rows[2]
    assert all(0 <= row < 79 for row in rows)


def test_a_set_that_a_mesh_does_not_give_is_a_usage_error(rest: torch.Tensor) -> None:
    with pytest.raises(UsageError, match="smpl body does not give the joint set 'human_data'"):
        load_body("smpl", source="free").regress(rest, "human_data")


def test_a_free_body_without_a_regressor_says_what_to_import() -> None:
    body = load_body("smplx", source="free")
    with pytest.raises(MissingError, match="free smplx body has no regressor 'lsp14'"):
        body.regress(body.template[None], "lsp14")


@pytest.fixture
def imported() -> Body:
    arrays = dict(free_arrays("smpl"))
    write_asset(
        "smpl-neutral",
        {k: arrays[k] for k in ("v_template", "shapedirs", "J_regressor", "weights", "f")}
        | {"kintree_table": arrays["kintree_table"], "posedirs": np.zeros((6890, 3, 207), "f4")},
        ABOUT | {"kind": "smpl", "gender": "neutral", "betas": 10, "expressions": 0},
    )
    return load_body("smpl", source="imported")


def test_an_imported_body_needs_the_imported_regressor(imported: Body, rest: torch.Tensor) -> None:
    with pytest.raises(MissingError, match="hps assets import"):
        imported.regress(rest, "h36m17")


@pytest.mark.parametrize("row_set", ["h36m17", "h36m17_lfirst"])
def test_rows_are_taken_by_joint_name_whichever_leg_comes_first(
    row_set: str, imported: Body, rest: torch.Tensor
) -> None:
    by_slot = dict(
        zip(joint_set("h36m17").slots, free_arrays("smpl")["J_regressor_h36m"], strict=True)
    )
    rows = np.stack([by_slot[slot] for slot in joint_set(row_set).slots])
    names = list(joint_set(row_set).joints)
    write_asset("regressor-h36m", {"regressor": rows}, ABOUT | {"joints": names, "set": row_set})
    expected = load_body("smpl", source="free").regress(rest, "h36m17")
    torch.testing.assert_close(imported.regress(rest, "h36m17"), expected)


def test_a_regressor_without_a_needed_row_is_invalid(imported: Body, rest: torch.Tensor) -> None:
    rows = free_arrays("smpl")["J_regressor_extra"][:3]
    names = [joint_set("human_data").joints[s] for s in joint_set("smpl54").slots[45:48]]
    write_asset("regressor-extra", {"regressor": rows}, ABOUT | {"joints": names, "set": ""})
    with pytest.raises(InvalidData, match="'regressor-extra' has no row for headtop"):
        imported.regress(rest, "smpl54")


def test_a_file_of_fourteen_extra_rows_gives_metro_its_face(
    imported: Body, rest: torch.Tensor
) -> None:
    common = joint_set("human_data").joints
    slots = [*joint_set("smpl45").slots[24:29], *joint_set("smpl54").slots[45:]]
    rows = surrogate_regressor(14, 6890, 3)
    names = [common[slot] for slot in slots]
    write_asset("regressor-extra", {"regressor": rows}, ABOUT | {"joints": names, "set": ""})
    points = imported.regress(rest, "metro24")
    torch.testing.assert_close(points[:, 19], torch.from_numpy(rows[0]) @ rest)
    torch.testing.assert_close(points[:, 14], torch.from_numpy(rows[slots.index(148)]) @ rest)


def test_tables_made_while_nobody_wanted_gradients_serve_when_somebody_does() -> None:
    body = Body(
        "smpl", surrogate_body("smpl"), regressors={"h36m17": surrogate_regressor(17, 6890, 1)}
    )
    with torch.inference_mode():
        body.regress(body.template[None], "h36m17")
    vertices = body.template[None].clone().requires_grad_()
    body.regress(vertices, "h36m17").sum().backward()
    assert vertices.grad is not None


def test_official_metro_body_joints_are_reproduced(reference: Path) -> None:
    folder = reference / "metro_graphormer"
    golden = np.load(folder / "goldens" / "losses_fixed_preds.npz")
    h36m = np.load(folder / "assets" / "J_regressor_h36m_correct.npy")
    extra = np.load(folder / "assets" / "J_regressor_extra.npy")
    body = Body("smpl", surrogate_body("smpl"), regressors={"h36m17": h36m, "extra": extra[5:]})
    pose = torch.from_numpy(golden["body_in_pose"]).float()
    vertices, _ = body(
        matrices(
            {
                "global_orient": pose[:, :3],
                "body_pose": pose[:, 3:],
                "betas": torch.from_numpy(golden["body_in_betas"]).float(),
            }
        )
    )
    np.testing.assert_allclose(vertices[:, :64], golden["body_gt_vertices_first64"], atol=1e-5)
    for name, key in (("metro24", "body_gt_j24"), ("h36m17", "body_gt_h36m17")):
        np.testing.assert_allclose(body.regress(vertices, name), golden[key], atol=1e-5)


def test_official_metro_hand_joints_are_reproduced(reference: Path) -> None:
    golden = np.load(reference / "metro_graphormer" / "goldens" / "losses_fixed_preds.npz")
    body = Body("mano", surrogate_body("mano"))
    pose = golden["hand_in_pose"].astype(np.float64)
    pose[:, 3:] += surrogate_hand_mean()
    pose = torch.from_numpy(pose.astype(np.float32))
    vertices, _ = body(
        matrices(
            {
                "global_orient": pose[:, :3],
                "hand_pose": pose[:, 3:],
                "betas": torch.from_numpy(golden["hand_in_betas"]).float(),
            }
        )
    )
    np.testing.assert_allclose(1000 * vertices, golden["hand_gt_vertices_mm"], atol=1e-2)
    joints = 1000 * body.regress(vertices, "metro_hand21")
    np.testing.assert_allclose(joints, golden["hand_gt_joints_regressed_mm"], atol=1e-2)


def surrogate_hand_mean() -> np.ndarray:
    """The hand mean of the references: the sixth array that their generator draws."""
    random = np.random.RandomState(9)
    for shape in ((778, 3), (778, 3, 10), (135, 2334), (16, 778), (778, 16)):
        random.standard_normal(shape)
    return 0.2 * random.standard_normal(45)
