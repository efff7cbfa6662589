"""Mesh files: OBJ, PLY and GLB.

Meshes come in the camera frame (x right, y down, z forward) and are written with y up, facing
the viewer, as mesh programs expect: (x, y, z) -> (x, -y, -z), half a turn about x. Metres.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpscli.errors import InvalidData, UsageError
from hpscli.export.gltf import glb_bytes

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]

SUFFIXES = (".obj", ".ply", ".glb")
Y_UP = np.array([1.0, -1.0, -1.0])


def write_mesh(
    path: Path | str, vertices: Floats, faces: Integers, vertex_colours: Floats | None = None
) -> None:
    """vertices (V,3) metres in the camera frame, faces (F,3), colours (V,3) 0..1 -> a mesh file."""
    path = Path(path).expanduser()
    writers = {".obj": obj_bytes, ".ply": ply_bytes, ".glb": glb_bytes}
    writer = writers.get(path.suffix.lower())
    if writer is None:
        raise UsageError(
            f"cannot write a mesh called '{path.name}'.", f"Known suffixes: {' '.join(SUFFIXES)}"
        )
    _check(vertices, faces, vertex_colours)
    turned = (np.asarray(vertices, np.float64) * Y_UP).astype(np.float32)
    colours = None if vertex_colours is None else np.clip(np.asarray(vertex_colours), 0, 1)
    data = writer(turned, np.asarray(faces).astype(np.int32), colours)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def obj_bytes(vertices: Floats, faces: Integers, colours: Floats | None) -> bytes:
    """-> Wavefront OBJ; colours follow the coordinates, as MeshLab and Blender read them."""
    rows = vertices if colours is None else np.concatenate([vertices, colours], axis=1)
    form = " ".join(["%.6f"] * 3 + ["%.4f"] * (rows.shape[1] - 3))
    lines = ["# metres, y up"]
    lines += [f"v {form % tuple(row)}" for row in rows.tolist()]
    lines += [f"f {a} {b} {c}" for a, b, c in (faces + 1).tolist()]
    return ("\n".join(lines) + "\n").encode()


def ply_bytes(vertices: Floats, faces: Integers, colours: Floats | None) -> bytes:
    """-> PLY, binary, little endian; colours as bytes."""
    kinds = [("x", "<f4"), ("y", "<f4"), ("z", "<f4")]
    if colours is not None:
        kinds += [("red", "u1"), ("green", "u1"), ("blue", "u1")]
    table = np.empty(len(vertices), dtype=kinds)
    for column, name in enumerate("xyz"):
        table[name] = vertices[:, column]
    if colours is not None:
        for column, name in enumerate(("red", "green", "blue")):
            table[name] = np.round(colours[:, column] * 255)
    rows = np.empty(len(faces), dtype=[("count", "u1"), ("index", "<i4", (3,))])
    rows["count"], rows["index"] = 3, faces
    names = {"<f4": "float", "u1": "uchar"}
    header = [
        "ply",
        "format binary_little_endian 1.0",
        "comment metres, y up",
        f"element vertex {len(vertices)}",
        *[f"property {names[kind]} {name}" for name, kind in kinds],
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    return "\n".join(header).encode() + table.tobytes() + rows.tobytes()


def _check(vertices: Floats, faces: Integers, colours: Floats | None) -> None:
    if np.ndim(vertices) != 2 or np.shape(vertices)[1] != 3:
        raise InvalidData(f"vertices are {np.shape(vertices)}, a mesh needs (V,3).")
    if np.ndim(faces) != 2 or np.shape(faces)[1] != 3:
        raise InvalidData(f"faces are {np.shape(faces)}, a mesh needs (F,3).")
    if not np.isfinite(vertices).all():
        raise InvalidData("a vertex is not finite.", "The model that made it has gone wrong.")
    if len(faces) and not 0 <= int(np.min(faces)) <= int(np.max(faces)) < len(vertices):
        raise InvalidData(
            f"a face names vertex {int(np.max(faces))}, but there are only {len(vertices)}.",
            "These faces belong to another body.",
        )
    if colours is not None and np.shape(colours) != np.shape(vertices):
        raise InvalidData(f"vertex colours are {np.shape(colours)}, vertices {vertices.shape}.")
