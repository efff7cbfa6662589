"""Goldens of FastMETRO: the whole network on filled weights, who attends to whom, the sine codes."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hps_models.fastmetro.attention import sine_code
from hps_models.fastmetro.goldens_floors import compare_floors, floors
from hps_models.fastmetro.network import attention_mask
from hps_models.fastmetro.weights import guess, rows
from hpscli.body.kit import BodyKit
from hpscli.nn.checkpoints import load_model
from hpscli.nn.mesh.target import TARGETS
from hpscli.nn.options import complete_options
from hpscli.registry import get_registry
from hpscli.testing.goldens import (
    ArrayCheck,
    ReplayOptions,
    compare,
    fill_manifest,
    locate,
    read_golden,
    read_manifest,
)
from hpscli.testing.mesh_goldens import drawn_hands_mean, surrogate_kit

ABSOLUTE = 1e-4  # SPEC 8.3: network outputs and rotations
# Of maps between the layers, of their largest number: with HRNet they reach 2600 under the goldens'
# weights, where a step of float32 is 2e-4 and another number of threads moves them by 1e-3.
BETWEEN = 1e-5
SIDE, BLOCKS = 224, 7  # px of an image; blocks along its side
HANDS_MEAN_SCALE = 0.1  # SPEC 8.1


def replay_network(name: str, folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/FastMETRO-NAME.npz: images -> every stage, camera, joints, meshes, parameters."""
    golden = read_golden(folder, f"goldens/FastMETRO-{name}.npz")
    entries = read_manifest(locate(folder, f"keys/FastMETRO-{name}.json"))
    guessed = guess({key: entry.shape for key, entry in entries.items()}) or {}
    chosen = complete_options(get_registry().model("fastmetro"), "", guessed)
    used = {row.theirs for row in rows(chosen) if row.ours}
    state = fill_manifest(
        {key: entry for key, entry in entries.items() if key in used}, xor=options.seed_xor
    )
    kind = TARGETS[chosen["target"]].kind
    model = load_model(state, body=surrogate(kind, folder, options))
    del state
    told = floors(folder, name)
    for tag in dict.fromkeys(key.split("__")[0] for key in golden):
        count = len(golden[f"{tag}__pred_cam"])
        with torch.no_grad():
            raw = model(torch.from_numpy(image(tag, count, options))).raw
        for key in golden:
            if key.startswith(f"{tag}__"):
                yield from _check(golden, key, raw)
        if count > 1:
            yield from compare_floors(told, tag, raw, golden)


replay_s_r50_body = partial(replay_network, "S-R50-body")
replay_m_r50_body = partial(replay_network, "M-R50-body")
replay_l_h64_body = partial(replay_network, "L-H64-body")
replay_l_h64_hand = partial(replay_network, "L-H64-hand")
replay_l_h64_body_smpl = partial(replay_network, "L-H64-body-smpl")
replay_s_r50_hand = partial(replay_network, "S-R50-hand")
replay_s_r50_body_smpl = partial(replay_network, "S-R50-body-smpl")
replay_l_r50_body = partial(replay_network, "L-R50-body")
replay_s_h64_body = partial(replay_network, "S-H64-body")
replay_m_h64_body = partial(replay_network, "M-H64-body")


def surrogate(kind: str, folder: Path, options: ReplayOptions) -> BodyKit:
    """-> the random body or hand of SPEC 8.1 with the real matrices."""
    mean = None
    if kind == "mano":
        mean = drawn_hands_mean(options.get("hands_mean_seed", 13), HANDS_MEAN_SCALE)
    return surrogate_kit(kind, folder, options, mean)


def image(tag: str, count: int, options: ReplayOptions) -> Any:
    """ "noise" or "blocks" -> images (count,3,224,224) float32, as SPEC 8.1 draws them."""
    if tag == "blocks":
        draw = np.random.RandomState(options.get("blocks_seed", 1))
        coarse = 2 * draw.standard_normal((count, 3, BLOCKS, BLOCKS))
        pixels = np.kron(coarse, np.ones((SIDE // BLOCKS, SIDE // BLOCKS)))
    else:
        draw = np.random.RandomState(options.first_seed("noise_seed", 0))
        pixels = draw.standard_normal((count, 3, SIDE, SIDE))
    return pixels.astype(np.float32)


def _check(golden: Mapping[str, Any], key: str, raw: Mapping[str, Any]) -> Iterator[ArrayCheck]:
    """One stored array: a whole output, or a summary of one (flattened in C order)."""
    _, name, *summary = key.split("__")
    value = raw[name].numpy() if name in raw else np.full(1, np.nan)
    largest = float(np.abs(value).max(initial=0.0)) if name.startswith("tap_") else 0.0
    tolerance = max(ABSOLUTE, BETWEEN * largest)
    if not summary:
        yield compare(key, value, golden[key], tolerance)
    elif summary[0] == "shape":
        yield compare(key, value.shape, golden[key], 0.0)
    elif summary[0] == "first64":
        yield compare(key, value.reshape(-1)[:64], golden[key], tolerance)
    elif summary[0] == "mean_std":
        exact = value.astype(np.float64)
        yield compare(key, [exact.mean(), exact.std()], golden[key], tolerance)
    elif summary[0] == "strided":
        step = int(golden[key.removesuffix("strided") + "stride"])
        yield compare(key, value.reshape(-1)[::step], golden[key], tolerance)


def replay_masks(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/masks_posenc.npz: masks of body and hand (True = blocked), codes (C,y,x)."""
    golden = read_golden(folder, "goldens/masks_posenc.npz")
    for target in TARGETS.values():
        name = f"mask_{target.name}"
        if f"{name}_shape" not in golden:
            continue
        shape = tuple(int(side) for side in golden[f"{name}_shape"])
        bits = np.unpackbits(golden[f"{name}_packbits"])[: shape[0] * shape[1]].reshape(shape)
        levels = surrogate(target.kind, folder, options).hierarchy()
        blocked = ~attention_mask(target, levels).numpy()
        yield compare(f"{name}_packbits", blocked, bits, 0.0)
        yield compare(f"{name}_true_count", blocked.sum(), golden[f"{name}_true_count"], 0.0)
    for key, expected in golden.items():
        if key.startswith("pos_enc_"):
            channels, height, width = expected.shape
            code = sine_code(channels, height, width).T.reshape(expected.shape)
            yield compare(key, code, expected, ABSOLUTE)
