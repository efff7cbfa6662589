"""A file is what it holds, whatever it is called."""

import contextlib
import io
from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch
from hypothesis import given, settings, strategies

from hpscli.body.assets.files import write_asset
from hpscli.body.joints import joint_set
from hpscli.body.official.archives import Member
from hpscli.body.official.content import read_content
from hpscli.body.official.found import Found, Piece, Unneeded
from hpscli.body.official.poses import join_amass
from hpscli.body.official.recognise import recognise
from hpscli.body.official.records import Sparse
from hpscli.body.official.sampling import join_adjacency
from hpscli.body.official.sides import exchange_legs
from hpscli.body.rotations import matrix_to_rotation6d, rotation6d_to_matrix
from hpscli.errors import InvalidData, UsageError
from tests.body.official.makers import (
    SMPL_PARENTS,
    body_arrays,
    h36m_regressor,
    mano_arrays,
    npz_bytes,
    python2_pickle,
    smpl_arrays,
    smplx_arrays,
)


def found(content: Any, name: str = "file", gender: str = "") -> Found:
    result = recognise(content, name, gender)
    assert isinstance(result, Found)
    return result


def numbers_in_order(count: int, most: int) -> np.ndarray:
    return np.sort(np.random.RandomState(0).permutation(most)[:count])


@pytest.fixture(scope="module")
def smpl() -> dict[str, Any]:
    return smpl_arrays()


@pytest.mark.parametrize(
    ("name", "gender"),
    [
        ("SMPL_python_v.1.1.0/smpl/models/basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl", "neutral"),
        ("basicModel_f_lbs_10_207_0_v1.0.0.pkl", "female"),
        ("basicmodel_m_lbs_10_207_0_v1.0.0.pkl", "male"),
        ("SMPL_FEMALE.pkl", "female"),
        ("male/SMPL_NEUTRAL.npz", "neutral"),
    ],
)
def test_the_gender_is_taken_from_the_name_as_a_last_resort_and_it_is_said(
    name: str, gender: str, smpl: dict[str, Any]
) -> None:
    result = found(smpl, name)
    assert result.id == f"smpl-{gender}"
    assert result.meta["gender_from"] == "the file's name"
    assert "gender from the file's name" in result.note


def test_a_gender_in_the_file_is_believed_before_the_name(smpl: dict[str, Any]) -> None:
    result = found(smpl | {"gender": np.array("female")}, "SMPL_MALE.pkl")
    assert (result.id, result.meta["gender_from"]) == ("smpl-female", "the file")


def test_a_gender_that_the_user_says_is_believed_before_all(smpl: dict[str, Any]) -> None:
    result = found(smpl | {"gender": "female"}, "SMPL_FEMALE.pkl", "neutral")
    assert result.id == "smpl-neutral"


def test_a_body_of_unknown_gender_is_asked_about(smpl: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="--gender"):
        recognise(smpl, "model.pkl")


def test_all_shape_directions_are_kept() -> None:
    result = found(smpl_arrays(betas=300), "smpl_m.pkl")
    assert result.arrays["shapedirs"].shape == (6890, 3, 300)
    assert result.meta["betas"] == 300


@pytest.mark.parametrize(("columns", "betas", "expressions"), [(400, 300, 100), (20, 10, 10)])
def test_shape_and_expression_of_smplx_are_told_apart(
    columns: int, betas: int, expressions: int
) -> None:
    result = found(smplx_arrays(columns), "SMPLX_NEUTRAL.npz")
    assert result.id == "smplx-neutral"
    assert (result.meta["betas"], result.meta["expressions"]) == (betas, expressions)
    assert result.arrays["hands_meanr"].shape == (45,)
    assert result.arrays["dynamic_lmk_faces_idx"].dtype == np.int64


@pytest.mark.parametrize("hand", ["left", "right"])
def test_the_side_of_a_hand_is_told_by_where_it_points(hand: str) -> None:
    result = found(mano_arrays(hand), "MANO_WHICHEVER.pkl")
    assert result.id == f"mano-{hand}"
    assert result.meta["hand"] == hand
    assert "hands_coeffs" not in result.arrays


def test_the_root_of_the_tree_is_minus_one(smpl: dict[str, Any]) -> None:
    assert found(smpl, "smpl_m.pkl").arrays["kintree_table"][0].tolist() == SMPL_PARENTS


def test_a_body_with_a_sparse_regressor_gets_a_dense_one(smpl: dict[str, Any]) -> None:
    coo = scipy.sparse.coo_matrix(smpl["J_regressor"])
    sparse = Sparse(coo.row, coo.col, coo.data, coo.shape)
    result = found(smpl | {"J_regressor": sparse}, "smpl_m.pkl")
    np.testing.assert_array_equal(result.arrays["J_regressor"], smpl["J_regressor"])


@pytest.mark.parametrize(
    ("vertices", "joints", "name"),
    [(6890, 52, "SMPL\\+H"), (5023, 5, "FLAME")],
)
def test_other_bodies_of_the_family_are_known_and_unneeded(
    vertices: int, joints: int, name: str
) -> None:
    result = recognise(body_arrays(vertices, [-1, *range(joints - 1)], 10, 10), "a.pkl")
    assert isinstance(result, Unneeded)
    assert result.what.startswith(name.replace("\\", ""))


def test_star_is_not_taken_for_smpl(smpl: dict[str, Any]) -> None:
    result = recognise(smpl | {"posedirs": np.zeros((6890, 3, 93))}, "model.npz")
    assert isinstance(result, Unneeded)
    assert "STAR" in result.what


def test_a_free_body_is_not_taken_for_a_licensed_one(smpl: dict[str, Any]) -> None:
    result = recognise(smpl | {"licence": np.array("CC0 1.0")}, "smpl_m.npz")
    assert isinstance(result, Unneeded)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"weights": np.zeros((6890, 23))}, "weights"),
        ({"v_template": np.full((6890, 3), np.nan)}, "cannot be"),
        ({"f": np.full((13776, 3), 6890)}, "cannot be"),
        ({"v_template": np.array("text")}, "not numbers"),
        ({"kintree_table": np.tile(np.arange(24), (2, 1))}, "cannot be"),
    ],
)
def test_a_body_whose_parts_do_not_fit_is_invalid(
    change: dict[str, Any], said: str, smpl: dict[str, Any]
) -> None:
    with pytest.raises(InvalidData, match=said):
        recognise(smpl | change, "smpl_m.pkl")


@pytest.mark.parametrize("vertices", [6890, 10475])
@pytest.mark.parametrize("right_leg_first", [True, False])
def test_regressors_are_stored_right_leg_first_and_the_exchange_is_recorded(
    right_leg_first: bool, vertices: int
) -> None:
    matrix = h36m_regressor(right_leg_first=right_leg_first, vertices=vertices)
    result = found(matrix)
    assert result.id == ("regressor-h36m" if vertices == 6890 else "regressor-h36m-smplx")
    assert result.meta["joints"] == list(joint_set("h36m17").joints)
    assert result.meta["legs_swapped"] is not right_leg_first
    names = joint_set("h36m17").joints
    wanted = matrix if right_leg_first else exchange_legs(matrix, names)
    np.testing.assert_array_equal(result.arrays["regressor"], wanted)
    right = result.arrays["regressor"][names.index("right_knee")].argmax()
    assert right >= (3500 if vertices == 6890 else 5894)


def test_an_imported_body_decides_about_legs_by_where_its_vertices_are() -> None:
    """A template that puts low numbers on the right turns the answer of vertex numbers round."""
    template = np.zeros((6890, 3), np.float32)
    template[:, 0] = np.where(np.arange(6890) < 3500, -0.3, 0.3)
    write_asset("smpl-neutral", {"v_template": template}, {"kind": "smpl"})
    result = found(h36m_regressor(right_leg_first=True))
    assert result.meta["legs_swapped"] is True
    assert result.meta["sides_by"] == "template of smpl-neutral"


def test_legs_that_nothing_tells_apart_keep_the_order_of_the_file() -> None:
    matrix = np.zeros((17, 6890))
    matrix[:, [0, 6889]] = 0.5
    result = found(matrix)
    assert (result.meta["legs_swapped"], result.meta["sides_by"]) == (False, "")
    assert "order of the file kept" in result.note


def rows(count: int, vertices: int = 6890, per_row: int = 4) -> np.ndarray:
    matrix = np.zeros((count, vertices))
    for row in range(count):
        matrix[row, row * 10 : row * 10 + per_row] = 1 / per_row
    return matrix


@pytest.mark.parametrize(
    ("matrix", "asset", "first"),
    [
        (rows(9), "regressor-extra", "right_hip_extra"),
        (np.concatenate([rows(5, per_row=1), rows(9)]), "regressor-extra", "nose"),
        (rows(19), "regressor-j19", "Right Ankle"),
        (rows(14, 10475), "regressor-j14-smplx", "right_ankle"),
    ],
)
def test_other_regressors_are_told_by_their_shape(
    matrix: np.ndarray, asset: str, first: str
) -> None:
    result = found(matrix)
    assert result.id == asset
    assert result.meta["joints"][0] == first
    assert len(result.meta["joints"]) == len(matrix)


def test_fourteen_rows_that_do_not_begin_with_a_face_are_not_the_extra_joints() -> None:
    assert recognise(rows(14), "J_regressor_extra.npy") is None


def test_rows_that_do_not_sum_to_one_are_no_regressor() -> None:
    assert recognise(rows(17) * 2, "J_regressor_h36m.npy") is None


@pytest.mark.parametrize("layout", ["interleaved", "concatenated"])
def test_mean_parameters_of_both_layouts_are_stored_in_one(layout: Any) -> None:
    turns = torch.from_numpy(np.random.RandomState(0).standard_normal((24, 6)))
    matrices = rotation6d_to_matrix(turns, "interleaved")
    pose = matrix_to_rotation6d(matrices, layout).numpy().reshape(144)
    result = found({"pose": pose, "shape": np.zeros(10), "cam": np.array([0.9, 0, 0])})
    assert result.meta["layout_in_file"] == layout
    stored = torch.from_numpy(result.arrays["pose6d"].reshape(24, 6))
    torch.testing.assert_close(
        rotation6d_to_matrix(stored, "interleaved"), matrices.float(), atol=1e-6, rtol=0
    )
    np.testing.assert_allclose(result.arrays["camera"], [0.9, 0, 0])


@pytest.mark.parametrize(("vertices", "kind"), [(6890, "smpl"), (10475, "smplx")])
def test_kid_templates_are_told_by_their_size(vertices: int, kind: str) -> None:
    template = np.random.RandomState(0).uniform(-0.3, 0.3, (vertices, 3))
    assert found(template).id == f"kid-{kind}"
    assert recognise(template * 4, "smpl_kid_template.npy") is None


def test_vertex_lists_are_told_by_count_and_reach() -> None:
    assert found(numbers_in_order(4010, 6890)).id == "agora-vertices-smpl"
    assert found(np.append(numbers_in_order(4009, 6890), 9027)).id == "agora-vertices-smplx"
    assert found(numbers_in_order(5023, 10475)).id == "face-vertices-smplx"
    hands = {side: numbers_in_order(778, 10475) for side in ("left_hand", "right_hand")}
    assert found(hands).id == "hand-vertices-smplx"
    assert recognise(np.zeros(4010, np.int64), "body_verts_smpl.npy") is None


def test_cmu_poses_are_read_in_both_layouts() -> None:
    rng = np.random.RandomState(0)
    pose, shape = rng.standard_normal((20, 72)), rng.standard_normal((20, 10))
    flat = found({"pose": pose, "shape": shape})
    nested = found(
        {
            "smpl": {
                "global_orient": pose[:, :3],
                "body_pose": pose[:, 3:].reshape(20, 23, 3),
                "betas": shape,
            }
        }
    )
    assert flat.id == nested.id == "poses-cmu-mosh"
    assert flat.arrays["poses"].shape == (20, 66)
    for name, array in flat.arrays.items():
        np.testing.assert_array_equal(array, nested.arrays[name])


def test_motions_of_amass_are_thinned_and_joined() -> None:
    motion = {
        "poses": np.zeros((600, 156)),
        "betas": np.arange(16.0),
        "trans": np.zeros((600, 3)),
        "mocap_framerate": np.array(60.0),
    }
    piece = recognise(motion, "01_01_poses.npz")
    assert isinstance(piece, Piece)
    joined = join_amass([piece, piece])
    assert joined.arrays["poses"].shape == (100, 66)
    np.testing.assert_array_equal(joined.arrays["betas"][0], np.arange(10))


def test_an_adjacency_is_joined_only_when_its_rows_sum_to_one() -> None:
    index = np.tile(np.arange(195), (2, 1))
    parts = [recognise(index, "i"), recognise(np.ones(195, np.float32), "v")]
    wrong = [parts[0], recognise(np.full(195, 0.5, np.float32), "v")]
    good = join_adjacency([piece for piece in parts if isinstance(piece, Piece)])
    assert good is not None
    assert good.id == "adjacency-mano"
    assert join_adjacency([piece for piece in wrong if isinstance(piece, Piece)]) is None


@pytest.mark.parametrize(
    "content",
    [None, [], {}, "text", {"a": 1}, np.zeros((3, 4)), np.zeros(0), [1, "a"], np.array("text")],
)
def test_anything_else_is_not_known(content: Any) -> None:
    assert recognise(content, "SMPL_NEUTRAL.pkl") is None


def torch_bytes(value: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


SEEDS = {
    "npz": npz_bytes(pose=np.tile([1.0, 0, 0, 1, 0, 0], 24), shape=np.zeros(10), cam=np.zeros(3)),
    "pickle": python2_pickle({"left_hand": np.arange(778), "right_hand": np.arange(778)}),
    "torch": torch_bytes(torch.Size([431, 431])) + torch_bytes(torch.ones(3)),
}


@pytest.mark.parametrize("form", SEEDS)
@given(place=strategies.floats(0, 1, exclude_max=True), value=strategies.integers(0, 255))
@settings(max_examples=150, deadline=None)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_file_with_one_changed_byte_is_something_or_invalid(
    form: str, place: float, value: int
) -> None:
    data = bytearray(SEEDS[form])
    data[int(place * len(data))] = value
    member = Member(where="changed", name="changed", form=form, data=bytes(data))
    with contextlib.suppress(InvalidData):
        recognise(read_content(member), "changed")
