"""A backbone small enough to train on one CPU thread: for the `tiny` presets."""

from torch import Tensor, nn
from torch.nn import functional

WIDTHS = (32, 64, 128)  # after the stem, and after each halving


class SmallBackbone(nn.Module):
    """image (B,3,H,W) -> grid (B,64,H/16,W/16), map (B,128,H/16,W/16)."""

    grid_channels, map_channels = WIDTHS[1], WIDTHS[2]

    def __init__(self) -> None:
        super().__init__()
        first, second, third = WIDTHS
        # A wide stem of stride 4 does the expensive halvings at once.
        self.stem = nn.Conv2d(3, first, 8, 4, 2, bias=False)
        self.stem_norm = nn.BatchNorm2d(first)
        self.conv1 = nn.Conv2d(first, second, 3, 2, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(second)
        self.conv2 = nn.Conv2d(second, second, 3, 2, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(second)
        self.final = nn.Conv2d(second, third, 1, bias=False)
        self.final_norm = nn.BatchNorm2d(third)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """image (B,3,H,W) -> grid (B,64,H/16,W/16), map (B,128,H/16,W/16)."""
        features = functional.relu(self.stem_norm(self.stem(image)))
        features = functional.relu(self.norm1(self.conv1(features)))
        grid = functional.relu(self.norm2(self.conv2(features)))
        return grid, functional.relu(self.final_norm(self.final(grid)))
