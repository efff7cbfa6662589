"""Replays of official PARE: networks through the public path, losses through the model's own."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.pare.losses import PARTS, pare_losses
from hpscli.body.layer import Body
from hpscli.nn.checkpoints import load_model
from hpscli.nn.threads import one_thread
from hpscli.records import Batch, Prediction
from hpscli.testing.goldens import (
    ArrayCheck,
    ReplayOptions,
    compare,
    compare_stored,
    fill_manifest,
    locate,
    read_golden,
    read_manifest,
)
from hpscli.testing.surrogates import surrogate_body, surrogate_regressor

CROP_PX, VERTICES = 224, 6890
ABSOLUTE = 1e-4  # rotations, shape, points (metres), attention
RELATIVE = 1e-3  # cameras; feature maps and logits, which random weights make large
LOSS = 1e-5  # relative
SHARP = 8.0  # of the second run: attention with peaks
FINAL = "head.keypoint_final_layer.weight"
# name -> (tolerance, unit) of what a golden may store
TOLERANCES: Mapping[str, tuple[float, str]] = {
    "rotmat": (ABSOLUTE, ""),
    "betas": (ABSOLUTE, ""),
    "camera": (RELATIVE, "relative"),
    "pred_cam_t": (RELATIVE, "relative"),
    "joints49": (ABSOLUTE, "m"),
    "joints2d_norm": (RELATIVE, "relative"),
    "keypoints3d_h36m17": (ABSOLUTE, "m"),
    "segm_logits": (RELATIVE, ""),
    "heatmaps": (ABSOLUTE, ""),
    "pred_kp2d": (ABSOLUTE, ""),
    "part_attention_softmax": (ABSOLUTE, ""),
    "point_local_feat": (RELATIVE, ""),
    "cam_shape_feat": (RELATIVE, ""),
    "feature": (RELATIVE, ""),
    "vertices": (ABSOLUTE, "m"),
}
# Official weights of the losses; all are multiplied by 60 in the end.
WEIGHTS = {
    "keypoints2d": ("loss_keypoints", 5.0),
    "keypoints3d": ("loss_keypoints_3d", 5.0),
    "pose": ("loss_regr_pose", 1.0),
    "betas": ("loss_regr_betas", 0.001),
    "vertices": ("loss_shape", 0.0),
    "camera": ("loss_cam", 1.0),
    "parts": ("loss_segm_mask", 1.0),
}
TOTAL = 60.0


def replay_pare_hrnet_w32(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/pare_hrnet_w32.npz: the released network, then the same with sharper attention."""
    golden = read_golden(folder, "goldens/pare_hrnet_w32.npz")
    state = filled(folder, "pare_hrnet_w32", options)
    plain = {k: v for k, v in golden.items() if not k.startswith("sharp_")}
    yield from outputs(plain, state, options)
    (final,) = (key for key in state if key.endswith(FINAL))
    sharp = {k.removeprefix("sharp_"): v for k, v in golden.items() if k.startswith("sharp_")}
    for check in outputs(sharp, {**state, final: SHARP * state[final]}, options):
        yield ArrayCheck(**{**vars(check), "name": f"sharp_{check.name}"})


def replay_pare_mmhuman3d(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/pare_mmhuman3d.npz: the same network under mmhuman3d's names."""
    golden = read_golden(folder, "goldens/pare_mmhuman3d.npz")
    yield from outputs(golden, filled(folder, "mmhuman3d_pare_hrnet_w32", options), options)


def replay_pare_resnet50_softargmax(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/pare_resnet50_softargmax.npz: features sampled where each joint is expected."""
    golden = read_golden(folder, "goldens/pare_resnet50_softargmax.npz")
    with one_thread():  # as the golden was made: tiny sampled numbers show the order of every sum
        checks = list(outputs(golden, filled(folder, "pare_resnet50_softargmax", options), options))
    yield from checks


def filled(folder: Path, manifest: str, options: ReplayOptions) -> dict[str, Tensor]:
    """-> the official state dict; the heat maps of HRNet, which nothing reads, are left out."""
    entries = read_manifest(locate(folder, f"keys/{manifest}.json"))
    used = {k: v for k, v in entries.items() if ".final_layer." not in f".{k}" and "smpl." not in k}
    temperature = {key: 1.0 for key in used if key.endswith("head.temperature")}
    return fill_manifest(used, constants=temperature, xor=options.seed_xor)


def outputs(
    golden: Mapping[str, Any], state: Mapping[str, Tensor], options: ReplayOptions
) -> Iterator[ArrayCheck]:
    """Images of the golden's seed -> every array that it stores."""
    count = len(golden["rotmat"])
    random = np.random.RandomState(options.first_seed("image_seed", 0))
    image = random.standard_normal((count, 3, CROP_PX, CROP_PX)).astype(np.float32)
    with torch.no_grad():
        found = load_model(state, body=surrogate(options))(torch.from_numpy(image)).raw
    for name, (tolerance, unit) in TOLERANCES.items():
        if name in found:
            yield from _stored(golden, name, found[name], tolerance, unit)


def _stored(
    golden: Mapping[str, Any], name: str, value: Tensor, tolerance: float, unit: str
) -> Iterator[ArrayCheck]:
    if name in ("point_local_feat", "cam_shape_feat") and name in golden:
        value = value[:, : golden[name].shape[1]]  # the first channels
    if name == "segm_logits" and f"{name}_shape" in golden:
        yield compare(f"{name}_shape", np.array(value.shape), golden[f"{name}_shape"], 0.0)
        golden = {k: v for k, v in golden.items() if k != f"{name}_shape"}
    yield from compare_stored(golden, name, value, tolerance, unit)


def surrogate(options: ReplayOptions) -> dict[str, Any]:
    """-> arrays of the surrogate SMPL under their official names, with both regressors."""
    extra = options.get("regressor_extra_seed", 13)
    h36m = options.get("regressor_h36m_seed", 14)
    return {
        **surrogate_body("smpl", options.get("body_seed", 7)),
        "J_regressor_extra": surrogate_regressor(9, VERTICES, extra),
        "J_regressor_h36m": surrogate_regressor(17, VERTICES, h36m),
    }


def replay_losses(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/loss_pare.npz, whose people are those of loss_spin.npz: every term and their sum."""
    golden = read_golden(folder, "goldens/loss_pare.npz")
    prediction, batch = scene(read_golden(folder, "goldens/loss_spin.npz"), golden)
    # The inputs that a seed stands for: wrong ones would make every term wrong.
    yield from compare_stored(golden, "segm_logits", prediction.extras["part_logits"], 0.0)
    yield from compare_stored(golden, "gt_segm", batch.targets[PARTS], 0.0)
    from hpscli.body.kit import body_kit

    body: Body = body_kit("smpl", given=surrogate(options)).body()
    with torch.no_grad():
        terms = pare_losses(prediction, batch, body, list(WEIGHTS))
    total = 0.0
    for ours, (theirs, weight) in WEIGHTS.items():
        value = weight * float(terms[ours])
        total += value
        yield compare(theirs, value, golden[theirs], LOSS, "relative")
    yield compare("total_loss", TOTAL * total, golden["total_loss"], LOSS, "relative")


def scene(spin: Mapping[str, Any], golden: Mapping[str, Any]) -> tuple[Prediction, Batch]:
    """-> what the network said, and the labels, in our records."""
    tensor = {name: torch.from_numpy(value) for name, value in spin.items() if value.ndim}
    count = len(tensor["pred_cam"])
    logits = _drawn(golden["segm_logits_seed"]).standard_normal((count, 25, 56, 56))
    parts = _drawn(golden["gt_segm_seed"]).randint(0, 25, (count, CROP_PX, CROP_PX))
    targets = {
        "keypoints2d.smpl49": tensor["gt_keypoints2d_norm49"],
        "keypoints3d.spin_gt24": tensor["gt_joints3d_24"],
        "smpl.global_orient": tensor["target_pose_axis_angle"][:, :3],
        "smpl.body_pose": tensor["target_pose_axis_angle"][:, 3:],
        "smpl.betas": tensor["target_betas"],
        PARTS: torch.from_numpy(parts).float(),
    }
    fitted, three = tensor["valid_fit"] > 0, tensor["has_pose_3d"] > 0
    present = {name: fitted for name in targets}
    present["keypoints2d.smpl49"] = torch.ones(count, dtype=torch.bool)
    present["keypoints3d.spin_gt24"] = three
    prediction = Prediction(
        camera=tensor["pred_cam"],
        parameters={
            "global_orient": tensor["pred_rotmat"][:, 0],
            "body_pose": tensor["pred_rotmat"][:, 1:],
            "betas": tensor["pred_betas"],
        },
        extras={"part_logits": torch.from_numpy(logits.astype(np.float32))},
    )
    batch = Batch(
        keys=tuple(str(i) for i in range(count)),
        image=torch.zeros(count, 3, CROP_PX, CROP_PX),
        targets=targets,
        present=present,
        affine=torch.eye(2, 3).expand(count, 2, 3),
        flipped=torch.zeros(count, dtype=torch.bool),
    )
    return prediction, batch


def _drawn(seed: Any) -> np.random.RandomState:
    return np.random.RandomState(int(seed))
