"""What FreiHAND's and HO-3D's programs measure of hands: errors, shares of hits, F-scores."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hpscli.errors import InvalidData
from hpscli.metrics.curves import area, hit_shares
from hpscli.metrics.geometry.surfaces import Prepared, f_scores
from hpscli.metrics.hands.alignment import Similarity, scale_translation, similarity

Array = NDArray[np.float64]

THRESHOLDS = np.linspace(0.0, 0.05, 100)  # metres, of the curves; a hit is <=
F_THRESHOLDS = (0.005, 0.015)  # metres; near is <
CHUNK = 32  # hands measured at once: their points stay in the cache
CENTIMETRES = 100.0
MESHES = ("mesh", "mesh_al")  # prefixes of the figures of vertices
NO_MESH = -1.0  # metres, and area: what is written for a mesh that does not correspond


@dataclass(frozen=True, kw_only=True)
class Hands:
    """N hands in camera space, metres: joints (N,21,3), vertices (N,V,3)."""

    joints: Array
    vertices: Array

    def __post_init__(self) -> None:
        for name in ("joints", "vertices"):
            values = getattr(self, name)
            if values.ndim != 3 or values.shape[2] != 3 or len(values) != len(self.joints):
                raise InvalidData(
                    f"{name} {values.shape} of {len(self.joints)} hands: expected (N,P,3)."
                )

    def __len__(self) -> int:
        return len(self.joints)

    def __getitem__(self, rows: slice) -> "Hands":
        return Hands(joints=self.joints[rows], vertices=self.vertices[rows])


@dataclass(frozen=True, kw_only=True)
class Program:
    """One official program: what it aligns, and the names of its figures."""

    aligned_joints: str  # prefix of the figures of aligned joints
    scale_translation: str = (
        ""  # prefix of joints aligned by scale and translation; "": not measured
    )
    mirrors: bool = True  # the alignment may mirror a hand
    forgets_size: bool = True  # a mesh that is not MANO's is scaled wrongly

    @property
    def joint_prefixes(self) -> tuple[str, ...]:
        """-> prefixes of the figures of joints, in the order of scores.txt."""
        return tuple(p for p in ("xyz", self.aligned_joints, self.scale_translation) if p)

    @property
    def names(self) -> tuple[str, ...]:
        """-> the figures in the order of scores.txt."""
        curves = (*self.joint_prefixes, *MESHES)
        shares = [f"f{kind}_score_{round(t * 1000)}" for t in F_THRESHOLDS for kind in ("", "_al")]
        return (*(f"{p}_{what}" for p in curves for what in ("mean3d", "auc3d")), *shares)


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Distances of a few hands, metres; vertices only where prediction and truth have as many."""

    joints: Mapping[str, Array]  # prefix -> (N,21)
    vertices: Mapping[str, Array]  # prefix -> (N,V)
    f: Mapping[str, Array]  # "" and "_al" -> (N,2)


def measure_hands(
    prediction: Hands, truth: Hands, program: Program, *, same_mesh: bool | None = None
) -> dict[str, Array]:
    """N predicted and true hands -> what the program says of each.

    {prefix}_mean3d (N,) cm, {prefix}_auc3d (N,), {prefix}_pck (N,100), f_score_5 (N,) ...,
    joint_errors_mm (N,21). same_mesh: whether vertices correspond; None: when they are as many.
    """
    if len(prediction) != len(truth):
        raise InvalidData(f"{len(prediction)} predicted hands, {len(truth)} true ones.")
    parts = [
        _measured(errors) for errors in errors_of(prediction, truth, program, same_mesh=same_mesh)
    ]
    names = parts[0] if parts else {}
    return {name: np.concatenate([part[name] for part in parts]) for name in names}


def set_scores(values: Mapping[str, Array], program: Program) -> dict[str, float]:
    """Numbers per hand (N,) -> the figures of the set in the order of scores.txt, means in cm."""
    found = {}
    for name in program.names:
        if name in values:
            found[name] = float(values[name].mean())
        else:
            found[name] = NO_MESH * (CENTIMETRES if name.endswith("mean3d") else 1.0)
    return found


def scores_text(scores: Mapping[str, float]) -> str:
    """-> scores.txt, as the official programs write it."""
    return "".join(f"{name}: {value:f}\n" for name, value in scores.items())


def errors_of(
    prediction: Hands, truth: Hands, program: Program, *, same_mesh: bool | None = None
) -> Iterator[Errors]:
    """-> the distances of all hands, a few at a time."""
    counts = prediction.vertices.shape[1], truth.vertices.shape[1]
    corresponds = counts[0] == counts[1] if same_mesh is None else same_mesh
    for start in range(0, len(truth), CHUNK):
        rows = slice(start, start + CHUNK)
        yield _errors(prediction[rows], truth[rows], program, corresponds)


def _errors(prediction: Hands, truth: Hands, program: Program, corresponds: bool) -> Errors:
    fit = similarity(prediction.joints, truth.joints, mirrors=program.mirrors)
    joints = {
        "xyz": distances(prediction.joints, truth.joints),
        program.aligned_joints: distances(fit.apply(prediction.joints), truth.joints),
    }
    if program.scale_translation:
        moved = scale_translation(prediction.joints, truth.joints)
        joints[program.scale_translation] = distances(moved, truth.joints)
    moved = aligned_vertices(prediction, truth, program, fit, corresponds)
    vertices = {}
    if corresponds:
        vertices["mesh"] = distances(prediction.vertices, truth.vertices)
        vertices["mesh_al"] = distances(moved, truth.vertices)
    kept: dict[int, Prepared] = {}
    f = {
        "": f_scores(truth.vertices, prediction.vertices, F_THRESHOLDS, kept=kept).f,
        "_al": f_scores(truth.vertices, moved, F_THRESHOLDS, kept=kept).f,
    }
    return Errors(joints=joints, vertices=vertices, f=f)


def aligned_vertices(
    prediction: Hands, truth: Hands, program: Program, joints_fit: Similarity, corresponds: bool
) -> Array:
    """-> predicted vertices (N,V,3) moved onto the truth: by themselves, else with the joints."""
    if corresponds:
        fit = similarity(prediction.vertices, truth.vertices, mirrors=program.mirrors)
        return fit.apply(prediction.vertices)
    if program.forgets_size:
        return joints_fit.apply_unscaled(prediction.vertices)
    return joints_fit.apply(prediction.vertices)


def _measured(errors: Errors) -> dict[str, Array]:
    """Distances -> numbers per hand."""
    found: dict[str, Array] = {}
    for prefix, values in {**errors.joints, **errors.vertices}.items():
        shares = hit_shares(values, THRESHOLDS)
        found[f"{prefix}_mean3d"] = CENTIMETRES * values.mean(axis=1)
        found[f"{prefix}_auc3d"] = area(shares, THRESHOLDS)
        found[f"{prefix}_pck"] = shares
    for alignment, scores in errors.f.items():
        for column, threshold in enumerate(F_THRESHOLDS):
            found[f"f{alignment}_score_{round(threshold * 1000)}"] = scores[:, column]
    found["joint_errors_mm"] = 1000.0 * list(errors.joints.values())[1]
    return found


def distances(first: ArrayLike, second: ArrayLike) -> Array:
    """points (N,P,3), points (N,P,3) -> (N,P), summed x, y, z as the official programs do."""
    difference = np.asarray(first, np.float64) - np.asarray(second, np.float64)
    np.square(difference, out=difference)
    squares = difference[..., 0] + difference[..., 1]
    squares += difference[..., 2]
    return np.asarray(np.sqrt(squares, out=squares))
