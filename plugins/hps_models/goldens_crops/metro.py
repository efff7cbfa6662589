"""METRO's crop, labels and random numbers, and its demo's transform, against recordings."""

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.data.official_crops.labels import metro_labels
from hpscli.data.official_crops.metro_draws import draw_metro, draw_metro_masks
from hpscli.data.preparation import METRO, METRO_DEMO
from hpscli.data.sample import decode_image
from hpscli.errors import InvalidData
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, locate, read_golden

TOLERANCE = 1e-5  # SPEC 9: normalised units, crop units, metres, radians
BOX_UNIT = 200.0  # px: official boxes are written in units of it
WINDOW = (224, 224)
PICTURES = ("body", "hand")  # of the demo


@dataclass(frozen=True)
class Target:
    """What differs between bodies and hands."""

    name: str
    joints: str  # joint set of the labels
    root: int  # joint that is subtracted from 3D labels
    tokens: tuple[int, int]  # joint and vertex queries that masks are drawn for
    masked: float  # greatest part of them that is hidden


BODY = Target("body", "metro24", 14, (14, 431), 0.3)
HAND = Target("hand", "metro_hand21", 0, (21, 195), 0.0)


def replay_body(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/preprocess_body.npz: pictures, labels and random numbers of bodies."""
    return _replay(folder, BODY, options)


def replay_hand(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/preprocess_hand.npz: the same of hands."""
    return _replay(folder, HAND, options)


def replay_demo(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/demo_transform.npz: two whole pictures."""
    golden = read_golden(folder, "goldens/demo_transform.npz")
    for name in PICTURES:
        data = locate(folder, f"fixtures/{name}_480x640.png").read_bytes()
        picture = decode_image(data)
        size = (picture.shape[0], picture.shape[1])
        center, size_px = METRO_DEMO.place(None, size, WINDOW)
        crop = METRO_DEMO.pixels(picture, center, size_px, window=WINDOW)
        yield from _pixels(golden, f"{name}_image", f"{name}_", crop)


def _replay(folder: Path, target: Target, options: ReplayOptions) -> Iterator[ArrayCheck]:
    golden = read_golden(folder, f"goldens/preprocess_{target.name}.npz")
    place = f"fixtures/tsv_{target.name}/train"
    pictures = read_rows(locate(folder, f"{place}.img.tsv"))
    labels = read_rows(locate(folder, f"{place}.label.tsv"))
    for number in _cases(golden, target.name):
        if number >= min(len(pictures), len(labels)):
            raise InvalidData(f"the golden has case {number}, {place}.img.tsv has no such row.")
        key, label = labels[number][0], json.loads(labels[number][-1])[0]
        yield from _case(golden, target, number, _decoded(pictures[number][-1]), key, label)
    yield from _draws(golden, target, options.get("first_seed", 0))


def _case(
    golden: Mapping[str, Any],
    target: Target,
    number: int,
    picture: np.ndarray,
    key: str,
    label: Mapping[str, Any],
) -> Iterator[ArrayCheck]:
    prefix = f"{target.name}{number}_"
    scale = float(golden[f"{prefix}sc"]) * float(golden[f"{prefix}scale"])
    center, size_px = golden[f"{prefix}center"], scale * BOX_UNIT
    rotation, flip = float(golden[f"{prefix}rot"]), bool(golden[f"{prefix}flip"])
    noise = golden[f"{prefix}pn"]
    crop = METRO.pixels(
        picture,
        center,
        size_px,
        window=WINDOW,
        rotation_degrees=rotation,
        flip=flip,
        channel_noise=noise,
    )
    yield from _pixels(golden, f"{prefix}image", f"{prefix}image_", crop)
    joints = joint_set(target.joints)
    points2d, points3d, pose = metro_labels(
        np.asarray(label["2d_joints"], np.float64).reshape(len(joints), 3),
        np.asarray(label["3d_joints"], np.float64).reshape(len(joints), 4),
        np.asarray(label["pose"], np.float64).reshape(-1),
        center,
        size_px,
        root=target.root,
        mirror=joints.mirror,
        rotation_degrees=rotation,
        flip=flip,
    )
    found = {
        "joints_2d": (points2d, ""),
        "joints_3d": (points3d, "m"),
        "pose": (pose, "rad"),
        "betas": (np.asarray(label["betas"], np.float32).reshape(-1), ""),
        "meta_scale": (scale, ""),
        "meta_center": (np.asarray(label["center"], np.float32), "px"),
    }
    for name, (value, unit) in found.items():
        yield compare(prefix + name, value, golden[prefix + name], TOLERANCE, unit)
    for name, word in (("key", key), ("gender", label.get("gender", "none"))):
        if prefix + name in golden:
            yield compare(prefix + name, word != str(golden[prefix + name]), 0, 0.0)


def _draws(golden: Mapping[str, Any], target: Target, first_seed: int) -> Iterator[ArrayCheck]:
    """A seed before each sample, one more than the last: the numbers of a row, then its masks."""
    parameters, masks = [], []
    for number in range(len(golden[f"{target.name}_rng_params"])):
        generator = np.random.RandomState(first_seed + number)
        change = draw_metro(generator, hand=target is HAND)
        numbers = [change.flip, *change.channel_noise, change.rotation_degrees, change.scale]
        parameters.append([float(number) for number in numbers])
        masks.append(draw_metro_masks(generator, *target.tokens, target.masked))
    name = f"{target.name}_rng_params"
    yield compare(name, np.array(parameters), golden[name], TOLERANCE)
    name = f"{target.name}_rng_masks"
    yield compare(name, np.array(masks), golden[name], 0.0)


def _pixels(
    golden: Mapping[str, Any], image: str, summary: str, crop: np.ndarray
) -> Iterator[ArrayCheck]:
    """Crop (3,S,S) -> checks against what is stored: whole, every second pixel, mean and deviation."""
    found = {
        image: crop,
        f"{image}_stride2": crop[:, ::2, ::2],
        f"{summary}mean": crop.astype(np.float64).mean(),
        f"{summary}std": crop.astype(np.float64).std(),
        f"{summary}first64": crop.reshape(-1)[:64],
    }
    for name, value in found.items():
        if name in golden:
            yield compare(name, value, golden[name], TOLERANCE)


def _cases(golden: Mapping[str, Any], target: str) -> list[int]:
    """-> the numbers of the cases that this golden holds."""
    found = (re.fullmatch(rf"{target}(\d+)_center", key) for key in golden)
    return sorted(int(match[1]) for match in found if match)


def read_rows(path: Path) -> list[list[str]]:
    """A .tsv file of METRO's kind -> its columns, row by row."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidData(f"{path} is not a readable TSV file: {error}.") from None
    return [[column.strip() for column in line.split("\t")] for line in lines]


def _decoded(column: str) -> np.ndarray:
    try:
        return decode_image(base64.b64decode(column, validate=True))
    except binascii.Error as error:
        raise InvalidData(f"the picture is not base64: {error}.") from None
