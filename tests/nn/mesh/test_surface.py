"""Edges, triangles and normals."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.body.hierarchy import load_hierarchy
from hpscli.nn.mesh.surface import edge_lengths, face_edges, graph_edges, graph_triangles, slant
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.mesh_goldens import surrogate_kit

PLANE = torch.tensor([[[0.0, 0, 0], [2.0, 0, 0], [0, 3.0, 0], [2.0, 3.0, 0]]])
TWO = torch.tensor([[0, 1, 2], [1, 3, 2]])

graphs = st.sets(
    st.tuples(st.integers(0, 7), st.integers(0, 7)).filter(lambda pair: pair[0] != pair[1]),
    min_size=1,
)


def adjacency(pairs: set[tuple[int, int]]) -> torch.Tensor:
    """-> sparse (8,8), both directions and self loops."""
    dense = torch.eye(8)
    for first, second in pairs:
        dense[first, second] = dense[second, first] = 1
    return dense.to_sparse().coalesce()


@settings(max_examples=60, deadline=None)
@given(graphs)
def test_every_edge_and_triangle_of_a_graph_is_found_once(pairs: set[tuple[int, int]]) -> None:
    wanted = {(min(pair), max(pair)) for pair in pairs}
    edges = graph_edges(adjacency(pairs))
    assert sorted(map(tuple, edges.tolist())) == sorted(wanted)
    triangles = [
        corners
        for corners in combinations(range(8), 3)
        if all(pair in wanted for pair in combinations(corners, 2))
    ]
    assert list(map(tuple, graph_triangles(edges).tolist())) == triangles


def test_edges_and_faces_are_those_that_fastmetro_ships(reference: Path) -> None:
    folder = reference / "fastmetro"
    levels = surrogate_kit("smpl", folder, ReplayOptions()).hierarchy()
    edges = graph_edges(levels.adjacency(1))
    assert np.array_equal(edges.numpy(), np.load(folder / "assets" / "smpl_1723_edges.npy"))
    faces = graph_triangles(edges).numpy()
    assert np.array_equal(faces, np.load(folder / "assets" / "smpl_1723_faces.npy"))


def test_most_faces_of_the_free_middle_mesh_are_triangles_of_its_graph() -> None:
    levels = load_hierarchy("smpl", "free")
    faces = levels.faces[1]
    assert faces is not None
    found = set(map(tuple, graph_triangles(graph_edges(levels.adjacency(1))).tolist()))
    assert {tuple(sorted(face)) for face in faces.tolist()} <= found


def test_every_face_gives_three_edges_shared_ones_twice() -> None:
    edges = [tuple(sorted(edge)) for edge in face_edges(TWO).tolist()]
    assert len(edges) == 6
    assert edges.count((1, 2)) == 2


def test_edges_are_as_long_as_the_way_between_their_ends() -> None:
    lengths = edge_lengths(PLANE, torch.tensor([[0, 1], [0, 2], [1, 2]]))[0]
    assert lengths.tolist() == pytest.approx([2.0, 3.0, 13**0.5], rel=1e-6)


def test_an_edge_without_length_has_a_gradient() -> None:
    points = torch.zeros(1, 2, 3, requires_grad=True)
    edge_lengths(points, torch.tensor([[0, 1]])).sum().backward()
    assert points.grad is not None and bool(torch.isfinite(points.grad).all())


def test_edges_in_the_plane_of_the_true_faces_cost_nothing() -> None:
    turned = PLANE[..., [1, 0, 2]] * 3 + 1
    assert float(slant(turned, PLANE, TWO).abs().max()) < 1e-6


def test_edges_that_stand_upright_on_the_true_faces_cost_one() -> None:
    line = torch.tensor([[[0.0, 0, 0], [0, 0, 1.0], [0, 0, 3.0], [0, 0, 7.0]]])
    assert slant(line, PLANE, TWO).tolist() == [[1.0] * 6]


def test_the_winding_of_a_face_does_not_matter() -> None:
    points = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    one, other = (
        slant(points, PLANE.expand(2, -1, -1), faces) for faces in (TWO, TWO[:, [1, 0, 2]])
    )
    assert float(one.mean()) == pytest.approx(float(other.mean()), rel=1e-6)
