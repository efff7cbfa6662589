"""Joints as expected places in a volume of probabilities, and features at those places."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional


class Positions(NamedTuple):
    """volume (B,J,D,H,W) of probabilities, coordinates (B,J,3) x, y, z in cells, features or None."""

    volume: Tensor
    coordinates: Tensor
    features: Tensor | None


class PositionNet(nn.Module):
    """features (B,C,H,W) -> Positions; `sampled` channels are read at the joints, 0: none are."""

    def __init__(
        self, channels: int, joints: int, grid: tuple[int, int, int], sampled: int = 0
    ) -> None:
        super().__init__()
        self.grid = grid
        self.volume = nn.Conv2d(channels, joints * grid[0], 1)
        self.sampled: nn.Module | None = None
        if sampled:
            self.sampled = nn.Sequential(
                nn.Conv2d(channels, sampled, 1), nn.BatchNorm2d(sampled), nn.ReLU(inplace=True)
            )

    def forward(self, features: Tensor) -> Positions:
        """features (B,C,H,W) -> Positions of the joints; gradients do not move where is sampled."""
        logits = self.volume(features)
        volume, coordinates = soft_argmax3d(logits.view(logits.shape[0], -1, *self.grid))
        if self.sampled is None:
            return Positions(volume, coordinates, None)
        points = coordinates[..., :2].detach()
        return Positions(volume, coordinates, sample_points(self.sampled(features), points))


def soft_argmax3d(logits: Tensor) -> tuple[Tensor, Tensor]:
    """logits (B,J,D,H,W) -> probabilities, and expected x, y, z (B,J,3) in cells, float32."""
    volume = functional.softmax(logits.flatten(2).float(), dim=2).view(logits.shape)
    sides = (volume.sum(dim=(2, 3)), volume.sum(dim=(2, 4)), volume.sum(dim=(3, 4)))
    return volume, torch.stack([_mean_cell(side) for side in sides], dim=2)


def _mean_cell(weights: Tensor) -> Tensor:
    """weights (B,J,N) of cells -> their mean cell (B,J).

    Divided by the sum, which is not exactly 1: a softmax that adds up thousands of cells one after the
    other, as compiled ones do, is off by 3e-5, and so would be the cell.
    """
    cells = torch.arange(weights.shape[2], device=weights.device, dtype=weights.dtype)
    return (weights * cells).sum(dim=2) / weights.sum(dim=2)


def soft_argmax2d(logits: Tensor) -> Tensor:
    """logits (B,J,H,W) -> expected x, y (B,J,2) in cells, float32."""
    return soft_argmax3d(logits[:, :, None])[1][..., :2]


def sample_points(features: Tensor, points: Tensor) -> Tensor:
    """features (B,C,H,W), points (B,J,2) x, y in cells -> (B,J,C); zero outside the map."""
    height, width = features.shape[2:]
    last = points.new_tensor([width - 1, height - 1])
    grid = points / last * 2 - 1
    sampled = functional.grid_sample(
        features, grid[:, :, None].to(features.dtype), align_corners=True
    )
    return sampled[..., 0].transpose(1, 2)
