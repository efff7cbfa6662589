"""Goldens of the whole evaluation with joints and vertices given: matching, errors, averages."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hps_benchmarks.agora.averages import Averages, Outcome, has_hands, official_averages
from hps_benchmarks.agora.errors import names, person_errors
from hps_benchmarks.agora.matching import Matching, match_official, matchable_people
from hpscli.errors import InvalidData
from hpscli.testing.goldens import ArrayCheck, Golden, ReplayOptions, compare, locate, read_golden

EXACT, RELATIVE = 0.0, 1e-9
WORDS = {"miss": -1.0, "invalid": -2.0, "falsePositive": -3.0, "nan": -4.0}
SUFFIX = ".pkl"


def replay(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """-> every number of one golden: matching, counts and errors by picture, then the averages."""
    name = str(options.case["name"])
    golden = read_golden(folder, f"goldens/{name}.npz")
    said = json.loads(locate(folder, f"goldens/{name}.json").read_text(encoding="utf-8"))
    track = "smplx" if "lhand-MVE" in said["per_image"][0] else "smpl"
    vertices_of = {
        key.partition("/")[2]: golden[key] for key in golden if key.startswith("indices/")
    }
    pictures = [
        _picture(golden, number, entry, track, vertices_of)
        for number, entry in enumerate(said["per_image"])
    ]
    for entry, (matching, missed, errors) in zip(said["per_image"], pictures, strict=True):
        yield from _picture_checks(entry, matching, missed, errors)
    outcome = _outcome(golden, said["per_image"], pictures)
    yield from _set_checks("all", track, outcome, said["all"])
    if "onlybfh" in said:
        part = outcome.only(outcome.bfh)
        yield from _set_checks("onlybfh", track, part, said["onlybfh"])


Picture = tuple[Matching, np.ndarray, Mapping[str, np.ndarray]]


def _picture(
    golden: Golden,
    number: int,
    entry: Mapping[str, Any],
    track: str,
    vertices_of: Mapping[str, np.ndarray],
) -> Picture:
    """-> matching, who was missed, errors (0 for them) of one picture."""
    start = f"img{number}/"
    files = [f"pred/{file}" for file in sorted(entry["pred_files"])]
    valid, hidden = golden[f"{start}isValid"], golden[f"{start}occlusion"]
    matching = match_official(
        [golden[f"{file}/joints"].astype(np.float64) for file in files],
        list(golden[f"{start}gt_joints_2d"].astype(np.float64)),
        matchable_people(valid, hidden),
    )
    missed = np.ones(len(valid), bool)
    errors = {name: np.zeros(len(valid)) for name in names(track)}
    if matching.pairs:
        places = [prediction for prediction, _ in matching.pairs]
        people = [person for _, person in matching.pairs]
        missed[people] = False
        found = person_errors(
            track,
            np.stack([golden[f"{files[place]}/allSmplJoints3d"] for place in places]),
            np.stack([golden[f"{files[place]}/verts"] for place in places]),
            golden[f"{start}gt_joints_3d"][people],
            golden[f"{start}gt_verts"][people],
            vertices_of,
        )
        for name, values in found.items():
            errors[name][people] = values
    return matching, missed, errors


def _picture_checks(
    entry: Mapping[str, Any],
    matching: Matching,
    missed: np.ndarray,
    errors: Mapping[str, np.ndarray],
) -> Iterator[ArrayCheck]:
    name = entry["img"]
    yield compare(f"{name}/matching", plain(listed(matching)), plain(entry["matching"]), EXACT)
    counts = [len(matching.false_positives), int(missed.sum())]
    yield compare(f"{name}/counts", counts, [entry["falsePositives"], entry["misses"]], EXACT)
    yield compare(f"{name}/miss_flag", missed, entry["miss_flag"], EXACT)
    for column, values in errors.items():
        yield compare(f"{name}/{column}", values, entry[column], RELATIVE, "relative")


def listed(matching: Matching) -> list[tuple[Any, Any]]:
    """-> the official list: pairs, then false positives, misses, invalid people."""
    return [
        *matching.pairs,
        *((place, "falsePositive") for place in matching.false_positives),
        *(("miss", person) for person in matching.misses),
        *(("invalid", person) for person in matching.invalid),
    ]


def plain(rows: Any) -> np.ndarray:
    """Rows of numbers and words, as the official lists hold -> numbers alone (N,2)."""
    return np.array([[number(cell) for cell in row] for row in rows], np.float64).reshape(-1, 2)


def number(cell: Any) -> float:
    """A number, or one of the official words -> a number."""
    return WORDS[cell] if isinstance(cell, str) and cell in WORDS else float(cell)


def _outcome(golden: Golden, entries: list[Mapping[str, Any]], pictures: list[Picture]) -> Outcome:
    counts = [len(missed) for _, missed, _ in pictures]

    def people(name: str) -> np.ndarray:
        return np.concatenate([golden[f"img{i}/{name}"] for i in range(len(pictures))])

    valid = people("isValid")
    return Outcome(
        image=np.repeat(np.arange(len(pictures)), counts),
        valid=valid,
        matchable=matchable_people(valid, people("occlusion")),
        kid=people("kid"),
        missed=np.concatenate([missed for _, missed, _ in pictures]),
        errors={
            name: np.concatenate([errors[name] for _, _, errors in pictures])
            for name in pictures[0][2]
        },
        false_positives=np.array([len(m.false_positives) for m, _, _ in pictures]),
        predicted=np.array([bool(entry["pred_files"]) for entry in entries]),
        bfh=np.array([has_hands(entry["img"]) for entry in entries]),
    )


def _set_checks(name: str, track: str, outcome: Outcome, stored: Any) -> Iterator[ArrayCheck]:
    """-> every figure of a set; where the program stopped and stored none, that ours says so."""
    if isinstance(stored, Mapping) and "f1" in stored:
        yield from averages_checks(name, official_averages(track, outcome), stored)
        return
    try:
        official_averages(track, outcome)
    except InvalidData:
        yield compare(f"{name}, refused", True, True, EXACT)
    else:
        yield compare(f"{name}, refused", False, True, EXACT, note="there are figures")


def averages_checks(
    name: str, ours: Averages, expected: Mapping[str, Any], tolerance: float = EXACT
) -> Iterator[ArrayCheck]:
    """-> one check for each official figure."""
    for key in dict.fromkeys((*expected, *ours)):
        if key not in ours or key not in expected:
            yield compare(
                f"{name}/{key}", key in ours, key in expected, EXACT, note="one side only"
            )
        else:
            allowed = tolerance if "-" in key else EXACT  # precision, recall, f1
            yield compare(f"{name}/{key}", number(ours[key]), number(expected[key]), allowed)
