"""People whose labels fit together, for the tests of OSX."""

import torch
from torch import Tensor

from hps_models.osx.geometry import JOINT_SET
from hpscli.body.joints import conversion_index
from hpscli.body.layer import COEFFICIENTS, PARAMETERS, Body, matrices
from hpscli.records import Batch


def people(body: Body, count: int = 2) -> Batch:
    """-> people whose pose, joints and their pictures fit together, seen by one camera."""
    random = torch.Generator().manual_seed(5)
    targets: dict[str, Tensor] = {}
    for name, rotations in PARAMETERS["smplx"].items():
        targets[f"smplx.{name}"] = 0.2 * torch.randn(count, 3 * rotations, generator=random)
    for name, size in COEFFICIENTS["smplx"].items():
        targets[f"smplx.{name}"] = 0.3 * torch.randn(count, size, generator=random)
    turned = matrices({k.removeprefix("smplx."): v for k, v in targets.items()})
    vertices, joints = body(turned)
    package = body.regress(vertices, "smplx144", joints=joints, parameters=turned)
    points = package[:, conversion_index("smplx144", JOINT_SET).tolist()]
    place = torch.tensor([[0.05, 0.3, 30.0]] * count)
    targets["smplx.transl"] = place
    targets["untouched.smplx.transl"] = place
    lens = torch.tensor([[10000.0, 0.0, 192.0], [0.0, 10000.0, 256.0], [0.0, 0.0, 1.0]])
    targets["camera.crop_intrinsics"] = lens.expand(count, 3, 3).clone()
    placed = points + place[:, None]
    pixels = (placed @ lens.T)[..., :2] / placed[..., 2:]
    sure = torch.ones(count, 137, 1)
    units = pixels / torch.tensor([192.0, 256.0]) - 1
    targets[f"keypoints2d.{JOINT_SET}"] = torch.cat([units, sure], dim=2)
    targets[f"keypoints3d.{JOINT_SET}"] = torch.cat([placed, sure], dim=2)
    return Batch(
        keys=tuple(f"person-{i}" for i in range(count)),
        image=torch.rand(count, 3, 512, 384, generator=random),
        targets=targets,
        present={name: torch.ones(count, dtype=torch.bool) for name in targets},
        affine=torch.eye(2, 3).expand(count, 2, 3),
        flipped=torch.zeros(count, dtype=torch.bool),
    )
