"""GLB: the binary form of glTF 2.0, one mesh with smooth normals and, if any, vertex colours."""

from __future__ import annotations

import json
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

# Numbers fixed by the glTF 2.0 specification
MAGIC, VERSION = 0x46546C67, 2
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
FLOAT, UNSIGNED_INT = 5126, 5125
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
TRIANGLES = 4
SKIN = (0.60, 0.73, 0.90)  # of a mesh without colours, sRGB: as in our pictures
GAMMA = 2.2  # colours in glTF are linear


class _Buffer:
    """The binary chunk while it grows, with its views and accessors."""

    def __init__(self) -> None:
        self.data = b""
        self.views: list[dict[str, Any]] = []
        self.accessors: list[dict[str, Any]] = []

    def add(self, array: NDArray[Any], kind: str, component: int, target: int) -> int:
        """Append an array -> the number of its accessor."""
        blob = np.ascontiguousarray(array).tobytes()
        self.views.append(
            {
                "buffer": 0,
                "byteOffset": len(self.data),
                "byteLength": len(blob),
                "target": target,
            }
        )
        accessor: dict[str, Any] = {
            "bufferView": len(self.views) - 1,
            "componentType": component,
            "count": len(array),
            "type": kind,
        }
        if kind == "VEC3" and len(array):
            accessor["min"] = [float(v) for v in array.min(0)]
            accessor["max"] = [float(v) for v in array.max(0)]
        self.accessors.append(accessor)
        self.data += blob  # 4-byte numbers only: every view starts aligned
        return len(self.accessors) - 1


def glb_bytes(vertices: Floats, faces: Integers, colours: Floats | None) -> bytes:
    """vertices (V,3) metres, y up; faces (F,3); colours (V,3) 0..1 sRGB -> a GLB file."""
    buffer = _Buffer()
    vertices = vertices.astype("<f4")
    attributes = {
        "POSITION": buffer.add(vertices, "VEC3", FLOAT, ARRAY_BUFFER),
        "NORMAL": buffer.add(_normals(vertices, faces), "VEC3", FLOAT, ARRAY_BUFFER),
    }
    base = np.asarray(SKIN)
    if colours is not None:
        base = np.ones(3)
        linear = (np.asarray(colours, np.float64) ** GAMMA).astype("<f4")
        attributes["COLOR_0"] = buffer.add(linear, "VEC3", FLOAT, ARRAY_BUFFER)
    indices = buffer.add(faces.astype("<u4").ravel(), "SCALAR", UNSIGNED_INT, ELEMENT_ARRAY_BUFFER)
    primitive = {"attributes": attributes, "indices": indices, "material": 0, "mode": TRIANGLES}
    material = {
        "name": "person",
        "doubleSided": True,
        "pbrMetallicRoughness": {
            "baseColorFactor": [*(float(c) for c in base**GAMMA), 1.0],
            "metallicFactor": 0.0,
            "roughnessFactor": 0.75,
        },
    }
    document = {
        "asset": {"version": "2.0", "generator": "hps"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": "person"}],
        "meshes": [{"primitives": [primitive]}],
        "materials": [material],
        "buffers": [{"byteLength": len(buffer.data)}],
        "bufferViews": buffer.views,
        "accessors": buffer.accessors,
    }
    text = json.dumps(document, separators=(",", ":")).encode()
    body = _chunk(JSON_CHUNK, text, b" ") + _chunk(BINARY_CHUNK, buffer.data, b"\0")
    return struct.pack("<III", MAGIC, VERSION, 12 + len(body)) + body


def _chunk(kind: int, data: bytes, padding: bytes) -> bytes:
    data += padding * (-len(data) % 4)
    return struct.pack("<II", len(data), kind) + data


def _normals(vertices: Floats, faces: Integers) -> NDArray[np.float32]:
    """-> (V,3) unit normals; without them programs shade every triangle flat."""
    corner = vertices[faces].astype(np.float64)
    facing = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    total = np.zeros((len(vertices), 3))
    for place in range(3):
        np.add.at(total, faces[:, place], facing)
    length = np.linalg.norm(total, axis=1, keepdims=True)
    # vertices of no face must have a unit normal, too
    unit = np.where(length > 1e-20, total / np.maximum(length, 1e-20), [0.0, 1.0, 0.0])
    return unit.astype("<f4")
