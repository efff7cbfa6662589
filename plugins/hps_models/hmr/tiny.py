"""A backbone small enough to train on one CPU thread in minutes.

The sizes are those of the prototype in the report on free bodies: an 8x8 stem of stride 4 does the
expensive first halvings at once, and 64 px are all that a demonstration needs.
"""

from torch import Tensor, nn
from torch.nn import functional

STEM_CHANNELS = 32
BLOCKS = ((32, 1), (64, 2), (64, 1), (128, 2), (128, 1))  # (channels, stride)
# Of a hand: a checkpoint of less than a megabyte, trained in minutes.
SMALLER_STEM, SMALLER_BLOCKS = 24, ((24, 1), (32, 2), (32, 1), (64, 2), (64, 1))
GRID = 4  # the last map is averaged to 4x4 and flattened; of a 64 px image it is 4x4 already


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut: (B,C,H,W) -> (B,C2,H/stride,W/stride)."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(after)
        self.conv2 = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(after)
        same = before == after and stride == 1
        self.shortcut = (
            nn.Identity() if same else nn.Conv2d(before, after, 1, stride, 0, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        """features (B,C,H,W) -> features (B,C2,H/stride,W/stride)."""
        inner = functional.relu(self.bn1(self.conv1(features)), inplace=True)
        return functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(features), inplace=True)


class TinyBackbone(nn.Module):
    """image (B,3,H,W) -> features (B,channels); 2048 of them, of the smaller one 1024."""

    def __init__(self, *, smaller: bool = False) -> None:
        super().__init__()
        first, blocks = (SMALLER_STEM, SMALLER_BLOCKS) if smaller else (STEM_CHANNELS, BLOCKS)
        self.channels = blocks[-1][0] * GRID * GRID
        self.stem = nn.Conv2d(3, first, 8, 4, 2, bias=False)
        self.bn = nn.BatchNorm2d(first)
        widths = [first, *(width for width, _ in blocks)]
        self.blocks = nn.Sequential(
            *(
                Block(before, after, stride)
                for before, (after, stride) in zip(widths[:-1], blocks, strict=True)
            )
        )

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,H,W) -> features (B,channels)."""
        features: Tensor = self.blocks(functional.relu(self.bn(self.stem(image)), inplace=True))
        if features.shape[-2:] != (GRID, GRID):
            features = functional.adaptive_avg_pool2d(features, GRID)
        return features.flatten(1)
