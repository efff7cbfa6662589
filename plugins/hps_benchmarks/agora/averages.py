"""The figures of a set: the official averages, rounded at every step, and the same put right.

Read in agora_evaluation/compute_average_error.py (revision 8c9dece), whose names these are.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.agora.errors import PARTS
from hpscli.errors import InvalidData

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Averages = dict[str, float | str]

MILLIMETRES = 1000.0
NONE = "nan"  # the official word for figures of children where there are none
BFH = ("bfh", "smplx")  # parts of names of pictures whose people have hands and a face


@dataclass(frozen=True)
class Outcome:
    """The N true people of a set, whom somebody found or missed; `errors` in metres, 0 if missed."""

    image: NDArray[np.int64]  # (N,) place of the picture in `false_positives`
    valid: Flags  # (N,) isValid
    matchable: Flags  # (N,) and not too much hidden
    kid: Flags  # (N,)
    missed: Flags  # (N,) nobody was matched to them
    errors: Mapping[str, Array]  # official name -> (N,)
    false_positives: NDArray[np.int64]  # (I,) of each picture
    predicted: Flags  # (I,) whether there is any prediction for the picture
    bfh: Flags  # (I,)

    def only(self, images: Flags) -> "Outcome":
        """-> the same without some pictures (I,): their people and their false positives."""
        people = images[self.image]
        return Outcome(
            image=self.image[people],
            valid=self.valid[people],
            matchable=self.matchable[people],
            kid=self.kid[people],
            missed=self.missed[people],
            errors={name: values[people] for name, values in self.errors.items()},
            false_positives=np.where(images, self.false_positives, 0),
            predicted=self.predicted,
            bfh=self.bfh,
        )


def has_hands(image_name: str) -> bool:
    """A picture's name -> whether the SMPL-X leaderboard counts it (`--onlybfh`)."""
    return any(part in image_name for part in BFH)


def official_averages(track: str, outcome: Outcome) -> Averages:
    """-> every figure under its official name, mm, rounded as the official program does.

    Hidden people are counted as missed; in hands and faces who was missed counts with 0.
    """
    chosen = outcome.valid
    kid, missed = outcome.kid[chosen], outcome.missed[chosen]
    found = _detection("", len(missed), int(missed.sum()), outcome)
    kids = bool(kid.any())
    if kids:
        found |= _detection("kid_", int(kid.sum()), int((missed & kid).sum()), outcome)
    else:
        found |= dict.fromkeys(("kid_precision", "kid_recall", "kid_f1"), NONE)
    errors = {name: MILLIMETRES * values[chosen] for name, values in outcome.errors.items()}
    shown = outcome.predicted[outcome.image[chosen]]
    for column, normalised in (("MPJPE", "NMJE"), ("MVE", "NMVE")):
        body = errors[f"body-{column}"]
        found[f"body-{column}"] = _mean(body[~missed])
        found[f"kid-body-{column}"] = _mean(body[~missed & kid])
        found[f"body-{normalised}"] = _over(found[f"body-{column}"], found["f1"])
        found[f"kid-body-{normalised}"] = (
            _over(found[f"kid-body-{column}"], found["kid_f1"]) if kids else NONE
        )
        if track != "smplx":
            continue
        for start, whose in (("", shown), ("kid-", shown & kid)):
            for part in ("lhand", "rhand", "face"):
                found[f"{start}{part}-{column}"] = _mean(errors[f"{part}-{column}"][whose])
            whole = _fullbody(found, start, column)
            found[f"{start}fullbody-{column}"] = _tenths(whole)
            found[f"{start}fullbody-{normalised}"] = _over(
                found[f"{start}fullbody-{column}"], found["f1"]
            )
    return found


def _detection(start: str, people: int, missed: int, outcome: Outcome) -> Averages:
    """-> precision, recall, f1 in hundredths; children share the false positives of all."""
    hits, wrong = people - missed, int(outcome.false_positives.sum())
    if not hits:
        whom = "child" if start else "person"
        raise InvalidData(
            f"no {whom} of {people} was matched: AGORA's own program divides by zero here.",
            "Take the corrected protocol, which defines this: @corrected-...; see: hps protocols list",
        )
    return {
        f"{start}precision": round(hits / (hits + wrong), 2),
        f"{start}recall": round(hits / (hits + missed), 2),
        f"{start}f1": round(hits / (hits + 0.5 * (wrong + missed)), 2),
    }


def _mean(values: Array) -> float:
    return _tenths(float(values.mean())) if len(values) else float("nan")


def _tenths(value: float) -> float:
    """-> rounded as NumPy rounds its own numbers, which is what the program has here."""
    return float(np.round(np.float64(value), 1))


def _over(error: float | str, f1: float | str) -> float:
    with np.errstate(divide="ignore"):  # an f1 below 0.005 is rounded to 0
        return _tenths(float(np.float64(error) / np.float64(f1)))


def _fullbody(found: Mapping[str, float | str], start: str, column: str) -> float:
    parts = [float(found[f"{start}{part}-{column}"]) for part in ("lhand", "rhand", "face")]
    whole = float(found[f"{start}body-{column}"])
    for part in parts:
        whole += (1 / 3) * part
    return whole


def corrected_averages(track: str, outcome: Outcome) -> dict[str, float]:
    """-> the same figures, not rounded; one that is not defined is left out.

    Only people who can be matched count. Errors are of matched people alone, in all parts. False
    positives have no age, so children have a recall and errors, normalised by the F1 of all.
    """
    chosen = outcome.matchable
    kid, matched = outcome.kid[chosen], ~outcome.missed[chosen]
    hits, wrong = int(matched.sum()), int(outcome.false_positives.sum())
    missed = len(matched) - hits
    found: dict[str, float] = {}
    if len(matched):
        found["recall"] = hits / len(matched)
        found["f1"] = hits / (hits + 0.5 * (wrong + missed))
    if hits + wrong:
        found["precision"] = hits / (hits + wrong)
    if kid.any():
        found["kid_recall"] = float(matched[kid].mean())
    for start, whose in (("", matched), ("kid-", matched & kid)):
        if not whose.any():
            continue
        for name, values in outcome.errors.items():
            found[f"{start}{name}"] = MILLIMETRES * float(values[chosen][whose].mean())
        for column, normalised in (("MPJPE", "NMJE"), ("MVE", "NMVE")):
            if track == "smplx":
                found[f"{start}fullbody-{column}"] = _fullbody(found, start, column)
            for part in ("body", "fullbody"):
                if (name := f"{start}{part}-{column}") in found:
                    found[f"{start}{part}-{normalised}"] = found[name] / found["f1"]
    return found


def official_order(track: str) -> tuple[str, ...]:
    """-> the official names of all figures, as the official program lists them."""
    order = ["precision", "recall", "f1", "kid_precision", "kid_recall", "kid_f1"]
    for column, normalised in (("MPJPE", "NMJE"), ("MVE", "NMVE")):
        order += [f"{kid}body-{name}" for name in (column, normalised) for kid in ("", "kid-")]
    if track == "smpl":
        return tuple(order)
    hands = [part for part in PARTS[track] if part != "body"]
    for kid in ("", "kid-"):
        order += [f"{kid}{part}-{column}" for column in ("MPJPE", "MVE") for part in hands]
        order += [f"{kid}fullbody-{name}" for name in ("MPJPE", "MVE", "NMJE", "NMVE")]
    return tuple(order)
