"""OSX's joints of the posed SMPL-X mesh: 137, each part relative to its root, and their projection."""

import torch
from torch import Tensor

from hps_models.osx.geometry import (
    FACE,
    JOINT_SET,
    LEFT_HAND,
    LEFT_WRIST,
    NECK,
    PACKAGE_SET,
    PELVIS,
    RIGHT_HAND,
    RIGHT_WRIST,
)
from hps_models.osx.pose import project
from hpscli.body.joints import conversion_index
from hpscli.body.kit import BodyKit
from hpscli.records import Prediction


def raw(prediction: Prediction, kit: BodyKit) -> dict[str, Tensor]:
    """Prediction, body -> the outputs of OSX that need its mesh, under its authors' names."""
    if "out_cam_trans" not in prediction.raw:
        return {}
    body = kit.body()
    parameters = prediction.parameters
    moved = prediction.raw["out_cam_trans"]
    vertices, joints = body(parameters)
    package = body.regress(vertices, PACKAGE_SET, joints=joints, parameters=parameters)
    joints137 = package[:, conversion_index(PACKAGE_SET, JOINT_SET).tolist()]
    return {
        "out_smplx_mesh_cam": vertices + moved[:, None],
        "out_smplx_joint_proj": project(joints137, moved),
        "joint_cam_137": part_relative(joints137),
        "agora_smplx_joint_proj_144": project(package, moved),
    }


def part_relative(joints: Tensor) -> Tensor:
    """joints (B,137,3) -> hands from their wrists, the face from the neck, the rest from the pelvis."""
    body = joints[:, : LEFT_HAND.start] - joints[:, PELVIS, None]
    parts = ((LEFT_HAND, LEFT_WRIST), (RIGHT_HAND, RIGHT_WRIST), (FACE, NECK))
    return torch.cat([body, *(joints[:, part] - joints[:, root, None] for part, root in parts)], 1)
