"""Goldens of mesh networks: the surrogate body with the real mesh levels, and labels as batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hpscli.body.kit import BodyKit, body_kit
from hpscli.errors import MissingError
from hpscli.records import Batch, Prediction
from hpscli.testing.goldens import ReplayOptions, locate
from hpscli.testing.surrogates import surrogate_body

# Real files, which the goldens were made with: mesh levels, neighbours, regressors.
FILES = {
    "smpl": (
        "mesh_downsampling.npz",
        "J_regressor_h36m_correct.npy",
        "J_regressor_extra.npy",
        "smpl_431_adjmat_indices.pt",
        "smpl_431_adjmat_values.pt",
    ),
    "mano": ("mano_downsampling.npz", "mano_195_adjmat_indices.pt", "mano_195_adjmat_values.pt"),
}
BODY_SEEDS = {"smpl": ("body_seed", 7), "mano": ("hand_seed", 9)}
LABEL_SETS = {"smpl": "metro24", "mano": "metro_hand21"}


def surrogate_kit(
    kind: str, folder: Path, options: ReplayOptions, hands_mean: Any = None
) -> BodyKit:
    """-> the kit of random arrays of this kind, with the real files out of the reference folders."""
    arrays = surrogate_body(kind, options.get(*BODY_SEEDS[kind]))
    if hands_mean is not None:
        arrays["hands_mean"] = np.asarray(hands_mean)
    files = [asset(folder, name) for name in FILES[kind]]
    return body_kit(kind, given=[arrays, *files])


def asset(folder: Path, name: str) -> Path:
    """-> an official data file of this reference folder, or of another beside it."""
    try:
        return locate(folder, f"assets/{name}")
    except MissingError:
        beside = sorted(folder.resolve().parent.glob(f"*/assets/{name}"))
        if not beside:
            raise
        return beside[0]


def drawn_hands_mean(seed: int, scale: float, skipped: tuple[tuple[int, ...], ...] = ()) -> Any:
    """-> (45,) normal numbers times `scale`, after arrays of the shapes `skipped` were drawn."""
    draw = np.random.RandomState(seed)
    for shape in skipped:
        draw.standard_normal(shape)
    return draw.standard_normal(45) * scale


def label_batch(arrays: Mapping[str, Any], kit: BodyKit, image: Tensor | None = None) -> Batch:
    """Annotation arrays under their official names (joints_2d, pose, has_smpl, ...) -> Batch.

    Official hand poses count from the mean pose, ours from the flat hand.
    """
    kind, joints = kit.kind, LABEL_SETS[kit.kind]
    pose = torch.from_numpy(np.asarray(arrays["pose"], dtype=np.float32))
    rest = pose[:, 3:]
    if kind == "mano":
        mean = np.asarray(kit.body().hand_means["hands_mean"], dtype=np.float32)
        rest = rest + torch.from_numpy(mean)
    found = {
        f"keypoints2d.{joints}": ("joints_2d", "has_2d_joints"),
        f"keypoints3d.{joints}": ("joints_3d", "has_3d_joints"),
        f"{kind}.betas": ("betas", "has_smpl"),
    }
    targets = {
        ours: torch.from_numpy(np.asarray(arrays[theirs], dtype=np.float32))
        for ours, (theirs, _) in found.items()
        if theirs in arrays
    }
    flags = {ours: flag for ours, (_, flag) in found.items() if ours in targets}
    for ours, value in (
        ("global_orient", pose[:, :3]),
        ("hand_pose" if kind == "mano" else "body_pose", rest),
    ):
        targets[f"{kind}.{ours}"], flags[f"{kind}.{ours}"] = value, "has_smpl"
    count = len(pose)
    present = {
        ours: torch.from_numpy(np.asarray(arrays.get(flag, arrays["has_smpl"]))) > 0
        for ours, flag in flags.items()
    }
    return Batch(
        keys=tuple(str(row) for row in range(count)),
        image=torch.zeros(count, 3, 224, 224) if image is None else image,
        targets=targets,
        present=present,
        affine=torch.zeros(count, 2, 3),
        flipped=torch.zeros(count, dtype=torch.bool),
    )


def prediction_of(
    camera: Tensor,
    joints: Tensor,
    levels: tuple[Tensor, ...],
    parameters: Mapping[str, Tensor] | None = None,
) -> Prediction:
    """Outputs of a mesh network, levels coarse to fine -> the record that its losses take."""
    return Prediction(
        camera=camera,
        vertices=levels[-1],
        levels=levels,
        parameters=dict(parameters or {}),
        extras={"joint_tokens": joints},
    )


@contextmanager
def gradients() -> Iterator[None]:
    """Gradients on, whatever the caller of a replay has switched off."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def in_training_format(module: nn.Module) -> nn.Module:
    """-> the module with its weights laid out as trainings have them.

    A loaded model has them as predictions are fastest; its batch norms then sum in another order,
    and batch statistics of a few pictures differ by 1e-5.
    """
    return module.to(memory_format=torch.contiguous_format)
