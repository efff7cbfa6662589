"""Replays of official HMR2.0: the network through the public path, its head, losses, 2D measure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.hmr2.losses import absolute_sum, rooted_sum, square_sum
from hps_models.hmr2.network import predict
from hps_models.hmr2.weights import HEAD, rows
from hpscli.body.kit import body_kit
from hpscli.body.layer import complete
from hpscli.metrics.keypoints2d import average, normalised, pck
from hpscli.nn.checkpoints import load_model
from hpscli.nn.layouts import on_meta, read_rows
from hpscli.nn.options import complete_options
from hpscli.registry import get_registry, resolve
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
from hpscli.testing.surrogates import (
    surrogate_body,
    surrogate_mean_parameters,
    surrogate_regressor,
)

CROP_PX, VERTICES = 256, 6890
ABSOLUTE = 1e-4  # rotations, shape, points (metres)
RELATIVE = 1e-3  # camera and what it projects; features
LOSS = 1e-5  # relative
TOLERANCES: Mapping[str, tuple[float, str]] = {
    "global_orient": (ABSOLUTE, ""),
    "body_pose": (ABSOLUTE, ""),
    "betas": (ABSOLUTE, ""),
    "camera": (RELATIVE, "relative"),
    "pred_cam_t": (RELATIVE, "relative"),
    "joints44": (ABSOLUTE, "m"),
    "keypoints2d": (RELATIVE, "relative"),
    "feature": (RELATIVE, ""),
    "vertices": (ABSOLUTE, "m"),
}
LOSS_WEIGHTS = {
    "loss_keypoints_3d": 0.05,
    "loss_keypoints_2d": 0.01,
    "loss_global_orient": 0.001,
    "loss_body_pose": 0.001,
    "loss_betas": 0.0005,
}


def replay_full(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/hmr2_full_vit_h.npz: the whole network."""
    golden = read_golden(folder, "goldens/hmr2_full_vit_h.npz")
    model = load_model(filled(folder, options), body=surrogate(options))
    random = np.random.RandomState(options.first_seed("image_seed", 0))
    shape = (len(golden["camera"]), 3, CROP_PX, CROP_PX)
    image = torch.from_numpy(random.standard_normal(shape).astype(np.float32))
    with torch.no_grad():
        found = model(image).raw
    yield from _compared(golden, found)


def replay_head(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/hmr2_head.npz: the decoder alone on features of the stored seed."""
    golden = read_golden(folder, "goldens/hmr2_head.npz")
    spec = get_registry().model("hmr2")
    complete_set = complete_options(spec, "vit-h", {})
    table = [row for row in rows(complete_set) if row.ours.startswith(HEAD)]
    head = on_meta(lambda: resolve(spec.build)(**complete_set)).get_submodule("smpl_head")
    state = read_rows(table, filled(folder, options, HEAD))
    head.load_state_dict({key.removeprefix(HEAD): v for key, v in state.items()}, assign=True)
    random = np.random.RandomState(int(golden["feature_seed"]))
    shape = (len(golden["camera"]), 1280, 16, 12)
    features = torch.from_numpy(random.standard_normal(shape).astype(np.float32))
    kit = body_kit("smpl", given=surrogate(options))
    with torch.no_grad():
        prediction = predict(features, head.eval()(features), raw=True)
        whole = complete(prediction, kit.body(), vertices=True)
        found = {**whole.raw, **resolve(spec.raw)(whole, kit)}
    yield from _compared(golden, found)


def filled(folder: Path, options: ReplayOptions, prefix: str = "") -> dict[str, Tensor]:
    """-> the official state dict without what is not used: adversary, SMPL, a flag."""
    entries = read_manifest(locate(folder, "keys/hmr2.json"))
    mean = surrogate_mean_parameters(
        "concatenated",
        pose_seed=options.get("mean_pose_seed", 15),
        shape_seed=options.get("mean_shape_seed", 16),
    )
    used = {
        key: entry
        for key, entry in entries.items()
        if key.startswith(prefix or ("backbone.", HEAD))
    }
    constants = {
        f"{HEAD}init_body_pose": mean["pose6d"],
        f"{HEAD}init_betas": mean["betas"],
        f"{HEAD}init_cam": mean["camera"],
    }
    return fill_manifest(used, constants=constants, xor=options.seed_xor)


def surrogate(options: ReplayOptions) -> dict[str, Any]:
    """-> arrays of the surrogate SMPL under their official names, with HMR2's regressor."""
    extra = options.get("regressor_extra_seed", 13)
    j19 = options.get("regressor_j19_seed", 19)
    return {
        **surrogate_body("smpl", options.get("body_seed", 7)),
        "J_regressor_extra": surrogate_regressor(9, VERTICES, extra),
        "SMPL_to_J19": surrogate_regressor(19, VERTICES, j19),
    }


def _compared(golden: Mapping[str, Any], found: Mapping[str, Tensor]) -> Iterator[ArrayCheck]:
    for name, (tolerance, unit) in TOLERANCES.items():
        own = {k: v for k, v in golden.items() if k != "feature_seed"}
        yield from compare_stored(own, name, found[name], tolerance, unit)


def replay_losses(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/loss_hmr2.npz: every term on stored people, and their weighted sum."""
    golden = read_golden(folder, "goldens/loss_hmr2.npz")
    tensor = {key: torch.from_numpy(np.asarray(value)) for key, value in golden.items()}
    present = tensor["has_param"].float()
    found, wanted = tensor["pred_rotmat"], tensor["gt_rotmat"]
    terms = {
        "loss_keypoints_2d": absolute_sum(tensor["pred_keypoints2d"], tensor["gt_keypoints2d"]),
        "loss_keypoints_3d": rooted_sum(tensor["pred_keypoints3d"], tensor["gt_keypoints3d"]),
        "loss_global_orient": square_sum(found[:, :1], wanted[:, :1], present),
        "loss_body_pose": square_sum(found[:, 1:], wanted[:, 1:], present),
        "loss_betas": square_sum(tensor["pred_betas"], tensor["gt_betas"], present),
    }
    for name, value in terms.items():
        yield compare(name, value, golden[name], LOSS, "relative")
    total = sum(weight * float(terms[name]) for name, weight in LOSS_WEIGHTS.items())
    yield compare("total_without_adv", total, golden["total_without_adv"], LOSS, "relative")


def replay_pck(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/metrics_hmr2_pck.npz: the share of joints within 0.05 and 0.1 person sizes."""
    golden = read_golden(folder, "goldens/metrics_hmr2_pck.npz")
    sizes = golden["box_size"], golden["scale"]
    predicted = normalised(golden["pred_keypoints2d"], *sizes)
    truth = normalised(golden["gt_keypoints2d"][..., :2], *sizes)
    for name, threshold in (("pck005", 0.05), ("pck01", 0.1)):
        shares = pck(predicted, truth, golden["gt_keypoints2d"][..., 2], threshold)
        yield compare(f"{name}_per_joint", shares, golden[f"{name}_per_joint"], LOSS)
        yield compare(f"{name}_avg", average(shares), golden[f"{name}_avg"], LOSS)
