"""Which MakeHuman bones make which joint: positions, skinning weights, joint regressors."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import nnls

Array = NDArray[Any]

CANDIDATES = 1000
KNOWN_WEIGHT = 0.001  # a vertex may vote for a joint that moves it at least this much
RIDGE = 5e-3  # price of using a vertex far from the joint
SMALLEST_WEIGHT = 1e-3

FINGERS = {"index": 2, "middle": 3, "pinky": 5, "ring": 4, "thumb": 1}
SIDED = {
    "hip": 1,
    "knee": 4,
    "ankle": 7,
    "foot": 10,
    "collar": 13,
    "shoulder": 16,
    "elbow": 18,
    "wrist": 20,
}
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
# Bones whose heads, averaged, are the joint ({s} = L or R).
HEADS = {
    "pelvis": ("spine05", "spine04"),
    "spine1": ("spine03",),
    "spine2": ("spine02",),
    "spine3": ("spine01",),
    "neck": ("neck01",),
    "head": ("head",),
    "jaw": ("jaw",),
    "hip": ("upperleg01.{s}",),
    "knee": ("lowerleg01.{s}",),
    "ankle": ("foot.{s}",),
    "foot": tuple(f"toe{toe}-1.{{s}}" for toe in range(1, 6)),
    "collar": ("clavicle.{s}", "shoulder01.{s}"),
    "shoulder": ("upperarm01.{s}",),
    "elbow": ("lowerarm01.{s}",),
    "wrist": ("wrist.{s}",),
    "hand": tuple(f"finger{finger}-1.{{s}}" for finger in (2, 3, 4)),
    "eye": ("eye.{s}",),
}


@dataclass(frozen=True)
class Skeleton:
    """Joint names, parents (J,), mirror (J,), and the joint that each of the 163 bones feeds."""

    names: tuple[str, ...]
    parents: Array
    mirror: Array
    feeds: Array

    @property
    def table(self) -> Array:
        """-> (2,J): parent and own number of every joint."""
        return np.stack([self.parents, np.arange(len(self.names))]).astype(np.int64)


def skeleton(kind: str, bones: tuple[str, ...], bone_parents: Array) -> Skeleton:
    """kind "smpl" or "smplx" -> its tree and where every bone's weight goes."""
    names = ["pelvis", "spine1", "spine2", "spine3", "neck", "head"]
    places = dict(zip(names, (0, 3, 6, 9, 12, 15), strict=True))
    for name, first in SIDED.items():
        places.update({f"{name}.L": first, f"{name}.R": first + 1})
    parents = list(SMPL_PARENTS[:22])
    if kind == "smpl":
        places.update({"hand.L": 22, "hand.R": 23})
        parents += [20, 21]
    else:
        places.update({"jaw": 22, "eye.L": 23, "eye.R": 24})
        parents += [15, 15, 15]
        for side, wrist in (("L", 20), ("R", 21)):
            for finger in FINGERS:
                for phalanx in (1, 2, 3):
                    parents.append(wrist if phalanx == 1 else len(parents) - 1)
                    places[f"{finger}{phalanx}.{side}"] = len(parents) - 1
    ordered = tuple(sorted(places, key=lambda name: places[name]))
    swap = {".L": ".R", ".R": ".L"}
    mirror = np.array([places[n[:-2] + swap.get(n[-2:], n[-2:])] for n in ordered])
    feeds = np.array([places[_joint_of(i, bones, bone_parents, kind)] for i in range(len(bones))])
    return Skeleton(ordered, np.array(parents), mirror, feeds)


def _joint_of(index: int, bones: tuple[str, ...], parents: Array, kind: str) -> str:
    """-> the name of the joint that moves a bone's part of the skin."""
    name = bones[index]
    stem, side = (name[:-2], name[-2:]) if name[-2:] in (".L", ".R") else (name, "")
    fixed = {"root": "pelvis", "pelvis": "pelvis", "spine05": "pelvis", "spine04": "pelvis"}
    fixed |= {"spine03": "spine1", "spine02": "spine2", "spine01": "spine3", "breast": "spine3"}
    fixed |= {"neck01": "neck", "neck02": "neck", "neck03": "neck", "head": "head"}
    if stem in fixed:
        return fixed[stem]
    prefixes = {"upperleg": "hip", "lowerleg": "knee", "foot": "ankle", "toe": "foot"}
    prefixes |= {"clavicle": "collar", "shoulder": "collar", "upperarm": "shoulder"}
    prefixes |= {"lowerarm": "elbow", "wrist": "wrist", "metacarpal": "wrist"}
    for prefix, joint in prefixes.items():
        if stem.startswith(prefix):
            return joint + side
    if stem.startswith("finger"):
        if kind == "smpl":
            return "hand" + side
        finger = next(key for key, value in FINGERS.items() if value == int(stem[6]))
        return f"{finger}{stem[8]}{side}"
    if kind == "smplx" and stem == "eye":
        return "eye" + side
    return "jaw" if kind == "smplx" and _below_jaw(index, bones, parents) else "head"


def _below_jaw(index: int, bones: tuple[str, ...], parents: Array) -> bool:
    while index >= 0:
        if bones[index] == "jaw":
            return True
        index = int(parents[index])
    return False


def joint_positions(tree: Skeleton, bones: tuple[str, ...], heads: Array) -> Array:
    """heads (S,163,3) -> (S,J,3)."""
    number = {name: i for i, name in enumerate(bones)}
    columns = []
    for name in tree.names:
        stem, side = (name[:-2], name[-1]) if "." in name else (name, "")
        if stem[:-1] in FINGERS:
            used: tuple[str, ...] = (f"finger{FINGERS[stem[:-1]]}-{stem[-1]}.{side}",)
        else:
            used = HEADS[stem]
        columns.append(heads[:, [number[bone.format(s=side)] for bone in used]].mean(1))
    return np.stack(columns, 1)


def merged_weights(tree: Skeleton, weights: sp.csr_matrix, mirror: Array) -> Array:
    """weights (N,163) -> (N,J): summed per joint, tiny ones dropped, rows sum to 1, symmetric."""
    sum_up = sp.coo_matrix(
        (np.ones(len(tree.feeds)), (np.arange(len(tree.feeds)), tree.feeds)),
        shape=(len(tree.feeds), len(tree.names)),
    )
    merged = np.asarray((weights @ sum_up).todense())
    merged = (merged + merged[mirror][:, tree.mirror]) / 2
    return cleaned(merged)


def cleaned(weights: Array) -> Array:
    """weights (N,J) -> without entries under 1e-3, rows sum to 1."""
    kept = np.where(weights < SMALLEST_WEIGHT, 0, weights)
    return np.asarray(kept / kept.sum(1, keepdims=True))


def fit_row(vertices: Array, target: Array, distance: Array) -> Array:
    """vertices (S,C,D), target (S,D), distance (C,) -> (C,) >= 0 that sum to 1."""
    samples, count, _ = vertices.shape
    middle = target.mean(0)
    system = np.swapaxes(vertices - middle, 1, 2).reshape(-1, count) / np.sqrt(samples)
    wanted = (target - middle).reshape(-1) / np.sqrt(samples)
    heavy = 10.0  # metres: holds the sum at 1
    rows = [system, RIDGE * np.diag(distance), heavy * np.ones((1, count))]
    stacked = np.concatenate(rows)
    right = np.concatenate([wanted, np.zeros(count), [heavy]])
    both = np.concatenate([stacked, right[:, None]], 1)
    factor: Array = np.asarray(np.linalg.qr(both, mode="r"))
    weight, _ = nnls(factor[:-1, :-1], factor[:-1, -1], maxiter=50 * count)
    return np.asarray(weight / weight.sum())


def fit_regressor(
    samples: Array,
    joints: Array,
    weights: Array,
    mirror: Array | None = None,
    joint_mirror: Array | None = None,
) -> Array:
    """samples (S,V,3), joints (S,J,3), weights (V,J) -> (J,V).

    With a mirror, left rows are fitted and mirrored and mid-line rows are made symmetric.
    """
    mean, at = samples.mean(0), joints.mean(0)
    regressor = np.zeros((joints.shape[1], len(mean)))
    for joint in range(joints.shape[1]):
        partner = joint if joint_mirror is None else int(joint_mirror[joint])
        if partner < joint:
            continue  # the right side follows from the left
        distance = np.linalg.norm(mean - at[joint], axis=1)
        known = np.flatnonzero(weights[:, joint] > KNOWN_WEIGHT)
        chosen = known[np.argsort(distance[known], kind="stable")[:CANDIDATES]]
        if mirror is not None and partner == joint:
            chosen = np.unique(np.concatenate([chosen, mirror[chosen]]))
            both = (samples[:, chosen] + samples[:, mirror[chosen]] * np.array([-1.0, 1, 1])) / 2
            row = np.zeros(len(mean))
            row[chosen] = fit_row(both[..., 1:], joints[:, joint, 1:], distance[chosen])
            regressor[joint] = (row + row[mirror]) / 2
        else:
            row = fit_row(samples[:, chosen], joints[:, joint], distance[chosen])
            regressor[joint, chosen] = row
            if mirror is not None:
                regressor[partner, mirror[chosen]] = row
    return regressor


def regressor_error(regressor: Array, samples: Array, joints: Array) -> Array:
    """-> mean distance (J,) in metres between regressed joints and the bone heads."""
    found = np.einsum("jv,svc->sjc", regressor, samples)
    return np.asarray(np.linalg.norm(found - joints, axis=2).mean(0))


def nearest_row(vertices: Array, mirror: Array, point: Array, count: int) -> Array:
    """-> row (V,): the mean of the `count` vertices nearest to a mid-line point, symmetric."""
    order = np.argsort(np.linalg.norm(vertices - point, axis=1), kind="stable")[:count]
    row = np.zeros(len(vertices))
    row[order] = 1 / count
    return (row + row[mirror]) / 2


def extra_regressors(
    regressor: Array, vertices: Array, mirror: Array, weights: Array
) -> tuple[Array, Array]:
    """-> 17 Human3.6M joints (right leg at 1-3) and the 9 extra joints of the SPIN family."""
    on_head = weights[:, 15] > 0.5
    line = np.flatnonzero(on_head & (mirror == np.arange(len(vertices))))
    nose = vertices[line[vertices[line, 2].argmax()]]
    top = vertices[line[vertices[line, 1].argmax()]]
    below = line[(vertices[line, 1] < nose[1] - 0.035) & (vertices[line, 1] > nose[1] - 0.055)]
    chin = vertices[below[vertices[below, 2].argmax()]]
    nose_row = nearest_row(vertices, mirror, nose, 6)
    top_row = nearest_row(vertices, mirror, top, 12)
    chin_row = nearest_row(vertices, mirror, chin, 6)
    spine = (regressor[3] + regressor[6]) / 2
    body = [regressor[i] for i in (0, 2, 5, 8, 1, 4, 7)]
    arms = [regressor[i] for i in (16, 18, 20, 17, 19, 21)]
    human = np.stack([*body, spine, regressor[12], nose_row, top_row, *arms])
    thorax = (regressor[12] + regressor[9]) / 2
    jaw, skull = (nose_row + chin_row) / 2, (top_row + regressor[15]) / 2
    rows = [
        regressor[2],
        regressor[1],
        regressor[12],
        top_row,
        regressor[0],
        thorax,
        spine,
        jaw,
        skull,
    ]
    return human, np.stack(rows)
