"""What official code said about the losses of SPIN and mmhuman3d, and the adversarial prior."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.hmr import losses
from hps_models.hmr.discriminator import JOINTS as JUDGED
from hps_models.hmr.discriminator import Discriminator, discriminator_losses, generator_loss
from hps_models.hmr.network import rotations_of
from hps_models.hmr.raw import project_px, project_spin
from hpscli.body.kit import body_kit
from hpscli.body.layer import Body
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.records import Batch, Prediction
from hpscli.testing.goldens import (
    ArrayCheck,
    ReplayOptions,
    compare,
    fill_manifest,
    locate,
    read_golden,
    read_manifest,
)
from hpscli.testing.surrogates import surrogate_body, surrogate_regressor

SIZE_PX = 224
VERTICES = 6890
LOSS = 1e-5  # of losses, relative, as SPEC 8 says
GRADIENT = 1e-4  # sums over thousands of vertices in another order, relative to the largest
POINTS = 1e-4  # metres, and crop units: what networks are allowed
SCORE = 1e-4
ROTATION = 1e-5
# Ours -> theirs, of mmhuman3d's terms.
MM_TERMS = {
    "keypoints3d": "keypoints3d_loss",
    "keypoints2d": "keypoints2d_loss",
    "vertices": "vertex_loss",
    "pose": "smpl_pose_loss",
    "betas": "smpl_betas_loss",
}
MM_FAMILIES = {"default": losses.DEFAULT, "l1": losses.ALL_L1, "mse": losses.ALL_MSE}
SPIN_TERMS = {
    "pose": "loss_regr_pose",
    "betas": "loss_regr_betas",
    "keypoints2d": "loss_keypoints",
    "keypoints3d": "loss_keypoints_3d",
    "vertices": "loss_shape",
    "camera": "loss_cam",
}


def replay_mmhuman3d(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/loss_hmr_mmhuman3d.npz: every term of three families, with and without flags."""
    golden = read_golden(folder, "goldens/loss_hmr_mmhuman3d.npz")
    yield from _rotations(golden, "pred_pose6d_spin_layout")
    body = surrogate(options)
    with torch.inference_mode(False), torch.enable_grad():
        pose = parameters_of(golden, "gt_pose_axis_angle", "gt_betas", "has_smpl")
        targets = {
            "keypoints2d.smpl54": (in_crop_units(golden["gt_keypoints2d"]), "has_keypoints2d"),
            "keypoints3d.smpl54": (golden["gt_keypoints3d"], "has_keypoints3d"),
            **pose,
        }
        for family, terms in MM_FAMILIES.items():
            for word, flagged in (("noflag", False), ("flag", True)):
                prefix = f"{family}_{word}_"
                if not any(key.startswith(prefix) for key in golden):
                    continue
                batch = batch_of(golden, targets, joints_flagged=flagged)
                function = losses.mmhuman3d_losses_of(replace(terms, flagged=flagged))
                yield from _mm_family(golden, prefix, function, batch, body)
        yield from _projected(golden, body)
    yield from _adversarial(folder, golden, options)


def _mm_family(
    golden: Mapping[str, Any],
    prefix: str,
    function: Callable[..., dict[str, Tensor]],
    batch: Batch,
    body: Body,
) -> Iterator[ArrayCheck]:
    prediction, leaves = prediction_of(golden)
    terms = function(prediction, batch, body, list(MM_TERMS))
    weighted = {name: losses.MMHUMAN3D_WEIGHTS[name] * value for name, value in terms.items()}
    total = torch.stack(list(weighted.values())).sum()
    for ours, theirs in MM_TERMS.items():
        key = prefix + theirs
        yield compare(key, weighted[ours], golden[key], LOSS, "relative")
    key = f"{prefix}total_without_adv"
    yield compare(key, total, golden[key], LOSS, "relative")
    yield from _gradients(golden, total, leaves, prefix, {"pose": 0, "betas": 1, "cam": 2})


def _rotations(golden: Mapping[str, Any], key: str) -> Iterator[ArrayCheck]:
    """The 6D rotations of a prediction are those matrices."""
    if key in golden:
        found = rotations_of(torch.from_numpy(golden[key]))
        yield compare("pred_rotmat", found, golden["pred_rotmat"], ROTATION)


def _projected(golden: Mapping[str, Any], body: Body) -> Iterator[ArrayCheck]:
    """Joints of training and their projection, in pixels from the centre."""
    joints = joints_of(golden, body, "smpl54")
    key = "pred_keypoints3d_smpl54"
    yield compare(key, joints, golden[key], POINTS, "m")
    pixels = project_px(joints, torch.from_numpy(golden["pred_cam"]))
    if "smpl54_joint_mask" in golden:  # which of the 54 the body gives
        given = torch.isfinite(joints).all(dim=-1).float()
        yield compare("smpl54_joint_mask", given, golden["smpl54_joint_mask"], 0.0)
    key = "pred_keypoints2d_px_centered"
    yield compare(key, pixels, golden[key], LOSS, "relative")


def _adversarial(
    folder: Path, golden: Mapping[str, Any], options: ReplayOptions
) -> Iterator[ArrayCheck]:
    """Scores of predictions and of captured poses, and the three losses out of them."""
    entries = read_manifest(locate(folder, "keys/mmhuman3d_hmr_resnet50.json"))
    state = fill_manifest(
        {key: entry for key, entry in entries.items() if key.startswith("disc.")},
        xor=options.seed_xor,
    )
    judge = Discriminator().eval()
    judge.load_state_dict({key.removeprefix("disc."): value for key, value in state.items()})
    with torch.no_grad():
        fake = judge(
            torch.from_numpy(golden["pred_rotmat"])[:, 1:], torch.from_numpy(golden["pred_betas"])
        )
        captured = torch.from_numpy(golden["adv_real_body_pose"]).reshape(-1, JUDGED, 3)
        real = judge(axis_angle_to_matrix(captured), torch.from_numpy(golden["adv_real_betas"]))
    yield compare("disc_fake_score", fake, golden["disc_fake_score"], SCORE)
    yield compare("disc_real_score", real, golden["disc_real_score"], SCORE)
    found = {"gen_loss": generator_loss(fake), **discriminator_losses(real, fake)}
    for name, value in found.items():
        key = f"adv_{name}"
        yield compare(key, value, golden[key], LOSS, "relative")


def replay_spin(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/loss_spin.npz: every term, the weighted sum, its gradients."""
    golden = read_golden(folder, "goldens/loss_spin.npz")
    yield from _rotations(golden, "pred_pose6d")
    body = surrogate(options)
    with torch.inference_mode(False), torch.enable_grad():
        targets = {
            "keypoints2d.smpl49": (golden["gt_keypoints2d_norm49"], ""),
            "keypoints3d.spin_gt24": (golden["gt_joints3d_24"], "has_pose_3d"),
            **parameters_of(golden, "target_pose_axis_angle", "target_betas", "valid_fit"),
        }
        batch = batch_of(golden, targets)
        prediction, leaves = prediction_of(golden)
        terms = losses.spin_losses(prediction, batch, body, list(SPIN_TERMS))
        for ours, theirs in SPIN_TERMS.items():
            yield compare(theirs, terms[ours], golden[theirs], LOSS, "relative")
        weights = losses.SPIN_WEIGHTS
        weighted = torch.stack([weights[name] * terms[name] for name in weights])
        total = losses.SPIN_FACTOR * weighted.sum()
        yield compare("total", total, golden["total"], LOSS, "relative")
        yield from _gradients(golden, total, leaves, "", {"rotmat": 0, "betas": 1, "cam": 2})
        joints = joints_of(golden, body, "smpl49")
        yield compare("pred_joints49", joints, golden["pred_joints49"], POINTS, "m")
        shown = project_spin(joints, torch.from_numpy(golden["pred_cam"]))
        key = "pred_keypoints2d_norm"
        yield compare(key, shown, golden[key], LOSS, "relative")


def _gradients(
    golden: Mapping[str, Any],
    total: Tensor,
    leaves: tuple[Tensor, ...],
    prefix: str,
    names: Mapping[str, int],
) -> Iterator[ArrayCheck]:
    found = torch.autograd.grad(total, leaves)
    for name, index in names.items():
        key = f"{prefix}grad_{name}"
        yield compare(key, found[index], golden[key], GRADIENT, "relative")


def surrogate(options: ReplayOptions) -> Body:
    """-> the surrogate SMPL with both regressors, given as arrays under their official names."""
    extra = options.get("regressor_extra_seed", 13)
    arrays = {
        **surrogate_body("smpl", options.get("body_seed", 7)),
        "J_regressor_extra": surrogate_regressor(9, VERTICES, extra),
    }
    return body_kit("smpl", given=arrays).body()


def prediction_of(golden: Mapping[str, Any]) -> tuple[Prediction, tuple[Tensor, ...]]:
    """-> the prediction of a golden; its rotations, shape, camera, which want gradients."""
    rotations, shape, camera = (
        torch.from_numpy(golden[name]).clone().requires_grad_(True)
        for name in ("pred_rotmat", "pred_betas", "pred_cam")
    )
    prediction = Prediction(
        camera=camera,
        parameters={
            "global_orient": rotations[:, 0],
            "body_pose": rotations[:, 1:],
            "betas": shape,
        },
    )
    return prediction, (rotations, shape, camera)


def joints_of(golden: Mapping[str, Any], body: Body, name: str) -> Tensor:
    """-> the joints of a set (B,J,3) of the golden's prediction."""
    with torch.no_grad():
        found = body(prediction_of(golden)[0].parameters)
        return body.regress(found.vertices, name, joints=found.joints)


def in_crop_units(points: Any) -> Any:
    """points (B,J,3) px of the crop, confidence -> crop units -1..1, confidence."""
    return np.concatenate([2 * points[..., :2] / SIZE_PX - 1, points[..., 2:]], axis=-1)


def parameters_of(
    golden: Mapping[str, Any], pose: str, betas: str, flag: str
) -> dict[str, tuple[Any, str]]:
    """-> targets of SMPL's parameters: (values, name of the flag that says who has them)."""
    return {
        "smpl.global_orient": (golden[pose][:, :3], flag),
        "smpl.body_pose": (golden[pose][:, 3:], flag),
        "smpl.betas": (golden[betas], flag),
    }


def batch_of(
    golden: Mapping[str, Any],
    targets: Mapping[str, tuple[Any, str]],
    *,
    joints_flagged: bool = True,
) -> Batch:
    """Targets with the names of their flags -> a batch; joints without flags count for everybody."""
    count = len(golden["pred_cam"])

    def present(name: str, flag: str) -> Tensor:
        if not flag or (name.startswith("keypoints") and not joints_flagged):
            return torch.ones(count, dtype=torch.bool)
        return torch.from_numpy(golden[flag]) > 0

    return Batch(
        keys=tuple(str(row) for row in range(count)),
        image=torch.zeros(count, 3, SIZE_PX, SIZE_PX),
        targets={k: torch.from_numpy(np.float32(values)) for k, (values, _) in targets.items()},
        present={name: present(name, flag) for name, (_, flag) in targets.items()},
        affine=torch.zeros(count, 2, 3),
        flipped=torch.zeros(count, dtype=torch.bool),
    )
