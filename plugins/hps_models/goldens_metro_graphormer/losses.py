"""The losses of METRO and Mesh Graphormer on fixed predictions, and the labels behind them."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.goldens_metro_graphormer.networks import surrogate
from hpscli.body.kit import BodyKit
from hpscli.nn.mesh.labels import mesh_labels
from hpscli.nn.mesh.losses import metro_losses
from hpscli.nn.mesh.space import MeshSpace, mesh_space
from hpscli.nn.mesh.target import TARGETS, mesh_levels, template_joints
from hpscli.nn.mesh.weightings import METRO
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden
from hpscli.testing.mesh_goldens import label_batch, prediction_of

RELATIVE = 1e-4  # of losses, as the specification of the project asks
METRES = 1e-4  # SPEC 9
PREDICTION_SEEDS = {"body": 31, "hand": 33}
SPREAD = 0.3  # metres: of drawn joints and vertices
CAMERA = np.array([0.9, 0.0, 0.0])  # mean of drawn cameras; they spread by 0.1


def replay_fixed(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/losses_fixed_preds.npz: every term of every case, and the labels."""
    golden = read_golden(folder, "goldens/losses_fixed_preds.npz")
    for target in TARGETS:
        if f"{target}_in_pose" not in golden:
            continue
        kit = surrogate(folder, target, options)
        camera, joints, levels = predicted(golden, target, kit, options)
        key = f"{target}_pred_camera"
        yield compare(key, camera, golden[key], METRES, note="as drawn by rule")
        for case in cases(golden, target):
            terms = metro_losses(
                prediction_of(camera, joints, levels),
                label_batch(given(golden, target, case), kit),
                kit,
                list(METRO[target]),
            )
            yield from check_terms(golden, f"{target}_{case}_", terms, target, mesh_space(kit))
        yield from _labels(golden, target, kit)


def cases(golden: Mapping[str, Any], target: str) -> list[str]:
    """-> "mixed", "none": the cases of a target that the golden holds."""
    found = (re.fullmatch(rf"{target}_(\w+)_total", key) for key in golden)
    return [match[1] for match in found if match]


def given(golden: Mapping[str, Any], target: str, case: str = "mixed") -> dict[str, Any]:
    """-> the annotation arrays of a target, under their official names."""
    prefix = f"{target}_in_"
    arrays = {k.removeprefix(prefix): v for k, v in golden.items() if k.startswith(prefix)}
    if case == "none":  # SPEC 9: the same arrays, all flags 0
        arrays |= {name: 0 * flag for name, flag in arrays.items() if "has_" in name}
    return arrays


def check_terms(
    golden: Mapping[str, Any],
    prefix: str,
    terms: Mapping[str, Tensor],
    target: str,
    space: MeshSpace,
    tolerance: float = RELATIVE,
) -> Iterator[ArrayCheck]:
    """Our terms -> checks of every term, sum and total that the golden holds of them."""
    for name, value in official_terms(terms, target, space).items():
        if prefix + name in golden:
            yield compare(prefix + name, value, golden[prefix + name], tolerance, "relative")


def official_terms(terms: Mapping[str, Tensor], target: str, space: MeshSpace) -> dict[str, Tensor]:
    """Our terms -> the numbers that the official loop logs, by its names."""
    weights = METRO[target]
    sizes = list(reversed(space.hierarchy.sizes))  # coarse to fine
    names = ["vertices_coarse", "vertices_middle", "vertices_fine"]
    levels = names if len(sizes) == len(names) else [names[0], names[-1]]
    named = {
        "loss_3d_joints": terms["token_joints3d"],
        "loss_3d_joints_from_mesh": terms["mesh_joints3d"],
        "loss_2d_joints": terms["token_joints2d"],
        "loss_2d_joints_from_mesh": terms["mesh_joints2d"],
        "sum_3d": terms["token_joints3d"] + terms["mesh_joints3d"],
        "sum_2d": terms["token_joints2d"] + terms["mesh_joints2d"],
    }
    named |= {
        f"loss_vertices_{size}": terms[level] for size, level in zip(sizes, levels, strict=True)
    }
    scale = weights["token_joints2d"]  # of vertices too: SPEC 3.1
    named["weighted_vertices"] = torch.stack([terms[n] * weights[n] / scale for n in levels]).sum()
    return named | {"total": weighted(terms, weights)}


def weighted(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """-> the scalar that is back-propagated."""
    return torch.stack([terms[name] * weight for name, weight in weights.items()]).sum()


def predicted(
    golden: Mapping[str, Any], target: str, kit: BodyKit, options: ReplayOptions
) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """-> camera, joints, levels coarse to fine; what the golden stores is taken from there."""
    count = len(golden[f"{target}_in_pose"])
    draw = np.random.RandomState(options.get(f"{target}_prediction_seed", PREDICTION_SEEDS[target]))
    camera = 0.1 * draw.standard_normal((count, 3)) + CAMERA
    joints = SPREAD * draw.standard_normal((count, TARGETS[target].joints, 3))
    drawn = {"joints3d": joints}
    sizes = list(reversed(kit.hierarchy().sizes))
    for size in sizes:
        drawn[f"vertices_{size}"] = SPREAD * draw.standard_normal((count, size, 3))
    tensors = {
        name: torch.from_numpy(np.asarray(golden.get(f"{target}_pred_{name}", value), np.float32))
        for name, value in drawn.items()
    }
    levels = tuple(tensors[f"vertices_{size}"] for size in sizes)
    return torch.from_numpy(camera.astype(np.float32)), tensors["joints3d"], levels


def _labels(golden: Mapping[str, Any], target: str, kit: BodyKit) -> Iterator[ArrayCheck]:
    """The body of the labels, where the body layer puts it."""
    space = mesh_space(kit)
    labels = mesh_labels(label_batch(given(golden, target), kit), space)
    rest = "hand_pose" if kit.kind == "mano" else "body_pose"
    with torch.no_grad():
        posed = space.body(
            {
                "global_orient": labels.pose[:, 0],
                rest: labels.pose[:, 1:],
                "betas": labels.betas,
            }
        )
        joints = template_joints(space.target, space.body, posed.vertices, posed.joints)
    vertices = posed.vertices
    if target == "hand":
        for name, points in (
            ("vertices", vertices),
            ("joints", joints),
            ("joints_regressed", space.joints(vertices)),
        ):
            key = f"hand_gt_{name}_mm"
            yield compare(key, 1000 * points, golden[key], 1000 * METRES, "mm")
        return
    coarse = mesh_levels(space.hierarchy, vertices)[0]
    found = {"vertices_first64": vertices[:, :64], "h36m17": joints}
    found |= {
        "j24": space.body.regress(vertices, "metro24"),
        f"vertices_{coarse.shape[1]}": coarse,
    }
    for name, points in found.items():
        yield compare(f"body_gt_{name}", points, golden[f"body_gt_{name}"], METRES, "m")
