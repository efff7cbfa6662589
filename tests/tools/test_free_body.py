"""The steps that build the free bodies, each on a tiny mesh."""

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from hpscli.body.free import free_arrays
from hpscli.errors import CheckFailed
from tools.free_body import (
    decimate,
    face,
    figures,
    hands,
    hierarchy,
    joints,
    numbering,
    poses,
    shape_space,
    surfaces,
    tpose,
)

Array = NDArray[Any]


def ball(rings: int = 9, turns: int = 12) -> tuple[Array, Array, Array]:
    """-> a closed ball symmetric in x: vertices, faces, mirror."""
    polar = np.pi * np.arange(1, rings + 1) / (rings + 1)
    turn = 2 * np.pi * np.arange(turns) / turns
    rows = [
        np.stack([np.sin(p) * np.sin(turn), np.full(turns, np.cos(p)), np.sin(p) * np.cos(turn)], 1)
        for p in polar
    ]
    points = np.concatenate([[[0, 1.0, 0]], *rows, [[0, -1.0, 0]]])
    here, after = np.arange(turns), (np.arange(turns) + 1) % turns
    faces = [np.stack([0 * here, 1 + here, 1 + after], 1)]
    for row in range(rings - 1):
        a, b = 1 + row * turns + here, 1 + row * turns + after
        faces += [np.stack([a, a + turns, b], 1), np.stack([b, a + turns, b + turns], 1)]
    last = 1 + (rings - 1) * turns
    faces.append(np.stack([last + here, 0 * here + len(points) - 1, last + after], 1))
    mirror = np.arange(len(points))
    for row in range(rings):
        mirror[1 + row * turns : 1 + (row + 1) * turns] = 1 + row * turns + (-here) % turns
    return points, mirrored_diagonals(np.concatenate(faces), mirror, points), mirror


def mirrored_diagonals(faces: Array, mirror: Array, points: Array) -> Array:
    """Keep the left faces and mirror them, so that the diagonals are symmetric too."""
    left = faces[points[faces, 0].sum(1) > 1e-9]
    return np.concatenate([left, mirror[left][:, ::-1]])


def sheet(size: int = 9) -> tuple[Array, Array]:
    """-> an open, gently curved square sheet: vertices, faces."""
    axis = np.linspace(-1, 1, size)
    x, y = np.meshgrid(axis, axis)
    points = np.stack([x.ravel(), y.ravel(), 0.1 * (x**2 + y**2).ravel()], 1)
    corner = (np.arange(size - 1)[:, None] * size + np.arange(size - 1)).ravel()
    a, b, c, d = corner, corner + 1, corner + size, corner + size + 1
    return points, np.concatenate([np.stack([a, b, c], 1), np.stack([b, d, c], 1)])


def test_half_a_ball_is_thinned_to_an_exact_count_and_stays_closed_and_symmetric() -> None:
    points, faces, mirror = ball()
    weights = np.ones((len(points), 1))
    kept, thin, partner = decimate.thin_skin(points[None], faces, weights, mirror, 61)
    assert len(kept) == 61
    assert surfaces.euler(thin) == 2
    assert len(surfaces.border_edges(thin)) == 0
    np.testing.assert_allclose(points[kept][partner] * [-1, 1, 1], points[kept], atol=1e-12)


def test_a_sheet_keeps_its_rim_when_the_rim_may_not_go() -> None:
    points, faces = sheet()
    rim = np.unique(surfaces.border_edges(faces))
    line = np.isin(np.arange(len(points)), rim).astype(int)
    thin = decimate.Decimator(points[None], faces, line)
    thin.keep(rim)
    thin.run(20)
    kept, left = thin.result()
    assert len(kept) == len(points) - 20
    assert np.isin(rim, kept).all()
    assert surfaces.euler(left) == 1


def test_only_the_rim_shrinks_when_only_the_rim_may_go() -> None:
    points, faces = sheet()
    rim = np.unique(surfaces.border_edges(faces))
    line = np.isin(np.arange(len(points)), rim).astype(int)
    loose = decimate.Settings(sliver=0.01, worst_turn=0.0)
    thin = decimate.Decimator(points[None], faces, line, settings=loose)
    thin.run(6, only_line=1)
    kept, left = thin.result()
    assert np.isin(np.setdiff1d(np.arange(len(points)), rim), kept).all()
    assert len(surfaces.border_edges(left)) == len(rim) - 6


def test_a_decimation_that_cannot_go_on_says_so() -> None:
    points, faces, _ = ball(2, 4)
    thin = decimate.Decimator(points[None], faces, np.zeros(len(points), int))
    with pytest.raises(CheckFailed, match="stuck with"):
        thin.run(len(points))


def test_a_flat_pocket_fill_stays_flat_and_keeps_to_its_rim() -> None:
    points, faces = sheet(5)
    points[:, 2] = 2 * points[:, 0] + 1
    rim = np.unique(surfaces.border_edges(faces))
    inner = np.setdiff1d(np.arange(len(points)), rim)
    fill = surfaces.harmonic_fill(faces, inner, rim)
    np.testing.assert_allclose(fill.sum(1), 1, atol=1e-12)
    filled = fill @ points[rim]
    np.testing.assert_allclose(filled[:, 2], 2 * filled[:, 0] + 1, atol=1e-12)


def test_shape_directions_rebuild_bodies_of_their_own_rank() -> None:
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(3, 20, 3))
    samples = np.einsum("sk,kvc->svc", rng.normal(size=(50, 3)), basis) + rng.normal(size=(20, 3))
    space = shape_space.principal_directions(samples, 3)
    rebuilt = space.mean + np.einsum("sk,vck->svc", space.scores, space.directions)
    np.testing.assert_allclose(rebuilt, samples, atol=1e-9)
    np.testing.assert_allclose(space.scores.std(0), 1, atol=1e-9)
    assert space.explained.sum() == pytest.approx(1)


def test_slider_weights_at_an_anchor_pick_that_anchor_alone() -> None:
    sliders = {**shape_space.child(), "gender": np.array([1.0]), "race": np.array([[1.0, 0, 0]])}
    mask = np.zeros((3, 26))
    mask[0, 4], mask[1, 3], mask[2, [0, 4]] = 1, 1, 1
    np.testing.assert_allclose(shape_space.coefficients(sliders, mask), [[1, 0, 1]])


def test_the_smallest_rotation_takes_one_direction_to_the_other() -> None:
    start, end = np.array([1.0, 2, 3]), np.array([0, -1.0, 0.5])
    turn = tpose.minimal_rotation(start, end)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    wanted = end * np.linalg.norm(start) / np.linalg.norm(end)
    np.testing.assert_allclose(turn @ start, wanted, atol=1e-12)


def test_skinning_with_one_bone_is_a_rigid_motion() -> None:
    points = np.random.default_rng(1).normal(size=(5, 3))
    turn, head, moved = tpose.roll(0.7), np.array([[0.1, 0.2, 0.3]]), np.array([[1.0, 0, 0]])
    posed = tpose.skin(points, sp.csr_matrix(np.ones((5, 1))), turn[None], head, moved)
    np.testing.assert_allclose(posed, (points - head) @ turn.T + moved, atol=1e-12)


def test_a_joint_inside_a_few_vertices_is_found_with_weights_that_sum_to_one() -> None:
    rng = np.random.default_rng(2)
    vertices = rng.normal(size=(40, 12, 3))
    true = np.zeros(12)
    true[[1, 5, 7]] = 0.5, 0.3, 0.2
    row = joints.fit_row(vertices, np.einsum("scd,c->sd", vertices, true), np.ones(12))
    assert row.min() >= 0
    assert row.sum() == pytest.approx(1)
    np.testing.assert_allclose(row, true, atol=1e-3)


def test_joint_rows_of_the_right_are_the_mirror_of_the_left() -> None:
    points, _, mirror = ball()
    scale = 1 + 0.1 * np.random.default_rng(3).normal(size=(30, 1, 3))
    samples = points * scale
    wanted = np.array([[0.5, 0, 0], [-0.5, 0, 0], [0, 0.2, 0]]) * scale
    weights = np.ones((len(points), 3))
    rows = joints.fit_regressor(samples, wanted, weights, mirror, np.array([1, 0, 2]))
    np.testing.assert_array_equal(rows[1], rows[0][mirror])
    np.testing.assert_array_equal(rows[2], rows[2][mirror])
    assert joints.regressor_error(rows, samples, wanted).max() < 2e-3


def test_every_joint_of_the_trees_has_the_parent_that_the_shipped_files_have() -> None:
    bones = ("root", "spine03", "jaw", "eye.L", "finger2-1.R", "toe1-1.L", "tongue00")
    parents = np.array([-1, 0, 1, 1, 1, 1, 2])
    for kind in ("smpl", "smplx"):
        tree = joints.skeleton(kind, bones, parents)
        np.testing.assert_array_equal(tree.table, free_arrays(kind)["kintree_table"])
    assert [tree.names[i] for i in tree.feeds] == [
        "pelvis", "spine1", "jaw", "eye.L", "index1.R", "foot.L", "jaw",
    ]  # fmt: skip


def test_marked_vertices_land_on_their_numbers_and_nothing_is_lost() -> None:
    found = {"a": np.array([7, 3]), "b": np.array([2])}
    order = numbering.renumbering(10, {"a": (2, 0), "b": (7,)}, found)
    assert sorted(order.tolist()) == list(range(10))
    assert (order[2], order[0], order[7]) == (7, 3, 2)


def test_a_mirror_stays_a_mirror_after_renumbering() -> None:
    mirror = np.array([1, 0, 3, 2, 4])
    order = np.array([4, 2, 0, 3, 1])
    partner = numbering.renumber_mirror(mirror, order)
    np.testing.assert_array_equal(partner[partner], np.arange(5))
    np.testing.assert_array_equal(order[partner], mirror[order])


def test_scaling_a_hand_by_one_changes_nothing() -> None:
    names = ["wrist.R"] + [f"finger{f}-{p}.R" for f in range(1, 6) for p in (1, 2, 3)]
    heads = np.random.default_rng(4).normal(size=(1, 16, 3))
    points = np.random.default_rng(5).normal(size=(1, 8, 3))
    weights = sp.csr_matrix(np.eye(16)[:8])
    same = hands.HandScale(np.ones((1, 3)), np.ones((1, 5)), np.ones((1, 5)))
    scaled, moved = hands.scaled_hands(points, heads, weights, tuple(names), same)
    np.testing.assert_allclose(scaled, points, atol=1e-12)
    np.testing.assert_allclose(moved, heads, atol=1e-12)


def test_hand_components_are_orthonormal_and_the_first_closes_all_fingers() -> None:
    rows = hands.pose_components(hands.curl_poses(500))
    np.testing.assert_allclose(rows @ rows.T, np.eye(45), atol=1e-10)
    assert (rows[0].reshape(15, 3)[:12, 2] > 0.1).all()


def test_the_eyeballs_have_their_poles_where_existing_code_looks() -> None:
    points, faces, mirror = face.eyeballs(np.array([[0.03, 0.4, 0.1]]), np.array([0.016]))
    front = points[0, [face.LEFT_POLE - face.LEFT_EYE, face.RIGHT_EYE - face.LEFT_EYE]]
    np.testing.assert_allclose(front, [[0.03, 0.4, 0.116], [-0.03, 0.4, 0.116]], atol=1e-12)
    assert (len(faces), faces.min(), faces.max()) == (2176, 9383, 10474)
    other = points[0][mirror - face.LEFT_EYE] * [-1, 1, 1]
    np.testing.assert_allclose(other, points[0], atol=1e-12)
    assert figures.volume(points[0], faces[:1088] - face.LEFT_EYE) > 0
    assert figures.volume(points[0], faces[1088:] - face.LEFT_EYE) > 0


def test_levels_of_a_ball_select_vertices_and_never_extrapolate() -> None:
    points, faces, mirror = ball(13, 16)
    found = hierarchy.hierarchy(points[None], faces, (101, 41), mirror, marked=(0,))
    assert found["U_0_shape"].tolist() == [len(points), 101]
    for level in (0, 1):
        sums = np.bincount(found[f"U_{level}_row"], found[f"U_{level}_val"])
        np.testing.assert_allclose(sums, 1, atol=1e-6)
        assert found[f"U_{level}_val"].min() > 0
        index = found[f"adj_norm_{level + 1}_index"][0]
        rows = np.bincount(index, found[f"adj_norm_{level + 1}_value"])
        np.testing.assert_allclose(rows, 1, atol=1e-6)
    assert 0 in found["level_2_in_0"]


def test_the_closest_point_of_a_triangle_is_the_vertex_when_the_point_lies_beyond_it() -> None:
    corner = np.array([[[0.0, 0, 0], [1, 0, 0], [0, 1, 0]]] * 3)
    point = np.array([[-1.0, -1, 0], [0.25, 0.25, 5], [0.5, -1, 0]])
    weight = hierarchy.closest_in_triangle(point, corner)
    np.testing.assert_allclose(weight, [[1, 0, 0], [0.5, 0.25, 0.25], [0.5, 0.5, 0]], atol=1e-12)


def test_rotations_survive_the_way_to_axis_angle_and_back_even_at_half_a_turn() -> None:
    for vector in ([0.0, 0, 0], [0.3, -1, 2], [np.pi, 0, 0], [0, 1e-9, 0]):
        turn = poses.matrix(np.array(vector))
        np.testing.assert_allclose(poses.matrix(poses.axis_angle(turn)), turn, atol=1e-9)


def rest_joints() -> tuple[Array, Array]:
    body = free_arrays("smpl")
    rest = body["J_regressor"].astype(float) @ body["v_template"].astype(float)
    return rest, body["kintree_table"][0]


def test_a_hand_in_the_trunk_is_a_hit_and_the_t_pose_is_none() -> None:
    rest, parents = rest_joints()
    sample = np.zeros((2, 24, 3))
    sample[1, 18, 1] = -3.0  # the left elbow folded into the chest
    sample[1, 16, 1] = -1.2
    assert poses.hits_itself(sample, rest, parents).tolist() == [False, True]


def test_the_same_seed_draws_the_same_poses_and_none_hits_itself() -> None:
    rest, parents = rest_joints()
    first, second = (poses.draw_poses(rest, parents, 40, seed=9) for _ in range(2))
    np.testing.assert_array_equal(first.poses, second.poses)
    assert not poses.hits_itself(first.poses, rest, parents).any()
