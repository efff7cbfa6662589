"""The hand: cut off, varied on its own, and a pose space from the flat hand to the fist."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

Array = NDArray[Any]

HAND_SEED, CURL_SEED = 1, 2
WRIST = np.array([0.0936, 0.0057, 0.0064])  # mean wrist; the right hand points to -x
PALM_LENGTH, PALM_WIDTH, PALM_DEPTH = 0.05, 0.07, 0.06
COMMON, SINGLE = 0.07, 0.025
CURL_SAMPLES = 4000
ORDER = ("index", "middle", "pinky", "ring", "thumb")
FINGER_BONES = {"index": 2, "middle": 3, "pinky": 5, "ring": 4, "thumb": 1}


@dataclass(frozen=True)
class HandScale:
    """Factors per sample: palm (S,3) along x, y, z; fingers (S,5) length, (S,5) thickness."""

    palm: Array
    length: Array
    thickness: Array


def draw_scales(count: int, seed: int = HAND_SEED) -> HandScale:
    """-> bone factors beyond plain size, without which 99.5 % of the variance is size."""
    rng = np.random.default_rng(seed)
    palm = 1 + rng.normal(size=(count, 3)) * [PALM_LENGTH, PALM_DEPTH, PALM_WIDTH]
    length = 1 + COMMON * rng.normal(size=(count, 1)) + SINGLE * rng.normal(size=(count, 5))
    thickness = 1 + COMMON * rng.normal(size=(count, 1)) + SINGLE * rng.normal(size=(count, 5))
    return HandScale(palm, length, thickness)


def scaled_hands(
    samples: Array, heads: Array, weights: sp.csr_matrix, bones: tuple[str, ...], scale: HandScale
) -> tuple[Array, Array]:
    """right hands (S,N,3) in the T-pose, heads (S,163,3) -> the same with their own proportions.

    Every bone stretches along and across itself; bones further out ride along.
    """
    wrist = bones.index("wrist.R")
    vertices, joints = np.empty_like(samples), heads.copy()
    for index in range(len(samples)):
        linear = np.tile(np.diag(scale.palm[index]), (len(bones), 1, 1))
        moved = heads[index].copy()
        for finger in range(1, 6):
            before = wrist
            for phalanx in (1, 2, 3):
                bone = bones.index(f"finger{finger}-{phalanx}.R")
                reach = heads[index, bone] - heads[index, before]
                moved[bone] = moved[before] + linear[before] @ reach
                linear[bone] = _stretch(
                    heads[index],
                    bones,
                    finger,
                    phalanx,
                    scale.length[index, finger - 1],
                    scale.thickness[index, finger - 1],
                )
                before = bone
        # Everything that is not a finger is the palm and stretches about the wrist.
        palm = np.array([not name.startswith("finger") for name in bones])
        moved[palm] = (
            heads[index, wrist] + (heads[index, palm] - heads[index, wrist]) @ linear[wrist].T
        )
        offset = moved - np.einsum("bij,bj->bi", linear, heads[index])
        blended = weights @ np.concatenate([linear.reshape(-1, 9), offset], 1)
        turned = np.einsum("nij,nj->ni", blended[:, :9].reshape(-1, 3, 3), samples[index])
        vertices[index] = turned + blended[:, 9:]
        joints[index] = moved
    return vertices, joints


def _stretch(
    heads: Array, bones: tuple[str, ...], finger: int, phalanx: int, length: float, thickness: float
) -> Array:
    """-> (3,3): `length` along the phalanx, `thickness` across."""
    first = heads[bones.index(f"finger{finger}-{min(phalanx, 2)}.R")]
    along = heads[bones.index(f"finger{finger}-{min(phalanx, 2) + 1}.R")] - first
    along = along / np.linalg.norm(along)
    return np.asarray(thickness * np.eye(3) + (length - thickness) * np.outer(along, along))


def hand_tree() -> tuple[tuple[str, ...], Array, tuple[str, ...]]:
    """-> names, parents (16,) and the right-hand bone of every MANO joint."""
    names, parents, used = ["wrist"], [-1], ["wrist.R"]
    for finger in ORDER:
        for phalanx in (1, 2, 3):
            parents.append(0 if phalanx == 1 else len(names) - 1)
            names.append(f"{finger}{phalanx}")
            used.append(f"finger{FINGER_BONES[finger]}-{phalanx}.R")
    return tuple(names), np.array(parents), tuple(used)


def hand_weights(weights: sp.csr_matrix, bones: tuple[str, ...]) -> Array:
    """weights (N,163) -> (N,16): fingers to their joints, all the rest to the wrist."""
    _, _, used = hand_tree()
    dense = np.asarray(weights[:, [bones.index(name) for name in used]].todense())
    dense[:, 0] = 1 - dense[:, 1:].sum(1)
    return dense


def curl_poses(count: int = CURL_SAMPLES, seed: int = CURL_SEED) -> Array:
    """-> (count,45) axis-angle poses of the flat right hand: curl about z, a little spread about y.

    The thumb curls about an axis between y and z.
    """
    rng = np.random.default_rng(seed)
    common = rng.beta(0.7, 0.9, (count, 1)) * 1.2
    single = np.clip(common + rng.normal(0, 0.35, (count, 4)), -0.15, 1.5)
    poses = np.zeros((count, 5, 3, 3))
    for column in range(4):
        for phalanx, share in enumerate((0.85, 1.0, 0.68)):
            poses[:, column, phalanx, 2] = share * single[:, column]
        poses[:, column, 0, 1] = rng.normal(0, 0.08, count)
    thumb = np.clip(0.3 * common[:, 0] + rng.normal(0, 0.2, count), -0.3, 0.9)
    for phalanx, share in enumerate((0.8, 1.0, 0.75)):
        poses[:, 4, phalanx] = share * thumb[:, None] * np.array([0, 0.92, 0.39])
    return poses.reshape(count, 45)


def pose_components(poses: Array) -> Array:
    """poses (S,45) -> (45,45) orthonormal rows, the strongest first; row 0 closes the fist."""
    centred = poses - poses.mean(0)
    value, vector = np.linalg.eigh(centred.T @ centred)
    rows = vector[:, np.argsort(-value, kind="stable")].T
    largest = np.abs(rows).argmax(1)
    return np.asarray(rows * np.sign(rows[np.arange(45), largest])[:, None])


def other_side(pose: Array) -> Array:
    """axis-angle (...,45) -> of the mirrored hand: y and z change sign."""
    return np.asarray(pose.reshape(*pose.shape[:-1], 15, 3) * [1.0, -1, -1]).reshape(pose.shape)


def mean_pose(relaxed: dict[str, Array]) -> Array:
    """left finger rotations (3,3) by bone -> (45,) axis-angle of the right hand; thumb zero."""
    pose = []
    for finger in ORDER:
        for phalanx in (1, 2, 3):
            pose.append(_axis_angle(relaxed[f"finger{FINGER_BONES[finger]}-{phalanx}.L"]))
    return other_side(np.concatenate(pose))


def _axis_angle(rotation: Array) -> Array:
    """rotation (3,3), angle under pi -> (3,)."""
    axis = np.array(
        [
            rotation[2, 1] - rotation[1, 2],
            rotation[0, 2] - rotation[2, 0],
            rotation[1, 0] - rotation[0, 1],
        ]
    )
    sine = np.linalg.norm(axis)
    if sine < 1e-9:
        return np.zeros(3)
    return np.asarray(axis / sine * np.arctan2(sine, np.trace(rotation) - 1))
