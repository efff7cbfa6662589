"""Every loss of two variants and the gradients of their weighted sum."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hps_models.osx.goldens.bodies import surrogate_smplx
from hps_models.osx.goldens.networks import official_model, random_images
from hps_models.osx.losses import osx_elements
from hps_models.osx.targets import Targets
from hps_models.osx.weights import rows, their_name
from hpscli.nn.layouts import Row, official_parameters
from hpscli.nn.loaded import LoadedModel
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden

LOSS = 1e-4  # issue: "losses 1e-4 relative"
GRADIENT = 1e-3  # relative; float32 through 12 layers and a mesh of 10 475 vertices
VARIANTS = {  # of the file: manifest, what official `smplx_loss_weight` multiplies, by how much
    "normal": ("osx_b", ("smplx_shape",), 1.0),
    "wo_decoder_agora": (
        "osx_b_wo_decoder",
        ("smplx_pose", "smplx_shape", "smplx_expr", "joint_cam", "smplx_joint_cam"),
        2.0,
    ),
}
NAMES = {  # fields of Targets -> names of the golden's inputs
    "joint_image": "joint_img",
    "joint_seen": "joint_trunc",
    "joint_metres": "joint_cam",
    "joint_valid": "joint_valid",
    "has_depth": "is_3D",
    "body_image": "smplx_joint_img",
    "body_seen": "smplx_joint_trunc",
    "body_metres": "smplx_joint_cam",
    "body_valid": "smplx_joint_valid",
    "pose": "smplx_pose",
    "pose_valid": "smplx_pose_valid",
    "betas": "smplx_shape",
    "betas_valid": "smplx_shape_valid",
    "expression": "smplx_expr",
    "expression_valid": "smplx_expr_valid",
}
FIRST = 32  # stored numbers of a gradient
DEAD = "__params_without_grad"


def replay_losses(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/loss.npz: means of all terms, their sum, gradients."""
    golden = read_golden(folder, "goldens/loss.npz")
    for variant, (manifest, weighted, weight) in VARIANTS.items():
        part = {
            key.removeprefix(f"{variant}/"): value
            for key, value in golden.items()
            if key.startswith(f"{variant}/")
        }
        if not part:
            continue
        xor = options.seed_xor or int(golden.get("key_xor", 0))
        model = official_model(folder, manifest, xor, surrogate_smplx(options))
        weights = dict.fromkeys(weighted, weight)
        seed = options.first_seed("image_seed", int(golden.get("image_seed", 0)))
        for check in _replay(part, model, weights, seed):
            yield _named(check, variant)


def _replay(
    golden: Mapping[str, Any], model: LoadedModel, weights: Mapping[str, float], seed: int
) -> Iterator[ArrayCheck]:
    stored = [key.removeprefix("loss_mean/") for key in golden if key.startswith("loss_mean/")]
    camera_only = "joint_img_face" not in stored  # that variant was trained on AGORA alone
    names = {name: name for name in stored}
    if camera_only:
        names["joint_proj"] = "joint_proj_camera"
    network = model.module.train()
    for child in network.children():  # batch norms by their statistics, nothing dropped
        child.eval()
    targets = read_targets(golden)
    prediction = network(random_images(seed, len(targets.pose)))
    terms = osx_elements(prediction, targets, model.body, list(names.values()))
    losses = {name: terms[ours].mean() * weights.get(name, 1.0) for name, ours in names.items()}
    for name, loss in losses.items():
        yield compare(f"loss_mean/{name}", loss, golden[f"loss_mean/{name}"], LOSS, "relative")
        shape = np.array(terms[names[name]].shape)
        yield compare(f"loss_shape/{name}", shape, golden[f"loss_shape/{name}"], 0.0)
    total = torch.stack(list(losses.values())).sum()
    yield compare("total", total, golden["total"], LOSS, "relative")
    torch.autograd.backward(total)
    unused = [row for row in rows(model.options) if not row.ours]
    yield from _gradients(golden, network, unused)


def read_targets(golden: Mapping[str, Any]) -> Targets:
    """Inputs `in/*` -> Targets."""

    def given(name: str) -> Tensor:
        return torch.from_numpy(golden[f"in/{name}"])

    parts = ("lhand", "rhand", "face")
    boxes = {
        "box_centres": torch.stack([given(f"{part}_bbox_center") for part in parts], dim=1),
        "box_sizes": torch.stack([given(f"{part}_bbox_size") for part in parts], dim=1),
        "boxes_valid": torch.stack([given(f"{part}_bbox_valid") for part in parts], dim=1),
    }
    return Targets(**{ours: given(theirs) for ours, theirs in NAMES.items()}, **boxes)


def _gradients(
    golden: Mapping[str, Any], network: nn.Module, unused: Sequence[Row]
) -> Iterator[ArrayCheck]:
    """Norms by official part, how many parameters have none, the first numbers of some tensors."""
    found = {}
    for name, parameter in network.named_parameters():
        if parameter.grad is not None:
            theirs, gradient = their_gradient(name, parameter.grad)
            found[theirs] = gradient
    for key, expected in golden.items():
        group, _, name = key.partition("/")
        if group == "grad_l2" and not name.endswith(DEAD):
            squares = sum(
                float(gradient.double().square().sum())
                for theirs, gradient in found.items()
                if theirs.split(".")[0] == name
            )
            yield compare(key, np.sqrt(squares), expected, GRADIENT, "relative")
        elif group == "grad_l2":
            dead = [row for row in unused if row.theirs.startswith(name.removesuffix(DEAD) + ".")]
            yield compare(key, official_parameters(dead), expected, 0.0)
        elif group == "grad":
            gradient = found[name.removesuffix(f"__first{FIRST}")].flatten()[:FIRST]
            yield compare(key, gradient, expected, GRADIENT, "relative")


def their_gradient(name: str, gradient: Tensor) -> tuple[str, Tensor]:
    """Our key, its gradient -> theirs; row 0 of their position table is added to all our rows."""
    if name == "encoder.pos_embed":
        return name, torch.cat([gradient.sum(dim=1, keepdim=True), gradient], dim=1)
    theirs = {"encoder.reg_token": "encoder.task_tokens"}.get(name, their_name(name))
    return theirs, gradient


def _named(check: ArrayCheck, variant: str) -> ArrayCheck:
    return replace(check, name=f"{variant}/{check.name}")
