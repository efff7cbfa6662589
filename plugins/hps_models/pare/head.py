"""PARE's head: a map per body part says where to look, another branch says what is there.

Names of tensors are those of the official files.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

JOINTS = 24
POSE, SHAPE, CAMERA = 6, 10, 3
MAPS = ("parts", "attention", "softargmax", "argmax")
GROWTHS = ("none", "deconv", "upsample")


class HeadOutput(NamedTuple):
    """What the head says and what it looked at.

    maps (B,25,h,w) of background and 24 parts, or (B,24,h,w); looks: attention (B,24,h*w), or
    points (B,24,2) in -1..1; pose_features (B,C,24), shape_features (B,F,24).
    """

    pose: Tensor  # (B,24,6) interleaved
    shape: Tensor  # (B,10)
    camera: Tensor  # (B,3)
    maps: Tensor
    looks: Tensor
    pose_features: Tensor
    shape_features: Tensor


class JointLinear(nn.Module):
    """features (B,C,J) -> (B,J,O): a linear map without bias for each joint."""

    def __init__(self, channels: int, outputs: int, joints: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outputs, channels, joints, 1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """features (B,C,J) -> (B,J,O)."""
        return (features[:, None] * self.weight[..., 0, 0]).sum(dim=2).transpose(1, 2)


class PareHead(nn.Module):
    """map (B,C,h,w) -> HeadOutput. `maps` is how the first branch is read:

    parts: attention of 24 parts, background supervised with them; attention: the same of 24 maps
    without labels; softargmax, argmax: features at one point per joint.
    """

    temperature: Tensor

    def __init__(
        self, channels: int, *, maps: str, growth: str, layers: int, width: int, features: int
    ) -> None:
        super().__init__()
        self.maps = maps
        self.keypoint_deconv_layers = branch(channels, growth, layers, width)
        self.smpl_deconv_layers = branch(channels, growth, layers, width)
        self.keypoint_final_layer = nn.Conv2d(width, JOINTS + (maps == "parts"), 1)
        self.smpl_final_layer = nn.Conv2d(width, features, 1)
        self.shape_mlp = nn.Linear(features * JOINTS, SHAPE)
        self.cam_mlp = nn.Linear(features * JOINTS, CAMERA)
        self.pose_mlp = JointLinear(width, POSE, JOINTS)
        if maps == "softargmax":
            self.register_buffer("temperature", torch.tensor(1.0))

    def forward(self, image_map: Tensor) -> HeadOutput:
        """map (B,C,h,w) -> HeadOutput."""
        maps = self.keypoint_final_layer(self.keypoint_deconv_layers(image_map))
        pose_map = self.smpl_deconv_layers(image_map)
        shape_map = self.smpl_final_layer(pose_map)
        if self.maps in ("parts", "attention"):
            looks = maps[:, -JOINTS:].flatten(2).float().softmax(dim=-1)
            pose_features, shape_features = attend(pose_map, looks), attend(shape_map, looks)
        else:
            looks = (
                soft_points(maps, self.temperature) if self.maps == "softargmax" else peaks(maps)
            )
            pose_features, shape_features = sample(pose_map, looks), sample(shape_map, looks)
        flat = shape_features.flatten(1)  # channel by channel, the joints of each together
        return HeadOutput(
            pose=self.pose_mlp(pose_features),
            shape=self.shape_mlp(flat),
            camera=self.cam_mlp(flat),
            maps=maps,
            looks=looks,
            pose_features=pose_features,
            shape_features=shape_features,
        )


def branch(channels: int, growth: str, layers: int, width: int) -> nn.Sequential:
    """-> layers x [convolution without bias, batch norm, ReLU]; maps grow by 2 each if they grow."""
    modules: list[nn.Module] = []
    for _ in range(layers):
        if growth == "deconv":
            modules.append(nn.ConvTranspose2d(channels, width, 4, 2, 1, bias=False))
        else:
            if growth == "upsample":
                modules.append(nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True))
            modules.append(nn.Conv2d(channels, width, 3, 1, 1, bias=False))
        modules += [nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
        channels = width
    return nn.Sequential(*modules)


def attend(features: Tensor, attention: Tensor) -> Tensor:
    """features (B,C,h,w), attention (B,J,h*w) that sums to one -> weighted means (B,C,J)."""
    return features.flatten(2) @ attention.transpose(1, 2).to(features.dtype)


def soft_points(maps: Tensor, temperature: Tensor) -> Tensor:
    """maps (B,J,h,w) -> where they are expected to peak (B,J,2): x, y, corners' centres at -1, 1."""
    height, width = maps.shape[-2:]
    chances = (maps.flatten(2).float() * temperature).softmax(dim=-1)
    # Summed in pixels, as the official code does: its rounding is that of numbers around 28.
    x = torch.arange(width, dtype=chances.dtype, device=chances.device).repeat(height)
    y = torch.arange(height, dtype=chances.dtype, device=chances.device).repeat_interleave(width)
    pixels = (chances[:, :, None] * torch.stack([x, y])).sum(dim=-1)
    return pixels / pixels.new_tensor([width - 1, height - 1]) * 2 - 1


def peaks(maps: Tensor) -> Tensor:
    """maps (B,J,h,w) -> their largest pixels (B,J,2); a map without positive number: its first."""
    height, width = maps.shape[-2:]
    values, places = maps.flatten(2).max(dim=-1)
    places = places * (values > 0)
    x, y = places % width, places.div(width, rounding_mode="floor")
    return torch.stack([2.0 * x / (width - 1) - 1, 2.0 * y / (height - 1) - 1], dim=-1)


def sample(features: Tensor, points: Tensor) -> Tensor:
    """features (B,C,h,w), points (B,J,2) in -1..1 -> the features there (B,C,J), bilinear.

    Corners are aligned, which official code means too: it asks for the number after the point of
    torch's version, and so forgets it with torch 2.0 to 2.3.
    """
    found = functional.grid_sample(
        features.float(), points.float()[:, :, None], mode="bilinear", align_corners=True
    )
    return found[..., 0].to(features.dtype)
