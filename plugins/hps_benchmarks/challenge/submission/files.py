"""The challenge's zip -> what it predicts about every person in every frame."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.challenge.submission.layout import (
    JOINTS_KEY,
    PARTS_KEY,
    SHAPES,
    open_submission,
    place_of,
)
from hpscli.data.containers.pickles import loads_pickle
from hpscli.data.people import stem_of
from hpscli.errors import BAD_RECORD, InvalidData, in_words
from hpscli.records import PredictionSet

Array = NDArray[Any]

NAMES = {JOINTS_KEY: "joints.smpl24", PARTS_KEY: "extras.part_rotations"}
CHECK = "What is wrong with it: hps export-preds 3dpw-challenge --check FILE"


def recognise(file: Path) -> bool:
    """-> whether this is a zip with a pickle in train, validation or test."""
    return any(place_of(name) for name in open_submission(file).names)


def read(file: Path) -> PredictionSet:
    """-> joints in the camera (N,24,3) and rotations of parts (N,9,3,3), keyed as shards of 3DPW.

    A key that not every sequence has is left out, as the official program does.
    """
    sequences = sequences_of(file)
    keys = [key for key in NAMES if all(key in arrays for arrays in sequences.values())]
    if not sequences or not keys:
        raise InvalidData(f"{file} predicts nothing about all of its sequences.", CHECK)
    names, meta = [], []
    for (split, sequence), arrays in sequences.items():
        people, frames = arrays[keys[0]].shape[:2]
        for person in range(people):
            for frame in range(frames):
                names.append(f"{stem_of(sequence)}-{frame:05d}-{person}")
                meta.append(
                    {"split": split, "sequence": sequence, "person": person, "frame": frame}
                )
    if len(set(names)) != len(names):
        raise InvalidData(f"{file} holds the same sequence in two folders.", CHECK)
    return PredictionSet(
        keys=tuple(names),
        arrays={
            NAMES[key]: np.concatenate(
                [arrays[key].reshape(-1, *SHAPES[key]) for arrays in sequences.values()]
            )
            for key in keys
        },
        meta=tuple(meta),
        body={"kind": "smpl"},
    )


def sequences_of(file: Path) -> dict[tuple[str, str], Mapping[str, Array]]:
    """A zip -> {(split, sequence): {key: (P,N,...)}}; what does not fit is an error."""
    opened = open_submission(file)
    found: dict[tuple[str, str], Mapping[str, Array]] = {}
    for name, data in opened.contents(opened.names):
        if (place := place_of(name)) is not None:
            found[place] = _arrays(f"{file.name}/{name}", loads_pickle(data, name))
    if opened.findings:
        finding = opened.findings[0]
        raise InvalidData(f"{file.name} {finding.place}: {finding.problem}", finding.fix)
    return found


def _arrays(where: str, content: Any) -> dict[str, Array]:
    if not isinstance(content, Mapping):
        raise InvalidData(f"{where} holds no dictionary.", CHECK)
    arrays: dict[str, Array] = {}
    for key, shape in SHAPES.items():
        if key not in content:
            continue
        try:
            value = np.asarray(content[key])
        except BAD_RECORD as error:
            raise InvalidData(f"{where}: '{key}' is no array: {in_words(error)}.", CHECK) from None
        if value.dtype.kind not in "fiu" or value.ndim < 2 or value.shape[2:] != shape:
            raise InvalidData(
                f"{where}: '{key}' is {value.dtype} {value.shape}, expected (P,N,"
                f"{','.join(map(str, shape))}).",
                CHECK,
            )
        arrays[key] = value
    sizes = {value.shape[:2] for value in arrays.values()}
    if len(sizes) > 1:
        raise InvalidData(f"{where}: its arrays are about different frames {sorted(sizes)}.", CHECK)
    return arrays
