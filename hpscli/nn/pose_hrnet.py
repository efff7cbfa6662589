"""HRNet as networks of human pose use it: four branches at stride 4, brought to one resolution.

The network of HMR+ and PARE (PoseHighResolutionNet): timm's stem and stages, then bilinear steps of
two (corners aligned) with a 3x3 convolution each on the coarser branches, all concatenated.
"""

from torch import Tensor, cat, nn

ALIGN_CORNERS = True  # of the upsampling; the fuse layers inside the stages repeat pixels instead


class PoseHRNet(nn.Module):
    """image (B,3,H,W) -> map (B,C,H/4,W/4); C = 480 for hrnet_w32: all four branches.

    Weights have the names of the official files, those of stem and stages after `trunk.`.
    """

    def __init__(self, name: str = "hrnet_w32", **timm_options: object) -> None:
        super().__init__()
        import timm

        self.trunk = timm.create_model(name, pretrained=False, head="", **timm_options)
        widths = self.trunk.stage4_cfg["num_channels"]
        self.channels = sum(widths)
        self.upsample_stage_2 = upsample_steps(widths[1], 1)
        self.upsample_stage_3 = upsample_steps(widths[2], 2)
        self.upsample_stage_4 = upsample_steps(widths[3], 3)

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,H,W) -> map (B,C,H/4,W/4)."""
        fine, *coarser = self.trunk.forward_features(image)
        steps = (self.upsample_stage_2, self.upsample_stage_3, self.upsample_stage_4)
        return cat([fine, *(up(branch) for up, branch in zip(steps, coarser, strict=True))], dim=1)


def upsample_steps(width: int, steps: int) -> nn.Sequential:
    """-> steps x [bilinear x2, conv3x3 without bias, batch norm, ReLU], all of one width."""
    layers: list[nn.Module] = []
    for _ in range(steps):
        layers += [
            nn.Upsample(scale_factor=2, mode="bilinear", align_corners=ALIGN_CORNERS),
            nn.Conv2d(width, width, 3, 1, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers)


def official_key(key: str) -> str:
    """Our name of a tensor -> the one that official files give it (below their own prefix)."""
    return key.removeprefix("trunk.")
