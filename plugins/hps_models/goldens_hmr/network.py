"""The whole network on filled weights, and the surrogate body behind it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hps_models.goldens_hmr.bodies import surrogate_smpl
from hpscli.body.cameras import project, weak_to_translation
from hpscli.nn.checkpoints import build_model, load_weights
from hpscli.records import Prediction
from hpscli.registry import resolve
from hpscli.testing.goldens import (
    ArrayCheck,
    ReplayOptions,
    compare,
    compare_stored,
    fill_manifest,
    locate,
    read_golden,
)
from hpscli.testing.surrogates import surrogate_mean_parameters

FOCAL_PX, CROP_PX = 5000.0, 224  # of SPIN
ABSOLUTE = 1e-4  # of rotations, shape, points (metres), as SPEC 8 says for networks
RELATIVE = 1e-3  # of cameras, whose random weights make large numbers


def replay_spin(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/hmr_spin.npz: image -> features -> rotations, shape, camera -> joints, vertices."""
    golden = read_golden(folder, "goldens/hmr_spin.npz")
    state = spin_state(folder, options)
    random = np.random.RandomState(options.image_seed(options.get("image_seed", 0)))
    image = torch.from_numpy(random.standard_normal((2, 3, CROP_PX, CROP_PX)).astype(np.float32))
    module = spin_network(state, iterations=3)
    with torch.no_grad():
        features = module.get_submodule("backbone")(image)
        prediction = module(image)
        early = spin_network(state, iterations=1)(image)
    yield from compare_stored(golden, "features", features, RELATIVE)
    yield from _parameters(golden, prediction, "")
    yield from _parameters(golden, early, "_niter1")
    yield from _body(golden, prediction, options)


def spin_state(folder: Path, options: ReplayOptions) -> dict[str, Tensor]:
    """-> SPIN's `model` dictionary filled by rule, with surrogate mean parameters."""
    mean = surrogate_mean_parameters(
        pose_seed=options.get("mean_pose_seed", 15), shape_seed=options.get("mean_shape_seed", 16)
    )
    return fill_manifest(
        locate(folder, "keys/spin_hmr_resnet50.json"),
        constants={
            "init_pose": mean["pose6d"],
            "init_shape": mean["betas"],
            "init_cam": mean["camera"],
        },
        xor=options.seed_xor,
    )


def spin_network(state: Mapping[str, Tensor], *, iterations: int) -> nn.Module:
    """-> our `hmr` with SPIN's weights, every tensor accounted for."""
    module, spec, _ = build_model("hmr", preset="resnet50", options={"iterations": iterations})
    converted = resolve(spec.convert)(state)
    load_weights(module, converted, origin="filled weights of SPIN", model="hmr")
    return module.eval()


def _parameters(
    golden: Mapping[str, Any], prediction: Prediction, suffix: str
) -> Iterator[ArrayCheck]:
    rotations = torch.cat(
        [
            prediction.parameters["global_orient"][:, None],
            prediction.parameters["body_pose"],
        ],
        dim=1,
    )
    yield from compare_stored(golden, f"rotmat{suffix}", rotations, ABSOLUTE)
    yield from compare_stored(golden, f"betas{suffix}", prediction.parameters["betas"], ABSOLUTE)
    camera = f"camera{suffix}"
    yield from compare_stored(golden, camera, prediction.camera, RELATIVE, "relative")


def _body(
    golden: Mapping[str, Any], prediction: Prediction, options: ReplayOptions
) -> Iterator[ArrayCheck]:
    """Translation, mesh, both joint sets, and their projection in crop units."""
    body = surrogate_smpl(options)
    with torch.no_grad():
        vertices, joints = body(prediction.parameters)
        spin49 = body.regress(vertices, "smpl49", joints=joints)
        h36m17 = body.regress(vertices, "h36m17", joints=joints)
    translation = weak_to_translation(prediction.camera, FOCAL_PX, CROP_PX)
    intrinsics = torch.diag(torch.tensor([FOCAL_PX, FOCAL_PX, 1.0]))
    pixels = project(spin49, intrinsics, translation)
    yield compare("pred_cam_t", translation, golden["pred_cam_t"], RELATIVE, "relative")
    yield compare("joints49", spin49, golden["joints49"], ABSOLUTE, "m")
    yield compare("h36m17", h36m17, golden["h36m17"], ABSOLUTE, "m")
    shown = pixels / (CROP_PX / 2)
    yield compare("keypoints2d_norm", shown, golden["keypoints2d_norm"], RELATIVE, "relative")
    yield from compare_stored(golden, "vertices", vertices, ABSOLUTE, "m")
