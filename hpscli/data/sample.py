"""One person on disk: image bytes, and one safetensors record of named arrays with JSON in its header.

The record is read without any copy and without executing anything; the format is on one page in
shards/README.md, the JSON schema of the metadata in shards/schema.json.
"""

import json
import re
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from hpscli.errors import HpsError, InvalidData
from hpscli.records import Sample

KEY_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,79}")
META_KEY = "hps"  # the one string in the header's __metadata__: JSON of Sample.meta
DTYPES = {"F32": np.float32, "F64": np.float64, "I32": np.int32, "I64": np.int64, "U8": np.uint8}
DTYPE_NAMES = {np.dtype(kind): name for name, kind in DTYPES.items()}

# Shapes of arrays by name; joint sets and meshes are checked by their own rules below.
SHAPES: dict[str, tuple[int, ...]] = {
    "box.center": (2,),
    "box.size": (1,),
    "box.xywh": (4,),
    "image.affine": (2, 3),
    "camera.intrinsics": (3, 3),
    "camera.rotation": (3, 3),
    "camera.translation": (3,),
    **{
        f"{body}.{name}": (3,)
        for body in ("smpl", "smplx", "mano")
        for name in ("global_orient", "transl")
    },
    **{f"{body}.betas": (10,) for body in ("smpl", "smplx", "mano")},
    **{f"{body}.kid": (1,) for body in ("smpl", "smplx")},
    "smpl.body_pose": (69,),
    "smplx.body_pose": (63,),
    **{f"smplx.{name}": (3,) for name in ("jaw_pose", "leye_pose", "reye_pose")},
    **{f"smplx.{side}_hand_pose": (45,) for side in ("left", "right")},
    "smplx.expression": (10,),
    "mano.hand_pose": (45,),
}
REQUIRED = ("box.center", "box.size", "image.affine")
MESHES = {"vertices.smpl": 6890, "vertices.smplx": 10475, "vertices.mano": 778}

META_WORDS = {
    "gender": ("neutral", "male", "female"),
    "hand": ("left", "right"),
    "body_source": ("free", "imported"),
}

# Plausibility: far outside of what people are, so that only wrong units or corrupt numbers trip.
LARGEST_BODY = 5.0  # metres between the outermost joints or vertices; millimetres give ~1700
LARGEST_BETA = 30.0
LARGEST_ANGLE = 4 * np.pi  # radians; degrees give up to 360


def encode_record(arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> bytes:
    """Named arrays and JSON metadata -> a safetensors file; the same input gives the same bytes."""
    header: dict[str, Any] = {"__metadata__": {META_KEY: json.dumps(meta, sort_keys=True)}}
    chunks: list[bytes] = []
    position = 0
    # widest numbers first, as the format asks for alignment; then by name
    for name in sorted(arrays, key=lambda n: (-arrays[n].dtype.itemsize, n)):
        array = np.ascontiguousarray(arrays[name])
        if array.dtype not in DTYPE_NAMES:
            raise InvalidData(
                f"array '{name}' is {array.dtype}; use float32, int32, int64 or uint8."
            )
        chunks.append(array.tobytes())
        end = position + array.nbytes
        header[name] = {
            "dtype": DTYPE_NAMES[array.dtype],
            "shape": list(arrays[name].shape),
            "data_offsets": [position, end],
        }
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(chunks)


def decode_record(data: bytes | memoryview) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A safetensors file -> named arrays (views, read-only) and the JSON metadata."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        header = json.loads(bytes(data[8 : 8 + length]))
        meta = json.loads(header.pop("__metadata__", {}).get(META_KEY, "{}"))
        start, arrays = 8 + length, {}
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            kind = DTYPES[entry["dtype"]]
            count = (last - first) // np.dtype(kind).itemsize
            flat = np.frombuffer(data, kind, count, start + first)
            arrays[name] = flat.reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise InvalidData(f"not a sample record (safetensors): {error}.") from None
    return arrays, meta


def decode_image(data: bytes, reduce: int = 1) -> np.ndarray:
    """JPEG, PNG or WebP -> (H,W,3) uint8 RGB, in stored orientation; `reduce` 2, 4, 8 for less."""
    import cv2

    return cv2.cvtColor(decode_bgr(data, reduce), cv2.COLOR_BGR2RGB)  # type: ignore[no-any-return]


def decode_bgr(data: bytes | memoryview, reduce: int = 1) -> np.ndarray:
    """JPEG, PNG or WebP -> (H,W,3) uint8 BGR (OpenCV's order); InvalidData when it is broken."""
    import cv2

    if trouble := image_trouble(data):
        raise InvalidData(f"the image is {trouble}.")
    flags = {1: cv2.IMREAD_COLOR, 2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4}
    flags[8] = cv2.IMREAD_REDUCED_COLOR_8
    try:
        # labels are in stored pixels: an EXIF orientation must not turn the picture under them
        flag = flags[reduce] | cv2.IMREAD_IGNORE_ORIENTATION
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error as error:
        raise InvalidData(f"the image cannot be decoded: {error.err}.") from None
    if image is None:
        raise InvalidData("the image cannot be decoded.")
    return image  # type: ignore[no-any-return]


def image_kind(data: bytes | memoryview) -> str:
    """-> "jpg", "png", "webp", or "" when it is none of them."""
    head = bytes(data[:12])
    if head[:3] == b"\xff\xd8\xff":
        return "jpg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    return "webp" if head[:4] == b"RIFF" and head[8:12] == b"WEBP" else ""


def image_trouble(data: bytes | memoryview) -> str:
    """-> why these bytes are not a whole image file, or "". Decoders paint a cut JPEG grey instead."""
    kind, tail = image_kind(data), bytes(data[-12:])
    if not kind:
        return "neither JPEG, PNG nor WebP"
    if kind == "jpg":
        whole = tail[-2:] == b"\xff\xd9" or _jpeg_ends(bytes(data))
    elif kind == "png":
        whole = b"IEND" in tail
    else:
        whole = len(data) >= struct.unpack_from("<I", data, 4)[0] + 8
    return "" if whole else f"a truncated {kind.upper()}"


def _jpeg_ends(data: bytes) -> bool:
    """Whether an end marker follows the first scan (thumbnails inside APP segments have their own)."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker, length = (
            data[position + 1],
            int.from_bytes(data[position + 2 : position + 4], "big"),
        )
        if marker == 0xDA:
            return data.find(b"\xff\xd9", position) >= 0
        position += 2 + length
    return False


def complaints(sample: Sample, *, decode: bool = True) -> list[str]:
    """-> everything that is wrong with a sample, one sentence each; [] when it is sound."""
    found = (
        []
        if KEY_PATTERN.fullmatch(sample.key)
        else [f"key '{sample.key}' is not letters, digits, _ or - (at most 80)"]
    )
    found += _meta_and_image_complaints(sample, decode)
    for name in REQUIRED:
        if name not in sample.arrays:
            found.append(f"array '{name}' is missing")
    as_reference = bool(sample.meta.get("as_reference"))
    for name, array in sample.arrays.items():
        found += _array_complaints(name, array, as_reference)
    if not found and not as_reference:
        found += _place_complaints(sample)
    return found


def _meta_and_image_complaints(sample: Sample, decode: bool) -> list[str]:
    size = sample.meta.get("image_size_px")
    found = []
    if not (
        isinstance(size, list | tuple)
        and len(size) == 2
        and all(isinstance(v, int) and v > 0 for v in size)
    ):
        found.append(f"meta image_size_px is {size!r}, expected [height, width]")
    # an official converter's words, too, are left as they are
    for name, known in () if sample.meta.get("as_reference") else META_WORDS.items():
        if sample.meta.get(name, known[0]) not in known:
            found.append(f"meta {name} is {sample.meta[name]!r}, expected {', '.join(known)}")
    if not sample.meta.get("as_reference") and _hand_missing(sample):
        found.append("meta hand is missing: left or right")
    try:
        if decode:
            decode_bgr(sample.image)
        elif trouble := image_trouble(sample.image):
            found.append(f"the image is {trouble}")
        json.dumps(dict(sample.meta))
    except HpsError as error:
        found.append(error.problem.rstrip("."))
    except (TypeError, ValueError) as error:
        found.append(f"meta is not JSON: {error}")
    return found


def _hand_missing(sample: Sample) -> bool:
    return "hand" not in sample.meta and any(n.startswith("mano.") for n in sample.arrays)


def expected_shape(name: str) -> tuple[int, ...]:
    """The name of an array -> its shape; InvalidData for a name that the format does not know."""
    from hpscli.body.joints import joint_set

    if name in SHAPES:
        return SHAPES[name]
    if name in MESHES:
        return (MESHES[name], 3)
    group, _, rest = name.partition(".")
    if group in ("keypoints2d", "keypoints3d"):
        try:
            known = joint_set(rest)
        except HpsError as error:
            raise InvalidData(f"unknown joint set '{rest}' in array '{name}'.", error.fix) from None
        if known.name != rest:
            raise InvalidData(f"array '{name}' must be called '{group}.{known.name}'.")
        return (len(known.joints), 3 if group == "keypoints2d" else 4)
    raise InvalidData(f"unknown array '{name}'.", "Names: shards/README.md; your own: extra.NAME")


def _array_complaints(name: str, array: np.ndarray, as_reference: bool) -> list[str]:
    # what official converters make may be wrong in units and confidences: that is asked for then
    if not name.startswith("extra."):
        try:
            shape = expected_shape(name)
        except InvalidData as error:
            return [error.problem.rstrip(".")]
        if array.shape != shape:
            return [f"{name} has shape {array.shape}, expected {shape}"]
        if array.dtype != np.float32:
            return [f"{name} is {array.dtype}, expected float32"]
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        return [f"{name} has numbers that are not finite"]
    trouble = "" if as_reference else _implausible(name, array)
    return [f"{name} {trouble}"] if trouble else []


def _implausible(name: str, array: np.ndarray) -> str:
    group, _, rest = name.partition(".")
    if group in ("keypoints2d", "keypoints3d"):
        confidence = array[:, -1]
        if confidence.min() < 0 or confidence.max() > 1:
            return "has confidences outside 0..1"
    if group in ("keypoints3d", "vertices"):
        points = array[array[:, -1] > 0, :3] if group == "keypoints3d" else array
        extent = float(np.ptp(points, axis=0).max()) if len(points) else 0.0
        if extent > LARGEST_BODY:
            return f"spans {extent:.0f} m; is it in millimetres?"
    if rest == "betas" and np.abs(array).max() > LARGEST_BETA:
        return f"reaches {np.abs(array).max():.0f}; shape coefficients are below {LARGEST_BETA:.0f}"
    if rest.endswith(("_pose", "global_orient")) and np.abs(array).max() > LARGEST_ANGLE:
        return f"reaches {np.abs(array).max():.0f}; is it in degrees?"
    if name == "box.size" and array[0] < 1:
        return f"is {array[0]:.2f} px"
    if name == "camera.intrinsics" and (
        min(array[0, 0], array[1, 1]) <= 0 or list(array[2]) != [0, 0, 1]
    ):
        return "is not [[fx, s, cx], [0, fy, cy], [0, 0, 1]] with positive focal lengths"
    if name == "image.affine" and abs(np.linalg.det(array[:, :2])) < 1e-9:
        return "cannot be inverted"
    return ""


def _place_complaints(sample: Sample) -> list[str]:
    """The box must touch the image, and of the 2D joints that are there one must lie inside it."""
    height, width = sample.meta["image_size_px"]
    found = []
    center, half = sample.arrays["box.center"], float(sample.arrays["box.size"][0]) / 2
    if not (-half < center[0] < width + half and -half < center[1] < height + half):
        found.append(f"the box lies outside the image ({width}x{height} px)")
    for name, array in sample.arrays.items():
        if name.startswith("keypoints2d."):
            x, y = array[array[:, 2] > 0, :2].T
            if len(x) and not ((x >= -0.5) & (x < width) & (y >= -0.5) & (y < height)).any():
                found.append(f"{name}: no joint lies inside the image ({width}x{height} px)")
    return found
