"""Bodies and matrices that are handed over instead of installed."""

from pathlib import Path

import numpy as np
import pytest
import scipy.sparse

from hpscli.body.free import free_hierarchy
from hpscli.body.hierarchy import OFFICIAL_TOPOLOGY
from hpscli.body.kit import body_kit
from hpscli.body.layer import load_body
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.testing.surrogates import surrogate_body, surrogate_regressor

SMPL = surrogate_body("smpl")


def test_arrays_under_official_names_are_a_body() -> None:
    kit = body_kit("smpl", given={**SMPL, "J_regressor_h36m": surrogate_regressor(17, 6890, 14)})
    assert kit.source == "given"
    np.testing.assert_allclose(kit.body().template.numpy(), SMPL["v_template"], atol=1e-6)
    np.testing.assert_array_equal(kit.regressor("h36m17"), surrogate_regressor(17, 6890, 14))


def test_a_body_and_a_folder_of_matrices_can_be_given_together(reference: Path) -> None:
    kit = body_kit("smpl", given=[SMPL, reference / "metro_graphormer/assets"])
    assert kit.hierarchy().sizes == (6890, 1723, 431)
    assert kit.topology() == OFFICIAL_TOPOLOGY["smpl"]
    assert kit.regressor("extra").shape == (9, 6890)
    body = kit.body()
    assert body.regress(body.template[None], "metro24").shape == (1, 24, 3)


def test_the_hand_has_levels_of_its_own(reference: Path) -> None:
    files = reference / "metro_graphormer/assets/mano_downsampling.npz"
    kit = body_kit("mano", given=[surrogate_body("mano"), files])
    assert kit.hierarchy().sizes == (778, 195)
    assert kit.topology() == OFFICIAL_TOPOLOGY["mano"]


def test_a_file_of_a_body_is_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "SMPL_NEUTRAL.npz", **SMPL)
    kit = body_kit("smpl", given=str(tmp_path / "SMPL_NEUTRAL.npz"))
    np.testing.assert_allclose(kit.body().template.numpy(), SMPL["v_template"], atol=1e-6)


def _matrices() -> dict[str, list[scipy.sparse.csc_matrix]]:
    """-> the free levels of the body, as the official file holds its own."""
    levels = free_hierarchy("smpl")
    sizes, up, down, near = [6890], [], [], []
    for level in range(2):
        keep = levels[f"D_{level}_index"].reshape(-1)
        shape = (len(keep), sizes[-1])
        down.append(scipy.sparse.csc_matrix((np.ones(len(keep)), (range(len(keep)), keep)), shape))
        row, column = levels[f"U_{level}_row"], levels[f"U_{level}_col"]
        up.append(scipy.sparse.csc_matrix((levels[f"U_{level}_val"], (row, column)), shape[::-1]))
        sizes.append(len(keep))
    for level, size in enumerate(sizes):
        edges = levels.get(f"edges_{level}")
        if edges is None:
            edges = levels[f"adj_norm_{level}_index"].T
        ones = np.ones(2 * len(edges))
        both = np.concatenate([edges, edges[:, ::-1]]).T
        near.append(scipy.sparse.csc_matrix((ones, tuple(both)), (size, size)))
    return {"A": near, "U": up, "D": down}


def test_sampling_matrices_may_be_given_in_memory() -> None:
    kit = body_kit("smpl", given={**SMPL, "sampling": _matrices()})
    free = body_kit("smpl", "free").hierarchy()
    given = kit.hierarchy()
    assert given.sizes == free.sizes
    points = np.random.RandomState(0).standard_normal((1, 431, 3)).astype(np.float32)
    import torch

    torch.testing.assert_close(
        given.up(torch.from_numpy(points)), free.up(torch.from_numpy(points)), atol=1e-5, rtol=1e-5
    )


def test_a_body_that_is_there_already_is_taken_as_it_is() -> None:
    body = load_body("smpl", source="free")
    assert body_kit("smpl", given=body).body() is body


@pytest.mark.parametrize(
    ("given", "error", "said"),
    [
        ({**SMPL, "J_regresor_extra": np.zeros((9, 6890))}, UsageError, "J_regressor_extra"),
        ({"v_template": SMPL["v_template"]}, InvalidData, "has no shapedirs"),
        ({**SMPL, "J_regressor_extra": np.zeros((5, 6890))}, InvalidData, "5 rows, expected 9"),
        ("nowhere.pkl", MissingError, "there is no file or folder nowhere.pkl"),
        (3, UsageError, "body=int is not a body"),
    ],
)
def test_what_cannot_be_a_body_is_named(given: object, error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        body_kit("smpl", given=given)


def test_a_body_of_another_kind_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a smpl body, the one given is mano"):
        body_kit("smpl", given=load_body("mano", source="free"))


def test_a_regressor_that_was_not_given_is_asked_for_by_its_file() -> None:
    with pytest.raises(MissingError) as raised:
        body_kit("smpl", given=SMPL).regressor("h36m17")
    assert "body=[..., 'J_regressor_h36m_correct.npy']" in raised.value.fix


def test_the_body_of_another_kind_is_not_silently_replaced(tmp_path: Path) -> None:
    np.savez(tmp_path / "MANO_RIGHT.npz", **surrogate_body("mano"))
    with pytest.raises(UsageError, match="needs a smpl body, the one given is mano"):
        body_kit("smpl", given=tmp_path / "MANO_RIGHT.npz")


def test_a_folder_without_any_body_is_not_silently_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(InvalidData, match="holds no body and no matrix"):
        body_kit("smpl", given=tmp_path)
