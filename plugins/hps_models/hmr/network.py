"""HMR: image -> features -> SMPL parameters and a weak-perspective camera.

The iterative regressor is that of SPIN: state (pose 144 = 24 x 6D, shape 10, camera 3) starts at
mean values, and the same two layers correct it `iterations` times.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from hps_models.hmr.tiny import TinyBackbone
from hpscli.body.layer import mean_parameters
from hpscli.body.rotations import rotation6d_to_matrix
from hpscli.errors import UsageError
from hpscli.nn.backbones import timm_backbone
from hpscli.records import Prediction

JOINTS = 24
POSE, SHAPE, CAMERA = JOINTS * 6, 10, 3
DECODER_GAIN = 0.01  # of the Xavier initialisation: the first estimate is the mean body


class Regressor(nn.Module):
    """features (B,D) -> pose (B,144) interleaved 6D, shape (B,10), camera (B,3)."""

    init_pose: Tensor
    init_shape: Tensor
    init_cam: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        mean = mean_parameters("smpl")
        for name, key in (("init_pose", "pose6d"), ("init_shape", "betas"), ("init_cam", "camera")):
            self.register_buffer(name, torch.as_tensor(mean[key], dtype=torch.float32)[None])

    def _add_decoders(self, hidden: int) -> None:
        self.decpose = nn.Linear(hidden, POSE)
        self.decshape = nn.Linear(hidden, SHAPE)
        self.deccam = nn.Linear(hidden, CAMERA)
        for decoder in (self.decpose, self.decshape, self.deccam):
            nn.init.xavier_uniform_(decoder.weight, gain=DECODER_GAIN)


class IterativeRegressor(Regressor):
    """SPIN's: no activation between the layers, dropout after each, weights shared by iterations."""

    def __init__(self, channels: int, hidden: int, dropout: float, iterations: int) -> None:
        super().__init__(channels)
        self.iterations = iterations
        self.fc1 = nn.Linear(channels + POSE + SHAPE + CAMERA, hidden)
        self.drop1 = nn.Dropout(dropout)
        self.fc2 = nn.Linear(hidden, hidden)
        self.drop2 = nn.Dropout(dropout)
        self._add_decoders(hidden)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """features (B,D) -> pose (B,144), shape (B,10), camera (B,3)."""
        batch = len(features)
        pose = self.init_pose.expand(batch, -1)
        shape = self.init_shape.expand(batch, -1)
        camera = self.init_cam.expand(batch, -1)
        for _ in range(self.iterations):
            state = torch.cat([features, pose, shape, camera], dim=1)
            state = self.drop2(self.fc2(self.drop1(self.fc1(state))))
            pose = pose + self.decpose(state)
            shape = shape + self.decshape(state)
            camera = camera + self.deccam(state)
        return pose, shape, camera


class DirectRegressor(Regressor):
    """One hidden layer with ReLU, then corrections of the mean: no feedback, cheap to train."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__(channels)
        self.fc1 = nn.Linear(channels, hidden)
        self.drop1 = nn.Dropout(dropout)
        self._add_decoders(hidden)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """features (B,D) -> pose (B,144), shape (B,10), camera (B,3)."""
        state = self.drop1(functional.relu(self.fc1(features)))
        return (
            self.init_pose + self.decpose(state),
            self.init_shape + self.decshape(state),
            self.init_cam + self.deccam(state),
        )


class HMR(nn.Module):
    """image (B,3,H,W) -> Prediction with camera and SMPL parameters."""

    def __init__(self, backbone: nn.Module, regressor: Regressor) -> None:
        super().__init__()
        self.backbone = backbone
        self.regressor = regressor

    def forward(self, image: Tensor) -> Prediction:
        """image (B,3,H,W) -> Prediction(camera, global_orient, body_pose, betas)."""
        pose, shape, camera = self.regressor(self.backbone(image))
        six = pose.float().view(-1, JOINTS, 6)  # rotations are not made in half precision
        rotations = rotation6d_to_matrix(six, "interleaved")
        return Prediction(
            camera=camera,
            parameters={
                "global_orient": rotations[:, 0],
                "body_pose": rotations[:, 1:],
                "betas": shape,
            },
        )


def build(backbone: str, head: str, iterations: int, hidden: int, dropout: float) -> HMR:
    """Options of the model -> the network with random weights."""
    if iterations < 1 or hidden < 1 or not 0 <= dropout < 1:
        raise UsageError(
            f"hmr: iterations={iterations}, hidden={hidden}, dropout={dropout} make no network.",
            "iterations and hidden are at least 1, dropout is in [0, 1).",
        )
    if head not in ("iterative", "direct"):
        raise UsageError(f"hmr: no head '{head}'.", "One of: iterative, direct.")
    if backbone == "tiny":
        features: nn.Module = TinyBackbone()
        channels = TinyBackbone.channels
    else:
        features, channels = timm_backbone(backbone)
    if head == "direct":
        return HMR(features, DirectRegressor(channels, hidden, dropout))
    return HMR(features, IterativeRegressor(channels, hidden, dropout, iterations))
