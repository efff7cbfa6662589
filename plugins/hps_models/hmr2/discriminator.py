"""The adversary of HMR2.0's training: is this a pose, a shape, that a person can have?

Names of tensors are those of the official files. Inference does not need it. It learns after the
model, from two captured bodies for each predicted one (4D-Humans: HMR2.training_step, and
TRAIN.NUM_TRAIN_SAMPLES = 2 of its data loader), and the term's weight multiplies its losses too.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from hpscli.train.learning.adversary import Critic

JOINTS = 23  # all but the root
CHANNELS, HIDDEN, BETAS = 32, 1024, 10


class Discriminator(Critic):
    """body_pose (B,23,3,3), betas (B,10) -> scores (B,25): of each joint, the shape, the pose."""

    learns_first = False
    real_per_person = 2
    own_losses_weighted = True

    def __init__(self) -> None:
        super().__init__()
        self.D_conv1 = nn.Conv2d(9, CHANNELS, 1)
        self.D_conv2 = nn.Conv2d(CHANNELS, CHANNELS, 1)
        self.pose_out = nn.ModuleList(nn.Linear(CHANNELS, 1) for _ in range(JOINTS))
        self.betas_fc1 = nn.Linear(BETAS, BETAS)
        self.betas_fc2 = nn.Linear(BETAS, BETAS // 2)
        self.betas_out = nn.Linear(BETAS // 2, 1)
        self.D_alljoints_fc1 = nn.Linear(CHANNELS * JOINTS, HIDDEN)
        self.D_alljoints_fc2 = nn.Linear(HIDDEN, HIDDEN)
        self.D_alljoints_out = nn.Linear(HIDDEN, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)  # type: ignore[arg-type]

    def forward(self, body_pose: Tensor, betas: Tensor) -> Tensor:
        """body_pose (B,23,3,3), betas (B,10) -> scores (B,25)."""
        relu = functional.relu
        joints = body_pose.reshape(-1, JOINTS, 1, 9).permute(0, 3, 1, 2)
        joints = relu(self.D_conv2(relu(self.D_conv1(joints))))
        single = [judge(joints[:, :, i, 0]) for i, judge in enumerate(self.pose_out)]
        shape = self.betas_out(relu(self.betas_fc2(relu(self.betas_fc1(betas)))))
        whole = relu(self.D_alljoints_fc2(relu(self.D_alljoints_fc1(joints.flatten(1)))))
        return torch.cat([*single, shape, self.D_alljoints_out(whole)], dim=1)

    def model_loss(self, predicted: Tensor) -> Tensor:
        """Scores (B,25) of predicted bodies -> what the network pays, unweighted."""
        return generator_loss(predicted)

    def own_losses(self, real: Tensor, predicted: Tensor) -> dict[str, Tensor]:
        """Scores of captured (2B,25) and predicted bodies (B,25) -> both losses."""
        return discriminator_losses(real, predicted)


def generator_loss(scores: Tensor) -> Tensor:
    """Scores (B,25) of predicted bodies -> what the network pays for not looking real."""
    return (scores - 1).square().sum() / len(scores)


def discriminator_losses(real: Tensor, predicted: Tensor) -> dict[str, Tensor]:
    """Scores (N,25) of captured and (B,25) of predicted bodies -> what the adversary pays.

    Both sums are divided by the number of predicted bodies, as official.
    """
    people = len(predicted)
    return {
        "disc_real": (real - 1).square().sum() / people,
        "disc_fake": predicted.square().sum() / people,
    }


def critic(**options: Any) -> Discriminator:
    """-> the adversary of a network with these options, of which it needs none."""
    return Discriminator()
