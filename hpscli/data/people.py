"""People as a data set describes them -> samples: their pictures opened, cropped or left untouched.

Layout "full" keeps a picture's bytes as they are; "crop" keeps the box with margin, encoded once.
"""

import base64
import hashlib
import io
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath

import numpy as np

from hpscli.data.crops import compose, decoder_reduction, stored_crop
from hpscli.data.sample import decode_bgr, image_kind, image_trouble
from hpscli.errors import HpsError, InvalidData
from hpscli.records import Person, Picture, Sample

LAYOUTS = ("crop", "full")
ABSENT = "extra.absent."  # before the name of what a file holds and its own flag calls absent
BOX_SCALE = 1.2  # of a box around 2D joints, as in nearly all converters of the field
LONGEST_STEM = 60  # characters of a key that come from the picture's name
SHORT_STEM = 48
PNG_START = b"\x89PNG\r\n\x1a\n"
FRAME_QUALITY = (
    95  # of a video's frame that is stored whole: OpenCV's own, with which others extract
)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How pictures are stored: full or crop ("": as the data set gives them), and a crop's side."""

    kind: str = ""
    side_px: int = 480  # with its margin of 1.8 a box is 267 px: enough for windows of 256 px


def keyed(people: Iterable[Person | HpsError]) -> Iterator[Person | HpsError]:
    """-> the same people, those without a key named after their picture and number in it."""
    image, number = "", 0
    for person in people:
        if isinstance(person, HpsError) or person.key:
            yield person
            continue
        number = number + 1 if person.image == image else 0
        image = person.image
        yield replace(person, key=f"{stem_of(image)}-{number}")


def stem_of(image: str) -> str:
    """The path of a picture -> letters, digits, _ and -, at most 60, different for different paths."""
    path = image[: -len(suffix)] if (suffix := PurePosixPath(image).suffix) else image
    stem = re.sub(r"[^A-Za-z0-9_-]+", "_", path).strip("_") or "person"
    if len(stem) <= LONGEST_STEM:
        return stem
    digest = hashlib.blake2b(image.encode(), digest_size=5).hexdigest()
    return f"{stem[-SHORT_STEM:].lstrip('_-')}_{digest}"


@np.errstate(over="ignore")  # what float32 cannot hold becomes infinite: the checks refuse it
def make_sample(root: Path, person: Person, layout: Layout) -> Sample:
    """A person and the folder of the pictures -> a sample; InvalidData when the picture is bad."""
    picture = person.picture or Picture(path=person.image)
    crop = layout.kind == "crop"
    data, size = (b"", _size(root, picture)) if crop else _sized(_whole(root, picture))
    height, width = _labelled_size(person, size)
    affine = resizing((height, width), size)
    center, side = box_of(person, height, width)
    if crop:
        data, cut = _cut(root, picture, affine, center, side, layout)
        affine = compose(affine, cut)
    arrays = {name: _narrow(array) for name, array in person.arrays.items()}
    arrays["box.center"] = center.astype(np.float32)
    arrays["box.size"] = np.array([side], np.float32)
    arrays["image.affine"] = affine.astype(np.float32)
    if person.box is not None and person.box[2] != person.box[3]:
        arrays["box.xywh"] = person.box.astype(np.float32)
    meta = {"image_path": person.image, "image_size_px": [int(height), int(width)], **person.meta}
    return Sample(key=person.key, image=data, arrays=arrays, meta=meta)


def resizing(labelled: tuple[int, int], found: tuple[int, int]) -> np.ndarray:
    """Height and width of a picture as labelled, and as found -> affine (2,3) between their pixels."""
    scale = np.array([found[1] / labelled[1], found[0] / labelled[0]])
    # edges stay in place: pixel centres move by half a pixel
    return np.array([[scale[0], 0, scale[0] / 2 - 0.5], [0, scale[1], scale[1] / 2 - 0.5]])


def _labelled_size(person: Person, found: tuple[int, int]) -> tuple[int, int]:
    """-> height and width of the picture that the labels are for; a resized copy of it may lie here."""
    labelled = person.image_size_px
    if labelled is None or person.meta.get("as_reference"):
        return found
    if (labelled[0] - labelled[1]) * (found[0] - found[1]) < 0:
        was, now = (f"{size[1]}x{size[0]}" for size in (labelled, found))
        raise InvalidData(f"{person.image} is {now} px, and its labels are for {was} px.")
    return labelled


def _cut(
    root: Path,
    picture: Picture,
    resized: np.ndarray,
    center: np.ndarray,
    side_px: float,
    layout: Layout,
) -> tuple[bytes, np.ndarray]:
    """-> the JPEG of a box, which is in labelled pixels, and the affine (2,3) from found pixels."""
    center = resized[:, :2] @ center + resized[:, 2]
    side_px = side_px * float(np.sqrt(np.linalg.det(resized[:, :2])))
    whole = picture.frame >= 0 or picture.turns  # blocks of pixels would not lie as labels do
    reduced = 1 if whole else decoder_reduction(side_px, layout.side_px)
    pixels, reduced = _pixels(root, picture, reduced)
    return stored_crop(pixels, center, side_px, side_px=layout.side_px, reduced=reduced)


def _sized(stored: tuple[bytes, int, int]) -> tuple[bytes, tuple[int, int]]:
    return stored[0], (stored[1], stored[2])


def recropped(sample: Sample, layout: Layout) -> Sample:
    """A sample with its whole picture -> the same with a crop; others as they are."""
    whole = np.array_equal(sample.arrays.get("image.affine", ()), np.eye(2, 3))
    if layout.kind != "crop" or not whole:
        return sample
    center, size = sample.arrays["box.center"], float(sample.arrays["box.size"][0])
    pixels = decode_bgr(sample.image)
    data, affine = stored_crop(pixels, center, size, side_px=layout.side_px)
    return replace(sample, image=data, arrays={**sample.arrays, "image.affine": affine})


def box_of(person: Person, height: int, width: int) -> tuple[np.ndarray, float]:
    """-> centre (2,) px and side px of the person's square box."""
    if person.box is not None:
        box = np.asarray(person.box, np.float64)
        if box.shape != (4,) or not np.isfinite(box).all() or box[2:].min() <= 0:
            shown = np.array2string(box, precision=1, separator=", ")
            raise InvalidData(f"{person.image}: the box {shown} has no area.")
        return box[:2] + box[2:] / 2, float(box[2:].max())
    around = joints_box(person)
    if around is None:
        return np.array([width / 2, height / 2]), float(max(height, width))
    return box_of(replace(person, box=around), height, width)


def joints_box(person: Person, scale: float = BOX_SCALE) -> np.ndarray | None:
    """-> (4,) x, y, width, height of the box around the labelled 2D joints, or None without any."""
    sets = [points for name, points in person.arrays.items() if name.startswith("keypoints2d.")]
    seen = [points[points[:, 2] > 0, :2] for points in sets]
    points = np.concatenate(seen) if seen else np.empty((0, 2))
    return padded_box(points, scale) if len(points) > 1 else None


def padded_box(points: np.ndarray, scale: float = BOX_SCALE) -> np.ndarray:
    """Points (N,2) -> (4,) x, y, width, height of their bounding box, both sides times `scale`."""
    return scaled_box(np.concatenate([points.min(0), np.ptp(points, axis=0)]), scale)


def scaled_box(box: np.ndarray, scale: float) -> np.ndarray:
    """Box (4,) x, y, width, height -> the same about its centre, both sides times `scale`."""
    box = np.asarray(box, np.float64)
    size = box[2:] * scale
    return np.concatenate([box[:2] + box[2:] / 2 - size / 2, size])


def square_box(center: np.ndarray, side_px: float) -> np.ndarray:
    """Centre (2,) px and side -> (4,) x, y, width, height."""
    low = np.asarray(center, np.float64) - side_px / 2
    return np.array([low[0], low[1], side_px, side_px], np.float64)


def picture_bytes(root: Path, picture: Picture) -> bytes:
    """-> the bytes of a picture that is a file or lies in one."""
    path = inside(root / picture.folder, picture.path)
    try:
        if picture.offset < 0:
            return path.read_bytes()
        with path.open("rb") as stream:
            stream.seek(picture.offset)
            data = stream.read(picture.length)
    except OSError as error:
        raise InvalidData(f"{picture.path} cannot be read: {error.strerror}.") from None
    if picture.encoding != "base64":
        return data
    try:
        return base64.b64decode(data, validate=True)
    except ValueError:
        raise InvalidData(f"{picture.path}: no base64 at byte {picture.offset}.") from None


def inside(root: Path, path: str) -> Path:
    """-> the file of a data set; a path that leaves its folder is refused (links may lead out)."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise InvalidData(f"'{path}' lies outside the folder.")
    return root / pure


def _stored(root: Path, picture: Picture) -> tuple[bytes, int, int]:
    """-> the bytes to store for a whole picture, its height and width."""
    import cv2

    if picture.frame >= 0 or picture.turns:
        pixels, _ = _pixels(root, picture)
        options = [cv2.IMWRITE_JPEG_QUALITY, FRAME_QUALITY]
        kind = ".jpg" if picture.frame >= 0 else ".png"
        return cv2.imencode(kind, pixels, options)[1].tobytes(), *pixels.shape[:2]
    data = picture_bytes(root, picture)
    if not image_kind(data):  # BMP and others that shards do not hold: without loss
        other = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
        if other is None:
            raise InvalidData(f"{picture.path} is no image.")
        return cv2.imencode(".png", other)[1].tobytes(), *other.shape[:2]
    if trouble := image_trouble(data) or png_trouble(data):
        raise InvalidData(f"{picture.path} is {trouble}.")
    return data, *image_size(data, picture.path)


def png_trouble(data: bytes) -> str:
    """-> which part of a PNG is not what its checksum says, or "". Other kinds have no checksums."""
    position = len(PNG_START)
    if data[:position] != PNG_START:
        return ""
    while position + 12 <= len(data):
        length = int.from_bytes(data[position : position + 4], "big")
        end = position + 8 + length
        stated = int.from_bytes(data[end : end + 4], "big")
        if zlib.crc32(memoryview(data)[position + 4 : end]) != stated:
            return f"a PNG whose bytes {position} to {end} are damaged"
        if data[position + 4 : position + 8] == b"IEND":
            break
        position = end + 4
    return ""


def image_size(data: bytes, name: str = "the image") -> tuple[int, int]:
    """The bytes of a JPEG, PNG or WebP -> height and width px, from its header alone."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.height, image.width
    except UnidentifiedImageError:  # whose words hold an address in memory
        raise InvalidData(f"{name} cannot be decoded: its header is of no known kind.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InvalidData(f"{name} cannot be decoded: {error}.") from None


def _size(root: Path, picture: Picture) -> tuple[int, int]:
    """-> height and width of a picture, turned so that labels fit."""
    if picture.frame >= 0:
        height, width = _pixels(root, picture)[0].shape[:2]
        return height, width
    height, width = _whole(root, replace(picture, turns=0))[1:]
    return (width, height) if picture.turns % 2 else (height, width)


@lru_cache(maxsize=1)  # people of one picture follow each other
def _whole(root: Path, picture: Picture) -> tuple[bytes, int, int]:
    return _stored(root, picture)


@lru_cache(maxsize=1)
def _pixels(root: Path, picture: Picture, reduced: int = 1) -> tuple[np.ndarray, int]:
    """-> (H,W,3) uint8 BGR turned so that labels fit, and by how much the decoder made it smaller."""
    if picture.frame >= 0:
        from hpscli.data.containers.videos import read_frame

        frame = read_frame(inside(root / picture.folder, picture.path), picture.frame)
        return np.ascontiguousarray(np.rot90(frame, -picture.turns)[..., ::-1]), 1
    data = _whole(root, replace(picture, turns=0))[0]
    if image_kind(data) != "jpg":
        reduced = 1
    try:
        pixels = decode_bgr(data, reduced)
    except InvalidData as error:
        raise InvalidData(f"{picture.path}: {error.problem}") from None
    if picture.turns:
        return np.ascontiguousarray(np.rot90(pixels, -picture.turns)), reduced
    return pixels, reduced


def _narrow(values: np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    return array.astype(np.float32) if array.dtype.kind == "f" else array
