"""Shards of free people with every label that the standard losses know, and a recipe for them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from hpscli.body.layer import load_body, matrices
from hpscli.recipe import Recipe, validated
from tests.run.people import IMAGE_PX, parameters, write_people

SCALE_PX = 30.0  # pixels of a metre in the pictures


def keypoints(seed: int) -> dict[str, np.ndarray]:
    """-> 3D and 2D joints of the person with this seed."""
    flat = {
        k.removeprefix("smpl."): torch.from_numpy(v) for k, v in parameters("smpl", seed).items()
    }
    rotations = matrices({name: value[None] for name, value in flat.items()})
    joints = load_body("smpl", source="free").kinematics(rotations)[0].numpy()
    one = np.ones((24, 1), np.float32)
    return {
        "keypoints3d.smpl24": np.concatenate([joints, one], 1).astype(np.float32),
        "keypoints2d.smpl24": np.concatenate(
            [joints[:, :2] * SCALE_PX + IMAGE_PX / 2, one], 1
        ).astype(np.float32),
    }


def labelled_people(folder: Path, count: int, seed: int = 0, **other: Any) -> Path:
    """Write shards of `count` people -> the folder."""
    extra = {index: keypoints(seed + index) for index in range(count)}
    return write_people(folder, count, extra=extra, seed=seed, **other)


def small_recipe(train: Path, validation: Path | None = None, **changes: Any) -> Recipe:
    """-> a recipe of a few steps; dotted names with __ for dots: optim__lr=1."""
    raw: dict[str, Any] = {
        "name": "small",
        "model": {
            "name": "hmr",
            "body": "free",
            "options": {"backbone": "tiny", "head": "iterative", "hidden": 32, "iterations": 1},
        },
        "data": {"image_size": [32, 32], "mix": {"people": {"shards": str(train)}}, "workers": 0},
        "loss": {"keypoints3d": 10.0, "keypoints2d": 2.0, "pose": 1.0, "betas": 0.02},
        "optim": {"lr": 1e-3, "batch": 4, "schedule": "cosine"},
        "train": {"epochs": 2, "epoch_samples": 16, "log_every": 1, "checkpoint_every": 3},
    }
    raw["train"]["overlays"] = 0
    if validation is not None:
        raw["data"]["validation"] = {
            "shards": str(validation),
            "protocol": "synthetic/validation@smpl24-v1",
        }
    for name, value in changes.items():
        place = raw
        *parents, last = name.split("__")
        for part in parents:
            place = place.setdefault(part, {})
        place[last] = value
    return validated(raw, "the test")
