"""HMR: image -> features -> parameters of SMPL (or of MANO) and a weak-perspective camera.

The iterative regressor is that of SPIN, mmhuman3d and HMR+: state (pose 144 = 24 x 6D, shape 10,
camera 3) starts at mean values, and the same two layers correct it `iterations` times. Of a hand
there are 16 rotations instead of 24; that is ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from hps_models.hmr.tiny import TinyBackbone
from hpscli.body.layer import PARAMETERS, mean_parameters
from hpscli.body.rotations import rotation6d_to_matrix
from hpscli.errors import UsageError
from hpscli.nn.backbones import backbone as any_backbone
from hpscli.nn.backbones import chunked_mean
from hpscli.records import Prediction

JOINTS = 24
POSE, SHAPE, CAMERA = JOINTS * 6, 10, 3
KINDS = {"body": "smpl", "hand": "mano"}  # what is regressed -> the kind of body
DECODER_GAIN = 0.01  # of the Xavier initialisation: the first estimate is the mean body


@dataclass(frozen=True)
class State:
    """pose (B,6J) interleaved 6D, shape (B,10), camera (B,3); `first`: after one iteration."""

    pose: Tensor
    shape: Tensor
    camera: Tensor
    first: Mapping[str, Tensor] = field(default_factory=dict)


class Regressor(nn.Module):
    """features (B,D) -> State."""

    init_pose: Tensor
    init_shape: Tensor
    init_cam: Tensor

    def __init__(self, channels: int, kind: str) -> None:
        super().__init__()
        self.channels = channels
        _, self.limbs = PARAMETERS[kind]  # the parameter of all rotations but the first
        self.pose_size = 6 * sum(PARAMETERS[kind].values())
        mean = mean_parameters(kind)
        for name, key in (("init_pose", "pose6d"), ("init_shape", "betas"), ("init_cam", "camera")):
            self.register_buffer(name, torch.as_tensor(mean[key], dtype=torch.float32)[None])

    def _add_decoders(self, hidden: int) -> None:
        self.decpose = nn.Linear(hidden, self.pose_size)
        self.decshape = nn.Linear(hidden, SHAPE)
        self.deccam = nn.Linear(hidden, CAMERA)
        for decoder in (self.decpose, self.decshape, self.deccam):
            nn.init.xavier_uniform_(decoder.weight, gain=DECODER_GAIN)


class IterativeRegressor(Regressor):
    """SPIN's: no activation between the layers, dropout after each, weights shared by iterations."""

    def __init__(
        self, channels: int, hidden: int, dropout: float, iterations: int, kind: str
    ) -> None:
        super().__init__(channels, kind)
        self.iterations = iterations
        self.fc1 = nn.Linear(channels + self.pose_size + SHAPE + CAMERA, hidden)
        self.drop1 = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, hidden)
        self.drop2 = nn.Dropout(dropout)
        self._add_decoders(hidden)

    def forward(self, features: Tensor) -> State:
        """features (B,D) -> State."""
        batch = len(features)
        pose = self.init_pose.expand(batch, -1)
        shape = self.init_shape.expand(batch, -1)
        camera = self.init_cam.expand(batch, -1)
        first: dict[str, Tensor] = {}
        for _ in range(self.iterations):
            state = torch.cat([features, pose, shape, camera], dim=1)
            state = self.drop2(self.fc2(self.drop1(self.fc1(state))))
            pose = pose + self.decpose(state)
            shape = shape + self.decshape(state)
            camera = camera + self.deccam(state)
            first = first or {"pose6d": pose, "betas": shape, "camera": camera}
        return State(pose, shape, camera, first)


class DirectRegressor(Regressor):
    """One hidden layer with ReLU, then corrections of the mean: no feedback, cheap to train."""

    def __init__(self, channels: int, hidden: int, dropout: float, kind: str) -> None:
        super().__init__(channels, kind)
        self.fc1 = nn.Linear(channels, hidden)
        self.drop1 = nn.Dropout(dropout)
        self._add_decoders(hidden)

    def forward(self, features: Tensor) -> State:
        """features (B,D) -> State."""
        state = self.drop1(functional.relu(self.fc1(features)))
        return State(
            self.init_pose + self.decpose(state),
            self.init_shape + self.decshape(state),
            self.init_cam + self.deccam(state),
        )


class HMR(nn.Module):
    """image (B,3,H,W) -> Prediction with camera and the parameters of a body or hand."""

    def __init__(self, backbone: nn.Module, regressor: Regressor) -> None:
        super().__init__()
        self.backbone = backbone
        self.regressor = regressor

    def forward(self, image: Tensor) -> Prediction:
        """image (B,3,H,W) -> Prediction(camera, global_orient, body_pose or hand_pose, betas)."""
        feature = self.backbone(image)
        pooled = chunked_mean(feature, self.regressor.channels) if feature.ndim == 4 else feature
        state: State = self.regressor(pooled)
        rotations = rotations_of(state.pose)
        raw = {}
        if not self.training:
            raw = {
                "feature": feature,
                "features": pooled,
                "pose6d": state.pose,
                "rotmat": rotations,
                "betas": state.shape,
                "camera": state.camera,
                **{f"{name}_niter1": value for name, value in state.first.items()},
            }
        return Prediction(
            camera=state.camera,
            parameters={
                "global_orient": rotations[:, 0],
                self.regressor.limbs: rotations[:, 1:],
                "betas": state.shape,
            },
            raw=raw,
        )


def rotations_of(pose: Tensor) -> Tensor:
    """pose (B,6J) interleaved 6D -> rotation matrices (B,J,3,3), never in half precision."""
    return rotation6d_to_matrix(pose.float().reshape(pose.shape[0], -1, 6), "interleaved")


def build(
    backbone: str,
    head: str,
    iterations: int,
    hidden: int,
    dropout: float,
    feature_width: int = 0,
    target: str = "body",
    crop: str = "",
    losses: str = "",
) -> HMR:
    """Options of the model -> the network with random weights; `crop`, `losses` are the plugin's."""
    if iterations < 1 or hidden < 1 or not 0 <= dropout < 1 or feature_width < 0:
        raise UsageError(
            f"hmr: iterations={iterations}, hidden={hidden}, dropout={dropout}, "
            f"feature_width={feature_width} make no network.",
            "iterations and hidden are at least 1, dropout is in [0, 1), feature_width at least 0.",
        )
    if head not in ("iterative", "direct"):
        raise UsageError(f"hmr: no head '{head}'.", "One of: iterative, direct.")
    if target not in KINDS:
        raise UsageError(f"hmr: no target '{target}'.", f"One of: {', '.join(KINDS)}.")
    if backbone in ("tiny", "hand-tiny"):
        tiny = TinyBackbone(smaller=backbone == "hand-tiny")
        features: nn.Module = tiny
        channels = tiny.channels
    else:
        features, channels = any_backbone(backbone)
    width = feature_width or channels
    if head == "direct":
        return HMR(features, DirectRegressor(width, hidden, dropout, KINDS[target]))
    return HMR(features, IterativeRegressor(width, hidden, dropout, iterations, KINDS[target]))
