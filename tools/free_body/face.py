"""The face of the SMPL-X body: eyeballs, expression directions and landmarks."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

EXPRESSION_SEED = 3
ACTIVATIONS = 3000
MERIDIANS, RINGS = 32, 17
LEFT_EYE, RIGHT_EYE = 9383, 9929  # first vertex of each ball
LEFT_POLE = 9448  # front pole of the left ball, where existing code looks for the eye
YAW_BINS = 79


def sphere() -> tuple[Array, Array]:
    """-> unit ball (546,3) whose vertex 0 looks along +z and 545 along -z, faces (1088,3)."""
    polar = np.pi * np.arange(1, RINGS + 1) / (RINGS + 1)
    turn = 2 * np.pi * np.arange(MERIDIANS) / MERIDIANS
    ring = np.stack([np.cos(turn), np.sin(turn)], 1)
    rows = [np.column_stack([np.sin(p) * ring, np.full(MERIDIANS, np.cos(p))]) for p in polar]
    points = np.concatenate([[[0, 0, 1.0]], *rows, [[0, 0, -1.0]]])
    here = np.arange(MERIDIANS)
    after = (here + 1) % MERIDIANS
    faces = [np.stack([np.zeros_like(here), 1 + here, 1 + after], 1)]
    for row in range(RINGS - 1):
        a, b = 1 + row * MERIDIANS + here, 1 + row * MERIDIANS + after
        faces += [
            np.stack([a, a + MERIDIANS, b], 1),
            np.stack([b, a + MERIDIANS, b + MERIDIANS], 1),
        ]
    last = 1 + (RINGS - 1) * MERIDIANS
    faces.append(np.stack([last + here, np.full_like(here, len(points) - 1), last + after], 1))
    return points, np.concatenate(faces)


def eyeballs(centres: Array, radius: Array) -> tuple[Array, Array, Array]:
    """left centres (S,3), radius (S,) -> vertices (S,1092,3) from 9383 on, faces, mirror (1092,)."""
    unit, faces = sphere()
    order = np.arange(len(unit))
    pole = LEFT_POLE - LEFT_EYE
    order[[0, pole]] = order[[pole, 0]]
    number = np.argsort(order)
    left = centres[:, None] + radius[:, None, None] * unit[order]
    right = (centres[:, None] + radius[:, None, None] * unit) * np.array([-1.0, 1, 1])
    both = np.concatenate([number[faces] + LEFT_EYE, faces[:, ::-1] + RIGHT_EYE])
    mirror = np.concatenate([order + RIGHT_EYE, number + LEFT_EYE])
    return np.concatenate([left, right], 1), both, mirror


def expression_activations(
    names: tuple[str, ...], seed: int = EXPRESSION_SEED
) -> tuple[Array, Array]:
    """-> (used actions (A,), activations (3000,A)): sparse; sides coupled in 70 % of the draws."""
    used = [
        i
        for i, name in enumerate(names)
        if not name.startswith(("eyeLook", "jaw")) and name != "tongueOut"
    ]
    chosen = [names[i] for i in used]
    units = sorted({name.removesuffix("Left").removesuffix("Right") for name in chosen})
    rng = np.random.default_rng(seed)
    shape = (ACTIVATIONS, len(units))
    left = (rng.random(shape) < 0.2) * rng.random(shape)
    own = (rng.random(shape) < 0.2) * rng.random(shape)
    right = np.where(rng.random(shape) < 0.7, left, own)
    columns = []
    for name in chosen:
        unit = units.index(name.removesuffix("Left").removesuffix("Right"))
        columns.append((right if name.endswith("Right") else left)[:, unit])
    return np.array(used), np.stack(columns, 1)


def expression_directions(
    actions: Array, activations: Array, count: int = 10
) -> tuple[Array, Array]:
    """actions (A,V,3), activations (S,A) -> directions (V,3,10) of unit variance, shares (10,)."""
    centred = activations - activations.mean(0)
    flat = actions.reshape(len(actions), -1)
    value, vector = np.linalg.eigh(centred.T @ centred / len(centred))
    root = vector * np.sqrt(np.maximum(value, 0))
    # The covariance of the vertices is flat' root root' flat; its small twin has the same spectrum.
    small = root.T @ (flat @ flat.T) @ root
    share, basis = np.linalg.eigh(small)
    order = np.argsort(-share, kind="stable")[:count]
    directions = flat.T @ (root @ basis[:, order])
    # Plus means that the face moves down (the first: the mouth opens), a rule for repeatability.
    signs = -np.sign((directions.reshape(-1, 3, count)[:, 1] ** 3).sum(0))
    directions = directions * np.where(signs == 0, 1, signs)
    return directions.reshape(actions.shape[1], 3, count), share[order] / share.sum()


# Places in units of the eye's distance from the mid-plane, seen from the middle between the
# eyes; set by eye on the mean face, so approximate. Left side; the right side mirrors it.
BROW = ((0.52, 0.53), (0.83, 0.74), (1.11, 0.73), (1.38, 0.65), (1.60, 0.43))
NOSE_BASE = ((0.0, -0.30), (0.20, -0.26), (0.45, -0.20))  # y counts from the nose tip
# Heights of the outer lip over (under) the slit, shares of the half width of the slit.
UPPER_LIP = ((1.06, 0.03), (0.72, 0.20), (0.40, 0.30), (0.0, 0.30))
LOWER_LIP = ((0.75, -0.24), (0.42, -0.38), (0.0, -0.44))
# Static jaw line from the ear to the chin: (x, y, z).
JAW = (
    (2.57, -0.26, -2.32), (2.38, -0.97, -1.96), (2.18, -1.59, -1.63), (1.99, -2.26, -1.17),
    (1.74, -2.75, -0.80), (1.50, -3.02, -0.55), (1.25, -3.20, -0.22), (0.85, -3.38, 0.18), (0.0, -3.67, 0.51),
)  # fmt: skip


def along_rim(rim: Array, share: float, *, upper: bool) -> Array:
    """rim (R,3) of an eye or mouth -> the point (3,) at a share of its width, smallest x first."""
    first, last = rim[rim[:, 0].argmin()], rim[rim[:, 0].argmax()]
    level = np.interp(rim[:, 0], [first[0], last[0]], [first[1], last[1]])
    arc = rim[(rim[:, 1] >= level) if upper else (rim[:, 1] <= level)]
    arc = np.concatenate([first[None], arc, last[None]])
    arc = arc[np.argsort(arc[:, 0], kind="stable")]
    wanted = first[0] + share * (last[0] - first[0])
    return np.array([np.interp(wanted, arc[:, 0], arc[:, axis]) for axis in range(3)])


def front_point(vertices: Array, faces: Array, x: float, y: float) -> Array:
    """-> the foremost point (3,) of the mesh over (x, y)."""
    corner = vertices[faces]
    a, b, c = corner[:, 0, :2], corner[:, 1, :2], corner[:, 2, :2]
    point = np.array([x, y])

    def twice_area(p: Array, q: Array, r: Array) -> Array:
        ahead, aside = q - p, r - p
        return np.asarray(ahead[..., 0] * aside[..., 1] - ahead[..., 1] * aside[..., 0])

    total = twice_area(a, b, c)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.stack(
            [twice_area(point, b, c), twice_area(a, point, c), twice_area(a, b, point)], 1
        )
        weight = weight / total[:, None]
    inside = np.flatnonzero((weight >= -1e-9).all(1) & (np.abs(total) > 1e-14))
    depth = (weight[inside] * corner[inside, :, 2]).sum(1)
    best = inside[depth.argmax()]
    return np.asarray(weight[best] @ corner[best])


def landmark_points(
    vertices: Array, faces: Array, eye: Array, eye_rim: Array, mouth_rim: Array
) -> tuple[Array, Array]:
    """neutral skin, left eye centre (3,), rims (R,3) -> 51 inner points, 17 jaw points.

    Order as in the 68-point scheme of iBUG: brows, nose, eyes, outer lip, inner lip; jaw.
    """
    unit, level = eye[0], eye[1]
    flip = np.array([-1.0, 1, 1])

    def front(x: float, y: float) -> Array:
        return front_point(vertices, faces, x, y)

    brow = np.stack([front(unit * x, level + unit * y) for x, y in BROW])
    near_line = np.abs(vertices[:, 0]) < 0.3 * unit
    face = near_line & (np.abs(vertices[:, 1] - level) < 2 * unit)
    tip = vertices[face][vertices[face, 2].argmax()]
    bridge = np.stack([front(0, y) for y in np.linspace(level, tip[1], 4)])
    base = np.stack([front(unit * x, tip[1] + unit * y) for x, y in NOSE_BASE])
    upper = [along_rim(eye_rim, share, upper=True) for share in (0, 0.33, 0.67, 1)]
    lower = [along_rim(eye_rim, share, upper=False) for share in (0.67, 0.33)]
    left_eye = np.stack(upper + lower)  # inner corner, over the ball, outer corner, back below
    right_eye = left_eye[[3, 2, 1, 0, 5, 4]] * flip
    lips = _lips(front, mouth_rim)
    nose = np.concatenate([base[:0:-1] * flip, base])
    inner = np.concatenate([brow[::-1] * flip, brow, bridge, nose, right_eye, left_eye, lips])
    jaw = unit * np.array(JAW) + np.array([0, level, eye[2]])
    return inner, np.concatenate([jaw * flip, jaw[-2::-1]])


def _lips(front: Any, rim: Array) -> Array:
    """-> 12 outer and 8 inner lip points, the right corner first, over the upper lip."""
    flip = np.array([-1.0, 1, 1])
    half = np.ptp(rim[:, 0]) / 2

    def outer(x: float, y: float) -> Array:
        slit = along_rim(rim, 0.5 + min(x, 1.0) / 2, upper=y > 0)
        return np.asarray(front(half * x, slit[1] + half * y))

    upper = np.stack([outer(x, y) for x, y in UPPER_LIP])  # left corner ... middle
    lower = np.stack([outer(x, y) for x, y in LOWER_LIP])
    over = np.stack([along_rim(rim, share, upper=True) for share in (1.0, 0.75, 0.5)])
    under = np.stack([along_rim(rim, share, upper=False) for share in (0.75, 0.5)])
    return np.concatenate(
        [
            upper[:3] * flip,
            upper[::-1],
            lower,
            lower[-2::-1] * flip,
            over[:2] * flip,
            over[::-1],
            under,
            under[:1] * flip,
        ]
    )
