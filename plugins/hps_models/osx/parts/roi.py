"""Features of hands and face, cut out of the encoder's map at one or three resolutions."""

import torch
from torch import Tensor, nn

from hps_models.osx.geometry import CELL_PX, PICTURE
from hps_models.osx.parts.layers import deconvolutions

FARTHEST_PICTURES = (
    4  # heights of the picture between its corner and a box's; trained boxes are inside
)


class Pyramid(nn.Module):
    """features (B,C,16,12) -> (B,C/4,64,48), (B,C/2,32,24), (B,C,16,12)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(channels, channels, 1)),
                deconvolutions(channels, channels // 2),
                deconvolutions(channels, channels // 2, channels // 4),
            ]
        )

    def forward(self, features: Tensor) -> list[Tensor]:
        """features (B,C,H,W) -> maps of 4, 2 and 1 times its size, the finest first."""
        return [level(features) for level in reversed(self.levels)]


class SingleLevel(nn.Module):
    """features (B,C,16,12) -> (B,C/4,64,48), and back to C channels after cutting out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.deconvolve = deconvolutions(channels, channels // 2, channels // 4)
        self.widen = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, features: Tensor) -> Tensor:
        """features (B,C,H,W) -> (B,C/4,4H,4W)."""
        enlarged: Tensor = self.deconvolve(features)
        return enlarged


def cut_out(features: Tensor, boxes: Tensor, enlargement: int, side: int) -> Tensor:
    """features (B,C,H,W), boxes (B,4) px of the encoder's picture -> (B,C,side,side).

    `enlargement`: how much larger the map is than the encoder's. A network that says nonsense gets its
    boxes cut, for the number of samples grows with them.
    """
    far = FARTHEST_PICTURES * PICTURE[0]
    boxes = boxes.nan_to_num().clamp(-far, far)
    rows = torch.arange(boxes.shape[0], device=boxes.device, dtype=boxes.dtype)[:, None]
    regions = torch.cat([rows, boxes * (enlargement / CELL_PX)], dim=1)
    return align(features, regions, side)


def align(features: Tensor, regions: Tensor, side: int) -> Tensor:
    """features (B,C,H,W), regions (K,5) = row, x0, y0, x1, y1 in cells -> (K,C,side,side) float32.

    As OSX: no half-pixel shift, and as many samples as a region has cells.
    """
    from torchvision.ops import roi_align

    result: Tensor = roi_align(
        features.float(), regions.float(), (side, side), sampling_ratio=-1, aligned=False
    )
    return result


def cut_hands(features: Tensor, left: Tensor, right: Tensor, enlargement: int, side: int) -> Tensor:
    """features (B,C,H,W), boxes (B,4) -> (2B,C,side,side): left hands mirrored, then right hands."""
    mirrored = cut_out(features, left, enlargement, side).flip(3)
    return torch.cat([mirrored, cut_out(features, right, enlargement, side)])
