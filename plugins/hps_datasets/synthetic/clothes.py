"""What people wear: a colour for every vertex, from where it lies on the body in T-pose."""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_datasets.synthetic.bodies import FreeBody

Array = NDArray[Any]
Rng = np.random.Generator

# sRGB, light to dark; real tones lie between neighbours
SKIN = np.array(
    [[246, 214, 189], [232, 186, 150], [198, 144, 104], [146, 96, 64], [88, 58, 42]], np.float64
)
HAIR = np.array(
    [[28, 24, 22], [58, 40, 28], [104, 70, 42], [196, 160, 96], [150, 146, 142], [128, 54, 28]],
    np.float64,
)
# heights (y) and arm lengths (|x|) in metres on the free bodies in T-pose
BELT, COLLAR = -0.10, 0.235
TROUSER_ENDS = (-1.07, -1.07, -0.82, -0.56, -0.46)
SLEEVE_ENDS = (0.17, 0.30, 0.42, 0.63, 0.63)
SHOE_TOP = -1.065
NECK = 0.30


def dress(rng: Rng, body: FreeBody) -> Array:
    """-> (V,3) colours 0..1 sRGB of one person or hand."""
    if body.kind == "mano":
        return _hand_skin(rng, body.template)
    x, y, z = body.template.T
    away = np.abs(x)
    arm = (away > 0.17) & (y > 0.0)
    colours = np.tile(skin_tone(rng), (len(x), 1))
    colours *= (1 + 0.03 * np.sin(40 * x) * np.sin(37 * y + 20 * z))[:, None]
    _face(colours, body)
    trousers, top = garment_colour(rng), garment_colour(rng)
    belt = BELT + rng.normal(0, 0.035)
    end = rng.choice(TROUSER_ENDS)
    pattern = _pattern(rng, trousers, plain=0.72)
    _paint(colours, (y < belt) & (y > end) & ~arm, pattern, body.template)
    reach = rng.choice(SLEEVE_ENDS)
    neckline = COLLAR + rng.normal(0, 0.012) + np.maximum(away - 0.055, 0)  # shoulders are covered
    trunk = (y >= belt) & (y < neckline) & ~arm
    sleeve = arm & (away < reach)
    shirt = _pattern(rng, top, plain=0.45)
    _paint(colours, trunk | sleeve, shirt, body.template)
    if rng.random() < 0.25:  # an open jacket: another colour at the sides and on the sleeves
        jacket = _pattern(rng, garment_colour(rng), plain=0.9)
        open_front = (z > 0.06) & (away < 0.055)
        _paint(colours, (trunk & ~open_front) | (arm & (away < 0.63)), jacket, body.template)
    if rng.random() < 0.85:
        shoes = garment_colour(rng) * 0.8
        _paint(colours, y < SHOE_TOP + rng.choice([0.0, 0.0, 0.09]), lambda p: shoes, body.template)
        sole = shoes * 0.35 if rng.random() < 0.5 else np.array([0.92, 0.92, 0.9])
        _paint(colours, y < body.template[:, 1].min() + 0.022, lambda p: sole, body.template)
    _hair(rng, colours, body.template)
    return colours.astype(np.float32)


def skin_tone(rng: Rng) -> Array:
    """-> (3,) 0..1: between two neighbouring tones, a little redder or yellower."""
    place = rng.uniform(0, len(SKIN) - 1)
    low = min(int(place), len(SKIN) - 2)
    tone = SKIN[low] + (place - low) * (SKIN[low + 1] - SKIN[low])
    skin: Array = np.clip(tone / 255 * rng.normal(1, [0.03, 0.03, 0.04]), 0.05, 1)
    return skin


def garment_colour(rng: Rng) -> Array:
    """-> (3,) 0..1: half of all clothes are greyish, the others of any colour, few are neon."""
    hue = rng.random()
    if rng.random() < 0.5:
        saturation, value = rng.uniform(0.0, 0.30), rng.uniform(0.10, 0.95)
    else:
        saturation, value = rng.beta(2.4, 1.8), rng.uniform(0.22, 0.92)
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def _pattern(rng: Rng, colour: Array, plain: float) -> Callable[[Array], Array]:
    """-> a function points (N,3) -> colours (N,3) or (3,)."""
    if rng.random() < plain:
        return lambda points: colour
    other = garment_colour(rng)
    kind = rng.choice(["stripes", "bars", "checks", "print"])
    pace, phase = 2 * np.pi / rng.uniform(0.07, 0.16), rng.uniform(0, 6.3, 3)
    wobble = rng.normal(0, 1, (2, 3)) * pace * 0.6

    def mix(points: Array) -> Array:
        wave = np.sin(points * pace + phase)
        share = {
            "stripes": wave[:, 1] > 0.2,
            "bars": wave[:, 0] > 0.2,
            "checks": (wave[:, 0] > 0) ^ (wave[:, 1] > 0),
            "print": np.sin(np.einsum("vx,x->v", points, wobble[0]) + phase[0])
            + np.sin(np.einsum("vx,x->v", points, wobble[1]))
            > 0.5,
        }[kind]
        return np.where(share[:, None], other, colour)

    return mix


def _paint(
    colours: Array, where: Array, pattern: Callable[[Array], Array], template: Array
) -> None:
    colours[where] = pattern(template[where])


def _hair(rng: Rng, colours: Array, template: Array) -> None:
    x, y, z = template.T
    style = rng.choice(["short", "long", "cap", "none"], p=[0.52, 0.28, 0.10, 0.10])
    if style == "none":
        return
    place = rng.choice(len(HAIR))
    colour = np.clip(HAIR[place] * rng.normal(1, 0.12) / 255, 0.03, 0.95)
    if style == "cap":
        colour = garment_colour(rng)
    where = y > 0.355 + 0.72 * np.maximum(z, 0.0) + rng.normal(0, 0.008)
    if style == "long":
        where |= (y > 0.26) & (z < 0.075 - 0.2 * (0.40 - y)) & (np.abs(x) < 0.12)
    if style == "cap":
        where = y > 0.455
    shine = 1 + 0.10 * np.sin(90 * x + 8 * y)
    colours[where] = (colour * shine[:, None])[where]


def _face(colours: Array, body: FreeBody) -> None:
    """Cheeks and lips redder; on SMPL-X also the eyeballs, white with a dark pupil."""
    x, y, z = body.template.T
    front = (z > 0.13) & (y > NECK)
    lips = np.exp(-((x / 0.022) ** 2 + ((y - 0.365) / 0.009) ** 2)) * front
    colours *= 1 - lips[:, None] * np.array([0.12, 0.38, 0.34])
    if body.kind == "smplx":
        for joint in (23, 24):
            ball = body.weights[joint] > 0.9
            centre = body.template[ball].mean(0)
            tilt = np.hypot(x - centre[0], y - centre[1])
            ahead = ball & (z > centre[2])
            colours[ball] = 0.93
            colours[ahead & (tilt < 0.0062)] = [0.20, 0.13, 0.09]


def _hand_skin(rng: Rng, template: Array) -> Array:
    """-> skin that is lighter in the palm and a little red at the finger ends."""
    x, y, z = np.abs(template[:, 0]) * np.sign(template[:, 0]), *template[:, 1:].T
    tone = skin_tone(rng)
    palm = np.clip((0.004 - y) / 0.02, 0, 1)[:, None]
    colours = tone * (1 - 0.35 * palm) + np.minimum(tone * 1.18 + 0.06, 1.0) * 0.35 * palm
    reach = np.clip((np.abs(x - 0.09) - 0.13) / 0.05, 0, 1)[:, None]
    colours *= 1 - reach * np.array([0.0, 0.08, 0.08])
    colours *= (1 + 0.03 * np.sin(200 * x) * np.sin(180 * z))[:, None]
    clipped: Array = np.clip(colours, 0, 1).astype(np.float32)
    return clipped
