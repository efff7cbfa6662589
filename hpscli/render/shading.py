"""Light on a mesh: smooth normals, and a studio of one key light, one fill light and the sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]
Rgb = tuple[float, float, float]

GAMMA = 2.2


@dataclass(frozen=True)
class Studio:
    """Lights in the camera frame (x right, y down, z forward); directions point to the light."""

    key: Rgb = (-0.5, -0.62, -0.6)
    key_strength: float = 0.86
    fill: Rgb = (0.8, -0.1, -0.6)
    fill_strength: float = 0.16
    sky: float = 0.34  # ambient from above
    ground: float = 0.12  # ambient from below
    gloss: float = 0.06
    rim: float = 0.55  # how much darker surfaces get that are seen from the side


STUDIO = Studio()


def vertex_normals(vertices: Floats, faces: Integers) -> NDArray[np.float64]:
    """vertices (V,3), faces (F,3) -> (V,3) unit normals, outward for counter-clockwise faces."""
    corner = vertices[faces]
    one, two = corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]
    # written out: np.cross takes three times as long; its length weights faces by their area
    facing = (
        one[:, 1] * two[:, 2] - one[:, 2] * two[:, 1],
        one[:, 2] * two[:, 0] - one[:, 0] * two[:, 2],
        one[:, 0] * two[:, 1] - one[:, 1] * two[:, 0],
    )
    index = faces.T.ravel()
    total = [np.bincount(index, np.tile(f, 3), minlength=len(vertices)) for f in facing]
    normals = np.stack(total, axis=1)
    length = np.sqrt((normals * normals).sum(1, keepdims=True))
    unit: NDArray[np.float64] = normals / np.maximum(length, 1e-20)
    return unit


def shade(normals: Floats, points: Floats, colours: Floats, studio: Studio = STUDIO) -> Floats:
    """normals, points (N,3) camera frame; colours (N,3) 0..1 sRGB -> lit colours (N,3) 0..1."""
    normals = _normalised(normals.astype(np.float32, copy=False))
    eye = _normalised(-points.astype(np.float32, copy=False))
    toward = np.einsum("ij,ij->i", normals, eye)[:, None]
    normals = np.where(toward < 0, -normals, normals)  # the inside of an open mesh is lit as well
    key, fill = _unit(studio.key), _unit(studio.fill)
    light = studio.ground + (studio.sky - studio.ground) * (0.5 - 0.5 * normals[:, 1])
    light = light + studio.key_strength * np.maximum(np.einsum("ij,j->i", normals, key), 0.0)
    light = light + studio.fill_strength * np.maximum(np.einsum("ij,j->i", normals, fill), 0.0)
    # limbs stand out from what is behind them when their rims are a little darker
    light = light * (1.0 - studio.rim * (1.0 - np.abs(toward[:, 0])) ** 2)
    shine = (
        studio.gloss * np.maximum(np.einsum("ij,j->i", normals, _unit(_halfway(key))), 0.0) ** 24
    )
    base = np.clip(colours, 0.0, 1.0).astype(np.float32, copy=False) ** np.float32(GAMMA)
    linear = base * light[:, None].astype(np.float32) + shine[:, None].astype(np.float32)
    lit: Floats = np.clip(linear, 0.0, 1.0) ** np.float32(1.0 / GAMMA)
    return lit


def _normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    length = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    unit: NDArray[np.float32] = vectors / np.maximum(length, np.float32(1e-20))[:, None]
    return unit


def _halfway(light: NDArray[np.float32]) -> Rgb:
    """-> the direction of a highlight, for an eye far away."""
    return float(light[0]), float(light[1]), float(light[2]) - 1.0


def _unit(direction: Rgb) -> NDArray[np.float32]:
    vector = np.asarray(direction, np.float32)
    unit: NDArray[np.float32] = vector / np.linalg.norm(vector)
    return unit
