"""Swaps vertices so that the fixed vertex numbers of existing code land on the right spots."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Numbers at which the `smplx` package looks for nose, eyes, ears, toes, heels and finger tips.
SMPL_NUMBERS: dict[str, tuple[int, ...]] = {
    "nose": (332,), "eye.R": (6260,), "eye.L": (2800,), "ear.R": (4071,), "ear.L": (583,),
    "thumb.R": (6191,), "index.R": (5782,), "middle.R": (5905,), "ring.R": (6016,), "pinky.R": (6133,),
    "thumb.L": (2746,), "index.L": (2319,), "middle.L": (2445,), "ring.L": (2556,), "pinky.L": (2673,),
    "big_toe.L": (3216,), "small_toe.L": (3226,), "heel.L": (3387,),
    "big_toe.R": (6617,), "small_toe.R": (6624,), "heel.R": (6787,),
}  # fmt: skip
SMPLX_NUMBERS: dict[str, tuple[int, ...]] = {
    "nose": (9120,), "ear.R": (616,), "ear.L": (6,),
    "thumb.R": (8079,), "index.R": (7669,), "middle.R": (7794,), "ring.R": (7905,), "pinky.R": (8022,),
    "thumb.L": (5361,), "index.L": (4933,), "middle.L": (5058,), "ring.L": (5169,), "pinky.L": (5286,),
    "big_toe.L": (5770,), "small_toe.L": (5780,), "heel.L": (8846,),
    "big_toe.R": (8463,), "small_toe.R": (8474,), "heel.R": (8635,),
}  # fmt: skip
# Two and three numbers: `smplx` and the METRO family use different tip vertices.
MANO_NUMBERS: dict[str, tuple[int, ...]] = {
    "thumb.R": (744, 745), "index.R": (320, 317), "middle.R": (443, 444, 445),
    "ring.R": (554, 556), "pinky.R": (671, 673),
}  # fmt: skip
FINGER_BONES = {"thumb": 1, "index": 2, "middle": 3, "ring": 4, "pinky": 5}


def spots(
    vertices: Array,
    weights: Array,
    bones: tuple[str, ...],
    heads: Array,
    tails: Array,
    *,
    mirror: Array | None,
) -> dict[str, Array]:
    """vertices (V,3), weights (V,163), heads (163,3), tails (163,3) -> vertices by spot, best first.

    Finger tips are found on every body; the rest only with a `mirror`, on a whole body.
    """
    found = _tips(vertices, weights, bones, heads, tails)
    if mirror is None:
        return found
    number = {name: i for i, name in enumerate(bones)}
    face = weights[:, number["head"] :].sum(1) > 0.5
    line = np.flatnonzero(face & (mirror == np.arange(len(vertices))))
    best = {"nose": line[[vertices[line, 2].argmax()]]}
    head = np.flatnonzero(face)
    best["ear.L"] = head[[vertices[head, 0].argmax()]]
    eye = heads[number["eye.L"]] + [0, 0, 0.017]
    best["eye.L"] = np.linalg.norm(vertices - eye, axis=1).argmin()[None]
    for name, toe in (("big_toe.L", "toe1"), ("small_toe.L", "toe5")):
        bone = [number[b] for b in bones if b.startswith(toe) and b.endswith(".L")]
        own = np.flatnonzero(weights[:, bone].sum(1) > 0.5)
        best[name] = own[[vertices[own, 2].argmax()]]
    foot = np.flatnonzero(weights[:, number["foot.L"]] > 0.5)
    low = foot[vertices[foot, 1] < vertices[foot, 1].min() + 0.03]
    best["heel.L"] = low[[vertices[low, 2].argmin()]]
    found.update(best)
    for name in [name for name in found if name.endswith(".L")]:
        found[name[:-1] + "R"] = mirror[found[name]]
    return found


def _tips(
    vertices: Array, weights: Array, bones: tuple[str, ...], heads: Array, tails: Array
) -> dict[str, Array]:
    """-> for every finger of both sides its three outermost vertices."""
    found = {}
    for name, finger in FINGER_BONES.items():
        for side in ("L", "R"):
            bone = bones.index(f"finger{finger}-3.{side}")
            own = np.flatnonzero(weights[:, bone] > 0.5)
            if len(own):
                reach = (vertices[own] - heads[bone]) @ (tails[bone] - heads[bone])
                found[f"{name}.{side}"] = own[np.argsort(-reach, kind="stable")[:3]]
    return found


def renumbering(count: int, numbers: dict[str, tuple[int, ...]], found: dict[str, Array]) -> Array:
    """-> order (V,): new vertex i is old vertex order[i]; all others stay or swap places."""
    order, where = np.arange(count), np.arange(count)
    for name, wanted in numbers.items():
        for new, old in zip(wanted, found[name], strict=False):
            other, place = order[new], where[old]
            order[new], order[place] = old, other
            where[old], where[other] = new, place
    return order


def renumber_faces(faces: Array, order: Array) -> Array:
    """faces (F,3) with old numbers -> with new numbers."""
    return np.argsort(order)[faces]


def renumber_mirror(mirror: Array, order: Array) -> Array:
    """mirror (V,) with old numbers -> (V,) with new numbers."""
    return np.argsort(order)[mirror[order]]
