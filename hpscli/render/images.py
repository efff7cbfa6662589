"""Image files and bytes <-> RGB arrays."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from hpscli.errors import InvalidData, MissingError, UsageError

Image = NDArray[np.uint8]

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
JPEG_QUALITY = 95


def read_image(source: Path | str | bytes) -> Image:
    """File or encoded bytes -> (H,W,3) uint8 RGB, turned upright as its EXIF data say."""
    if isinstance(source, bytes | bytearray | memoryview):
        name, data = "these bytes", bytes(source)
    else:
        path = Path(source).expanduser()
        name = str(path)
        if not path.is_file():
            kind = "is a folder, not an image" if path.is_dir() else "is not there"
            raise MissingError(f"{path} {kind}.", "Give the path of an image file.")
        try:
            data = path.read_bytes()
        except OSError as error:
            raise MissingError(f"cannot read {path}: {error.strerror}.") from error
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None
    except cv2.error:  # raised, instead of None, for some broken headers
        image = None
    if image is None:
        raise InvalidData(
            f"{name}: not an image that OpenCV can decode ({len(data)} bytes).",
            "PNG, JPEG, WebP, BMP and TIFF work.",
        )
    return np.ascontiguousarray(image[:, :, ::-1]).astype(np.uint8, copy=False)


def write_image(path: Path | str, image: Image) -> None:
    """Write (H,W,3) uint8 RGB in the format of the suffix; makes the folder."""
    path = Path(path).expanduser()
    if path.suffix.lower() not in SUFFIXES:
        raise UsageError(
            f"cannot write an image called '{path.name}'.", f"Known suffixes: {' '.join(SUFFIXES)}"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_image(image, path.suffix.lower()))


def encode_image(image: Image, suffix: str = ".jpg", quality: int = JPEG_QUALITY) -> bytes:
    """(H,W,3) uint8 RGB -> encoded bytes; `quality` counts for JPEG and WebP."""
    options = {
        ".jpg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".jpeg": [cv2.IMWRITE_JPEG_QUALITY, quality],
        ".webp": [cv2.IMWRITE_WEBP_QUALITY, quality],
    }.get(suffix, [])
    _, data = cv2.imencode(suffix, np.ascontiguousarray(image[:, :, ::-1]), options)
    return bytes(data.tobytes())
