"""Whole networks on filled weights, loaded as a user loads a file of OSX's authors."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hps_models.osx.geometry import CROP
from hps_models.osx.goldens.bodies import surrogate_smplx
from hps_models.osx.weights import guess, rows
from hpscli.errors import InvalidData
from hpscli.nn.checkpoints import load_model
from hpscli.nn.loaded import LoadedModel
from hpscli.nn.options import complete_options
from hpscli.registry import get_registry
from hpscli.testing.goldens import (
    ArrayCheck,
    ReplayOptions,
    compare_stored,
    fill_manifest,
    locate,
    read_golden,
    read_manifest,
)

# README: "encoder 1e-4; body/shape/camera/expression 1e-3; hand quantities 5e-3".
ENCODER, BODY, HANDS = 1e-4, 1e-3, 5e-3
WITH_HANDS = ("out_joint_img",)  # hands by their own network; its body joints are told apart too
PREFIX = "module."
VERTEX_STEP = "__vstride"  # of vertices; compare_stored knows strides of flattened arrays only
PAST = ("image_seed", "key_xor")  # stored to say how the golden was made


def replay_network(folder: Path, options: ReplayOptions, *, name: str) -> Iterator[ArrayCheck]:
    """goldens/net_NAME.npz: every output of the network and of the body behind it."""
    golden = read_golden(folder, f"goldens/net_{name}.npz")
    xor = options.seed_xor or int(golden.get("key_xor", 0))
    seed = options.first_seed("image_seed", int(golden.get("image_seed", 0)))
    model = official_model(folder, name, xor, surrogate_smplx(options))
    batch = int(golden["encoder_feat__shape"][0])
    with torch.no_grad():
        raw = model(random_images(seed, batch)).raw
    yield from compare_outputs(golden, raw)


replay_osx_b = partial(replay_network, name="osx_b")
replay_osx_b_wo_decoder = partial(replay_network, name="osx_b_wo_decoder")
replay_osx_b_wo_face_decoder = partial(replay_network, name="osx_b_wo_face_decoder")
replay_osx_l = partial(replay_network, name="osx_l")
replay_osx_l_wo_face_decoder = partial(replay_network, name="osx_l_wo_face_decoder")
replay_osx_l_wo_decoder = partial(replay_network, name="osx_l_wo_decoder")


def official_model(folder: Path, name: str, xor: int, body: Mapping[str, Any]) -> LoadedModel:
    """Manifest keys/NAME.json -> the model out of such a file, filled by rule, dead tensors left out."""
    entries = read_manifest(locate(folder, f"keys/{name}.json"))
    shapes = {key.removeprefix(PREFIX): entry.shape for key, entry in entries.items()}
    found = guess(shapes)
    if found is None:
        raise InvalidData(f"keys/{name}.json is not a layout of OSX.")
    complete = complete_options(get_registry().model("osx"), "", found)
    used = {row.theirs for row in rows(complete) if row.ours}
    wanted = {key: entry for key, entry in entries.items() if key.removeprefix(PREFIX) in used}
    file: dict[str, Any] = {"network": fill_manifest(wanted, xor=xor)}
    return load_model(file, body=body)


def random_images(seed: int, batch: int) -> Tensor:
    """-> images (B,3,512,384) of normal numbers, as the goldens were made with."""
    random = np.random.RandomState(seed)
    return torch.from_numpy(random.standard_normal((batch, 3, *CROP)).astype(np.float32))


def compare_outputs(golden: Mapping[str, Any], raw: Mapping[str, Tensor]) -> Iterator[ArrayCheck]:
    """Every stored array beside the output whose name its own begins with; an unknown one is an error."""
    told = set(PAST)
    for name, value in raw.items():
        for check in compare_stored(golden, name, value, tolerance(name)):
            told.add(check.name)
            yield check
        for key in golden:
            if key.startswith(name + VERTEX_STEP):
                step = int(key.removeprefix(name + VERTEX_STEP))
                told.add(key)
                yield from compare_stored(golden, key, value[:, ::step], tolerance(name))
    if untold := sorted(set(golden) - told):
        raise InvalidData(f"no output of the network is named as '{untold[0]}'.")


def tolerance(name: str) -> float:
    """-> how far an output of this name may be off."""
    if name.startswith("encoder_"):
        return ENCODER
    return HANDS if "hand" in name or name in WITH_HANDS else BODY
