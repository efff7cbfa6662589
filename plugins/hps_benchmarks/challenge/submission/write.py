"""People of 3DPW's shards -> the challenge's zip: a pickle for each sequence, tracks of all frames."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.challenge import score
from hps_benchmarks.challenge.submission.files import sequences_of
from hps_benchmarks.challenge.submission.layout import (
    JOINTS_KEY,
    PARTS_KEY,
    SHAPES,
    SPLITS,
    SUFFIX,
    Sequence,
    read_ground_truth,
)
from hpscli.body.layer import Body
from hpscli.data.leaderboard.pickles import numpy1_pickle
from hpscli.data.leaderboard.zips import write_zip
from hpscli.errors import InvalidData, UsageError
from hpscli.metrics.errors import require_finite
from hpscli.records import PredictionSet

Array = NDArray[Any]
Place = tuple[str, str]  # split, sequence

JOINTS, GIVEN_PARTS = "joints.smpl24", "extras.part_rotations"


def write(
    predictions: PredictionSet,
    out: Path,
    body: Body,
    *,
    split: str = "test",
    also: str = "",
    ground_truth: str = "",
) -> None:
    """Predictions about people of one or all splits -> the zip.

    `split`: of people who do not say theirs. `also`: files written before, separated by commas,
    whose sequences are taken over. `ground_truth`: 3DPW's own files, for the numbers of
    people and frames; without them as many as the people in the shards say, which is enough for
    the frames that are evaluated.
    """
    if split not in SPLITS:
        raise UsageError(f"no split '{split}'.", f"One of: {', '.join(SPLITS)}")
    known = read_ground_truth(Path(ground_truth)) if ground_truth else {}
    found: dict[Place, Mapping[str, Array]] = {}
    for name in filter(None, also.split(",")):
        found.update(sequences_of(Path(name.strip())))
    values = _values(predictions, body)
    for place, rows in _rows(predictions, split).items():
        found[place] = _tracks(place, rows, predictions, values, known.get(place))
    write_zip(out, _members(found))


def _members(found: Mapping[Place, Mapping[str, Array]]) -> Iterator[tuple[str, bytes]]:
    for split in SPLITS:
        for name in sorted(sequence for of, sequence in found if of == split):
            yield f"{split}/{name}{SUFFIX}", numpy1_pickle(dict(found[split, name]))


def _values(predictions: PredictionSet, body: Body) -> dict[str, Array]:
    """-> joints (N,24,3) and, where rotations are predicted, parts (N,9,3,3), float32."""
    if JOINTS not in predictions.arrays:
        raise InvalidData(
            "the predictions hold no joints of smpl24.",
            "The challenge is about the 24 joints of SMPL: predict with an SMPL model.",
        )
    values = {JOINTS_KEY: predictions.arrays[JOINTS]}
    if GIVEN_PARTS in predictions.arrays:
        values[PARTS_KEY] = predictions.arrays[GIVEN_PARTS]
    elif "parameters.body_pose" in predictions.arrays:
        count = len(predictions)
        root, others = (
            np.asarray(predictions.arrays[f"parameters.{name}"]).reshape(count, -1, 3, 3)
            for name in ("global_orient", "body_pose")
        )
        whole = score.global_rotations(np.concatenate([root, others], axis=1), body.parents)
        values[PARTS_KEY] = whole[:, list(score.PARTS)]
    names = predictions.keys or tuple(str(row) for row in range(len(predictions)))
    for key, array in values.items():
        require_finite(key, array, names)
    return {key: np.asarray(array, np.float32) for key, array in values.items()}


def _rows(predictions: PredictionSet, split: str) -> dict[Place, list[int]]:
    """-> the rows of each sequence."""
    if len(predictions.meta) != len(predictions):
        raise InvalidData(
            "the predictions do not say who they are about.",
            "Name the shards of 3DPW, which know sequence, person and frame: --shards DIR",
        )
    rows: dict[Place, list[int]] = {}
    for row, entry in enumerate(predictions.meta):
        missing = [word for word in ("sequence", "person", "frame") if word not in entry]
        if missing:
            raise InvalidData(
                f"person {row} does not say {' and '.join(missing)}: these are no people of 3DPW.",
                "Prepare the data set with hps: hps prepare 3dpw --from DIR --split test",
            )
        name = str(entry["sequence"])
        if Path(name).name != name or name in ("", ".", ".."):
            raise InvalidData(f"'{name}' is no name of a sequence.")
        of = str(entry.get("split", split))
        rows.setdefault((of if of in SPLITS else split, name), []).append(row)
    return rows


def _tracks(
    place: Place,
    rows: list[int],
    predictions: PredictionSet,
    values: Mapping[str, Array],
    known: Sequence | None,
) -> dict[str, Array]:
    """-> arrays (P,N,...) of a sequence; frames that nobody predicted are zero."""
    people = np.array([int(predictions.meta[row]["person"]) for row in rows])
    frames = np.array([int(predictions.meta[row]["frame"]) for row in rows])
    size = int(people.max()) + 1, int(frames.max()) + 1
    if known is not None:
        size = known.people, known.frames
    inside = (people >= 0) & (people < size[0]) & (frames >= 0) & (frames < size[1])
    if not inside.all():
        first = int(np.argmin(inside))
        raise InvalidData(
            f"{place[0]}/{place[1]} has {size[0]} people and {size[1]} frames; somebody is "
            f"person {people[first]} in frame {frames[first]}.",
            "Check that ground_truth= and the shards are of the same release.",
        )
    tracks = {}
    for key, array in values.items():
        tracks[key] = np.zeros((*size, *SHAPES[key]), np.float32)
        tracks[key][people, frames] = array[rows]
    return tracks
