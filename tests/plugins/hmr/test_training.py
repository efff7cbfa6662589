"""HMR learns, by every definition of its losses; and runs as it does on machines of others."""

import pytest
import torch

from hps_models.hmr.losses import MMHUMAN3D_WEIGHTS
from hpscli.body.layer import Body, load_body
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.nn.checkpoints import build_model
from hpscli.records import Batch
from hpscli.registry import resolve
from hpscli.testing.conformance.models import check_model

TERMS = ("keypoints2d", "keypoints3d", "pose", "betas", "vertices")


def people(count: int, side: int) -> tuple[Body, Batch]:
    """Random images, and the labels of random bodies: nothing to see, but something to remember."""
    random = torch.Generator().manual_seed(0)
    body = load_body("smpl", source="free")
    targets = {
        "smpl.global_orient": 0.3 * torch.randn(count, 3, generator=random),
        "smpl.body_pose": 0.3 * torch.randn(count, 69, generator=random),
        "smpl.betas": torch.randn(count, 10, generator=random),
    }
    joints = body(
        {
            "global_orient": axis_angle_to_matrix(targets["smpl.global_orient"]),
            "body_pose": axis_angle_to_matrix(targets["smpl.body_pose"].reshape(count, 23, 3)),
            "betas": targets["smpl.betas"],
        }
    ).joints
    sure = torch.ones(count, 24, 1)
    targets["keypoints3d.smpl24"] = torch.cat([joints, sure], dim=2)
    targets["keypoints2d.smpl24"] = torch.cat([0.8 * joints[..., :2], sure], dim=2)
    batch = Batch(
        keys=tuple(str(row) for row in range(count)),
        image=torch.randn(count, 3, side, side, generator=random),
        targets=targets,
        present={name: torch.ones(count, dtype=torch.bool) for name in targets},
        affine=torch.zeros(count, 2, 3),
        flipped=torch.zeros(count, dtype=torch.bool),
    )
    return body, batch


def learn(preset: str, losses: str, steps: int, count: int, side: int) -> list[float]:
    torch.manual_seed(0)
    module, spec, _ = build_model("hmr", preset=preset, options={"losses": losses})
    body, batch = people(count, side)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-4)
    values = []
    for _ in range(steps):
        terms = resolve(spec.losses)(module.train()(batch.image), batch, body, TERMS)
        total = torch.stack([MMHUMAN3D_WEIGHTS[name] * terms[name] for name in TERMS]).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        values.append(total.item())
    return values


@pytest.mark.parametrize("losses", ["spin", "mmhuman3d", "mmhuman3d-l1", "mmhuman3d-mse"])
def test_the_tiny_preset_learns_by_every_definition_of_the_losses(losses: str) -> None:
    values = learn("tiny", losses, 12, 4, 64)
    assert values[-1] < 0.8 * values[0]


@pytest.mark.slow
def test_a_transformer_of_the_benchmark_learns() -> None:
    values = learn("twins-svt", "mmhuman3d", 6, 2, 224)
    assert min(values[3:]) < values[0]


@pytest.mark.slow
def test_a_transformer_of_the_benchmark_passes_the_conformance_kit_with_onnx() -> None:
    checks = check_model("hmr", preset="twins-svt", onnx=True)
    assert [check for check in checks if not check.ok] == []
