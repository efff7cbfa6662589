"""People and hands that mesh networks learn from, and predictions that are exactly right."""

from dataclasses import dataclass

import torch
from torch import Tensor

from hpscli.body.cameras import project_weak
from hpscli.body.layer import Body, load_body, matrices
from hpscli.nn.mesh.space import MeshSpace, mesh_space
from hpscli.nn.mesh.target import mesh_levels, template_joints
from hpscli.records import Batch, Prediction

PEOPLE = 3
KEPT: dict[str, Body] = {}


@dataclass(frozen=True)
class Truth:
    """A perfect prediction (from its root, as labels are), its batch and its mesh."""

    prediction: Prediction
    batch: Batch
    space: MeshSpace

    @property
    def body(self) -> Body:
        return self.space.body


def truth(kind: str, joints: str = "") -> Truth:
    """Free bodies or hands in random poses; 3D joints of `joints` out of the mesh, anywhere."""
    body = KEPT.setdefault(kind, load_body(kind, source="free"))
    space = mesh_space(body)
    flat = parameters(kind)
    posed = body(matrices(flat))
    own = template_joints(space.target, body, posed.vertices, posed.joints)
    root = space.root(own)
    levels = mesh_levels(space.hierarchy, posed.vertices - root)
    camera = torch.tensor([[0.9, 0.1, -0.2]]).repeat(PEOPLE, 1)
    prediction = Prediction(
        camera=camera,
        vertices=levels[-1],
        levels=levels,
        parameters=matrices(flat),
        extras={"joint_tokens": space.tokens(own - root)},
    )
    name = joints or {"smpl": "h36m17", "mano": "metro_hand21"}[kind]
    points = body.regress(posed.vertices, name) if kind == "smpl" else own
    one = torch.ones(*points.shape[:2], 1)
    targets = {
        f"keypoints2d.{name}": torch.cat([project_weak(points - root, camera), one], 2),
        f"keypoints3d.{name}": torch.cat([points + 5.0, one], 2),
        **{f"{kind}.{key}": value for key, value in flat.items()},
    }
    return Truth(prediction, batch_of(targets), space)


def parameters(kind: str) -> dict[str, Tensor]:
    """-> axis-angle parameters of three bodies or hands, the same every time."""
    draw = torch.Generator().manual_seed(0)
    widths = {"smpl": {"body_pose": 69}, "mano": {"hand_pose": 45}}[kind]
    shapes = {"global_orient": 3, **widths, "betas": 10}
    return {
        name: torch.randn(PEOPLE, width, generator=draw) * (1.0 if name == "betas" else 0.2)
        for name, width in shapes.items()
    }


def batch_of(targets: dict[str, Tensor]) -> Batch:
    """-> a batch in which everybody has every target."""
    return Batch(
        keys=tuple("abc"),
        image=torch.zeros(PEOPLE, 3, 8, 8),
        targets=targets,
        present={name: torch.ones(PEOPLE, dtype=torch.bool) for name in targets},
        affine=torch.zeros(PEOPLE, 2, 3),
        flipped=torch.zeros(PEOPLE, dtype=torch.bool),
    )


def spoilt(prediction: Prediction) -> Prediction:
    """-> the prediction with every output wrong."""
    draw = torch.Generator().manual_seed(1)

    def noisy(value: Tensor) -> Tensor:
        return value + 0.05 * torch.randn(value.shape, generator=draw)

    return Prediction(
        camera=prediction.camera * 1.1,
        levels=tuple(noisy(level) for level in prediction.levels),
        parameters={name: noisy(value) for name, value in prediction.parameters.items()},
        extras={name: noisy(value) for name, value in prediction.extras.items()},
    )
