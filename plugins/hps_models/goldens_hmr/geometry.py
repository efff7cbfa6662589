"""Rotations and the translation solve."""

from collections.abc import Iterator
from pathlib import Path

import torch

from hpscli.body.cameras import solve_translation
from hpscli.body.rotations import axis_angle_to_matrix, matrix_to_axis_angle, rotation6d_to_matrix
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden

FLOAT32 = 1e-5  # a handful of float32 operations on numbers near one
FOCAL_PX, CROP_PX = 5000.0, 224
TRANSLATION = 1e-6  # float64 on both sides; metres at a distance of about 10 m


def replay_rotations(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/rotations.npz: the same six numbers in both layouts, there and back."""
    golden = read_golden(folder, "goldens/rotations.npz")
    six = torch.from_numpy(golden["six"])
    interleaved = rotation6d_to_matrix(six, "interleaved")
    key = "rot6d_spin_mmhuman3d_pare"
    yield compare(key, interleaved, golden[key], FLOAT32)
    concatenated = rotation6d_to_matrix(six, "concatenated")
    yield compare("rot6d_hmr2", concatenated, golden["rot6d_hmr2"], FLOAT32)
    matrices = axis_angle_to_matrix(torch.from_numpy(golden["axis_angle"]))
    yield compare("rodrigues_rotmat", matrices, golden["rodrigues_rotmat"], FLOAT32)
    back = matrix_to_axis_angle(torch.from_numpy(golden[key]))  # of these, says the golden
    yield compare("rotmat_to_axis_angle", back, golden["rotmat_to_axis_angle"], FLOAT32, "rad")
    translation = solve_translation(
        golden["est_S"], golden["est_joints2d"], FOCAL_PX, (CROP_PX, CROP_PX), golden["est_conf"]
    )
    yield compare("est_translation", translation, golden["est_translation"], TRANSLATION, "m")
