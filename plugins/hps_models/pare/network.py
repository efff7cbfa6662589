"""PARE: image -> map -> part attention -> SMPL parameters and a weak-perspective camera."""

import torch
from torch import Tensor, nn

from hps_models.pare.head import GROWTHS, MAPS, HeadOutput, PareHead
from hpscli.body.rotations import rotation6d_to_matrix
from hpscli.errors import UsageError
from hpscli.nn.backbones import backbone as map_backbone
from hpscli.nn.mesh.small_backbone import SmallBackbone
from hpscli.records import Prediction

BACKBONES = ("hrnet-w32", "resnet50", "resnet101", "resnet152")  # those that official code has
MAP_STRIDE = 4  # of the part maps, at every preset: the crop is this many times as large


class SmallMap(nn.Module):
    """image (B,3,H,W) -> map (B,128,H/16,W/16), for the preset `tiny`."""

    channels = SmallBackbone.map_channels

    def __init__(self) -> None:
        super().__init__()
        self.trunk = SmallBackbone()

    def forward(self, image: Tensor) -> Tensor:
        """image (B,3,H,W) -> map (B,128,H/16,W/16)."""
        return self.trunk(image)[1]  # type: ignore[no-any-return]


class PARE(nn.Module):
    """image (B,3,H,W) -> Prediction with camera and SMPL parameters."""

    def __init__(self, backbone: nn.Module, head: PareHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        if head.maps in ("softargmax", "argmax"):
            # Six numbers sampled at one point may be tiny, and the rotation made of them then shows
            # in which order convolutions add: this is the order of the official code.
            self.memory_format = torch.contiguous_format

    def forward(self, image: Tensor) -> Prediction:
        """image (B,3,H,W) -> Prediction(camera, global_orient, body_pose, betas).

        In training, extras hold part_logits (B,25,H/4,W/4) for the loss.
        """
        image_map: Tensor = self.backbone(image)
        found: HeadOutput = self.head(image_map)
        rotations = rotation6d_to_matrix(found.pose.float(), "interleaved")
        segments = self.head.maps == "parts"
        return Prediction(
            camera=found.camera,
            parameters={
                "global_orient": rotations[:, 0],
                "body_pose": rotations[:, 1:],
                "betas": found.shape,
            },
            extras={"part_logits": found.maps} if self.training and segments else {},
            raw={} if self.training else self._raw(image_map, found, rotations),
        )

    def _raw(self, image_map: Tensor, found: HeadOutput, rotations: Tensor) -> dict[str, Tensor]:
        attends = self.head.maps in ("parts", "attention")
        return {
            "rotmat": rotations,
            "betas": found.shape,
            "camera": found.camera,
            "feature": image_map,
            "segm_logits" if self.head.maps == "parts" else "heatmaps": found.maps,
            "part_attention_softmax" if attends else "pred_kp2d": found.looks,
            "point_local_feat": found.pose_features,
            "cam_shape_feat": found.shape_features,
        }


def build(
    backbone: str,
    maps: str,
    growth: str,
    layers: int,
    width: int,
    features: int,
    crop: str = "",
) -> PARE:
    """Options of the model -> the network with random weights; `crop` is the plugin's."""
    if maps not in MAPS:
        raise UsageError(f"pare: no maps '{maps}'.", f"One of: {', '.join(MAPS)}.")
    if growth not in GROWTHS:
        raise UsageError(f"pare: no growth '{growth}'.", f"One of: {', '.join(GROWTHS)}.")
    if min(layers, width, features) < 1:
        raise UsageError(
            f"pare: layers={layers}, width={width}, features={features} make no network.",
            "All three are at least 1.",
        )
    if backbone == "small":
        network: nn.Module = SmallMap()
        channels = SmallMap.channels
    elif backbone in BACKBONES:
        network, channels = map_backbone(backbone)
    else:
        raise UsageError(
            f"pare: no backbone '{backbone}'.", f"One of: {', '.join((*BACKBONES, 'small'))}."
        )
    head = PareHead(
        channels, maps=maps, growth=growth, layers=layers, width=width, features=features
    )
    return PARE(network, head)
