"""People with every label that any family of models learns from, and how its losses are weighed."""

from collections.abc import Mapping

import torch
from torch import Tensor

from hps_models.hmr.losses import MMHUMAN3D_WEIGHTS
from hpscli.body.layer import COEFFICIENTS, PARAMETERS, Body, load_body, matrices
from hpscli.hooks import ModelSpec
from hpscli.nn.mesh.weightings import FASTMETRO, METRO
from hpscli.records import Batch

JOINTS = {"smpl": ("smpl24", "metro24"), "mano": ("metro_hand21",), "smplx": ("smplx144",)}
FOCAL_LENGTH_PX, DISTANCE_METRES = 5000.0, 30.0
PART_CELLS = 4  # along a side of the picture: coarse enough for every network
STANDARD = {"keypoints3d": 1.0, "keypoints2d": 1.0, "pose": 1.0, "betas": 0.01}
MESHES = {"metro": METRO, "graphormer": METRO, "fastmetro": FASTMETRO}
PARAMETRIC: Mapping[str, Mapping[str, float]] = {
    "hmr": MMHUMAN3D_WEIGHTS,
    "pare": {
        "keypoints2d": 5,
        "keypoints3d": 5,
        "pose": 1,
        "betas": 0.001,
        "camera": 1,
        "parts": 1,
    },
    "hmr2": {
        "keypoints3d": 0.05,
        "keypoints2d": 0.01,
        "global_orient": 0.001,
        "body_pose": 0.001,
        "betas": 0.0005,
    },
    "osx": dict.fromkeys(
        ("smplx_pose", "smplx_shape", "smplx_expr", "joint_cam", "smplx_joint_cam", "joint_img"),
        1.0,
    ),
}


def weights_of(spec: ModelSpec) -> Mapping[str, float]:
    """-> what the terms of a family weigh, as its authors do; of a family without table: ours."""
    if spec.name in MESHES:
        return MESHES[spec.name]["hand" if spec.body == "mano" else "body"]
    own = spec.losses != ModelSpec.losses
    return PARAMETRIC.get(spec.name, STANDARD) if own else STANDARD


def people(spec: ModelSpec, count: int) -> tuple[Body, Batch]:
    """Random pictures and random people, whose joints and parameters fit together."""
    kind, random = spec.body, torch.Generator().manual_seed(5)
    body = load_body(kind, source="free")
    given = {
        name: 0.2 * torch.randn(count, 3 * rotations, generator=random)
        for name, rotations in PARAMETERS[kind].items()
    }
    for name, size in COEFFICIENTS[kind].items():
        given[name] = 0.3 * torch.randn(count, size, generator=random)
    turned = matrices(given)
    vertices, joints = body(turned)
    targets = {f"{kind}.{name}": value for name, value in given.items()}
    for name in JOINTS[kind]:
        points = body.regress(vertices, name, joints=joints, parameters=turned)
        targets |= _seen(name, points, spec.input_size, placed=kind == "smplx")
    place = torch.tensor([0.0, 0.0, DISTANCE_METRES])
    if kind == "smplx":
        targets["smplx.transl"] = place.expand(count, 3).clone()
        targets["camera.crop_intrinsics"] = _lens(spec.input_size).expand(count, 3, 3).clone()
    if kind == "smpl":
        height, width = spec.input_size
        parts = torch.randint(0, 25, (count, PART_CELLS, PART_CELLS), generator=random).float()
        cells = parts.repeat_interleave(height // PART_CELLS, 1)
        targets["parts.smpl24"] = cells.repeat_interleave(width // PART_CELLS, 2)
    return body, Batch(
        keys=tuple(f"person-{i}" for i in range(count)),
        image=torch.randn(count, 3, *spec.input_size, generator=random),
        targets=targets,
        present={name: torch.ones(count, dtype=torch.bool) for name in targets},
        affine=torch.eye(2, 3).expand(count, 2, 3).clone(),
        flipped=torch.zeros(count, dtype=torch.bool),
    )


def _lens(size: tuple[int, int]) -> Tensor:
    height, width = size
    return torch.tensor(
        [[FOCAL_LENGTH_PX, 0.0, width / 2], [0.0, FOCAL_LENGTH_PX, height / 2], [0.0, 0.0, 1.0]]
    )


def _seen(name: str, points: Tensor, size: tuple[int, int], *, placed: bool) -> dict[str, Tensor]:
    """points (B,J,3) -> both kinds of keypoints; `placed` ones are counted from the camera."""
    sure = torch.ones(*points.shape[:2], 1)
    flat = 0.8 * points[..., :2]
    if placed:
        points = points + torch.tensor([0.0, 0.0, DISTANCE_METRES])
        height, width = size
        pixels = (points @ _lens(size).T)[..., :2] / points[..., 2:]
        flat = pixels / torch.tensor([width / 2, height / 2]) - 1
    return {
        f"keypoints3d.{name}": torch.cat([points, sure], dim=2),
        f"keypoints2d.{name}": torch.cat([flat, sure], dim=2),
    }


def batch_of(image: Tensor, targets: dict[str, Tensor], present: Tensor | None = None) -> Batch:
    """image (B,3,H,W), targets, present (B,) or None: all -> a batch that is not turned."""
    count = len(image)
    there = torch.ones(count, dtype=torch.bool) if present is None else present
    return Batch(
        keys=tuple(map(str, range(count))),
        image=image,
        targets=targets,
        present={name: there for name in targets},
        affine=torch.eye(2, 3).expand(count, 2, 3),
        flipped=torch.zeros(count, dtype=torch.bool),
    )
