"""Where hands and face are: a box for each, out of the body's features and its volume of joints."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from hps_models.osx.geometry import BODY_GRID, BODY_JOINTS, CELL_PX
from hps_models.osx.parts.layers import deconvolutions
from hps_models.osx.parts.position_nets import sample_points, soft_argmax2d

LAST = torch.channels_last
ENLARGEMENT = 8  # three doublings of the map in which centres are found


class Boxes(NamedTuple):
    """Centres and sizes (B,3,2) x, y in cells of the body's map: left hand, right hand, face."""

    centres: Tensor
    sizes: Tensor


class BoxNet(nn.Module):
    """features (B,C,16,12), volume (B,25,16,16,12) -> Boxes."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.deconvolve = deconvolutions(channels + BODY_JOINTS * BODY_GRID[0], width, width, width)
        self.centres = nn.Conv2d(width, 3, 1)
        self.left_hand, self.right_hand, self.face = (_size_head(width) for _ in range(3))

    def forward(self, features: Tensor, volume: Tensor) -> Boxes:
        """features (B,C,16,12), volume (B,25,16,16,12) -> Boxes; sizes are not kept positive."""
        folded = volume.flatten(1, 2).to(features.dtype)
        enlarged = self.deconvolve(torch.cat([features, folded], dim=1))
        # To three channels oneDNN takes ten times as long in the usual order of numbers.
        centres = soft_argmax2d(self.centres(enlarged.contiguous(memory_format=LAST)))
        at_centres = sample_points(enlarged, centres.detach())
        heads = (self.left_hand, self.right_hand, self.face)
        sizes = torch.stack([head(at_centres[:, i]) for i, head in enumerate(heads)], dim=1)
        return Boxes(centres / ENLARGEMENT, sizes.float())


def _size_head(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, width), nn.ReLU(inplace=True), nn.Linear(width, 2))


def square_boxes(centres: Tensor, sizes: Tensor, extension: float) -> Tensor:
    """Centres, sizes (...,2) in cells -> squares (...,4) x0, y0, x1, y1 in px of the encoder's picture."""
    half = sizes.amax(dim=-1, keepdim=True) * (CELL_PX * extension / 2)
    middle = centres * CELL_PX
    return torch.cat([middle - half, middle + half], dim=-1)
