"""Goldens of submissions by parameters, posed with surrogate bodies."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hps_benchmarks.agora.averages import Outcome, has_hands, official_averages
from hps_benchmarks.agora.errors import names, person_errors
from hps_benchmarks.agora.goldens.evaluation import averages_checks, listed, plain
from hps_benchmarks.agora.matching import match_official
from hps_benchmarks.agora.posing import Bodies, pose_people
from hps_benchmarks.agora.submission.people import MATCHED, Entry, predictions_of
from hpscli.body.layer import Body
from hpscli.testing.goldens import ArrayCheck, Golden, ReplayOptions, compare, locate, read_golden
from hpscli.testing.surrogates import surrogate_body

METRES = 1e-5  # SPEC 12: both sides go through float32
ROUNDED = 0.1 + 1e-9  # mm; a cell may flip in its last digit
STRIDE = 97
OFFICIAL_JOINTS = {"smpl": "smpl45", "smplx": "agora127"}
GENDERS = {"neutral": 1.0, "male": 1.05, "female": 0.95}  # of the template
ONE_VERTEX_PER_JOINT = {"smpl": 280, "smplx": 190}  # joint k is vertex k times this
LANDMARKS, FACES_APART = 51, 400


def replay(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """-> posed joints and vertices, matching, errors of each person, the averages."""
    name = str(options.case["name"])
    golden = read_golden(folder, f"goldens/{name}.npz")
    said = json.loads(locate(folder, f"goldens/{name}.json").read_text(encoding="utf-8"))
    track = "smplx" if "lhand-MVE" in said["per_person"] else "smpl"
    entries = entries_of(golden)
    predictions = predictions_of(track, entries)
    joints, vertices = pose_people(
        track,
        predictions.arrays,
        predictions.meta,
        surrogate_bodies(track, options.get("body_seed", {"smpl": 7, "smplx": 11}[track])),
        joint_set=OFFICIAL_JOINTS[track],
    )
    yield compare("official_pred_joints", joints, golden["official_pred_joints"], METRES, "m")
    for key, value in (
        (f"stride{STRIDE}", vertices[:, ::STRIDE]),
        ("mean", vertices.mean(axis=1)),
        ("std", vertices.std(axis=1)),
    ):
        stored = golden[f"official_pred_verts_{key}"]
        yield compare(f"official_pred_verts_{key}", value, stored, METRES, "m")
    official = golden["official_pred_joints"]
    yield from _evaluated(track, golden, said, (joints, vertices, official), predictions.arrays)


def entries_of(golden: Golden) -> list[Entry]:
    """-> the files whose content a golden holds under pred/, by name as text."""
    files: dict[str, dict[str, Any]] = {}
    for key, value in golden.items():
        if key.startswith("pred/"):
            _, file, *path = key.split("/")
            table = files.setdefault(file, {})
            for step in path[:-1]:
                table = table.setdefault(step, {})
            table[path[-1]] = value.item() if value.ndim == 0 else value
    return [Entry(file, files[file]) for file in sorted(files)]


def _evaluated(
    track: str, golden: Golden, said: Any, posed: tuple[Any, Any, Any], arrays: Any
) -> Iterator[ArrayCheck]:
    joints, vertices, official = posed
    true_joints, true_vertices = _truth(golden, said, official, vertices)
    kid = np.array([person["kid"] for person in said["people"]])
    matching = match_official(
        list(arrays[MATCHED].astype(np.float64)),
        list(golden["gt_joints_2d"].astype(np.float64)),
        np.ones(len(kid), bool),
    )
    yield compare("matching", plain(listed(matching)), plain(said["matching"]), 0.0)
    order = [prediction for prediction, _ in matching.pairs]
    people = [person for _, person in matching.pairs]
    missed = np.ones(len(kid), bool)
    missed[people] = False
    parts = {
        part: np.arange(first, last + 1, step)
        for part, (first, last, step) in said["indices"].items()
    }
    found = person_errors(
        track, joints[order], vertices[order], true_joints[people], true_vertices[people], parts
    )
    errors = {column: np.zeros(len(kid)) for column in names(track)}
    for column, values in found.items():
        errors[column][people] = values
        yield compare(column, errors[column], said["per_person"][column], METRES, "m")
    outcome = Outcome(
        image=np.zeros(len(kid), np.int64),
        valid=np.ones(len(kid), bool),
        matchable=np.ones(len(kid), bool),
        kid=kid,
        missed=missed,
        errors=errors,
        false_positives=np.array([len(matching.false_positives)]),
        predicted=np.array([len(joints) > 0]),
        bfh=np.array([has_hands(said["imgPath"])]),
    )
    averages = official_averages(track, outcome)
    yield from averages_checks("result", averages, said["result"], ROUNDED)


def _truth(golden: Golden, said: Any, official: Any, vertices: Any) -> tuple[Any, Any]:
    """-> true joints and vertices by the rule in the golden: the prediction, and noise."""
    scale, seed = _rule(said["gt_rule"])
    draw = np.random.RandomState(seed)
    count = golden["gt_joints_2d"].shape[1]
    people = range(len(official))
    moved = [official[i][:count] + scale * draw.standard_normal((count, 3)) for i in people]
    meshes = [vertices[i] + scale * draw.standard_normal(vertices[i].shape) for i in people]
    return np.asarray(moved, np.float32), np.asarray(meshes, np.float32)


def _rule(text: str) -> tuple[float, int]:
    """ "... + 0.02*RandomState(1091).standard_normal ..." -> 0.02, 1091."""
    before, _, after = text.partition("*RandomState(")
    return float(before.split()[-1]), int(after.partition(")")[0])


def surrogate_bodies(track: str, seed: int) -> Bodies:
    """-> bodies by gender and age, as the goldens' README describes them."""
    arrays = surrogate_body(track, seed)
    count, each = len(arrays["J_regressor"]), ONE_VERTEX_PER_JOINT[track]
    arrays["J_regressor"] = np.zeros_like(arrays["J_regressor"])
    arrays["J_regressor"][np.arange(count), each * np.arange(count)] = 1
    if track == "smplx":
        arrays["lmk_faces_idx"] = FACES_APART * np.arange(LANDMARKS)
        arrays["lmk_bary_coords"] = np.tile([1.0, 0.0, 0.0], (LANDMARKS, 1))
    kid = arrays["v_template"] * 0.6 + 0.1
    kept: dict[tuple[str, str], Body] = {}

    def find(gender: str, age: str) -> Body:
        if (gender, age) not in kept:
            template = arrays["v_template"] * GENDERS[gender]
            shape, betas = arrays["shapedirs"], 10
            if age == "kid":  # as the smplx package: towards the child, after ten betas
                towards = kid - kid.mean(axis=0) - template
                shape = np.concatenate([shape[..., :10], towards[..., None], shape[..., 10:]], -1)
                betas = 11
            given = {**arrays, "v_template": template, "shapedirs": shape}
            kept[gender, age] = Body(
                track, given, gender=gender, betas=betas, expressions=shape.shape[-1] - betas
            )
        return kept[gender, age]

    return find
