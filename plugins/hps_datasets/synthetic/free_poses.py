"""The packaged free poses as a folder of poses: what an adversary learns from without any capture."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from hpscli.body.free import free_poses
from hpscli.errors import UsageError

BETAS, SPREAD = 10, 2.0  # shapes are drawn as those of synthetic people: normal, cut here


def motions(
    root: Path, split: str, *, copies: int, seed: int
) -> tuple[int, Callable[[int], dict[str, np.ndarray]]]:
    """-> how many times all poses are given, each time in other shapes, and the function that does."""
    if copies < 1:
        raise UsageError(f"copies={copies} gives no pose.", "hps prepare free-poses copies=1")

    def read(number: int) -> dict[str, np.ndarray]:
        poses = free_poses()["poses"]
        generator = np.random.default_rng((seed, number))
        betas = generator.standard_normal((len(poses), BETAS))
        return {
            "global_orient": poses[:, 0],
            "body_pose": poses[:, 1:].reshape(len(poses), -1),
            "betas": np.clip(betas, -SPREAD, SPREAD),
        }

    return copies, read
