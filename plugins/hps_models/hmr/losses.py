"""Loss terms as SPIN, mmhuman3d and hmr-benchmarks define them, unweighted.

SPIN: squares. Weights, all times 60: keypoints2d 5, keypoints3d 5, pose 1, betas 0.001, camera 1,
vertices 0. mmhuman3d and HMR+: three families of elementwise losses. Weights: keypoints3d 100,
keypoints2d 10, vertices 2, pose 3, betas 0.02. Source: reference hmr, 3.1 and 3.3.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from hps_models.hmr.raw import CROP_PX, project_px
from hpscli.body.joints import joint_set
from hpscli.body.layer import PARAMETERS, Body, matrices
from hpscli.records import Batch, Prediction
from hpscli.train.losses import Scene, root_of, spin, weighted_mean
from hpscli.train.losses.fits import MMHUMAN3D, SPIN, Rule, checked_fits

Elementwise = Callable[[Tensor], Tensor]  # difference -> loss of every element
SPIN_WEIGHTS = {"keypoints2d": 5, "keypoints3d": 5, "pose": 1, "betas": 0.001, "camera": 1}
SPIN_FACTOR = 60  # of the weighted sum
MMHUMAN3D_WEIGHTS = {"keypoints3d": 100, "keypoints2d": 10, "vertices": 2, "pose": 3, "betas": 0.02}


@dataclass(frozen=True)
class Terms:
    """Which elementwise loss each term takes.

    flagged: joints are averaged over all of a labelled person, the unseen ones count as zero;
    otherwise over those that were seen.
    """

    keypoints3d: Elementwise
    keypoints2d: Elementwise
    vertices: Elementwise
    pose: Elementwise
    betas: Elementwise
    flagged: bool = False


def smooth_l1(difference: Tensor) -> Tensor:
    """difference (...) -> squares below one, lines above (...)."""
    return functional.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none")


DEFAULT = Terms(smooth_l1, smooth_l1, torch.abs, torch.square, torch.square)
ALL_L1 = Terms(torch.abs, torch.abs, torch.abs, torch.abs, torch.abs)
ALL_MSE = Terms(torch.square, torch.square, torch.square, torch.square, torch.square)


def hips_of(name: str) -> list[int]:
    """Joint set -> the two hips of annotators, of which the root is the middle; else its root."""
    names = joint_set(name).common_names()
    wanted = ("right_hip_extra", "left_hip_extra")
    return [names.index(hip) for hip in wanted] if set(wanted) <= set(names) else root_of(name)


def averaged(values: Tensor, confidence: Tensor, present: Tensor, flagged: bool) -> Tensor:
    """values (B,J,C), confidence (B,J,1), present (B,) -> the mean that mmhuman3d takes."""
    if flagged:
        return spin.mean_of_people(values, confidence, present)
    return weighted_mean(values, confidence * present[:, None, None])


def mm_keypoints3d(scene: Scene, terms: Terms) -> Tensor:
    """Joints relative to the middle of the hips, weighted by confidence."""
    total = scene.nothing()
    for name, (target, present) in scene.targets("keypoints3d.").items():
        hips = hips_of(name)
        present = spin.with_root(target, present, hips)
        difference = spin.rooted(scene.joints(name), hips) - spin.rooted(target[..., :3], hips)
        values = terms.keypoints3d(difference)
        total = total + averaged(values, target[..., 3:], present, terms.flagged)
    return total


def mm_keypoints2d(scene: Scene, terms: Terms) -> Tensor:
    """Projected joints. Both sides are divided by 111.5 px, but the target's centre is at 111.5 px
    and the projection's at 112 px, as in their code."""
    total = scene.nothing()
    half = (CROP_PX - 1) / 2
    for name, (target, present) in scene.targets("keypoints2d.").items():
        predicted = project_px(scene.joints(name), scene.prediction.camera) / half
        pixels = (target[..., :2] + 1) * (CROP_PX / 2)  # labels come in crop units
        values = terms.keypoints2d(predicted - (pixels / half - 1))
        total = total + averaged(values, target[..., 2:], present, terms.flagged)
    return total


def parameters_loss(scene: Scene, elementwise: Elementwise) -> Tensor:
    """Rotation matrices of all joints, of the people that have them."""
    names = list(PARAMETERS[scene.body.kind])
    found = scene.targets(f"{scene.body.kind}.")
    if any(name not in found for name in names):
        return scene.nothing()
    wanted = matrices({name: found[name][0] for name in names})
    predicted = scene.prediction.parameters
    difference = torch.cat([(predicted[n] - wanted[n]).flatten(1) for n in names], dim=1)
    present = torch.stack([found[name][1] for name in names]).amin(dim=0)
    return weighted_mean(elementwise(difference), present[:, None]) + scene.nothing()


def betas_loss(scene: Scene, elementwise: Elementwise) -> Tensor:
    """Shape coefficients, of the people that have them."""
    found = scene.targets(f"{scene.body.kind}.").get("betas")
    if found is None:
        return scene.nothing()
    difference = scene.prediction.parameters["betas"] - found[0]
    return weighted_mean(elementwise(difference), found[1][:, None]) + scene.nothing()


def vertices_loss(scene: Scene, elementwise: Elementwise) -> Tensor:
    """Meshes, each in its body's own frame, of the people that have all parameters."""
    kind = scene.body.kind
    found = scene.targets(f"{kind}.")
    names = [*PARAMETERS[kind], "betas"]
    if any(name not in found for name in names):
        return scene.nothing()
    with torch.no_grad():
        rotations = matrices({name: found[name][0] for name in PARAMETERS[kind]})
        wanted = scene.body({**rotations, "betas": found["betas"][0]}).vertices
    present = torch.stack([found[name][1] for name in names]).amin(dim=0)
    values = elementwise(scene.vertices() - wanted)
    return weighted_mean(values, present[:, None, None]) + scene.nothing()


SPIN_TERMS: Mapping[str, Callable[[Scene], Tensor]] = {
    "keypoints2d": spin.keypoints2d,
    "keypoints3d": spin.keypoints3d,
    "pose": partial(parameters_loss, elementwise=torch.square),
    "betas": partial(betas_loss, elementwise=torch.square),
    "vertices": partial(vertices_loss, elementwise=torch.abs),
    "camera": spin.camera,
}


def mmhuman3d_terms(terms: Terms) -> Mapping[str, Callable[[Scene], Tensor]]:
    """-> the terms of mmhuman3d with these elementwise losses."""
    return {
        "keypoints2d": partial(mm_keypoints2d, terms=terms),
        "keypoints3d": partial(mm_keypoints3d, terms=terms),
        "pose": partial(parameters_loss, elementwise=terms.pose),
        "betas": partial(betas_loss, elementwise=terms.betas),
        "vertices": partial(vertices_loss, elementwise=terms.vertices),
        "camera": spin.camera,
    }


def _losses(
    table: Mapping[str, Callable[[Scene], Tensor]],
    rule: Rule,
    prediction: Prediction,
    batch: Batch,
    body: Body,
    names: Collection[str],
) -> dict[str, Tensor]:
    """Prediction and targets -> {name: scalar}, unweighted; a term without any label is 0.

    Static fits are labels while they pass the program's own rule, measured parameters always.
    """
    scene = Scene(prediction, checked_fits(batch, body, rule), body)
    return spin.chosen_terms("hmr", table, scene, names)


def mmhuman3d_losses_of(terms: Terms) -> Callable[..., dict[str, Tensor]]:
    """-> the losses of mmhuman3d with these elementwise losses, and its rule for fits."""
    return partial(_losses, mmhuman3d_terms(terms), MMHUMAN3D)


spin_losses = partial(_losses, SPIN_TERMS, SPIN)
mmhuman3d_losses = mmhuman3d_losses_of(DEFAULT)
mmhuman3d_l1_losses = mmhuman3d_losses_of(ALL_L1)
mmhuman3d_mse_losses = mmhuman3d_losses_of(ALL_MSE)
