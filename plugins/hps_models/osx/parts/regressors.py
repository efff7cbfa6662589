"""From tokens and joint features to six-number rotations, shape, expression and camera."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hps_models.osx.geometry import (
    BODY_JOINTS,
    CAMERA_TOKEN,
    EXPRESSION_TOKEN,
    FACE_JOINTS,
    FIRST_BODY_TOKEN,
    HAND_JOINTS,
    JAW_TOKEN,
    SHAPE_TOKEN,
)
from hps_models.osx.parts.position_nets import sample_points

BODY_ROTATIONS, HAND_ROTATIONS = 21, 15
BETAS, EXPRESSIONS = 10, 10


class BodyNumbers(NamedTuple):
    """root (B,6), body (B,126), betas (B,10), camera (B,3) as the network says them."""

    root: Tensor
    body: Tensor
    betas: Tensor
    camera: Tensor


class BodyRegressor(nn.Module):
    """Task tokens (B,31,C), body coordinates (B,25,3) -> BodyNumbers. No activation anywhere."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.joints = nn.Linear(channels, width)
        self.root = nn.Linear(BODY_JOINTS * (width + 3), 6)
        self.body = nn.Linear(BODY_JOINTS * (width + 3), 6 * BODY_ROTATIONS)
        self.betas = nn.Linear(channels, BETAS)
        self.camera = nn.Linear(channels, 3)

    def forward(self, tokens: Tensor, coordinates: Tensor) -> BodyNumbers:
        """tokens (B,31,C), coordinates (B,25,3) -> BodyNumbers."""
        joints = located(self.joints(tokens[:, FIRST_BODY_TOKEN:]), coordinates)
        return BodyNumbers(
            self.root(joints),
            self.body(joints),
            self.betas(tokens[:, SHAPE_TOKEN]),
            self.camera(tokens[:, CAMERA_TOKEN]),
        )


class HandRegressor(nn.Module):
    """Joint features (B,20,C), hand coordinates (B,20,3) -> rotations (B,90)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.joints = nn.Linear(channels, width)
        self.rotations = nn.Linear(HAND_JOINTS * (width + 3), 6 * HAND_ROTATIONS)

    def forward(self, joints: Tensor, coordinates: Tensor) -> Tensor:
        """joints (B,20,C), coordinates (B,20,3) -> rotations (B,90)."""
        result: Tensor = self.rotations(located(self.joints(joints), coordinates))
        return result


class SampledHandRegressor(nn.Module):
    """Features (B,C,16,16), hand coordinates (B,20,3) -> rotations (B,90): without a decoder."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, width, 1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.rotations = nn.Linear(HAND_JOINTS * (width + 3), 6 * HAND_ROTATIONS)

    def forward(self, features: Tensor, coordinates: Tensor) -> Tensor:
        """features (B,C,16,16), coordinates (B,20,3) -> rotations (B,90)."""
        joints = sample_points(self.features(features), coordinates[..., :2])
        result: Tensor = self.rotations(located(joints, coordinates))
        return result


class FaceRegressor(nn.Module):
    """Face map (B,C,4,4), joint features (B,72,C'), coordinates -> expression (B,10), jaw (B,6)."""

    def __init__(self, channels: int, joint_channels: int, width: int) -> None:
        super().__init__()
        self.image = nn.Linear(channels, width)
        self.joints = nn.Linear(joint_channels, width)
        self.expression = nn.Linear(width + FACE_JOINTS * (width + 3), EXPRESSIONS)
        self.jaw = nn.Linear(width + FACE_JOINTS * (width + 3), 6)

    def forward(
        self, features: Tensor, joints: Tensor, coordinates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """features (B,C,4,4), joints (B,72,C'), coordinates (B,72,3) -> expression, jaw."""
        image = self.image(features.mean(dim=(2, 3)))
        both = torch.cat([image.float(), located(self.joints(joints), coordinates)], dim=1)
        return self.expression(both), self.jaw(both)


class TokenFaceRegressor(nn.Module):
    """Task tokens (B,31,C) -> expression (B,10), jaw (B,6): without a face decoder."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.expression = nn.Linear(channels, EXPRESSIONS)
        self.jaw = nn.Linear(channels, 6)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """tokens (B,31,C) -> expression (B,10), jaw (B,6)."""
        return self.expression(tokens[:, EXPRESSION_TOKEN]), self.jaw(tokens[:, JAW_TOKEN])


def located(joints: Tensor, coordinates: Tensor) -> Tensor:
    """joints (B,J,C), coordinates (B,J,3) -> both side by side, joint after joint (B,J*(C+3))."""
    return torch.cat([joints.float(), coordinates.float()], dim=2).flatten(1)
