"""Which body comes for which words, and what its columns mean."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from hpscli.body.assets.files import write_asset
from hpscli.body.free import free_arrays
from hpscli.body.layer import load_body, matrices
from hpscli.errors import MissingError, UsageError


def test_wrong_names_of_bodies_are_usage_errors() -> None:
    for words, problem in (
        (("smpll", {}), "no kind of body named 'smpll'. Did you mean 'smpl'"),
        (("smpl", {"gender": "femal"}), "Did you mean 'female'"),
        (("smpl", {"source": "real"}), "no body source named 'real'"),
        (("mano", {"age": "kid"}), "no kid template for hands"),
        (("smplx", {"age": "kid", "source": "free"}), "free smplx body has no kid template"),
    ):
        with pytest.raises(UsageError, match=problem):
            load_body(words[0], **words[1])


def test_an_imported_body_that_is_absent_says_where_to_get_it() -> None:
    for kind, page in (
        ("smpl", "smpl.is.tue.mpg.de"),
        ("smplx", "smpl-x.is.tue.mpg.de"),
        ("mano", "mano.is.tue.mpg.de"),
    ):
        with pytest.raises(MissingError, match="hps assets import") as caught:
            load_body(kind, source="imported")
        assert page in str(caught.value)


def tiny(kind: str, vertices: int, columns: int, seed: int = 0) -> dict[str, np.ndarray]:
    """An official-looking file of a few vertices, with 300 and more shape columns."""
    random = np.random.default_rng(seed)
    parents = {"smpl": load_body("smpl", source="free"), "smplx": load_body("smplx", source="free")}
    joints = len(parents[kind].parents)
    return {
        "v_template": random.normal(size=(vertices, 3)).astype(np.float32),
        "shapedirs": random.normal(size=(vertices, 3, columns)).astype(np.float32),
        "posedirs": random.normal(size=(vertices, 3, 9 * (joints - 1))).astype(np.float32),
        "J_regressor": np.full((joints, vertices), 1 / vertices, np.float32),
        "weights": np.full((vertices, joints), 1 / joints, np.float32),
        "kintree_table": np.stack([parents[kind].parents, np.arange(joints)]),
        "f": np.zeros((4, 3), np.int64),
    }


def about(gender: str, betas: int, expressions: int) -> dict[str, object]:
    return {
        "gender": gender,
        "betas": betas,
        "expressions": expressions,
        "sha256": "ab" * 32,
        "source": "X",
        "licence": "test",
    }


def test_an_imported_body_is_taken_before_the_free_one_and_says_so() -> None:
    write_asset("smpl-male", tiny("smpl", 50, 300), about("male", 300, 0))
    body = load_body("smpl", gender="male")
    assert body.describe() == {
        "kind": "smpl",
        "gender": "male",
        "source": "imported",
        "sha256": "ab" * 32,
    }
    assert load_body("smpl", gender="female").describe()["source"] == "free"
    assert load_body("smpl", gender="male", source="free").source == "free"
    with pytest.raises(MissingError, match="female"):
        load_body("smpl", gender="female", source="imported")


def test_a_newly_imported_file_replaces_the_one_in_memory() -> None:
    write_asset("smpl-male", tiny("smpl", 50, 10), about("male", 10, 0))
    assert len(load_body("smpl", gender="male").template) == 50
    write_asset("smpl-male", tiny("smpl", 60, 10), about("male", 10, 0))
    assert len(load_body("smpl", gender="male").template) == 60


def test_expressions_of_official_files_start_after_300_betas() -> None:
    arrays = tiny("smplx", 40, 400)
    write_asset("smplx-neutral", arrays, about("neutral", 300, 100))
    body = load_body("smplx", source="imported")
    expression = torch.zeros(1, 10)
    expression[0, 2] = 1.0
    eye = {"global_orient": torch.eye(3)[None]}
    moved = body({**eye, "expression": expression}).vertices - body(eye).vertices
    np.testing.assert_allclose(moved[0], arrays["shapedirs"][:, :, 302], atol=1e-4)
    eleven = torch.zeros(1, 11)
    eleven[0, 10] = 1.0
    moved = body({**eye, "betas": eleven, "expression": torch.zeros(1, 10)}).vertices
    np.testing.assert_allclose(
        (moved - body(eye).vertices)[0], arrays["shapedirs"][:, :, 10], atol=1e-4
    )


def test_bodies_of_one_make_share_memory_and_not_devices() -> None:
    one, two = load_body("smpl", source="free"), load_body("smpl", source="free")
    assert one is not two
    assert one.template.data_ptr() == two.template.data_ptr()
    one.double()
    assert two.template.dtype == torch.float32
    assert two.kinematics({"betas": torch.zeros(1, 10)}).dtype == torch.float32


def test_the_kid_direction_follows_the_betas_as_in_the_smplx_package(tmp_path: Path) -> None:
    from smplx import SMPL

    arrays = free_arrays("smpl")
    np.save(tmp_path / "kid.npy", arrays["kid_template"].astype(np.float64))
    arrays["posedirs"] = np.zeros((6890, 3, 207), "i1")
    model = SMPL(
        "",
        data_struct=SimpleNamespace(**arrays),
        age="kid",
        kid_template_path=str(tmp_path / "kid.npy"),
    )
    betas = torch.cat([torch.randn(2, 10), torch.tensor([[1.0], [0.4]])], dim=1)
    expected = model(
        betas=betas,
        body_pose=torch.zeros(2, 69),
        global_orient=torch.zeros(2, 3),
        transl=torch.zeros(2, 3),
    )
    kid = load_body("smpl", source="free", age="kid")
    torch.testing.assert_close(
        kid({"betas": betas}).vertices, expected.vertices.detach(), rtol=0, atol=2e-6
    )


def test_the_free_left_hand_is_the_mirrored_right_hand() -> None:
    right, left = load_body("mano", source="free"), load_body("mano", source="free", hand="left")
    random = torch.Generator().manual_seed(0)
    flat = {
        "global_orient": torch.randn(3, 3, generator=random),
        "hand_pose": 0.4 * torch.randn(3, 45, generator=random),
        "betas": torch.randn(3, 10, generator=random),
    }
    flip = torch.tensor([1.0, -1, -1])
    other = {
        **flat,
        "global_orient": flat["global_orient"] * flip,
        "hand_pose": (flat["hand_pose"].reshape(3, 15, 3) * flip).reshape(3, 45),
    }
    expected = right(matrices(flat)).vertices * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(left(matrices(other)).vertices, expected, rtol=0, atol=1e-6)
    assert signed_volume(left.template, left.faces) * signed_volume(right.template, right.faces) > 0


def signed_volume(vertices: Tensor, faces: np.ndarray) -> float:
    corners = vertices[torch.from_numpy(faces).long()]
    return float(torch.linalg.det(corners).sum())
