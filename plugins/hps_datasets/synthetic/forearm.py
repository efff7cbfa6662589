"""The arm behind a hand: a tube from the open rim of the MANO mesh, only for the picture; with it the mesh is closed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_datasets.synthetic.bodies import FreeBody, free_body
from hps_datasets.synthetic.clothes import garment_colour

Array = NDArray[Any]
Rng = np.random.Generator

LENGTHS = (0.035, 0.08, 0.15, 0.26)  # metres behind the wrist
WIDTHS = (1.0, 1.06, 1.22, 1.45)  # against the rim
SLEEVE_CHANCE = 0.7


@lru_cache(maxsize=2)
def rim_of(hand: str) -> Array:
    """-> the vertices around the open end of a hand, in order."""
    return open_rim(free_body("mano", hand).faces)


def open_rim(faces: Array) -> Array:
    """faces (F,3) of a disc -> its border vertices in order, as the faces run."""
    edges = {(int(f[i]), int(f[(i + 1) % 3])) for f in faces for i in range(3)}
    following = {a: b for a, b in edges if (b, a) not in edges}
    start = min(following)
    rim = [start]
    while following[rim[-1]] != start:
        rim.append(following[rim[-1]])
    return np.array(rim)


def add_forearm(
    rng: Rng, body: FreeBody, hand: str, root: Array, mesh: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array, Array]:
    """Posed vertices, normals, colours -> the same with an arm behind, and all faces."""
    vertices, normals, colours = mesh
    rim = rim_of(hand)
    count = len(rim)
    backward = (root @ [-1.0 if hand == "left" else 1.0, 0.0, 0.0]).astype(np.float32)
    centre = vertices[rim].mean(0)
    spokes = vertices[rim] - centre
    spokes -= np.outer(spokes @ backward, backward)
    # the rim is ragged: the first ring evens it out
    rings = [centre + spokes * w + backward * b for b, w in zip(LENGTHS, WIDTHS, strict=True)]
    outward = spokes / np.linalg.norm(spokes, axis=1, keepdims=True)
    skin = colours[rim].mean(0)
    paint = [np.tile(skin, (count, 1)) for _ in rings]
    if rng.random() < SLEEVE_CHANCE:
        cuff = garment_colour(rng)
        for ring in range(int(rng.integers(1, len(rings))), len(rings)):
            paint[ring][:] = cuff
    first = len(vertices)
    end = first + len(rings) * count  # the middle of the far end
    faces = [body.faces, *_tube(rim, first, len(rings), end)]
    return (
        np.concatenate([vertices, *rings, (centre + backward * LENGTHS[-1])[None]]),
        np.concatenate([normals, *[outward] * len(rings), backward[None]]),
        np.concatenate([colours, *paint, paint[-1][:1]]).astype(np.float32),
        np.concatenate(faces).astype(np.int32),
    )


def _tube(rim: Array, first: int, rings: int, end: int) -> list[Array]:
    """-> faces between the rim and the rings, and the cap."""
    count = len(rim)
    loops = [rim] + [first + ring * count + np.arange(count) for ring in range(rings)]
    faces = []
    for near, far in zip(loops[:-1], loops[1:], strict=True):
        after, beyond = np.roll(near, -1), np.roll(far, -1)
        faces += [np.stack([after, near, far], 1), np.stack([after, far, beyond], 1)]
    last = loops[-1]
    return [*faces, np.stack([np.roll(last, -1), last, np.full(count, end)], 1)]
