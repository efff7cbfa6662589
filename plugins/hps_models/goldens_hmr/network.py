"""Whole networks on filled weights, loaded as their authors' files are, with a surrogate body."""

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.goldens_hmr.bodies import surrogate_smpl
from hpscli.nn.checkpoints import load_model
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
from hpscli.testing.surrogates import surrogate_mean_parameters

CROP_PX = 224
ABSOLUTE = 1e-4  # of rotations, shape, points (metres), as SPEC 8 says for networks
RELATIVE = 1e-3  # of cameras and what they project, whose random weights make large numbers
CAMERAS = ("camera", "camera_niter1", "pred_cam_t", "keypoints2d_norm")
METRES = ("joints49", "h36m17", "keypoints3d_h36m17", "keypoints3d_train", "vertices")
OTHERS = ("rotmat", "betas", "rotmat_niter1", "betas_niter1")
FEATURES = {"features": ABSOLUTE, "feature": ABSOLUTE}
# Never read by the networks: the discriminator, and where SMPL's own arrays lie.
UNREAD = ("disc.", "body_model_")


def replay_spin(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/hmr_spin.npz: image -> features -> rotations, shape, camera -> joints, vertices."""
    yield from _replay(folder, options, "hmr_spin", "spin_hmr_resnet50", "")


def replay_mmhuman3d(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/hmr_mmhuman3d.npz: mmhuman3d's HMR with ResNet-50."""
    yield from _replay(folder, options, "hmr_mmhuman3d", "mmhuman3d_hmr_resnet50", "head.")


def replay_twins_svt(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/hmr_plus_twins_svt.npz: HMR+ with Twins-SVT."""
    yield from _replay(folder, options, "hmr_plus_twins_svt", "hmr_plus_twins_svt_base", "head.")


def replay_hrnet_w32(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/hmr_plus_hrnet_w32.npz: HMR+ with HRNet-W32 and its chunked mean."""
    yield from _replay(folder, options, "hmr_plus_hrnet_w32", "hmr_plus_hrnet_w32", "head.")


def replay_submission(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """The joints of hmr_spin as the ETH course wants them: one row a person, 49 x (x, y, z) metres.

    No header, numpy's default format, camera axes, not relative to a root.
    """
    path = locate(folder, "goldens/eth_test_pred_joints_example.csv")
    expected = np.loadtxt(path, delimiter=",", ndmin=2)
    state = filled_state(folder, "spin_hmr_resnet50", "", options)
    joints = run(state, images(len(expected), options), options)["joints49"].cpu().numpy()
    written = io.StringIO()
    np.savetxt(written, joints.reshape(len(joints), -1), delimiter=",")
    ours = written.getvalue().splitlines()
    theirs = path.read_text(encoding="ascii").splitlines()
    rows = np.array([[float(word) for word in line.split(",")] for line in ours])
    yield compare("rows", rows, expected, ABSOLUTE, "m")
    shapes = [[len(word) - word.startswith("-") for word in t.split(",")] for t in (*ours, *theirs)]
    yield compare("format", shapes[: len(ours)], shapes[len(ours) :], 0.0)


def _replay(
    folder: Path, options: ReplayOptions, name: str, keys: str, head: str
) -> Iterator[ArrayCheck]:
    """Golden and key manifest of a network -> the check of everything that the golden stores."""
    golden = read_golden(folder, f"goldens/{name}.npz")
    raw = run(
        filled_state(folder, keys, head, options), images(len(golden["rotmat"]), options), options
    )
    for entry, tolerance in FEATURES.items():
        yield from _stored(golden, entry, raw, tolerance, "")
    for entry in OTHERS:
        yield from _stored(golden, entry, raw, ABSOLUTE, "")
    for entry in METRES:
        yield from _stored(golden, entry, raw, ABSOLUTE, "m")
    for entry in CAMERAS:
        yield from _stored(golden, entry, raw, RELATIVE, "relative")


def _stored(
    golden: Mapping[str, Any], name: str, raw: Mapping[str, Any], tolerance: float, unit: str
) -> Iterator[ArrayCheck]:
    if name in golden or any(key.startswith(f"{name}_") for key in golden):
        yield from compare_stored(golden, name, raw[name].cpu(), tolerance, unit)


def run(state: Mapping[str, Tensor], batch: Tensor, options: ReplayOptions) -> Mapping[str, Tensor]:
    """Filled official state dict, images -> the raw outputs, by the way that users take."""
    model = load_model(state, body=surrogate_smpl(options))
    with torch.inference_mode():
        return dict(model(batch).raw)


def images(count: int, options: ReplayOptions) -> Tensor:
    """-> the random images (count,3,224,224) that the goldens were made with."""
    random = np.random.RandomState(options.first_seed("image_seed", 0))
    return torch.from_numpy(random.standard_normal((count, 3, CROP_PX, CROP_PX)).astype(np.float32))


def filled_state(folder: Path, keys: str, head: str, options: ReplayOptions) -> dict[str, Tensor]:
    """Name of a key manifest -> its state dict filled by rule, with surrogate mean parameters."""
    mean = surrogate_mean_parameters(
        pose_seed=options.get("mean_pose_seed", 15), shape_seed=options.get("mean_shape_seed", 16)
    )
    entries = read_manifest(locate(folder, f"keys/{keys}.json"))
    return fill_manifest(
        {key: entry for key, entry in entries.items() if not key.startswith(UNREAD)},
        constants={
            f"{head}init_pose": mean["pose6d"],
            f"{head}init_shape": mean["betas"],
            f"{head}init_cam": mean["camera"],
        },
        xor=options.seed_xor,
    )
