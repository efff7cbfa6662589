"""The numbers of the 3DPW challenge from arrays: joints and rotations in, per person and in total."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.errors import InvalidData
from hpscli.metrics.curves import area, hit_shares
from hpscli.metrics.geometry.angles import rotation_angles

Array = NDArray[np.float64]

JOINTS, ROOT = 24, 0
PCK_JOINTS = (1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21)  # hips to ankles, shoulders to wrists
PARTS = (0, 1, 2, 4, 5, 16, 17, 18, 19)  # root, upper and lower legs, upper and lower arms
PCK_MM = 50.0
AUC_THRESHOLDS_MM = np.arange(200.0)
HALF_TURN = 180.0  # degrees
RODRIGUES_RANGE = 100.0  # OpenCV takes a matrix with an entry beyond this for none at all
NEARLY_HALF_TURN = 1e-3  # degrees; OpenCV's arc cosine is noise there, 1e-6 degrees of it
SINGULAR = 1e-9  # the smallest share of its largest stretch that a matrix keeps in any direction
MM_PER_M = 1000.0


@dataclass(frozen=True)
class JointErrors:
    """Per frame: distances of 24 joints from the root, and after the similarity transform."""

    errors_mm: Array  # (N,24)
    aligned_mm: Array  # (N,24)
    turns: Array  # (N,3,3) rotation of the transform

    @property
    def pck_errors_mm(self) -> Array:
        """-> distances of the joints that PCK and AUC look at (N,12)."""
        return self.errors_mm[:, list(PCK_JOINTS)]


def joint_errors(prediction: ArrayLike, truth: ArrayLike) -> JointErrors:
    """joints (N,24,3) metres of both sides -> their errors, both sides moved to their root."""
    first, second = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if first.shape != second.shape or first.shape[1:] != (JOINTS, 3):
        raise InvalidData(
            f"predicted joints {first.shape} and true joints {second.shape} must both be "
            f"(N,{JOINTS},3)."
        )
    first, second = (points * MM_PER_M for points in (first, second))
    first, second = (points - points[:, [ROOT]] for points in (first, second))
    aligned, turns = similarity(first, second)
    return JointErrors(_lengths(first - second), _lengths(aligned - second), turns)


def similarity(prediction: Array, truth: Array) -> tuple[Array, Array]:
    """points (N,P,3) -> prediction moved, turned and scaled onto the truth, and the turns (N,3,3).

    A prediction that is zero becomes the mean of the truth, and is not turned.
    """
    empty = np.abs(prediction).sum(axis=(1, 2)) == 0
    first_mean, second_mean = (p.mean(axis=1, keepdims=True) for p in (prediction, truth))
    first, second = prediction - first_mean, truth - second_mean
    spread = np.where(empty, 1.0, (first**2).sum(axis=(1, 2)))
    shared = np.matmul(first.transpose(0, 2, 1), second)
    u, _, vt = np.linalg.svd(shared)
    sign = np.sign(np.linalg.det(np.matmul(u, vt)))
    v = vt.transpose(0, 2, 1).copy()
    v[:, :, 2] *= sign[:, None]
    turns = np.matmul(v, u.transpose(0, 2, 1))
    scale = np.einsum("nij,nji->n", turns, shared) / spread
    turned = np.matmul(first, turns.transpose(0, 2, 1)) * scale[:, None, None]
    aligned = np.where(empty[:, None, None], second_mean, turned + second_mean)
    turns[empty] = np.eye(3)
    return np.asarray(aligned, np.float64), np.asarray(turns, np.float64)


def part_angles(prediction: ArrayLike, truth: ArrayLike, turns: ArrayLike | None = None) -> Array:
    """rotations (N,9,3,3), turns (N,3,3) before each prediction -> angles (N,9) degrees.

    As OpenCV's Rodrigues vectors are long: that of a matrix with NaN or with entries beyond 100 is
    zero, that of a singular matrix is whatever its SVD completes it with, and the last digits of
    half a turn are its own rounding.
    """
    first, second = np.asarray(prediction, np.float64), np.asarray(truth, np.float64)
    if turns is not None:
        first = np.matmul(np.asarray(turns, np.float64)[:, None], first)
    between = np.matmul(first, second.swapaxes(-1, -2))
    unread = ~(np.isfinite(between) & (np.abs(between) < RODRIGUES_RANGE)).all(axis=(-2, -1))
    between = np.where(unread[..., None, None], np.eye(3), between)
    stretch = np.linalg.svd(between, compute_uv=False)
    singular = stretch[..., 2] <= SINGULAR * stretch[..., 0]
    angles = rotation_angles(between)
    asked = singular | (angles > HALF_TURN - NEARLY_HALF_TURN)
    for place in np.argwhere(asked):
        vector = cv2.Rodrigues(between[tuple(place)])[0]
        angles[tuple(place)] = np.degrees(np.linalg.norm(vector))
    angles[unread] = 0.0
    return angles


def pck_curve(errors_mm: ArrayLike) -> Array:
    """errors (N,12) mm -> share of joints within each of the thresholds 0..199 mm (200,)."""
    together = hit_shares(np.reshape(errors_mm, (1, -1)), AUC_THRESHOLDS_MM)
    return np.asarray(together[0], np.float64)


def pck(errors_mm: ArrayLike) -> float:
    """errors (N,12) mm -> percent within 50 mm, a tie is within."""
    return float((np.asarray(errors_mm) <= PCK_MM).mean(axis=1).mean() * 100.0)


def auc_by_quadrature(curve: Array) -> float:
    """shares at 200 thresholds -> area under them, by the adaptive quadrature that the program uses.

    It stops before it is exact: it differs from the trapezoids by about 2e-6.
    """
    import warnings

    from scipy import integrate

    places = AUC_THRESHOLDS_MM / AUC_THRESHOLDS_MM.max()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", integrate.IntegrationWarning)
        found = integrate.quad(lambda x: np.interp(x, places, curve), 0.0, 1.0)[0]
    return float(found)


def person_auc(errors_mm: Array) -> Array:
    """errors (N,12) mm -> each person's share of the area (N,), by trapezoids."""
    return area(hit_shares(errors_mm, AUC_THRESHOLDS_MM), AUC_THRESHOLDS_MM)


def scores(
    joints: JointErrors | None, angles: Array | None = None, turned: Array | None = None
) -> dict[str, float]:
    """Errors of the counted frames, angles (N,9), angles after the turns -> what the program finds."""
    found: dict[str, float] = {}
    if joints is not None:
        found["MPJPE"] = float(joints.errors_mm.mean(axis=1).mean())
        found["MPJPE_PA"] = float(joints.aligned_mm.mean(axis=1).mean())
        found["PCK"] = pck(joints.pck_errors_mm)
        found["AUC"] = auc_by_quadrature(pck_curve(joints.pck_errors_mm))
    if angles is not None:
        found["MPJAE"] = float(angles.mean())
    if joints is not None and turned is not None:
        found["MPJAE_PA"] = float(turned.mean())
    return found


def scores_text(found: Mapping[str, float]) -> str:
    """-> scores.txt as the program writes it: all digits, a missing value left out."""
    return "".join(f"{name}: {value!r}\n" for name, value in found.items() if value != np.inf)


def global_rotations(rotations: Array, parents: ArrayLike) -> Array:
    """rotations (N,J,3,3) relative to the parent -> of each joint to the world of the root (N,J,3,3)."""
    found: list[Array] = []
    for joint, parent in enumerate(np.asarray(parents)):
        own = np.asarray(rotations[:, joint], np.float64)
        found.append(own if parent < 0 else np.matmul(found[int(parent)], own))
    return np.stack(found, axis=1)


def _lengths(vectors: Array) -> Array:
    return np.asarray(np.sqrt((vectors**2).sum(axis=-1)), np.float64)
