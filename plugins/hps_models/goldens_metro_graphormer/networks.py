"""Whole networks on filled weights: pictures A and B, hidden tokens, and what lies between the layers."""

import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpscli.body.kit import BodyKit
from hpscli.nn.checkpoints import LoadedModel, load_model
from hpscli.registry import get_registry, resolve
from hpscli.testing.goldens import (
    ArrayCheck,
    Entry,
    ReplayOptions,
    Rule,
    compare,
    fill_manifest,
    locate,
    read_golden,
    read_manifest,
)
from hpscli.testing.mesh_goldens import drawn_hands_mean, surrogate_kit

ABSOLUTE = 1e-4  # SPEC 9; batch shape and attention kernel alone move the outputs by 1e-5
HANDS_MEAN_SCALE = 0.2  # of the surrogate hand, drawn after its five other arrays
HAND_ARRAYS = ((778, 3), (778, 3, 10), (135, 2334), (16, 778), (778, 16))
# Every n-th number of a large array is stored, flattened.
STRIDES = {
    "grid_feature": 97,
    "featmap": 97,
    "tokens_in": 997,
    "encoder0_out": 499,
    "encoder1_out": 131,
    "encoder2_out": 7,
    "full_mesh": 11,
}
FIRST = 64
CROP_PX, BLOCK_PX = 224, 16  # pictures B are blocks of one value
HRNET_SCALE = 0.7  # keys/fill_rule_deviations.json: of HRNet's batch norms


def replay_network(folder: Path, options: ReplayOptions, name: str) -> Iterator[ArrayCheck]:
    """goldens/NAME.npz, e.g. "graphormer-body-hrnet_w64": the network through the public path."""
    golden = read_golden(folder, f"goldens/{name}.npz")
    model = filled_model(folder, name, options)
    pictures = (
        pictures_a(len(golden["A_camera"]), options),
        pictures_b(len(golden["B_camera"]), options),
    )
    with torch.inference_mode():
        for prefix, picture in zip(("A_", "B_"), pictures, strict=True):
            raw = model(picture).raw
            yield from _stored(golden, prefix, raw)
            if prefix == "A_":
                yield from _template(golden, raw)
                yield from _alone(golden, model, picture, raw)
        if "mask_joint" in golden and "mask_vertex" in golden:
            masks = (torch.from_numpy(golden[f"mask_{part}"]) for part in ("joint", "vertex"))
            yield from _stored(golden, "A_masked_", model.module(pictures[0], *masks).raw)


def filled_model(folder: Path, name: str, options: ReplayOptions) -> LoadedModel:
    """ "metro-hand-resnet50" -> that network with weights by the fill rule, around the surrogate."""
    kit = surrogate(folder, name.split("-")[1], options)
    return load_model(filled_state(folder, name, options), body=kit)


def surrogate(folder: Path, target: str, options: ReplayOptions) -> BodyKit:
    """ "body" or "hand" -> the kit of random arrays, with the real mesh levels."""
    if target == "body":
        return surrogate_kit("smpl", folder, options)
    mean = drawn_hands_mean(options.get("hand_seed", 9), HANDS_MEAN_SCALE, HAND_ARRAYS)
    return surrogate_kit("mano", folder, options, mean)


def filled_state(folder: Path, name: str, options: ReplayOptions) -> dict[str, Tensor]:
    """-> the authors' state dict by the fill rule, without tensors that the network never uses."""
    entries = read_manifest(locate(folder, f"keys/{name}.json"))
    method = name.split("-")[0]
    layout = get_registry().model(method).layouts[0]
    shapes = {key: entry.shape for key, entry in entries.items()}
    model = get_registry().model(method)
    rows = resolve(layout.rows)({**model.defaults, **(resolve(layout.guess)(shapes) or {})})
    used = {row.theirs for row in rows if row.ours}
    hrnet = "backbone.conv1.weight" in entries

    def deviation(key: str, entry: Entry) -> Rule | None:
        if hrnet and key.startswith("backbone.") and len(entry.shape) == 1:
            return Rule(scale=HRNET_SCALE) if key.endswith(".weight") else None
        return Rule(plain=True) if key.endswith(".bert.position_embeddings.weight") else None

    wanted = {key: entry for key, entry in entries.items() if key in used}
    return fill_manifest(wanted, xor=options.seed_xor, deviation=deviation)


def pictures_a(count: int, options: ReplayOptions) -> Tensor:
    """-> (B,3,224,224) of normal numbers."""
    random = np.random.RandomState(options.first_seed("image_seed", 0))
    return torch.from_numpy(random.standard_normal((count, 3, CROP_PX, CROP_PX)).astype(np.float32))


def pictures_b(count: int, options: ReplayOptions) -> Tensor:
    """-> (B,3,224,224), blocks of normal numbers: pictures that differ more than noise does."""
    random = np.random.RandomState(options.get("block_seed", 1))
    side = CROP_PX // BLOCK_PX
    values = random.standard_normal((count, 3, side, side)).astype(np.float32)
    return torch.from_numpy(values.repeat(BLOCK_PX, axis=2).repeat(BLOCK_PX, axis=3))


def _template(golden: Mapping[str, Any], raw: Mapping[str, Tensor]) -> Iterator[ArrayCheck]:
    for key in (name for name in ("template_joints", "template_vertices") if name in golden):
        yield compare(key, raw[key], golden[key], ABSOLUTE, "m")


def _alone(
    golden: Mapping[str, Any], model: LoadedModel, picture: Tensor, together: Mapping[str, Tensor]
) -> Iterator[ArrayCheck]:
    """One picture alone is what it is beside another; the authors drop the batch of a lone camera."""
    alone = model(picture[:1])
    if (key := "batch1_camera_official_shape") in golden:
        yield compare(key, np.asarray(alone.camera[0].shape), golden[key], 0.0)
    if (key := "batch1_maxdiff_vs_batch2") not in golden:
        return
    names = [name for name in alone.raw if name == "camera" or name.startswith("vertices_")]
    worst = max(float((alone.raw[n] - together[n][:1]).abs().max()) for n in names)
    yield compare(key, worst, golden[key], ABSOLUTE)


_PART = re.compile(r"_(first64|mean|std|sample)$")


def _stored(
    golden: Mapping[str, Any], prefix: str, raw: Mapping[str, Tensor]
) -> Iterator[ArrayCheck]:
    """Every stored array of these pictures against what the network says under that name."""
    for key, expected in golden.items():
        if not key.startswith(prefix) or (prefix == "A_" and key.startswith("A_masked_")):
            continue
        name = key.removeprefix(prefix)
        part = None if name in raw else _PART.search(name)
        name = name[: part.start()] if part else name
        if name not in raw:
            note = f"the network has no output '{name}'"
            yield ArrayCheck(
                name=key, worst=float("inf"), tolerance=ABSOLUTE, unit="", ok=False, note=note
            )
            continue
        value = raw[name].numpy()
        yield compare(key, _part(value, name, part[1] if part else ""), expected, ABSOLUTE)


def _part(value: Any, name: str, part: str) -> Any:
    if part == "first64":
        return value.reshape(-1)[:FIRST]
    if part == "sample":
        return value.reshape(-1)[:: STRIDES[name]]
    if part:
        exact = value.astype(np.float64)
        return exact.mean() if part == "mean" else exact.std()
    return value


replay_graphormer_body_hrnet_w64 = partial(replay_network, name="graphormer-body-hrnet_w64")
replay_graphormer_hand_hrnet_w64 = partial(replay_network, name="graphormer-hand-hrnet_w64")
replay_metro_body_hrnet_w64 = partial(replay_network, name="metro-body-hrnet_w64")
replay_metro_body_resnet50 = partial(replay_network, name="metro-body-resnet50")
replay_metro_hand_hrnet_w64 = partial(replay_network, name="metro-hand-hrnet_w64")
replay_metro_hand_resnet50 = partial(replay_network, name="metro-hand-resnet50")
replay_graphormer_body_hrnet_w40 = partial(replay_network, name="graphormer-body-hrnet_w40")
replay_graphormer_hand_hrnet_w40 = partial(replay_network, name="graphormer-hand-hrnet_w40")
replay_metro_body_hrnet_w40 = partial(replay_network, name="metro-body-hrnet_w40")
replay_metro_hand_hrnet_w40 = partial(replay_network, name="metro-hand-hrnet_w40")
