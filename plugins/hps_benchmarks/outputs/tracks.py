"""4D-Humans' tracks (PHALP): {picture: its people}, as joblib writes it, compressed."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hps_benchmarks.outputs.parts import column, entry
from hpscli.data.containers.pickled_joblib import UNPACKERS, load_joblib
from hpscli.errors import InvalidData
from hpscli.records import PredictionSet

HEAD_BYTES = 1 << 16
WORDS = (b"frame_path", b"tracked_ids", b"smpl")


def recognise(file: Path) -> bool:
    """-> whether the words of a picture's entry are in the first bytes."""
    try:
        with file.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
    except OSError:
        return False
    if any(head.startswith(start) for start in UNPACKERS):
        head = _beginning(head)
    return all(word in head for word in WORDS)


def _beginning(head: bytes) -> bytes:
    """The first bytes of a compressed file -> what they say; they end in the middle."""
    for start, make in UNPACKERS.items():
        if head.startswith(start):
            try:
                piece: bytes = make().decompress(head, HEAD_BYTES)
            except Exception:  # any of four libraries; it is not such a file
                return b""
            return piece
    return head


def read(file: Path) -> PredictionSet:
    """-> everybody who was seen (not only remembered) in a picture, by picture, with the track."""
    stored, source = load_joblib(file), str(file)
    if not isinstance(stored, dict):
        raise InvalidData(f"{source} is no dictionary of pictures.")
    rows = [row for picture in stored.values() for row in _people(picture, source)]
    if not rows:
        raise InvalidData(f"{source} holds nobody.")
    arrays = {
        "parameters.global_orient": _stack(rows, "global_orient", (3, 3), source),
        "parameters.body_pose": _stack(rows, "body_pose", (23, 3, 3), source),
        "parameters.betas": _stack(rows, "betas", (10,), source),
        "score": column([row["score"] for row in rows], "conf", (), source),
    }
    meta = tuple(
        {"image_path": row["picture"], "person_id": row["track"], "box": row["box"]} for row in rows
    )
    return PredictionSet(
        keys=(),
        arrays=arrays,
        meta=meta,
        body={"kind": "smpl", "gender": "neutral"},
        about={"program": "4D-Humans"},
    )


def _people(picture: Mapping[str, Any], source: str) -> Iterator[dict[str, Any]]:
    """-> one row for each person of a picture."""
    tracks, bodies = entry(picture, "tid", source), entry(picture, "smpl", source)
    seen = {int(track) for track in picture.get("tracked_ids", tracks)}
    for number, (track, smpl) in enumerate(zip(tracks, bodies, strict=True)):
        if int(track) not in seen:  # PHALP repeats what it remembers of a hidden person
            continue
        confidence = picture.get("conf") or []
        yield {
            **smpl,
            "track": int(track),
            "picture": str(entry(picture, "frame_path", source)),
            "box": np.asarray(picture["bbox"][number], np.float64).reshape(-1).tolist(),
            "score": float(confidence[number]) if number < len(confidence) else 1.0,
        }


def _stack(
    rows: list[dict[str, Any]], name: str, shape: tuple[int, ...], source: str
) -> np.ndarray:
    values = [np.asarray(entry(row, name, source), np.float64).reshape(shape) for row in rows]
    return column(values, name, shape, source)
