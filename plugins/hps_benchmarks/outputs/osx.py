"""OSX's ID.json, one for each person of COCO or 3DPW: smplx_param and cam_param."""

import json
from pathlib import Path
from typing import Any

from hps_benchmarks.outputs.parts import entry
from hps_benchmarks.outputs.smplx_people import numbered, people
from hpscli.errors import BAD_RECORD, InvalidData
from hpscli.records import PredictionSet

WORDS = {  # ours: theirs
    "global_orient": "root_pose",
    "body_pose": "body_pose",
    "left_hand_pose": "lhand_pose",
    "right_hand_pose": "rhand_pose",
    "jaw_pose": "jaw_pose",
    "betas": "shape",
    "expression": "expr",
    "transl": "trans",
}
MOST_BYTES = 1 << 20  # of one person


def recognise(place: Path) -> bool:
    """-> whether a file, or the first NUMBER.json of a folder, holds one person."""
    file = place
    if place.is_dir():
        files = numbered(place, ".json")
        if not files:
            return False
        file = files[0]
    try:
        with file.open("rb") as stream:
            return b'"smplx_param"' in stream.read(64)
    except OSError:
        return False


def read(place: Path) -> PredictionSet:
    """A folder, or one file -> people in the order of their annotation numbers."""
    files = numbered(place, ".json") if place.is_dir() else [place]
    rows = [_person(file) for file in files]
    meta = [{"annotation_id": int(f.stem)} if f.stem.isdigit() else {} for f in files]
    return people(rows, meta, "OSX", str(place))


def _person(file: Path) -> dict[str, Any]:
    try:
        if file.stat().st_size > MOST_BYTES:
            raise ValueError(f"{file.stat().st_size} bytes are too many for one person")
        document = json.loads(file.read_text(encoding="utf-8"))
        found = document["smplx_param"]
    except (*BAD_RECORD, OSError) as error:
        raise InvalidData(f"{file} is no whole file of OSX: {error}.") from None
    return {ours: entry(found, theirs, str(file)) for ours, theirs in WORDS.items()}
