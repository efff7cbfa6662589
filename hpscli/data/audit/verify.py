"""Looking at shards before trusting them: checksums, every sample, statistics, a drawn picture.

The tars are read here by WebDataset, from first byte to last, and compared with the tables that the
fast readers use: what other tools see and what training sees is the same.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.evalset import EvalSet
from hpscli.data.preparing.keys import Keys
from hpscli.data.remote import is_remote, local_copy
from hpscli.data.sample import complaints, decode_image, decode_record, image_kind
from hpscli.data.shards import ShardIndex, ShardInfo, read_index, read_table
from hpscli.errors import HpsError, InvalidData
from hpscli.records import Sample

MESH_ALPHA = 0.75  # so much of a labelled body hides the picture


def verify(
    location: str | Path,
    *,
    advance: Callable[[int], None] = lambda count: None,
    decode: bool = True,
) -> list[str]:
    """Shard folder or URL -> everything that is wrong with it; [] when every sample is sound."""
    index = read_index(location)
    found: list[str] = []
    digest, repeated = hashlib.sha256(), 0
    with tempfile.TemporaryDirectory(prefix="hps-audit-") as folder, Keys(Path(folder)) as keys:
        for shard in index.shards:
            try:
                said, seen = _verify_shard(index, shard, decode)
            except HpsError as error:
                said, seen = [error.problem], []
            found += [f"{shard.file}: {text}" for text in said]
            repeated += sum(not keys.take(key) for key in seen)
            digest.update("".join(f"{key}\n" for key in seen).encode())
            advance(shard.samples)
    if repeated:
        found.append(f"{repeated} keys come more than once")
    if not found and index.keys_sha256 and digest.hexdigest() != index.keys_sha256:
        found.append("index.json: keys_sha256 is not that of the keys in the tars")
    if not is_remote(location):
        listed = {shard.file for shard in index.shards}
        strangers = sorted(p.name for p in Path(location).glob("*.tar") if p.name not in listed)
        found += [f"{name} is not in the index" for name in strangers]
    return found


def _verify_shard(index: ShardIndex, shard: ShardInfo, decode: bool) -> tuple[list[str], list[str]]:
    """-> what is wrong with one shard, and its keys."""
    found, seen = list[str](), list[str]()
    path = local_copy(index.location, shard.file, shard.bytes, shard.sha256)
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    if sha256 != shard.sha256:
        found.append(f"sha256 is {sha256[:12]}, the index says {shard.sha256[:12]}")
    table = read_table(index.location, shard)
    try:
        for sample in tar_samples(path):
            seen.append(sample.key)
            found += [f"{sample.key}: {text}" for text in complaints(sample, decode=decode)]
    except HpsError as error:
        found.append(error.problem)
    if tuple(seen) != table.keys:
        found.append(f"its {len(seen)} keys are not the {len(table.keys)} keys of its table")
    return found, seen


def tar_samples(path: Path) -> Iterator[Sample]:
    """One tar, read front to back by WebDataset -> its people."""
    import webdataset

    try:
        for item in webdataset.WebDataset([str(path)], shardshuffle=False):
            kind = next((name for name in ("jpg", "png", "webp") if name in item), "")
            if not kind or "safetensors" not in item:
                raise InvalidData(f"{path}: '{item['__key__']}' lacks its image or its record.")
            arrays, meta = decode_record(item["safetensors"])
            yield Sample(key=item["__key__"], image=item[kind], arrays=arrays, meta=meta)
    except HpsError:
        raise
    except Exception as error:  # tarfile's errors, wrapped by webdataset
        raise InvalidData(f"{path} is not a whole tar: {error}.") from None


@dataclass
class Statistics:
    """What a shard folder holds, in numbers."""

    samples: int = 0
    arrays: dict[str, int] = field(default_factory=dict)
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)  # name -> least, greatest
    box_px: tuple[float, float, float] = (0.0, 0.0, 0.0)  # least, median, greatest side
    image_bytes: float = 0.0  # mean
    kinds: dict[str, int] = field(default_factory=dict)  # jpg, png, webp
    genders: dict[str, int] = field(default_factory=dict)


def statistics(people: EvalSet, advance: Callable[[int], None] = lambda count: None) -> Statistics:
    """-> counts and ranges over all samples; keypoints count where their confidence is above 0."""
    found, boxes, size = Statistics(), [], 0
    for sample in people:
        found.samples += 1
        size += len(sample.image)
        _count(found.kinds, image_kind(sample.image))
        _count(found.genders, str(sample.meta.get("gender", "not stated")))
        boxes.append(float(sample.arrays["box.size"][0]))
        for name, array in sample.arrays.items():
            _count(found.arrays, name)
            values = array[array[:, -1] > 0, :-1] if name.startswith("keypoints") else array
            if values.size:
                low, high = found.ranges.get(name, (np.inf, -np.inf))
                found.ranges[name] = min(low, float(values.min())), max(high, float(values.max()))
        advance(1)
    found.box_px = (min(boxes), float(np.median(boxes)), max(boxes))
    found.image_bytes = size / found.samples
    return found


def _count(counts: dict[str, int], name: str) -> None:
    counts[name] = counts.get(name, 0) + 1


def picture(sample: Sample, side_px: int = 320, *, mesh: bool = False) -> np.ndarray:
    """-> (side,side,3) uint8 RGB: the crop around the box with the labelled 2D joints drawn.

    mesh: the body of the labels below them, where there are parameters or vertices.
    """
    from hpscli.data.crops import make_crop, move_points
    from hpscli.render.pictures import draw_keypoints

    image, affine = make_crop(sample, (side_px, side_px))
    if mesh:
        image = _with_mesh(sample, image, affine)
    shown = max(
        (name for name in sample.arrays if name.startswith("keypoints2d.")),
        key=lambda name: int((sample.arrays[name][:, 2] > 0).sum()),
        default="",
    )
    if not shown:
        return image
    points = sample.arrays[shown].astype(np.float64)
    points[:, :2] = move_points(points[:, :2], affine)
    return draw_keypoints(image, points, shown.partition(".")[2])


def _with_mesh(sample: Sample, image: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """The crop of a sample and its affine -> the crop with the body of the labels on it."""
    from hpscli.data.audit.posed import drawn_mesh
    from hpscli.render.pictures import render_mesh

    found = drawn_mesh(sample)
    if found is None:
        return image
    vertices, faces, intrinsics = found
    moved = np.eye(3)
    moved[:2] = affine
    return render_mesh(image, vertices, faces, moved @ intrinsics, alpha=MESH_ALPHA)


def pictures(sample: Sample, side_px: int = 512) -> np.ndarray:
    """-> (side,side or 2*side,3) uint8 RGB: the labelled joints, and beside them the labelled body."""
    plain = picture(sample, side_px)
    body = picture(sample, side_px, mesh=True)
    return plain if np.array_equal(plain, body) else np.concatenate([plain, body], axis=1)


def contact_sheet(people: EvalSet, count: int = 12, columns: int = 4) -> np.ndarray:
    """-> one picture of `count` people spread over the whole set, with their keys below."""
    from hpscli.render.pictures import contact_sheet as sheet

    chosen = sorted({int(i) for i in np.linspace(0, len(people) - 1, min(count, len(people)))})
    samples = [people[position] for position in chosen]
    return sheet([picture(s) for s in samples], [s.key for s in samples], columns)


def describe(sample: Sample) -> dict[str, Any]:
    """-> a sample as JSON: key, meta, image size and arrays in full."""
    height, width = decode_image(sample.image).shape[:2]
    return {
        "key": sample.key,
        "meta": dict(sample.meta),
        "image": {"kind": image_kind(sample.image), "size_px": [height, width]},
        "arrays": {name: np.asarray(array).tolist() for name, array in sample.arrays.items()},
    }
