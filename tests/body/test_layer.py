"""The body layer against the smplx package, the official numbers, and its own promises."""

import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor

from hpscli.body.free import free_arrays
from hpscli.body.layer import COEFFICIENTS, PARAMETERS, Body, load_body, matrices
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import InvalidData
from hpscli.testing.surrogates import surrogate_body, surrogate_regressor

KINDS = ("smpl", "smplx", "mano")


def draw(kind: str, batch: int = 3, seed: int = 0, size: float = 0.4) -> dict[str, Tensor]:
    """-> axis-angle parameters (B,3n), coefficients, transl."""
    random = torch.Generator().manual_seed(seed)
    flat = {
        name: size * torch.randn(batch, 3 * count, generator=random)
        for name, count in PARAMETERS[kind].items()
    }
    for name, count in COEFFICIENTS[kind].items():
        flat[name] = torch.randn(batch, count, generator=random)
    return flat | {"transl": torch.randn(batch, 3, generator=random)}


def package_model(kind: str, arrays: dict[str, np.ndarray], folder: Path) -> Callable[..., object]:
    """-> the same body made by the classes of the smplx package."""
    from smplx import MANO, SMPL, SMPLX

    arrays = dict(arrays)
    joints = len(arrays["J_regressor"])
    arrays.setdefault("posedirs", np.zeros((len(arrays["v_template"]), 3, 9 * (joints - 1)), "i1"))
    if kind == "smplx":
        np.savez(folder / "model.npz", **arrays)
        return SMPLX(
            str(folder / "model.npz"),
            use_pca=False,
            flat_hand_mean=True,
            use_face_contour=True,
            batch_size=3,
        )
    struct = SimpleNamespace(**arrays)
    if kind == "mano":
        return MANO("", data_struct=struct, use_pca=False, flat_hand_mean=True, is_rhand=True)
    return SMPL("", data_struct=struct)


@pytest.mark.parametrize("kind", KINDS)
def test_the_free_body_is_posed_as_by_the_smplx_package(kind: str, tmp_path: Path) -> None:
    model = package_model(kind, free_arrays(kind), tmp_path)
    flat = draw(kind)
    expected = model(**flat)
    body = load_body(kind, source="free")
    output = body(matrices(flat))
    torch.testing.assert_close(output.vertices, expected.vertices.detach(), rtol=0, atol=2e-6)
    every = {"smpl": "smpl45", "smplx": "smplx144", "mano": "mano16"}[kind]
    transl = flat.pop("transl")[:, None]
    joints = body.regress(
        output.vertices - transl, every, joints=output.joints - transl, parameters=matrices(flat)
    )
    torch.testing.assert_close(joints + transl, expected.joints.detach(), rtol=0, atol=3e-6)


@pytest.mark.parametrize("kind", ["smpl", "mano"])
def test_pose_correctives_act_as_in_the_smplx_package(kind: str, tmp_path: Path) -> None:
    arrays = surrogate_body(kind)
    flat = draw(kind)
    expected = package_model(kind, arrays, tmp_path)(**flat)
    body = Body(kind, arrays, source="surrogate")
    output = body(matrices(flat))
    torch.testing.assert_close(output.vertices, expected.vertices.detach(), rtol=0, atol=1e-5)
    count = len(body.parents)
    torch.testing.assert_close(
        output.joints, expected.joints[:, :count].detach(), rtol=0, atol=1e-5
    )


@pytest.mark.parametrize("kind", KINDS)
def test_joints_without_a_mesh_are_the_joints_of_the_mesh(kind: str) -> None:
    body, parameters = load_body(kind, source="free"), matrices(draw(kind, batch=4))
    torch.testing.assert_close(
        body.kinematics(parameters), body(parameters).joints, rtol=0, atol=1e-6
    )


def test_joints_without_a_mesh_are_right_in_float64_too() -> None:
    body = load_body("smpl", source="free").double()
    parameters = {name: value.double() for name, value in matrices(draw("smpl")).items()}
    joints = body.kinematics(parameters)
    assert joints.dtype == torch.float64
    # Both start from arrays rounded to float32, at different places.
    torch.testing.assert_close(joints, body(parameters).joints, rtol=0, atol=1e-6)


def test_joints_without_a_mesh_pass_gradients_and_are_fast() -> None:
    body = load_body("smpl", source="free")
    parameters = {name: v.requires_grad_() for name, v in matrices(draw("smpl", 32)).items()}
    durations = []
    for _ in range(5):
        start = time.perf_counter()
        joints = body.kinematics(parameters)
        durations.append(time.perf_counter() - start)
    joints.square().sum().backward()
    assert all(torch.isfinite(v.grad).all() for v in parameters.values())
    assert parameters["betas"].grad.abs().sum() > 0
    assert min(durations) < 0.01


def test_a_turned_body_is_the_body_turned_about_its_pelvis() -> None:
    body = load_body("smpl", source="free")
    turn = axis_angle_to_matrix(torch.tensor([[0.3, -1.0, 0.5]]))
    rest = body({"body_pose": torch.eye(3).expand(1, 23, 3, 3)})
    turned = body({"global_orient": turn})
    pelvis = rest.joints[:, :1]
    expected = (rest.vertices - pelvis) @ turn.transpose(1, 2) + pelvis
    torch.testing.assert_close(turned.vertices, expected, rtol=0, atol=1e-5)


def test_a_mirrored_pose_is_the_mirrored_mesh_of_the_free_body() -> None:
    arrays, body = free_arrays("smpl"), load_body("smpl", source="free")
    flat = draw("smpl", batch=2)
    pose = torch.cat([flat["global_orient"], flat["body_pose"]], dim=1).reshape(2, 24, 3)
    mirrored = pose[:, torch.from_numpy(arrays["mirror_joints"]).long()] * torch.tensor([1, -1, -1])
    one = body(matrices({**flat, "transl": torch.zeros(2, 3)})).vertices
    two = body(
        matrices(
            {
                "global_orient": mirrored[:, 0],
                "body_pose": mirrored[:, 1:].reshape(2, 69),
                "betas": flat["betas"],
            }
        )
    ).vertices
    expected = one[:, torch.from_numpy(arrays["mirror_vertices"]).long()] * torch.tensor([-1, 1, 1])
    torch.testing.assert_close(two, expected, rtol=0, atol=3e-6)


def test_what_is_absent_is_at_rest() -> None:
    body = load_body("smplx", source="free")
    out = body({"betas": torch.zeros(2, 10)})
    # 1e-5: skinning weights are stored with four digits
    torch.testing.assert_close(out.vertices[0], body.template, rtol=0, atol=1e-5)
    assert out.joints.shape == (2, 55, 3)


@pytest.mark.parametrize(
    ("kind", "names"),
    [("smpl", ["smpl49", "metro24", "lsp14"]), ("smplx", ["smplx144"]), ("mano", ["freihand21"])],
)
def test_every_tensor_follows_the_body_to_its_device(kind: str, names: list[str]) -> None:
    body = load_body(kind, source="free").to("meta")  # refuses what was left on the CPU
    parameters = {name: value.to("meta") for name, value in matrices(draw(kind)).items()}
    out = body(parameters)
    assert out.vertices.is_meta and body.kinematics(parameters).is_meta
    for name in names:
        points = body.regress(out.vertices, name, joints=out.joints, parameters=parameters)
        assert points.is_meta


def test_a_checkpoint_never_contains_a_body() -> None:
    module = torch.nn.ModuleDict({"body": load_body("smplx", source="free")})
    assert module.state_dict() == {} and list(module.parameters()) == []


def test_zero_correctives_of_free_bodies_take_no_memory() -> None:
    body = load_body("smplx", source="free")
    total = sum(b.numel() * b.element_size() for b in body.buffers())
    assert total < 8e6  # the zeros alone would be 61 MB


def test_a_mesh_is_float32_inside_mixed_precision() -> None:
    body, parameters = load_body("smpl", source="free"), matrices(draw("smpl"))
    expected = body(parameters)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output, joints = body(parameters), body.kinematics(parameters)
    torch.testing.assert_close(output.vertices, expected.vertices, rtol=0, atol=1e-6)
    torch.testing.assert_close(joints, expected.joints, rtol=0, atol=1e-6)


def test_wrong_parameters_are_named() -> None:
    body = load_body("smpl", source="free")
    with pytest.raises(InvalidData, match="no parameter 'body_pos'. Did you mean 'body_pose'"):
        body({"body_pos": torch.zeros(1, 69)})
    with pytest.raises(InvalidData, match=r"shape \(2, 69\), expected \(B,23,3,3\)"):
        body({"body_pose": torch.zeros(2, 69)})
    with pytest.raises(InvalidData, match=r"'betas'\] has shape \(2, 12\).*up to 10"):
        body({"betas": torch.zeros(2, 12)})
    with pytest.raises(InvalidData, match="no parameters"):
        body({})


def test_official_spin_meshes_and_joints_are_reproduced(reference: Path) -> None:
    golden = np.load(reference / "hmr" / "goldens" / "hmr_spin.npz")
    body = Body(
        "smpl",
        surrogate_body("smpl"),
        source="surrogate",
        regressors={
            "h36m17": surrogate_regressor(17, 6890, 14),
            "extra": surrogate_regressor(9, 6890, 13),
        },
    )
    rotations = torch.from_numpy(golden["rotmat"])
    out = body(
        {
            "global_orient": rotations[:, 0],
            "body_pose": rotations[:, 1:],
            "betas": torch.from_numpy(golden["betas"]),
        }
    )
    np.testing.assert_allclose(
        out.vertices.reshape(-1)[::97].numpy(), golden["vertices_stride97"], atol=1e-5
    )
    joints49 = body.regress(out.vertices, "smpl49", joints=out.joints)
    np.testing.assert_allclose(joints49.numpy(), golden["joints49"], atol=1e-5)
    h36m = body.regress(out.vertices, "h36m17")
    np.testing.assert_allclose(h36m.numpy(), golden["h36m17"], atol=1e-5)


@pytest.mark.slow
def test_a_network_with_a_body_inside_is_exported_with_any_batch() -> None:
    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = load_body("smpl", source="free")

        def forward(self, pose: Tensor, betas: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            parameters = matrices(
                {"global_orient": pose[:, :3], "body_pose": pose[:, 3:], "betas": betas}
            )
            out = self.body(parameters)
            return (
                out.vertices,
                self.body.kinematics(parameters),
                self.body.regress(out[0], "lsp14"),
            )

    net, batch = Net().eval(), torch.export.Dim("batch", min=2, max=64)
    example = (torch.randn(3, 72), torch.randn(3, 10))
    program = torch.export.export(net, example, dynamic_shapes=({0: batch}, {0: batch}))
    inputs = (torch.randn(5, 72), torch.randn(5, 10))
    for ours, expected in zip(program.module()(*inputs), net(*inputs), strict=True):
        torch.testing.assert_close(ours, expected, rtol=0, atol=1e-6)
