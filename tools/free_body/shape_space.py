"""Draws adults from MakeHuman's sliders and turns them into a few shape directions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.free_body.read import Source

Array = NDArray[Any]

SAMPLES = 600
ADULT_SEED = 0

# Order of the columns of the mask, as in anny's table of variations.
ANCHORS: dict[str, Array] = {
    "gender": np.linspace(0, 1, 2),
    "age": np.linspace(-1 / 3, 1, 5),
    "muscle": np.linspace(0, 1, 3),
    "weight": np.linspace(0, 1, 3),
    "height": np.linspace(0, 1, 2),
    "proportions": np.linspace(0, 1, 2),
    "cupsize": np.linspace(0, 1, 3),
    "firmness": np.linspace(0, 1, 3),
}


@dataclass(frozen=True)
class ShapeSpace:
    """Mean (V,3), directions (V,3,K) scaled to unit variance, scores (S,K), shares (K,)."""

    mean: Array
    directions: Array
    scores: Array
    explained: Array
    mean_error: float


def draw_adults(count: int = SAMPLES, seed: int = ADULT_SEED) -> dict[str, Array]:
    """-> slider values (count,) per phenotype, race (count,3); all in [0,1].

    The height slider is worth about 1 m per unit, hence its small spread.
    """
    rng = np.random.default_rng(seed)
    draws = {
        "age": rng.uniform(0.62, 0.9, count),
        "gender": rng.beta(0.6, 0.6, count),
        "muscle": rng.normal(0.5, 0.25, count),
        "weight": rng.normal(0.48, 0.28, count),
        "height": rng.normal(0.39, 0.075, count),
        "proportions": rng.normal(0.6, 0.25, count),
        "cupsize": rng.normal(0.5, 0.2, count),
        "firmness": rng.normal(0.5, 0.2, count),
        "race": rng.dirichlet(np.ones(3), count),
    }
    return {name: np.clip(value, 0, 1) for name, value in draws.items()}


def child() -> dict[str, Array]:
    """-> the sliders of the kid template: age 0.2, everything else in the middle."""
    sliders = {name: np.array([0.5]) for name in ANCHORS}
    return {**sliders, "age": np.array([0.2]), "race": np.full((1, 3), 1 / 3)}


def coefficients(sliders: dict[str, Array], mask: Array) -> Array:
    """sliders (S,) each, mask (K,26) -> (S,K): products of linear interpolation weights."""
    race = sliders["race"] / sliders["race"].sum(1, keepdims=True)
    columns = [race]
    for name, anchors in ANCHORS.items():
        value = np.clip(sliders[name], anchors[0], anchors[-1])
        columns.append(
            np.stack([np.interp(value, anchors, row) for row in np.eye(len(anchors))], 1)
        )
    factors = np.concatenate(columns, 1)
    result = np.ones((len(factors), len(mask)))
    for column in range(mask.shape[1]):
        member = mask[:, column] > 0
        result[:, member] *= factors[:, column, None]
    return result


def apply_shapes(template: Array, shapes: Array, weight: Array) -> Array:
    """template (N,3), shapes (K,N,3), weight (S,K) -> (S,N,3)."""
    flat = weight @ shapes.reshape(len(shapes), -1)
    return np.asarray(template + flat.reshape(len(weight), *template.shape))


def rest_samples(source: Source, sliders: dict[str, Array]) -> tuple[Array, Array, Array, Array]:
    """-> vertices (S,N,3), bone heads (S,163,3), tails (S,163,3), left eyeball (S,72,3).

    Vertices and bones are made exactly symmetric: some targets differ by a few millimetres.
    """
    weight = coefficients(sliders, source.mask)
    vertices = symmetric(apply_shapes(source.template, source.shapes, weight), source.mirror)
    other = mirrored_bones(source.bones)
    heads = symmetric(apply_shapes(source.heads, source.head_shapes, weight), other)
    tails = symmetric(apply_shapes(source.tails, source.tail_shapes, weight), other)
    return vertices, heads, tails, apply_shapes(source.eye, source.eye_shapes, weight)


def symmetric(points: Array, mirror: Array) -> Array:
    """points (...,N,3), mirror (N,) -> the mean of the points and their mirror image."""
    return np.asarray(points + points[..., mirror, :] * np.array([-1.0, 1, 1])) / 2


def mirrored_bones(bones: tuple[str, ...]) -> Array:
    """-> for every bone the index of its partner on the other side."""
    swap = {".L": ".R", ".R": ".L"}
    number = {name: i for i, name in enumerate(bones)}
    return np.array([number[name[:-2] + swap.get(name[-2:], name[-2:])] for name in bones])


def principal_directions(samples: Array, count: int = 10) -> ShapeSpace:
    """samples (S,V,3) -> the mean and `count` directions; scores have unit variance."""
    flat = samples.reshape(len(samples), -1)
    mean = flat.mean(0)
    centred = flat - mean
    # The Gram matrix (S,S) is far smaller than the covariance (3V,3V).
    value, vector = np.linalg.eigh(centred @ centred.T)
    order = np.argsort(value)[::-1][:count]
    scores = vector[:, order] * np.sqrt(len(samples))
    scores = scores * _signs(scores, np.ptp(samples[:, :, 1], axis=1))
    directions = centred.T @ scores / len(samples)
    rebuilt = scores @ directions.T
    error = np.linalg.norm((rebuilt - centred).reshape(samples.shape), axis=2).mean()
    return ShapeSpace(
        mean=mean.reshape(-1, 3),
        directions=directions.reshape(-1, 3, count),
        scores=scores,
        explained=value[order] / np.trace(centred @ centred.T),
        mean_error=float(error),
    )


def _signs(scores: Array, size: Array) -> Array:
    """-> +-1 per direction: the first grows with size, the rest have a positive third moment.

    Signs of principal directions are arbitrary; this rule makes them repeatable.
    """
    signs = np.where((scores**3).sum(0) < 0, -1.0, 1.0)
    signs[0] = -1.0 if scores[:, 0] @ (size - size.mean()) < 0 else 1.0
    return signs


def regressed_directions(samples: Array, scores: Array) -> tuple[Array, Array]:
    """samples (S,V,3), scores (S,K) -> mean (V,3), directions (V,3,K) on the same scores."""
    flat = samples.reshape(len(samples), -1)
    mean = flat.mean(0)
    solution = np.linalg.lstsq(scores, flat - mean, rcond=None)[0]
    return mean.reshape(-1, 3), solution.T.reshape(-1, 3, scores.shape[1])


def mean_and_extremes(space: ShapeSpace) -> Array:
    """-> the five shapes (5,V,3) that a decimation must keep: mean, +-2 sd of two directions."""
    shapes = [space.mean]
    for column in (0, 1):
        shapes += [space.mean + sign * 2 * space.directions[:, :, column] for sign in (-1, 1)]
    return np.stack(shapes)
