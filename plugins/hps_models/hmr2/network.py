"""HMR2.0: image -> ViT -> one decoder token -> SMPL parameters and a weak-perspective camera."""

from typing import TYPE_CHECKING

from torch import Tensor, nn

from hps_models.hmr2.decoder import JOINTS, DecoderHead, HeadOutput
from hpscli.body.rotations import rotation6d_to_matrix
from hpscli.errors import UsageError
from hpscli.nn.vit import PATCH_PX, padded_vit, tokens_and_map
from hpscli.records import Prediction

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

UNSEEN = 8  # an eighth of the columns at either side of the square crop is not looked at


class HMR2(nn.Module):
    """image (B,3,S,S) -> Prediction with camera and SMPL parameters."""

    def __init__(self, backbone: "VisionTransformer", head: DecoderHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.smpl_head = head

    def forward(self, image: Tensor) -> Prediction:
        """image (B,3,S,S) -> Prediction(camera, global_orient, body_pose, betas)."""
        width = image.shape[-1]
        side = width // UNSEEN
        _, features = tokens_and_map(self.backbone, image[..., side : width - side])
        return predict(features, self.smpl_head(features), raw=not self.training)


def predict(features: Tensor, found: HeadOutput, *, raw: bool) -> Prediction:
    """map (B,D,h,w), what the head made of it -> Prediction."""
    six = found.pose.float().view(-1, JOINTS, 6)
    rotations = rotation6d_to_matrix(six, "concatenated")
    return Prediction(
        camera=found.camera,
        parameters={
            "global_orient": rotations[:, 0],
            "body_pose": rotations[:, 1:],
            "betas": found.betas,
        },
        raw={
            "feature": features,
            "global_orient": rotations[:, :1],
            "body_pose": rotations[:, 1:],
            "betas": found.betas,
            "camera": found.camera,
        }
        if raw
        else {},
    )


def build(
    size: int,
    width: int,
    depth: int,
    heads: int,
    drop_path: float,
    stem: str,
    decoder_width: int,
    decoder_depth: int,
    decoder_heads: int,
    decoder_hidden: int,
) -> HMR2:
    """Options of the model -> the network with random weights."""
    if size % (4 * PATCH_PX) or size < 4 * PATCH_PX:
        raise UsageError(
            f"hmr2: size={size} px has no whole number of patches at 4:3.",
            f"Take a multiple of {4 * PATCH_PX}.",
        )
    counts = (width, depth, heads, decoder_width, decoder_depth, decoder_heads, decoder_hidden)
    if min(counts) < 1 or not 0 <= drop_path < 1:
        raise UsageError(
            "hmr2: a width, depth or number of heads below 1, or drop_path outside [0, 1)."
        )
    backbone = padded_vit(
        (size, size - 2 * (size // UNSEEN)), width, depth, heads, drop_path, stem=stem
    )
    head = DecoderHead(
        context_width=width,
        width=decoder_width,
        depth=decoder_depth,
        heads=decoder_heads,
        hidden=decoder_hidden,
    )
    return HMR2(backbone, head)
