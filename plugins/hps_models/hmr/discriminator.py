"""The adversarial prior of mmhuman3d and HMR+: does a body look like one that was captured?

25 scores: one for each joint but the root, one for the whole pose, one for the shape. It belongs to
training only; its tensors lie in released checkpoints under `disc.`, by the names used here.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpscli.train.learning.adversary import Critic

JOINTS = 23  # the root's rotation is not judged
ENTRIES = 9  # of a rotation matrix
CHANNELS = 32
# Of the convolutions' weights when a training begins, so that poses tell nothing apart at first. Their
# init_weights means to shrink the linear layers too, and goes past them: they begin as torch has them.
FIRST_DEVIATION = 0.001
WIDTHS_POSE = (JOINTS * CHANNELS, 1024, 1024, 1)
WIDTHS_SHAPE = (10, 5, 1)


class Discriminator(Critic):
    """body_pose (B,23,3,3), betas (B,10) -> scores (B,25); 1 is real, 0 is made up."""

    def __init__(self) -> None:
        super().__init__()
        self.pose_discriminator = JointScores()
        self.full_pose_discriminator = Layers(WIDTHS_POSE)
        self.shape_discriminator = Layers(WIDTHS_SHAPE)

    def forward(self, body_pose: Tensor, betas: Tensor) -> Tensor:
        """body_pose (B,23,3,3), betas (B,10) -> scores (B,25)."""
        joints, features = self.pose_discriminator(body_pose)
        pose = self.full_pose_discriminator(features.flatten(1))  # channel by channel, then joints
        return torch.cat([joints, pose, self.shape_discriminator(betas)], dim=1)

    def model_loss(self, predicted: Tensor) -> Tensor:
        """Scores (B,25) of predictions -> what the model pays, unweighted."""
        return generator_loss(predicted)

    def own_losses(self, real: Tensor, predicted: Tensor) -> dict[str, Tensor]:
        """Scores (B,25) of captured bodies and of predictions -> both losses, weight 1 each."""
        return discriminator_losses(real, predicted)


class JointScores(nn.Module):
    """body_pose (B,23,3,3) -> a score for each joint (B,23), features (B,32,23)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_blocks = nn.ModuleDict(
            {
                "conv_0": nn.Conv2d(ENTRIES, CHANNELS, 1),
                "conv_1": nn.Conv2d(CHANNELS, CHANNELS, 1),
            }
        )
        self.fc_layer = nn.ModuleList([nn.Linear(CHANNELS, 1) for _ in range(JOINTS)])
        for layer in self.conv_blocks.values():
            assert isinstance(layer, nn.Conv2d) and layer.bias is not None
            nn.init.normal_(layer.weight, std=FIRST_DEVIATION)
            nn.init.zeros_(layer.bias)

    def forward(self, body_pose: Tensor) -> tuple[Tensor, Tensor]:
        """body_pose (B,23,3,3) -> scores (B,23), features (B,32,23); no activation in between."""
        features = body_pose.flatten(2).transpose(1, 2)[..., None]
        for layer in self.conv_blocks.values():
            features = layer(features)
        features = features.squeeze(-1)
        scores = [layer(features[:, :, joint]) for joint, layer in enumerate(self.fc_layer)]
        return torch.cat(scores, dim=1), features


class Layers(nn.Module):
    """Linear layers with ReLU between them: (B,widths[0]) -> (B,widths[-1])."""

    def __init__(self, widths: tuple[int, ...]) -> None:
        super().__init__()
        pairs = enumerate(zip(widths[:-1], widths[1:], strict=True))
        self.fc_blocks = nn.ModuleDict(
            {f"regressor_fc_{i}": nn.Linear(before, after) for i, (before, after) in pairs}
        )

    def forward(self, values: Tensor) -> Tensor:
        """values (B,widths[0]) -> (B,widths[-1])."""
        *hidden, last = self.fc_blocks.values()
        for layer in hidden:
            values = functional.relu(layer(values))
        score: Tensor = last(values)
        return score


def generator_loss(fake: Tensor) -> Tensor:
    """scores (B,25) of predictions -> how far from looking real (least squares)."""
    return (fake - 1).square().mean()


def discriminator_losses(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """scores (B,25) of captured bodies and of detached predictions -> both losses, weight 1 each."""
    return {"disc_real": (real - 1).square().mean(), "disc_fake": fake.square().mean()}


def critic(**options: Any) -> Discriminator:
    """-> the adversary of a network with these options, of which it needs none."""
    return Discriminator()
