"""Whose prediction is whose, where a file names pictures and no keys."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from hpscli.errors import InvalidData
from hpscli.records import PredictionSet

DEPTHS = (4, 3, 2, 1)  # parts of a path that are compared: programs begin their paths anywhere
BY_ORDER = "as in the file: its pictures have other names than those of the people"


def keyed(
    predictions: PredictionSet, keys: Sequence[str], meta: Iterable[Mapping[str, Any]]
) -> PredictionSet:
    """Predictions, the people's keys and what is known about them -> the same with their keys.

    Each picture needs as many predictions as it has people; these belong together in their order.
    Predictions that name no pictures stay as they are, and so do those whose names are all unknown.
    """
    if predictions.keys or not predictions.meta:
        return predictions
    said = [str(entry.get("image_path", "")) for entry in predictions.meta]
    wanted = [str(entry.get("image_path", "")) for entry in meta]
    if not all(said) or not all(wanted):
        return predictions
    depth = next((d for d in DEPTHS if set(_tails(wanted, d)) <= set(_tails(said, d))), 0)
    if not depth:
        common = set(_tails(wanted, 1)) & set(_tails(said, 1))
        if common:
            lacking = next(name for name in wanted if _tail(name, 1) not in common)
            raise InvalidData(
                f"nothing is predicted about the picture {lacking}.",
                "Predict all people of the list, or measure a part: --limit N",
            )
        return replace(predictions, about={**predictions.about, "order": BY_ORDER})
    return _by_picture(predictions, keys, _tails(said, depth), _tails(wanted, depth))


def _by_picture(
    predictions: PredictionSet, keys: Sequence[str], said: list[str], wanted: list[str]
) -> PredictionSet:
    people: dict[str, list[str]] = defaultdict(list)
    for key, name in zip(keys, wanted, strict=True):
        people[name].append(key)
    rows: dict[str, list[int]] = defaultdict(list)
    for row, name in enumerate(said):
        if name in people:
            rows[name].append(row)
    for name, owners in people.items():
        if len(rows[name]) != len(owners):
            raise InvalidData(
                f"picture {name} has {len(owners)} people on the list and {len(rows[name])} "
                "predictions: nobody can tell whose they are.",
                "Predict with the annotated boxes, each person once.",
            )
    chosen = [row for name in people for row in rows[name]]
    named = [key for name in people for key in people[name]]
    return replace(
        predictions,
        keys=tuple(named),
        arrays={name: values[chosen] for name, values in predictions.arrays.items()},
        meta=tuple(predictions.meta[row] for row in chosen),
    )


def _tails(names: Iterable[str], depth: int) -> list[str]:
    return [_tail(name, depth) for name in names]


def _tail(name: str, depth: int) -> str:
    """-> the last parts of a path."""
    return "/".join([part for part in name.replace("\\", "/").split("/") if part][-depth:])
