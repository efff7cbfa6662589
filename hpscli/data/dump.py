"""Shards -> plain files: pictures with a COCO file of boxes, or one .npz of stacked arrays."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from hpscli.data.crops import move_points
from hpscli.data.sample import decode_image, image_kind
from hpscli.records import Sample


def write_pictures(people: Iterable[Sample], folder: Path, margin: float) -> int:
    """Stored pictures under their keys' names, and boxes.json beside them -> how many.

    `margin` is what the reader of boxes.json will widen them by: box side = crop side / margin.
    """
    folder.mkdir(parents=True, exist_ok=True)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for number, sample in enumerate(people, start=1):
        name = f"{sample.key.replace('/', '-')}.{image_kind(sample.image)}"
        (folder / name).write_bytes(sample.image)
        height, width = decode_image(sample.image).shape[:2]
        images.append({"id": number, "file_name": name, "height": height, "width": width})
        annotations.append(
            {"id": number, "image_id": number, "category_id": 1, "bbox": _box(sample, margin)}
        )
    document = {"images": images, "annotations": annotations}
    (folder / "boxes.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    return len(images)


def write_npz(people: Iterable[Sample], out: Path) -> None:
    """Arrays stacked over people; where somebody lacks one it is NaN. `keys` says who is who."""
    samples = list(people)
    stacked: dict[str, np.ndarray] = {"keys": np.array([sample.key for sample in samples])}
    for name in sorted({name for sample in samples for name in sample.arrays}):
        shape = next(s.arrays[name].shape for s in samples if name in s.arrays)
        missing = np.full(shape, np.nan, np.float32)
        stacked[name] = np.stack([s.arrays.get(name, missing) for s in samples])
    np.savez_compressed(out, **stacked)  # type: ignore[arg-type]


def _box(sample: Sample, margin: float) -> list[float]:
    """-> x, y, w, h px in the stored picture."""
    affine = np.asarray(sample.arrays["image.affine"], np.float64)
    center = move_points(np.asarray(sample.arrays["box.center"], np.float64)[None], affine)[0]
    scale = np.sqrt(abs(np.linalg.det(affine[:, :2])))
    side = float(sample.arrays["box.size"][0]) * scale / margin
    return [round(float(v), 2) for v in (*(center - side / 2), side, side)]
