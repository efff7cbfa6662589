"""Replays of reference/metrics: the papers' evaluation programs, and mmhuman3d's functions."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.bodies import score
from hps_benchmarks.bodies.families import HMR2, METRO, MMHUMAN3D, SPIN, Family
from hps_benchmarks.bodies.options import BodyOptions
from hpscli.errors import InvalidData
from hpscli.metrics import errors
from hpscli.metrics.keypoints2d import average, normalised, pck
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, locate, read_golden

Array = NDArray[np.float64]

MILLIMETRES = 1e-3  # SPEC 12: float32 code, 1e-6 m
PERCENT = 1e-3  # shares of hits through float32
RELATIVE = 1e-9  # float64 code
UNKNOWN = float("inf")  # of a figure that has no rule here
BATCH = 4  # people at a time in METRO's runs, where their names say nothing (goldens/README.md)
METRO_RUN = re.compile(
    r"(?:MeshTransformer|MeshGraphormer|FastMETRO)"
    r"(?:_first(?P<without>\d+)_without_3d_joints)?(?:_batch(?P<batch>\d+))?"
)
ALIGNED = re.compile(
    r"(?P<kind>mpjpe|pve|3dauc|3dpck(?P<mm>[\d.]+))_(?P<how>none|scale|procrustes)"
)
FLAT = re.compile(r"2dpck_(?P<threshold>[\d.]+)_(?P<kind>per_kp|avg|cnt)")
CHALLENGE_JOINTS = (1, 2, 4, 5, 7, 8, 16, 17, 18, 19, 20, 21)
CHALLENGE_PCK_MM = 50.0
ALIGNMENTS: tuple[errors.Alignment, ...] = ("none", "scale", "procrustes")
NAMES = {  # ours -> mmhuman3d's
    "mpjpe": "MPJPE",
    "pa_mpjpe": "PA-MPJPE",
    "pck": "3DPCK",
    "pa_pck": "PA-3DPCK",
    "auc": "3DAUC",
    "pa_auc": "PA-3DAUC",
    "pve": "PVE",
}


class Meshes:
    """The golden's meshes, and joints regressed from them."""

    def __init__(self, golden: Mapping[str, Any]) -> None:
        self.golden = {name: np.asarray(value, np.float64) for name, value in golden.items()}
        self.female = golden["gender"] == 1

    def gendered(self, side: str) -> Array:
        """side: gt or pred -> vertices of the true gender (N,V,3)."""
        pair = (self.golden[f"{side}_verts_{gender}"] for gender in ("female", "male"))
        return np.where(self.female[:, None, None], *pair)

    def neutral(self, side: str) -> Array:
        """side: gt or pred -> vertices of the neutral body (N,V,3)."""
        return self.golden[f"{side}_verts_neutral"]

    def joints(self, vertices: Array, name: str) -> score.Joints:
        """vertices (N,V,3) -> joints of h36m17, metro24 or smpl24."""
        stored = {
            "h36m17": "h36m_rightleg_first",
            "metro24": "j24",
            "spin_gt24": "j24",
            "smpl24": "smpl24",
        }
        return score.Joints(self.golden[f"J_regressor_{stored[name]}"] @ vertices, name)


def replay_protocols(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/body_protocols: 22 people; every printed figure is computed again."""
    golden = read_golden(folder, "goldens/body_protocols.npz")
    printed, meshes = _printed(folder, "goldens/body_protocols.json"), Meshes(golden)
    measured = _metro(meshes)
    found_m, stored_m = measured["pa_mpjpe"] / 1000, golden["metro_pa_per_sample_m"]
    yield compare("metro_pa_per_sample_m", found_m, stored_m, MILLIMETRES / 1000, "m")
    found = {**_metro_runs(measured, printed), **_spin(meshes)}
    found |= {**_others(meshes), **_challenge(meshes)}
    for key, figures in printed.items():
        for name, stored in figures.items():
            unit = "%" if "PCK" in name or "AUC" in name else "mm"
            tolerance = PERCENT if unit == "%" else MILLIMETRES
            value = found.get(key, {}).get(name, UNKNOWN)
            yield compare(f"{key}.{name}", value, stored, tolerance, unit)


def _metro(meshes: Meshes) -> dict[str, Array]:
    truth = meshes.joints(meshes.gendered("gt"), "metro24")
    predicted = meshes.joints(meshes.neutral("pred"), "h36m17")
    return {**_joints(METRO, predicted, truth), **_centred(meshes, predicted)}


def _metro_runs(
    values: Mapping[str, Array], printed: Mapping[str, Any]
) -> dict[str, dict[str, float]]:
    """METRO's figures under each stored name, which says the batches and who has no 3D joints."""
    figures = {"mPVE": "pve", "mPJPE": "mpjpe", "PAmPJPE": "pa_mpjpe"}
    found = {}
    for key in printed:
        run = METRO_RUN.fullmatch(key)
        if run is None:
            continue
        measured = {**values, "mpjpe": values["mpjpe"].copy()}
        measured["mpjpe"][: int(run["without"] or 0)] = (
            np.nan
        )  # the joints stay, their flag does not
        rule = BodyOptions.of({**METRO.options, "batch": int(run["batch"] or BATCH)})
        found[key] = {
            theirs: score.set_value(rule, ours, measured) for theirs, ours in figures.items()
        }
    return found


def _centred(meshes: Meshes, predicted: score.Joints) -> dict[str, Array]:
    truth = meshes.neutral("gt")
    moved = meshes.neutral("pred") - score.pelvis(predicted)
    goal = truth - score.pelvis(meshes.joints(truth, "h36m17"))
    return score.mesh_values(moved, goal, np.ones(len(truth), bool))


def _spin(meshes: Meshes) -> dict[str, dict[str, float]]:
    """SPIN on its three test sets, PARE on 3DPW."""
    predicted = meshes.joints(meshes.neutral("pred"), "h36m17")
    gendered = meshes.gendered("gt")
    stored = meshes.joints(gendered, "spin_gt24")
    stored = score.Joints(stored.points - stored.points[:, [14]], stored.set_name)
    runs = {
        "SPIN_3dpw": (meshes.joints(gendered, "h36m17"), {}),
        "SPIN_h36m_p2": (stored, SPIN.studio),
        "SPIN_mpi_inf_3dhp": (stored, {"count": 17, "root": "stored"}),
    }
    found = {}
    for key, (truth, changes) in runs.items():
        values, rule = _figures(SPIN, predicted, truth, changes)
        names = {"MPJPE": "mpjpe", "ReconstructionError": "pa_mpjpe"}
        found[key] = {theirs: score.set_value(rule, ours, values) for theirs, ours in names.items()}
    whole = np.ones(len(gendered), bool)
    found["PARE_3dpw"] = {
        "val_mpjpe": found["SPIN_3dpw"]["MPJPE"],
        "val_pampjpe": found["SPIN_3dpw"]["ReconstructionError"],
        "val_v2v": float(score.mesh_values(meshes.neutral("pred"), gendered, whole)["pve"].mean()),
    }
    return found


def _others(meshes: Meshes) -> dict[str, dict[str, float]]:
    """mmhuman3d, hmr-benchmarks, HMR 2.0."""
    gendered, predicted = meshes.gendered("gt"), meshes.neutral("pred")
    mesh = score.mesh_values(meshes.gendered("pred"), gendered, np.ones(len(gendered), bool))
    found = {}
    for name, key, root in (
        ("h36m17", "h36m_regressor", "pelvis"),
        ("spin_gt24", "24_keypoints", "mid_hip"),
    ):
        pair = meshes.joints(predicted, name), meshes.joints(gendered, name)
        values, rule = _figures(MMHUMAN3D, *pair, {"root": root})
        values |= mesh
        figures = {NAMES[ours]: score.set_value(rule, ours, values) for ours in NAMES}
        found[f"mmhuman3d_pw3d_{key}"] = figures
        if name == "h36m17":
            studio = {label: value for label, value in figures.items() if label != "PVE"}
            found["hmr_benchmarks_pw3d_h36m_regressor"] = figures
            found["mmhuman3d_h36m_dataset"] = found["hmr_benchmarks_h36m_dataset"] = studio
    pair = meshes.joints(predicted, "spin_gt24"), meshes.joints(gendered, "spin_gt24")
    values, rule = _figures(HMR2, *pair, {})
    found["HMR2_3dpw"] = {
        "mode_mpjpe": score.set_value(rule, "mpjpe", values),
        "mode_re": score.set_value(rule, "pa_mpjpe", values),
    }
    return found


def _challenge(meshes: Meshes) -> dict[str, dict[str, float]]:
    """The 3DPW challenge's functions on 24 joints from joint 0."""
    pair = (
        meshes.joints(mesh, "smpl24").points
        for mesh in (meshes.neutral("pred"), meshes.gendered("gt"))
    )
    predicted, truth = (points - points[:, [0]] for points in pair)
    away = 1000 * errors.distances(predicted, truth)
    hits = away[:, list(CHALLENGE_JOINTS)] <= CHALLENGE_PCK_MM
    return {
        "3dpw_challenge": {
            "MPJPE": float(away.mean()),
            "MPJPE_PA": float(1000 * errors.pa_mpjpe(predicted, truth).mean()),
            "PCK": float(100 * hits.mean()),
        }
    }


def _figures(
    family: Family, predicted: score.Joints, truth: score.Joints, changes: Mapping[str, Any]
) -> tuple[dict[str, Array], BodyOptions]:
    rule = BodyOptions.of({**family.options, **changes})
    return score.joint_values(rule, predicted, truth), rule


def _joints(family: Family, predicted: score.Joints, truth: score.Joints) -> dict[str, Array]:
    return _figures(family, predicted, truth, {})[0]


def replay_functions(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/mmhuman3d_functions: masks, three alignments, acceleration, 2D PCK."""
    golden = read_golden(folder, "goldens/mmhuman3d_functions.npz")
    printed = _printed(folder, "goldens/mmhuman3d_functions.json")
    yield from _aligned(golden, printed)
    yield from _acceleration(golden, printed)
    yield from _flat(golden, printed)


def _aligned(golden: Mapping[str, Any], printed: Mapping[str, Any]) -> Iterator[ArrayCheck]:
    truth, predicted, mask = golden["gt_mm"], golden["pred_mm"], golden["mask"]
    away: dict[str, Array] = {
        how: score.official_distances(predicted, truth, how) for how in ALIGNMENTS
    }
    for key, stored in printed.items():
        asked = ALIGNED.fullmatch(key)
        if asked is None:
            continue
        each = away[asked["how"]]
        metres = np.nan_to_num(each, nan=np.inf) / 1000  # what is NaN is no hit
        if asked["kind"] == "pve":
            value = float(each.mean())
        elif asked["kind"] == "mpjpe":
            value = errors.set_mean(each, mask, pooled=True)
        else:
            shares = (
                errors.pck(metres, float(asked["mm"]) / 1000) if asked["mm"] else errors.auc(metres)
            )
            value = errors.set_mean(shares, mask, pooled=True)
        yield compare(key, value, stored, MILLIMETRES, "%" if "3d" in key else "mm")


def _acceleration(golden: Mapping[str, Any], printed: Mapping[str, Any]) -> Iterator[ArrayCheck]:
    truth, predicted = golden["gt_mm"], golden["pred_mm"]
    seen = np.tile(golden["frame_mask"][:, None], (1, truth.shape[1]))
    for key, mean, mask in (
        ("accel", "accel_mean", None),
        ("accel_masked", "accel_mean_masked", seen),
    ):
        each = errors.acceleration_error(predicted, truth, mask)
        if mask is not None:
            rows = golden["frame_mask"]
            each = each[rows[:-2] & rows[1:-1] & rows[2:]]
        yield compare(key, each, golden[key], MILLIMETRES, "mm")
        yield compare(mean, each.mean(), printed[mean], MILLIMETRES, "mm")


def _flat(golden: Mapping[str, Any], printed: Mapping[str, Any]) -> Iterator[ArrayCheck]:
    sizes = golden["box_size"], golden["scale"]
    predicted, truth = (normalised(golden[f"{side}_2d"], *sizes) for side in ("pred", "gt"))
    for key, expected in printed.items():
        asked = FLAT.fullmatch(key)
        if asked is None:
            continue
        shares = pck(predicted, truth, golden["conf_2d"], float(asked["threshold"]))
        found = {
            "per_kp": np.where(np.isnan(shares), -1.0, shares),  # marks joints that nobody has seen
            "avg": average(shares),
            "cnt": (~np.isnan(shares)).sum(),
        }
        yield compare(key, found[asked["kind"]], expected, RELATIVE)


def _printed(folder: Path, name: str) -> Any:
    path = locate(folder, name)
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidData(f"{path} is not readable: {error}.") from None
