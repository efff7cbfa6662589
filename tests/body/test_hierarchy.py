"""Mesh levels: nothing is lost on the way down and up, and official files fit in."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hpscli.body.assets.files import write_asset
from hpscli.body.hierarchy import load_hierarchy, normalised_adjacency
from hpscli.body.layer import load_body
from hpscli.errors import MissingError, UsageError

SIZES = {"smpl": (6890, 1723, 431), "mano": (778, 195)}


@pytest.mark.parametrize("kind", SIZES)
def test_levels_have_the_sizes_of_the_official_ones(kind: str) -> None:
    levels = load_hierarchy(kind, "free")
    assert levels.sizes == SIZES[kind] and levels.levels == len(SIZES[kind])
    for faces, size in zip(levels.faces, levels.sizes, strict=True):
        assert faces is not None and faces.max() < size
    assert {"smpl": 3005, "mano": 1331}[kind] == levels.adjacency(levels.levels - 1)._nnz()


@pytest.mark.parametrize("kind", SIZES)
def test_going_down_and_up_keeps_the_kept_vertices(kind: str) -> None:
    levels = load_hierarchy(kind, "free")
    vertices = torch.randn(2, levels.sizes[0], 3)
    coarse = levels.down(vertices)
    assert coarse.shape == (2, levels.sizes[-1], 3)
    again = levels.up(coarse)
    assert again.shape == vertices.shape
    torch.testing.assert_close(levels.down(again), coarse, rtol=0, atol=1e-6)
    kept = levels.down_index(levels.levels - 1)
    torch.testing.assert_close(again[:, kept], vertices[:, kept], rtol=0, atol=1e-6)


@pytest.mark.parametrize("kind", SIZES)
def test_rows_of_up_and_adjacency_sum_to_one(kind: str) -> None:
    levels = load_hierarchy(kind, "free")
    for level in range(levels.levels - 1):
        sums = levels.up_matrix(level).to_dense().sum(dim=1)
        torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-5)
        assert levels.up_matrix(level).values().min() >= 0
    for level in range(levels.levels):
        sums = torch.sparse.sum(levels.adjacency(level), dim=1).to_dense()
        torch.testing.assert_close(sums, torch.ones_like(sums), rtol=0, atol=1e-5)


def test_up_is_the_product_with_its_matrix() -> None:
    levels = load_hierarchy("smpl", "free")
    coarse = torch.randn(2, 431, 3)
    expected = torch.stack([torch.sparse.mm(levels.up_matrix(1), each) for each in coarse])
    torch.testing.assert_close(levels.up(coarse, 2, 1), expected, rtol=0, atol=1e-5)


def test_a_coarse_body_comes_back_within_millimetres() -> None:
    levels, template = load_hierarchy("smpl", "free"), load_body("smpl", source="free").template
    error = (levels.up(levels.down(template[None])) - template).norm(dim=-1)
    assert error.mean() < 0.006 and error.max() < 0.05


def test_gradients_pass_both_ways() -> None:
    levels = load_hierarchy("mano", "free")
    vertices = torch.randn(1, 778, 3, requires_grad=True)
    levels.up(levels.down(vertices)).sum().backward()
    kept = levels.down_index(1)
    assert (vertices.grad[0, kept] > 0).all() and vertices.grad.count_nonzero() == 3 * len(kept)


def test_levels_follow_a_module_to_its_dtype_and_stay_out_of_checkpoints() -> None:
    levels = load_hierarchy("mano", "free").double()
    assert levels.up(torch.randn(1, 195, 3).double()).dtype == torch.float64
    assert levels.state_dict() == {}


def test_neighbours_of_a_triangle_share_equally() -> None:
    index, value = normalised_adjacency(np.array([[0, 1], [1, 2], [0, 2]]), 4)
    dense = np.zeros((4, 4))
    dense[index[0], index[1]] = value
    np.testing.assert_allclose(dense[:3, :3], 1 / 3, atol=1e-6)
    assert dense[3].tolist() == [0, 0, 0, 1]


def test_an_imported_hierarchy_is_taken_first_and_absence_is_told() -> None:
    with pytest.raises(MissingError, match="hps assets import"):
        load_hierarchy("mano", "imported")
    assert load_hierarchy("mano").source == "free"
    write_asset(
        "sampling-mano",
        {
            "D_0_index": np.array([0, 2]),
            "U_0_row": np.array([0, 1, 1, 2]),
            "U_0_col": np.array([0, 0, 1, 1]),
            "U_0_val": np.array([1.0, -0.5, 1.5, 1.0]),
            "U_0_shape": np.array([3, 2]),
        },
        {"sha256": "00", "source": "X", "licence": "test"},
    )
    levels = load_hierarchy("mano")
    assert levels.source == "imported" and levels.sizes == (3, 2)
    up = levels.up(torch.tensor([[[1.0], [3.0]]]))
    assert up.flatten().tolist() == [1.0, 4.0, 3.0]
    with pytest.raises(UsageError, match="no adjacency of level 1"):
        levels.adjacency(1)


def test_official_hierarchies_are_read_as_they_are(reference: Path) -> None:
    from hpscli.body.official.importing import import_path

    assets = reference / "metro_graphormer" / "assets"
    import_path(assets)
    for kind, sizes in SIZES.items():
        levels = load_hierarchy(kind, "imported")
        assert levels.sizes == sizes
        coarsest = levels.adjacency(levels.levels - 1).to_dense()
        torch.testing.assert_close(coarsest.sum(dim=1), torch.ones(sizes[-1]), rtol=0, atol=1e-5)


def test_unknown_words_are_usage_errors() -> None:
    with pytest.raises(UsageError, match="no mesh hierarchy named 'smplx'"):
        load_hierarchy("smplx")
    with pytest.raises(UsageError, match="no body source named 'fre'. Did you mean 'free'"):
        load_hierarchy("smpl", "fre")
