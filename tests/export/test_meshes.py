"""Mesh files are read back with trimesh and compared."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import trimesh

from hpscli.errors import InvalidData, UsageError
from hpscli.export.meshes import write_mesh

FORMATS = ["obj", "ply", "glb"]


@pytest.fixture
def mesh() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    ball = trimesh.creation.icosphere(subdivisions=1, radius=0.4)
    vertices = ball.vertices * [1.0, 1.7, 0.8] + [0.2, -0.1, 2.5]
    colours = np.random.default_rng(1).random((len(vertices), 3))
    return vertices, np.asarray(ball.faces), colours


def glb_parts(path: Path) -> tuple[dict, bytes]:
    """-> the JSON document and the binary chunk of a GLB, whose frame is checked on the way."""
    data = path.read_bytes()
    assert struct.unpack_from("<4sII", data) == (b"glTF", 2, len(data))
    size, kind = struct.unpack_from("<I4s", data, 12)
    assert (kind, size % 4) == (b"JSON", 0)
    binary, kind = struct.unpack_from("<I4s", data, 20 + size)
    assert kind == b"BIN\0"
    assert 28 + size + binary == len(data)
    return json.loads(data[20 : 20 + size]), data[28 + size :]


def accessor_values(document: dict, binary: bytes, attribute: str) -> np.ndarray:
    number = document["meshes"][0]["primitives"][0]["attributes"][attribute]
    accessor = document["accessors"][number]
    start = document["bufferViews"][accessor["bufferView"]]["byteOffset"]
    return np.frombuffer(binary, "<f4", 3 * accessor["count"], start).reshape(-1, 3)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_mesh_comes_back_with_y_up(tmp_path: Path, mesh, suffix: str):
    vertices, faces, _ = mesh
    path = tmp_path / f"person.{suffix}"
    write_mesh(path, vertices, faces)
    read = trimesh.load(path, process=False, force="mesh")
    np.testing.assert_allclose(read.vertices, vertices * [1, -1, -1], atol=1e-5)
    np.testing.assert_array_equal(read.faces, faces)


@pytest.mark.parametrize("suffix", FORMATS)
def test_the_outside_stays_outside(tmp_path: Path, mesh, suffix: str):
    vertices, faces, _ = mesh
    path = tmp_path / f"person.{suffix}"
    write_mesh(path, vertices, faces)
    read = trimesh.load(path, process=False, force="mesh")
    expected = trimesh.Trimesh(vertices, faces, process=False).volume
    assert expected > 0
    assert read.volume == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("suffix", ["obj", "ply"])
def test_vertex_colours_come_back(tmp_path: Path, mesh, suffix: str):
    vertices, faces, colours = mesh
    path = tmp_path / f"person.{suffix}"
    write_mesh(path, vertices, faces, colours)
    read = trimesh.load(path, process=False, force="mesh")
    np.testing.assert_allclose(read.visual.vertex_colors[:, :3] / 255, colours, atol=1.5 / 255)


def test_colours_in_a_glb_are_linear(tmp_path: Path, mesh):
    vertices, faces, colours = mesh
    write_mesh(tmp_path / "a.glb", vertices, faces, colours)
    document, binary = glb_parts(tmp_path / "a.glb")
    read = accessor_values(document, binary, "COLOR_0")
    np.testing.assert_allclose(read, colours**2.2, atol=1e-6)


def test_a_glb_keeps_the_rules_of_its_specification(tmp_path: Path, mesh):
    vertices, faces, colours = mesh
    write_mesh(tmp_path / "a.glb", vertices, faces, colours)
    document, binary = glb_parts(tmp_path / "a.glb")
    assert 0 <= len(binary) - document["buffers"][0]["byteLength"] < 4
    for accessor in document["accessors"]:
        view = document["bufferViews"][accessor["bufferView"]]
        items = accessor["count"] * {"VEC3": 3, "SCALAR": 1}[accessor["type"]]
        assert view["byteOffset"] % 4 == 0
        assert view["byteLength"] == 4 * items
    attributes = document["meshes"][0]["primitives"][0]["attributes"]
    box = document["accessors"][attributes["POSITION"]]
    np.testing.assert_allclose(box["min"], (vertices * [1, -1, -1]).min(0), atol=1e-6)
    normals = accessor_values(document, binary, "NORMAL")
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)


def test_an_unknown_suffix_is_refused(tmp_path: Path, mesh):
    with pytest.raises(UsageError, match=r"person\.stl"):
        write_mesh(tmp_path / "person.stl", *mesh[:2])


def test_faces_of_another_body_are_refused(tmp_path: Path, mesh):
    vertices, faces, _ = mesh
    with pytest.raises(InvalidData, match="another body"):
        write_mesh(tmp_path / "a.obj", vertices[:-1], faces)
    assert not (tmp_path / "a.obj").exists()


def test_vertices_that_are_not_numbers_are_refused(tmp_path: Path, mesh):
    vertices, faces, _ = mesh
    vertices = vertices.copy()
    vertices[3, 1] = np.nan
    with pytest.raises(InvalidData, match="not finite"):
        write_mesh(tmp_path / "a.glb", vertices, faces)
