"""AGORA's matching and errors beside a plain loop, from arrays in memory, with equal results."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.agora.averages import Outcome, official_averages
from hps_benchmarks.agora.errors import PARTS, names, person_errors
from hps_benchmarks.agora.matching import (
    IOU_THRESHOLD,
    MATCHED_JOINTS,
    match_official,
    matchable_people,
)
from hpscli.metrics.errors import procrustes

Array = NDArray[Any]

TRACK = "smplx"
PICTURES, PEOPLE = 12, 7  # PERF.md measured pictures of 7 people
JOINTS, VERTICES = 127, 10475
SIZES = {"body": 4010, "lhand": 778, "rhand": 778, "face": 5023}  # of the official lists


def make() -> dict[str, Array]:
    """-> crowds with predictions of all but one person of each picture, and one of nobody."""
    draw = np.random.default_rng(0)
    count = PICTURES * PEOPLE
    places = draw.uniform([300, 300], [3500, 1800], (count, 1, 2))
    flat = places + draw.normal(0, 150, (count, JOINTS, 2))
    joints = draw.normal(0, 0.3, (count, JOINTS, 3))
    vertices = draw.normal(0, 0.3, (count, VERTICES, 3))
    seen = flat + draw.normal(0, 15, flat.shape)
    seen[::PEOPLE] += 9000.0  # nobody is there
    given = {
        "true_joints2d": flat,
        "true_joints": joints,
        "true_vertices": vertices,
        "joints2d": seen[:, :MATCHED_JOINTS],
        "joints": joints + draw.normal(0, 0.05, joints.shape),
        "vertices": vertices + draw.normal(0, 0.05, vertices.shape),
    }
    arrays: dict[str, Array] = {name: value.astype(np.float32) for name, value in given.items()}
    arrays["occlusion"] = draw.choice([0.0, 20.0, 60.0, 95.0], count, p=[0.4, 0.3, 0.25, 0.05])
    arrays["kid"] = np.arange(count) % 5 == 0
    for part, size in SIZES.items():
        arrays[f"vertices_of.{part}"] = np.sort(draw.permutation(VERTICES)[:size])
    return arrays


def ours(inputs: Mapping[str, Array]) -> dict[str, Any]:
    """-> errors of each person, and the figures."""
    count = len(inputs["joints"])
    can = matchable_people(np.ones(count, bool), inputs["occlusion"])
    rows, people, wrong = [], [], []
    for start in range(0, count, PEOPLE):
        mine = slice(start, start + PEOPLE)
        matching = match_official(
            list(inputs["joints2d"][mine]), list(inputs["true_joints2d"][mine]), can[mine]
        )
        rows += [start + place for place, _ in matching.pairs]
        people += [start + place for _, place in matching.pairs]
        wrong.append(len(matching.false_positives))
    found = person_errors(
        TRACK,
        inputs["joints"][rows],
        [inputs["vertices"][row] for row in rows],
        inputs["true_joints"][people],
        [inputs["true_vertices"][person] for person in people],
        {part: inputs[f"vertices_of.{part}"] for part in SIZES},
    )
    errors = {name: np.zeros(count) for name in names(TRACK)}
    for name, values in found.items():
        errors[name][people] = values
    missed = np.ones(count, bool)
    missed[people] = False
    return _figures(inputs, errors, missed, wrong)


def plain(inputs: Mapping[str, Array]) -> dict[str, Any]:
    """-> the same, pair by pair and person by person, with the aligned errors that nobody uses."""
    count = len(inputs["joints"])
    errors = {name: np.zeros(count) for name in names(TRACK)}
    missed, wrong = np.ones(count, bool), []
    for start in range(0, count, PEOPLE):
        pairs = _plain_matching(inputs, start)
        wrong.append(PEOPLE - len(pairs))
        for row, person in pairs:
            missed[person] = False
            for part in SIZES:
                joint, vertex = _plain_errors(inputs, row, person, part)
                errors[f"{part}-MPJPE"][person], errors[f"{part}-MVE"][person] = joint, vertex
    return _figures(inputs, errors, missed, wrong)


def _plain_matching(inputs: Mapping[str, Array], start: int) -> list[tuple[int, int]]:
    """-> prediction and person of one picture."""
    all_pairs = [(p, g) for p in range(PEOPLE) for g in range(PEOPLE)]
    costs = np.array(
        [
            np.linalg.norm(
                inputs["joints2d"][start + p][:MATCHED_JOINTS]
                - inputs["true_joints2d"][start + g][:MATCHED_JOINTS],
                2,
            )
            for p, g in all_pairs
        ]
    )
    found, used, assigned, struck = [], set[int](), set[int](), 0
    while len(assigned) < PEOPLE and len(used) + struck < PEOPLE:
        best = int(np.argmin(costs))
        costs[best] = np.inf
        p, g = all_pairs[best]
        overlap = _plain_overlap(inputs["joints2d"][start + p], inputs["true_joints2d"][start + g])
        good = p not in used and g not in assigned and overlap >= IOU_THRESHOLD
        if not good and overlap >= IOU_THRESHOLD:
            continue
        struck += not good
        if not 0 <= inputs["occlusion"][start + g] <= 90:
            assigned.add(g)
        elif good:
            used.add(p)
            assigned.add(g)
            found.append((start + p, start + g))
    return found


def _plain_overlap(first: Array, second: Array) -> float:
    low = [max(first[:, axis].min(), second[:, axis].min()) for axis in (0, 1)]
    high = [min(first[:, axis].max(), second[:, axis].max()) for axis in (0, 1)]
    shared = max(0, high[0] - low[0] + 1) * max(0, high[1] - low[1] + 1)
    areas = [(np.ptp(points[:, 0]) + 1) * (np.ptp(points[:, 1]) + 1) for points in (first, second)]
    return float(shared / (areas[0] + areas[1] - shared))


def _plain_errors(
    inputs: Mapping[str, Array], row: int, person: int, name: str
) -> tuple[float, float]:
    """-> mean distances of one part's joints and vertices, each side moved by its own root."""
    part, chosen = PARTS[TRACK][name], inputs[f"vertices_of.{name}"]
    sides = []
    for start, place in (("", row), ("true_", person)):
        joints = inputs[f"{start}joints"][place].astype(np.float64)
        vertices = inputs[f"{start}vertices"][place].astype(np.float64)
        root = joints[list(part.root)].mean(axis=0)
        sides.append((joints[list(part.joints)] - root, vertices[chosen, :] - root))
    (joints, vertices), (true_joints, true_vertices) = sides
    means = []
    for points, true in ((joints, true_joints), (vertices, true_vertices)):
        means.append(float(np.mean(np.sqrt(np.sum((true - points) ** 2, axis=1)))))
        moved = procrustes(points[None], true[None])[0]
        np.mean(np.sqrt(np.sum((true - moved) ** 2, axis=1)))
    return means[0], means[1]


def _figures(
    inputs: Mapping[str, Array], errors: dict[str, Array], missed: Array, wrong: list[int]
) -> dict[str, Any]:
    count = len(missed)
    pictures = np.ones(len(wrong), bool)
    outcome = Outcome(
        image=np.arange(count) // PEOPLE,
        valid=np.ones(count, bool),
        matchable=matchable_people(np.ones(count, bool), inputs["occlusion"]),
        kid=inputs["kid"],
        missed=missed,
        errors=errors,
        false_positives=np.array(wrong),
        predicted=pictures,
        bfh=pictures,
    )
    averages = {name: float(value) for name, value in official_averages(TRACK, outcome).items()}
    return {
        **errors,
        "missed": missed.astype(np.float64),
        **{f"all {k}": v for k, v in averages.items()},
    }
