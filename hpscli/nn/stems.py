"""Pixels to tokens by a few small convolutions instead of one large one."""

from itertools import pairwise
from typing import Any

from timm.layers import PatchEmbed
from torch import Tensor, nn


class ConvolutionPatches(PatchEmbed):  # type: ignore[misc]
    """image (B,3,H,W) -> tokens (B,H/16*W/16,C)."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        width: int = options["embed_dim"]
        channels = (3, width // 4, width // 2, width)  # each convolution halves the picture
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        self.stem = nn.Sequential(*layers)
        self.proj = nn.Conv2d(width, width, 3, stride=2, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,H,W) -> tokens (B,H/16*W/16,C)."""
        tokens: Tensor = self.norm(self.proj(self.stem(image)).flatten(2).transpose(1, 2))
        return tokens
