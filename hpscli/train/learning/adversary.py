"""The adversary: a critic tells captured bodies from predicted ones, and learns beside the model.

A model's plugin gives the critic (`ModelSpec.adversary`); poses, rates and weight are in the recipe.
Which real poses a step sees is a pure function of (seed, step); critic and optimiser are in the state.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.motion.real_poses import RealPoses, real_poses
from hpscli.errors import UsageError
from hpscli.recipe import Adversary, Optim, Recipe
from hpscli.records import Prediction
from hpscli.train.learning.optimizers import NORM
from hpscli.train.learning.schedule import Steps, rate_at

JOINTS = 23  # of SMPL, without the root
DRAW = 6  # in the seed of real poses; 1 to 5 are of the mix and of augmentation (data/epochs)
TERM = "adversary"  # what the model's own term is called in the log
Averaged = Callable[[Tensor], Tensor]


class Critic(nn.Module, ABC):
    """What a plugin gives: body_pose (B,23,3,3), betas (B,10) -> scores (B,S), and both sides' losses."""

    learns_first = True  # before it judges for the model, on the same predictions; else after it
    real_per_person = 1  # captured bodies for each predicted one
    own_losses_weighted = False  # whether the term's weight multiplies the critic's losses too

    @abstractmethod
    def model_loss(self, predicted: Tensor) -> Tensor:
        """Scores (B,S) of predictions -> what the model pays for not looking real, unweighted."""

    @abstractmethod
    def own_losses(self, real: Tensor, predicted: Tensor) -> dict[str, Tensor]:
        """Scores of captured (N,S) and predicted bodies (B,S) -> {name: scalar} that the critic pays."""


class Contest:
    """A critic in training: its optimiser, and the captured bodies that it sees."""

    def __init__(
        self,
        critic: Critic,
        optimizer: torch.optim.Optimizer,
        poses: RealPoses,
        *,
        weight: float,
        seed: int,
        rank: int = 0,
        world: int = 1,
        accumulate: int = 1,
        average: Averaged = lambda values: values,
    ) -> None:
        self.critic, self.optimizer, self.poses = critic, optimizer, poses
        self.weight, self.seed = weight, seed
        self.rank, self.world, self.accumulate = rank, world, accumulate
        self.average = average  # of gradients, over the processes
        self.rate = optimizer.param_groups[0]["lr"]  # before any schedule
        self.told: dict[str, Tensor] = {}  # the critic's losses of this step
        self.norm = torch.zeros(())  # of its gradient

    def set_rate(self, optim: Optim, steps: Steps, step: int) -> None:
        """Give the critic the learning rate of this step (0-based) of the recipe's schedule."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate_at(optim, steps, step, self.rate)

    def judge(self, prediction: Prediction, step: int, micro: int = 0) -> Tensor:
        """A prediction of training -> the model's term, unweighted; the critic learns on the way.

        With accumulation the critic takes one step too, at the last part of a batch.
        """
        pose, betas = prediction.parameters["body_pose"], prediction.parameters["betas"]
        pose, betas = pose.reshape(-1, JOINTS, 3, 3), betas[:, : self.poses.betas.shape[1]]
        if micro == 0:
            self.told = {}
        self._study(pose.detach(), betas.detach(), step, micro)
        if self.critic.learns_first and micro == self.accumulate - 1:
            self._step()
        self.critic.requires_grad_(False)
        term: Tensor = self.critic.model_loss(self.critic(pose, betas))
        return term

    def finish(self) -> None:
        """Call it when the model has learnt from the term of this step."""
        if not self.critic.learns_first:
            self._step()

    def values(self) -> dict[str, float]:
        """-> the critic's own losses in this step, the same on every process.

        With them the norm of its gradient, if that is not finite: the critic is then spoilt.
        """
        told = torch.stack([*self.told.values(), self.norm])
        *losses, norm = self.average(told).tolist()
        found = dict(zip(self.told, losses, strict=True))
        return found if math.isfinite(norm) else {**found, f"critic's {NORM}": norm}

    def _study(self, pose: Tensor, betas: Tensor, step: int, micro: int) -> None:
        """Gradients of the critic's own losses, added to those of earlier parts of the batch."""
        self.critic.requires_grad_(True)
        real_pose, real_betas = self.draw(len(pose), step, micro, pose.device)
        losses = self.critic.own_losses(
            self.critic(real_pose, real_betas), self.critic(pose, betas)
        )
        share = (self.weight if self.critic.own_losses_weighted else 1.0) / self.accumulate
        (torch.stack(list(losses.values())).sum() * share).backward()  # type: ignore[no-untyped-call]
        for name, value in losses.items():
            before = self.told.get(name, torch.zeros_like(value))
            self.told[name] = before + value.detach() / self.accumulate

    def _step(self) -> None:
        gradients = [p.grad for p in self.critic.parameters() if p.grad is not None]
        if self.world > 1:
            flat = self.average(torch.cat([gradient.flatten() for gradient in gradients]))
            for gradient, part in zip(
                gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True
            ):
                gradient.copy_(part.view_as(gradient))
        self.norm = get_total_norm(gradients)
        self.optimizer.step()
        self.optimizer.zero_grad()

    def draw(
        self, people: int, step: int, micro: int, device: torch.device
    ) -> tuple[Tensor, Tensor]:
        """-> body_pose (N,23,3,3), betas (N,10) of captured bodies, drawn with return.

        All processes and parts of a batch draw from one sequence, and each takes its own stretch.
        """
        count = people * self.critic.real_per_person
        generator = np.random.default_rng((self.seed, DRAW, step))
        drawn = generator.integers(len(self.poses), size=count * self.world * self.accumulate)
        first = (micro * self.world + self.rank) * count
        rows = drawn[first : first + count]
        pose = torch.from_numpy(self.poses.body_pose[rows]).to(device)
        betas = torch.from_numpy(self.poses.betas[rows]).to(device)
        return axis_angle_to_matrix(pose.reshape(-1, JOINTS, 3)), betas

    def state(self) -> dict[str, Any]:
        """-> what `load` takes to go on."""
        return {"critic": self.critic.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""
        self.critic.load_state_dict(state["critic"])
        self.optimizer.load_state_dict(state["optimizer"])


def wanted(recipe: Recipe) -> Adversary | None:
    """-> the recipe's adversary, None without one or when its weight is 0."""
    chosen = recipe.adversary
    return chosen if chosen is not None and chosen.weight > 0 else None


def start_contest(
    recipe: Recipe,
    target: Callable[..., Critic],
    options: Mapping[str, Any],
    *,
    device: torch.device,
    rank: int = 0,
    world: int = 1,
    average: Averaged = lambda values: values,
) -> Contest | None:
    """Recipe, the plugin's critic -> the contest, or None; the model's random numbers stay as they are."""
    settings = wanted(recipe)
    if settings is None:
        return None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        critic = target(**options)
    critic = critic.to(device).train()
    return Contest(
        critic,
        critic_optimizer(settings, critic),
        real_poses(settings.poses),
        weight=settings.weight,
        seed=recipe.seed,
        rank=rank,
        world=world,
        accumulate=recipe.optim.accumulate,
        average=average,
    )


def critic_optimizer(settings: Adversary, critic: nn.Module) -> torch.optim.Optimizer:
    """-> the critic's own optimiser."""
    if settings.name == "sgd":
        return torch.optim.SGD(critic.parameters(), settings.lr, weight_decay=settings.weight_decay)
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(critic.parameters(), settings.lr, weight_decay=settings.weight_decay)


def refuse_without_critic(recipe: Recipe, target: str) -> None:
    """Raise for a recipe with an adversary whose model has none."""
    if wanted(recipe) is not None and not target:
        raise UsageError(
            f"model '{recipe.model.name}' has no adversary, but the recipe has [adversary].",
            "Take [adversary] out, or: adversary.weight=0",
        )
