"""Compares rebuilt files with the shipped ones: every figure at least as good, within a stated margin."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tools.free_body import numbering
from tools.free_body.figures import Files
from tools.free_body.hierarchy import closest_on_mesh

Array = NDArray[Any]
Kind = Literal["same", "near", "low", "high"]

# Build-time figures of the shipped files: they need MakeHuman's samples, which the files do not
# hold. From the record of the build that made them; lengths in mm unless the name says m.
SHIPPED_BUILD = {
    "reconstruction": 1.9,
    "joint regressor mean": 4.1,
    "joint regressor worst": 12.8,
    "expression share": 0.925,
    "sample stature mean m": 1.71,
    "sample stature sd m": 0.10,
}
OUTER_LANDMARKS = 43  # brows, nose, eyes, outer lips; the shipped inner lips are out of order
SAMPLED_LENGTHS = ("_row", "_col", "_val")  # as many as the geometry asks for


@dataclass(frozen=True)
class Rule:
    """How ours must stand to shipped: the same, near it, not much higher, not much lower."""

    kind: Kind
    margin: float = 0.0

    def holds(self, ours: float, shipped: float) -> bool:
        if self.kind == "same":
            return ours == shipped
        if self.kind == "near":
            return abs(ours - shipped) <= self.margin
        if self.kind == "low":
            return ours <= shipped * (1 + self.margin) + 1e-4
        return ours >= shipped * (1 - self.margin) - 1e-4

    def text(self) -> str:
        if self.kind == "same":
            return "equal"
        if self.kind == "near":
            return f"within {self.margin:g}"
        return f"at most {100 * self.margin:g} % {'more' if self.kind == 'low' else 'less'}"


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    ours: float
    shipped: float
    rule: Rule
    good: bool


RULES: dict[str, Rule] = {
    "body asymmetry": Rule("low"),
    "shape asymmetry": Rule("low"),
    "posed asymmetry": Rule("low"),
    "whole body asymmetry": Rule("low"),
    "stature mean m": Rule("near", 0.01),
    "stature sd m": Rule("near", 0.01),
    "kid stature m": Rule("near", 0.01),
    "bounding box width m": Rule("near", 0.01),
    "bounding box depth m": Rule("near", 0.01),
    "lowest point m": Rule("near", 0.01),
    "volume l": Rule("near", 2.0),
    "pelvis height m": Rule("near", 0.002),
    "hip width m": Rule("near", 0.005),
    "arm bend": Rule("near", 1.0),
    "explained by 1": Rule("near", 0.03),
    "explained by 10": Rule("high", 0.005),
    "shortest edge": Rule("high", 0.1),
    "longest edge": Rule("low", 0.1),
    "worst triangle": Rule("high", 0.1),
    "most influences": Rule("low"),
    "mean influences": Rule("near", 0.1),
    "weight rows off 1": Rule("low"),
    "regressor rows off 1": Rule("low"),
    "most vertices per joint": Rule("low", 0.5),
    "head vertices": Rule("high", 0.05),
    "hand and wrist vertices": Rule("high", 0.05),
    "foot vertices": Rule("high", 0.05),
    "posed volume mean": Rule("near", 0.01),
    "posed volume min": Rule("near", 0.02),
    "posed volume max": Rule("near", 0.02),
    "edge ratio 1 %": Rule("high", 0.05),
    "edge ratio 99 %": Rule("low", 0.05),
    "edge ratio 99.9 %": Rule("low", 0.05),
    "volume bent 45 degrees": Rule("near", 0.005),
    "volume bent 90 degrees": Rule("near", 0.005),
    "volume bent 120 degrees": Rule("near", 0.005),
    "volume bent 150 degrees": Rule("near", 0.005),
    "hand explained by 1": Rule("near", 0.05),
    "hand explained by 10": Rule("high", 0.005),
    "hand width m": Rule("near", 0.005),
    "hand furthest tip m": Rule("near", 0.005),
    "hand components off orthonormal": Rule("low"),
    "hand mean curl": Rule("near", 0.1),
    "largest expression": Rule("near", 2.0),
    "eyeball radius": Rule("near", 0.5),
    "stature gap of the two bodies": Rule("near", 0.03),
    "smpl level 1 up-sampling mean": Rule("low", 0.1),
    "smpl level 1 up-sampling max": Rule("low", 0.1),
    "smpl level 2 up-sampling mean": Rule("low", 0.1),
    "smpl level 2 up-sampling max": Rule("low", 0.1),
    "mano level 1 up-sampling mean": Rule("low", 0.1),
    "mano level 1 up-sampling max": Rule("low", 0.1),
    "poses that hit themselves": Rule("low"),
    "poses in the rarest mode": Rule("near", 0.03),
    "mean pose error": Rule("near", 15.0),
    "reconstruction": Rule("low", 0.1),
    "joint regressor mean": Rule("low", 0.1),
    "joint regressor worst": Rule("low", 0.1),
    "expression share": Rule("high", 0.02),
    "sample stature mean m": Rule("near", 0.01),
    "sample stature sd m": Rule("near", 0.01),
    "arrays with another layout": Rule("same"),
    "surface distance mean": Rule("near", 3.0),
    "surface distance max": Rule("near", 15.0),
    "joint distance max": Rule("near", 5.0),
    "marked vertex distance max": Rule("near", 10.0),
    "whole body marked vertex distance max": Rule("near", 10.0),
    "hand tip distance max": Rule("near", 10.0),
    "hand surface distance mean": Rule("near", 2.0),
    "landmark distance mean": Rule("near", 5.0),
}
for _kind, _levels in (("smpl", 2), ("mano", 1)):
    for _level in range(1, _levels + 1):
        RULES[f"{_kind} level {_level} up-sampling rows off 1"] = Rule("near", 1e-5)
        RULES[f"{_kind} level {_level} smallest up-sampling weight"] = Rule("near", 0.01)


def rule_of(name: str) -> Rule:
    """-> the rule for a figure; counts must be equal."""
    return RULES.get(name) or Rule("same")


def distances(ours: Files, shipped: Files) -> dict[str, float]:
    """-> figures (mm) that need both: how far surfaces, joints and marked spots are apart."""
    found = {"arrays with another layout": float(len(layout_differences(ours, shipped)))}
    if _both("free_smpl", ours, shipped):
        a, b = ours["free_smpl"], shipped["free_smpl"]
        away = surface_distance(a, b)
        found["surface distance mean"] = 1000 * float(away.mean())
        found["surface distance max"] = 1000 * float(away.max())
        joints = [body["J_regressor"] @ body["v_template"] for body in (a, b)]
        found["joint distance max"] = 1000 * float(
            np.linalg.norm(joints[0] - joints[1], axis=1).max()
        )
        found["marked vertex distance max"] = _spot_distance(a, b, numbering.SMPL_NUMBERS)
    if _both("free_mano", ours, shipped):
        a, b = ours["free_mano"], shipped["free_mano"]
        found["hand surface distance mean"] = 1000 * float(surface_distance(a, b).mean())
        found["hand tip distance max"] = _spot_distance(a, b, numbering.MANO_NUMBERS)
    if _both("free_smplx", ours, shipped):
        a, b = ours["free_smplx"], shipped["free_smplx"]
        found["whole body marked vertex distance max"] = _spot_distance(
            a, b, numbering.SMPLX_NUMBERS
        )
        points = [landmarks(body)[:OUTER_LANDMARKS] for body in (a, b)]
        away = np.linalg.norm(points[0] - points[1], axis=1)
        found["landmark distance mean"] = 1000 * float(away.mean())
    return found


def _both(name: str, ours: Files, shipped: Files) -> bool:
    return name in ours and name in shipped


def surface_distance(ours: dict[str, Array], shipped: dict[str, Array]) -> Array:
    """-> for every vertex of ours its distance (metres) to the shipped surface, both as they lie."""
    vertices, faces = shipped["v_template"].astype(float), shipped["f"].astype(int)
    points = ours["v_template"].astype(float)
    face, weight = closest_on_mesh(points, vertices, faces)
    nearest = np.einsum("nk,nkc->nc", weight, vertices[faces[face]])
    return np.asarray(np.linalg.norm(points - nearest, axis=1))


def landmarks(body: dict[str, Array]) -> Array:
    """-> the 51 inner landmarks (51,3) of an SMPL-X file."""
    corner = body["v_template"][body["f"].astype(int)[body["lmk_faces_idx"]]]
    return np.asarray(np.einsum("nk,nkc->nc", body["lmk_bary_coords"], corner))


def _spot_distance(
    ours: dict[str, Array], shipped: dict[str, Array], numbers: dict[str, tuple[int, ...]]
) -> float:
    index = [number for group in numbers.values() for number in group]
    away = ours["v_template"][index] - shipped["v_template"][index]
    return 1000 * float(np.linalg.norm(away, axis=1).max())


def layout_differences(ours: Files, shipped: Files) -> list[str]:
    """-> "file/array" for every array that is missing, extra, or of another shape or type."""
    found = []
    for name in set(ours) & set(shipped):
        for key in set(ours[name]) | set(shipped[name]):
            a, b = ours[name].get(key), shipped[name].get(key)
            if a is None or b is None or a.dtype.kind != b.dtype.kind or _shapes_differ(key, a, b):
                found.append(f"{name}/{key}")
    return sorted(found)


def _shapes_differ(key: str, a: Array, b: Array) -> bool:
    if a.dtype.kind == "U":
        return a.shape != b.shape
    if key.startswith("U_") and key.endswith(SAMPLED_LENGTHS):
        return a.ndim != b.ndim or a.dtype != b.dtype
    return a.shape != b.shape or a.dtype != b.dtype


def compare(
    ours: dict[str, float], shipped: dict[str, float], between: dict[str, float]
) -> list[Row]:
    """figures of both and of the space between them -> the table, in the order of `ours`."""
    rows = []
    for name, value in ours.items():
        if name in shipped:
            rule = rule_of(name)
            rows.append(Row(name, value, shipped[name], rule, rule.holds(value, shipped[name])))
    for name, value in between.items():
        rule = rule_of(name)
        rows.append(Row(name, value, 0.0, rule, rule.holds(value, 0.0)))
    return rows


def table(rows: list[Row]) -> str:
    """-> the rows as Markdown."""
    lines = ["| figure | ours | shipped | bound | as good |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        ours, shipped = shown(row.ours), shown(row.shipped)
        lines.append(
            f"| {row.name} | {ours} | {shipped} | {row.rule.text()} | {'yes' if row.good else 'NO'} |"
        )
    return "\n".join(lines)


def shown(value: float) -> str:
    """-> a number as short as its size allows."""
    if value == int(value):
        return str(int(value))
    return f"{value:.2e}" if abs(value) < 1e-3 else f"{value:.4g}"
