"""OSX: image -> tokens and map -> joints, boxes of hands and face, their features -> SMPL-X."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from hps_models.osx.geometry import (
    BODY_GRID,
    BODY_JOINTS,
    FACE_EXTENSION,
    FACE_GRID,
    FACE_JOINTS,
    HAND_EXTENSION,
    HAND_GRID,
    HAND_JOINTS,
    PICTURE,
    TASK_TOKENS,
)
from hps_models.osx.initial import initialise
from hps_models.osx.parts.boxes import Boxes, BoxNet, square_boxes
from hps_models.osx.parts.decoder import Decoder
from hps_models.osx.parts.position_nets import PositionNet, Positions
from hps_models.osx.parts.regressors import (
    BodyRegressor,
    FaceRegressor,
    HandRegressor,
    SampledHandRegressor,
    TokenFaceRegressor,
)
from hps_models.osx.parts.roi import Pyramid, SingleLevel, cut_hands, cut_out
from hps_models.osx.prediction import Numbers, to_prediction
from hpscli.body.kit import BodyKit
from hpscli.errors import UsageError
from hpscli.nn.vit import padded_vit, tokens_and_map
from hpscli.records import Prediction

DECODERS = ("both", "hand", "none")
FINE_HANDS = 16  # cells of a hand's cut without a decoder


@dataclass(frozen=True, kw_only=True)
class Widths:
    """How wide the parts behind the encoder are; the official numbers are the defaults of the record."""

    regressor: int
    boxes: int
    decoder: int
    feed_forward: int
    layers: int


class Part(NamedTuple):
    """One part's features: maps fine to coarse, its joints, their features before the decoder."""

    maps: list[Tensor]
    positions: Positions
    decoded: Tensor | None


class PartDecoder(nn.Module):
    """Features (B,C,16,12) and boxes -> Part: cut out, locate joints, decode around them."""

    def __init__(
        self, channels: int, joints: int, grid: tuple[int, int, int], widths: Widths
    ) -> None:
        super().__init__()
        self.grid = grid
        self.pyramid = Pyramid(channels)
        self.position = PositionNet(channels // 2, joints, grid, sampled=widths.decoder)
        self.decoder = Decoder(
            channels,
            joints,
            grid[2] // 2,
            width=widths.decoder,
            hidden=widths.feed_forward,
            layers=widths.layers,
        )

    def forward(self, features: Tensor, boxes: tuple[Tensor, ...]) -> Part:
        """features (B,C,16,12), one box or those of both hands (B,4) -> Part."""
        maps = []
        for level, enlarged in enumerate(self.pyramid(features)):
            enlargement = 2 ** (2 - level)
            side = self.grid[2] * enlargement // 2
            if len(boxes) == 2:
                maps.append(cut_hands(enlarged, boxes[0], boxes[1], enlargement, side))
            else:
                maps.append(cut_out(enlarged, boxes[0], enlargement, side))
        positions = self.position(maps[1])
        cells = positions.coordinates.new_tensor([self.grid[2], self.grid[1]])
        reference = positions.coordinates[..., :2].detach() / cells
        return Part(maps, positions, self.decoder(maps, positions.features, reference))


class SampledHands(nn.Module):
    """Features (B,C,16,12) and both boxes -> Part of one map: the hands without a decoder."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pyramid = SingleLevel(channels)
        self.position = PositionNet(channels, HAND_JOINTS, HAND_GRID)

    def forward(self, features: Tensor, boxes: tuple[Tensor, ...]) -> Part:
        """features (B,C,16,12), boxes (B,4) of left and right -> Part."""
        cut = cut_hands(self.pyramid(features), boxes[0], boxes[1], 4, FINE_HANDS)
        widened = self.pyramid.widen(cut)
        return Part([widened], self.position(widened), None)


class OSX(nn.Module):
    """image (B,3,512,384) in 0..1 -> Prediction with camera and SMPL-X parameters."""

    left_mean: Tensor
    right_mean: Tensor

    def __init__(
        self, encoder: nn.Module, channels: int, decoder: str, widths: Widths, kit: BodyKit
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.body_position = PositionNet(channels, BODY_JOINTS, BODY_GRID)
        self.body_regressor = BodyRegressor(channels, widths.regressor)
        self.boxes = BoxNet(channels, widths.boxes)
        if decoder == "none":
            self.hands: nn.Module = SampledHands(channels)
            self.hand_regressor: nn.Module = SampledHandRegressor(channels, widths.regressor)
        else:
            self.hands = PartDecoder(channels, HAND_JOINTS, HAND_GRID, widths)
            self.hand_regressor = HandRegressor(widths.decoder, widths.regressor)
        self.face: nn.Module | None = None
        self.face_regressor: nn.Module = TokenFaceRegressor(channels)
        if decoder == "both":
            self.face = PartDecoder(channels, FACE_JOINTS, FACE_GRID, widths)
            self.face_regressor = FaceRegressor(channels, widths.decoder, widths.regressor)
        means = kit.body().hand_means
        for name, key in (("left_mean", "hands_meanl"), ("right_mean", "hands_meanr")):
            mean = torch.as_tensor(means[key], dtype=torch.float32).reshape(-1)
            self.register_buffer(name, mean, persistent=False)

    def forward(self, image: Tensor) -> Prediction:
        """image (B,3,512,384) in 0..1 -> Prediction(camera, parameters of SMPL-X)."""
        picture = functional.interpolate(image, PICTURE).contiguous(
            memory_format=torch.channels_last
        )
        tokens, features = tokens_and_map(self.encoder, picture)
        body = self.body_position(features)
        numbers = self.body_regressor(tokens, body.coordinates.detach())
        found: Boxes = self.boxes(features, body.volume.detach())
        left, right = (
            square_boxes(found.centres[:, i], found.sizes[:, i], HAND_EXTENSION).detach()
            for i in (0, 1)
        )
        face_box = square_boxes(found.centres[:, 2], found.sizes[:, 2], FACE_EXTENSION).detach()
        hands: Part = self.hands(features, (left, right))
        seen = hands.maps[0] if hands.decoded is None else hands.decoded
        hand_numbers = self.hand_regressor(seen, hands.positions.coordinates.detach())
        face: Part | None = None
        if self.face is None:
            expression, jaw = self.face_regressor(tokens)
        else:
            face = self.face(features, (face_box,))
            expression, jaw = self.face_regressor(
                face.maps[-1], face.decoded, face.positions.coordinates.detach()
            )
        said = Numbers(
            tokens=tokens,
            features=features,
            body=body,
            body_numbers=numbers,
            boxes=found,
            squares=(left, right, face_box),
            hands=hands.positions,
            hand_maps=hands.maps,
            hand_decoded=hands.decoded,
            hand_numbers=hand_numbers,
            face=face.positions if face else None,
            face_maps=face.maps if face else [],
            face_decoded=face.decoded if face else None,
            expression=expression.float(),
            jaw=jaw,
        )
        return to_prediction(said, self.left_mean, self.right_mean, training=self.training)


def build(
    channels: int,
    depth: int,
    heads: int,
    drop_path: float,
    stem: str,
    decoder: str,
    regressor_width: int,
    box_width: int,
    decoder_width: int,
    feed_forward: int,
    layers: int,
    *,
    kit: BodyKit,
) -> OSX:
    """Options of the model, body -> the network with random weights."""
    if decoder not in DECODERS:
        raise UsageError(f"osx: no decoder '{decoder}'.", f"One of: {', '.join(DECODERS)}.")
    numbers = (channels, depth, heads, regressor_width, box_width, decoder_width, layers)
    if min(*numbers, feed_forward) < 1 or channels % 4 or decoder_width % 32:
        raise UsageError(
            f"osx: channels={channels}, decoder_width={decoder_width}, or another width makes no "
            "network.",
            "All are at least 1, channels is a multiple of 4, decoder_width one of 32.",
        )
    if not 0 <= drop_path < 1:
        raise UsageError(f"osx: drop_path={drop_path} is not in [0, 1).")
    encoder = padded_vit(PICTURE, channels, depth, heads, drop_path, TASK_TOKENS, stem)
    widths = Widths(
        regressor=regressor_width,
        boxes=box_width,
        decoder=decoder_width,
        feed_forward=feed_forward,
        layers=layers,
    )
    network = OSX(encoder, channels, decoder, widths, kit)
    initialise(network)
    return network
