"""Single functions on random numbers: attention, expected places, boxes, rotations, camera, hands."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.osx.geometry import PACKAGE_SET
from hps_models.osx.goldens.bodies import surrogate_smplx
from hps_models.osx.parts.boxes import square_boxes
from hps_models.osx.parts.deformable import DeformableAttention, sine_positions
from hps_models.osx.parts.position_nets import sample_points, soft_argmax2d, soft_argmax3d
from hps_models.osx.parts.roi import align
from hps_models.osx.pose import axis_angles, flat_hand, to_matrices, translation
from hpscli.body.kit import body_kit
from hpscli.body.regressors import NECK_CHAIN
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, fill, read_golden

TOLERANCE = 1e-4  # README: "most below 1e-4"
WIDTH, LEVELS = 256, ((8, 8), (4, 4), (2, 2))
UNDEFINED_ROTATIONS = 6  # last rows of rot6d_*: half turns and degenerate ones, README
POSITION_STEPS = {16: (5, 3, 3), 32: (5, 3, 3)}  # of what is stored of a side
VERTEX_STEP = 25
WEIGHTS = {  # ours -> the keys that their numbers are drawn from
    "offsets.weight": "sampling_offsets.weight",
    "offsets.bias": "sampling_offsets.bias",
    "weights.weight": "attention_weights.weight",
    "weights.bias": "attention_weights.bias",
    "output.weight": "output_proj.weight",
    "output.bias": "output_proj.bias",
    "value_weight": "value_proj_weight.weight",
    "value_bias": "value_proj_bias.weight",
}


def replay_units(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/units.npz: every stored array."""
    golden = read_golden(folder, "goldens/units.npz")
    with torch.no_grad():
        yield _attention(golden, options)
        yield from _positions(golden)
        yield from _places(golden, options)
        yield from _boxes(golden, options)
        yield from _rotations(golden)
        yield from _mean_hands(golden, options)


def _attention(golden: Mapping[str, Any], options: ReplayOptions) -> ArrayCheck:
    module = DeformableAttention(WIDTH).eval()
    state = {
        ours: torch.from_numpy(
            fill(
                f"unit.msda.{theirs}", tuple(module.state_dict()[ours].shape), xor=options.seed_xor
            )
        )
        for ours, theirs in WEIGHTS.items()
    }
    module.load_state_dict(state)
    batch, joints = golden["msda_ref"].shape[:2]
    draw = np.random.RandomState(options.get("attention_seed", 50))
    cells = sum(height * width for height, width in LEVELS)
    queries, position, memory = (
        _floats(draw.standard_normal((count, batch, WIDTH))) for count in (joints, joints, cells)
    )
    sizes = [height * width for height, width in LEVELS]
    parts = torch.split(memory.permute(1, 2, 0), sizes, dim=2)
    maps = [part.reshape(batch, WIDTH, *size) for part, size in zip(parts, LEVELS, strict=True)]
    reference = torch.from_numpy(golden["msda_ref"])
    result = module(queries.transpose(0, 1), position.transpose(0, 1), maps, reference)
    return compare("msda_out", result.transpose(0, 1), golden["msda_out"], TOLERANCE)


def _positions(golden: Mapping[str, Any]) -> Iterator[ArrayCheck]:
    for name in sorted(key for key in golden if key.startswith("sinepos_")):
        height, width = (int(side) for side in name.removeprefix("sinepos_").split("x"))
        first, second, third = POSITION_STEPS.get(height, (1, 1, 1))
        waves = sine_positions(WIDTH, height, width)[::first, ::second, ::third]
        yield compare(name, waves, golden[name], TOLERANCE)


def _places(golden: Mapping[str, Any], options: ReplayOptions) -> Iterator[ArrayCheck]:
    def normal(name: str, seed: int, shape: tuple[int, ...]) -> Tensor:
        return _floats(np.random.RandomState(options.get(name, seed)).standard_normal(shape))

    volume = normal("volume_seed", 51, (2, 5, 8, 6, 4)) * 3
    _, coordinates = soft_argmax3d(volume)
    yield compare("softargmax3d_out", coordinates, golden["softargmax3d_out"], TOLERANCE)
    maps = normal("map_seed", 151, (2, 3, 16, 12)) * 3
    yield compare("softargmax2d_out", soft_argmax2d(maps), golden["softargmax2d_out"], TOLERANCE)
    features = normal("features_seed", 54, (2, 4, 7, 5))
    sampled = sample_points(features, torch.from_numpy(golden["sample_feat_in_xy"]))
    key = "sample_joint_features_out"
    yield compare(key, sampled, golden[key], TOLERANCE)
    cut = align(normal("roi_seed", 56, (2, 3, 16, 12)), torch.from_numpy(golden["roi_boxes"]), 8)
    key = "roi_align_out_8x8_torchvision"
    yield compare(key, cut, golden[key], TOLERANCE)


def _boxes(golden: Mapping[str, Any], options: ReplayOptions) -> Iterator[ArrayCheck]:
    centres, sizes = (torch.from_numpy(golden[f"restore_{name}"]) for name in ("center", "size"))
    for key in sorted(key for key in golden if key.startswith("restore_ext")):
        extension = float(key.removeprefix("restore_ext"))
        yield compare(key, square_boxes(centres, sizes, extension), golden[key], TOLERANCE, "px")


def _rotations(golden: Mapping[str, Any]) -> Iterator[ArrayCheck]:
    defined = slice(0, len(golden["rot6d_in"]) - UNDEFINED_ROTATIONS)
    found = axis_angles(torch.from_numpy(golden["rot6d_in"])[defined])
    expected = torch.from_numpy(golden["rot6d_axis_angle"])[defined]
    name = "rot6d_axis_angle, as matrices"
    yield compare(name, to_matrices(found), to_matrices(expected), TOLERANCE)
    moved = translation(torch.from_numpy(golden["camera_in"]))
    yield compare("camera_trans", moved, golden["camera_trans"], TOLERANCE, "m")


def _mean_hands(golden: Mapping[str, Any], options: ReplayOptions) -> Iterator[ArrayCheck]:
    arrays = surrogate_smplx(options, mean_hands_seed=options.get("hand_means_seed", 16))
    body = body_kit("smplx", given=arrays).body()
    given = {
        key.removeprefix("smplx_in_"): torch.from_numpy(value)
        for key, value in golden.items()
        if key.startswith("smplx_in_")
    }
    parameters = {name: given[name] for name in ("betas", "expression")}
    parameters["body_pose"] = to_matrices(given["body_pose"])
    for name in ("global_orient", "jaw_pose"):
        parameters[name] = to_matrices(given[name])[:, 0]
    for side, letter in (("left", "l"), ("right", "r")):
        mean = torch.as_tensor(body.hand_means[f"hands_mean{letter}"], dtype=torch.float32)
        parameters[f"{side}_hand_pose"] = flat_hand(given[f"{side}_hand_pose"], mean)
    chain = np.array(NECK_CHAIN[::-1])
    yield compare("smplx_neck_kin_chain", chain, golden["smplx_neck_kin_chain"], 0.0)
    vertices, joints = body(parameters)
    package = body.regress(vertices, PACKAGE_SET, joints=joints, parameters=parameters)
    key = "smplx_handmean_joints144"
    yield compare(key, package, golden[key], TOLERANCE, "m")
    key = f"smplx_handmean_verts_stride{VERTEX_STEP}"
    yield compare(key, vertices[:, ::VERTEX_STEP], golden[key], TOLERANCE, "m")


def _floats(values: Any) -> Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.float32))
