"""A person as FastMETRO shows one: picture, mesh over it, and the mesh from other sides, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hpscli.errors import UsageError
from hpscli.render.images import Image
from hpscli.render.overlay import MESH_COLOURS, render_mesh
from hpscli.render.raster import Floats, Integers
from hpscli.render.shading import Rgb

VIEWS_DEGREES = (0, 90, 180, 270, 45)  # about the vertical axis: FastMETRO's order
WHITE = 255
BORDER_PX = 2  # black, around and between the rows of several people
PARALLEL = 100.0  # focal length in tile widths: the weak camera to a fraction of a pixel
SMALLEST_SCALE = 1e-3
# Where a pixel of the authors' renderer looks at depth: the first of OpenGL's four samples, upside down.
SAMPLE_PX = (0.125, -0.375)
COLOURS = ("blue", "pink")  # of the mesh, and of the mesh of regressed parameters


def strip(
    crop: Image,
    meshes: Sequence[Floats],
    faces: Integers,
    camera: Floats,
    *,
    multi_view: bool = False,
) -> Image:
    """crop (H,W,3), meshes (V,3) metres of one person, weak camera (3,) -> tiles side by side (H,n*W,3).

    The crop, the crop with each mesh, and with multi_view the first mesh on white from five sides.
    """
    if not meshes:
        raise UsageError("a strip needs at least one mesh.")
    tiles = [crop]
    for mesh, colour in zip(meshes, _colours(len(meshes)), strict=True):
        tiles.append(drawn(crop, mesh, faces, camera, colour=MESH_COLOURS[colour]))
    if multi_view:
        white = np.full_like(crop, WHITE)
        tiles += [drawn(white, turned(meshes[0], angle), faces, camera) for angle in VIEWS_DEGREES]
    return np.concatenate(tiles, axis=1)


def drawn(
    tile: Image,
    vertices: Floats,
    faces: Integers,
    camera: Floats,
    *,
    colour: Rgb = MESH_COLOURS["blue"],
) -> Image:
    """tile (H,W,3), vertices (V,3) metres, weak camera (3,) -> the tile with the mesh on it.

    Parallel light rays, and a pixel shows the mesh or it does not, as in the authors' pictures.
    """
    height, width = tile.shape[:2]
    scale = float(camera[0])
    if not scale > SMALLEST_SCALE:  # a model that has learned nothing: behind the camera
        return tile.copy()
    focal = PARALLEL * width
    moved = np.array([camera[1], camera[2], 2.0 * focal / (width * scale)])
    # Crop units go from edge to edge; theirs is sampled beside the middle of a pixel.
    centre_x, centre_y = (width - 1) / 2 + SAMPLE_PX[0], (height - 1) / 2 + SAMPLE_PX[1]
    intrinsics = np.array([[focal, 0, centre_x], [0, focal, centre_y], [0, 0, 1.0]])
    return render_mesh(tile, vertices + moved, faces, intrinsics, colour=colour, supersample=1)


def turned(vertices: Floats, degrees: float) -> Floats:
    """vertices (V,3) -> the same turned about the vertical axis through their mean."""
    angle = np.radians(degrees)
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    middle = vertices.mean(axis=0)
    result: Floats = (vertices - middle) @ matrix + middle
    return result


def stacked(rows: Sequence[Image]) -> Image:
    """Strips of equal width (H,W,3) -> one below the other, black borders where there are several."""
    if not rows:
        raise UsageError("a picture of strips needs at least one strip.")
    if len(rows) == 1:
        return rows[0]
    width = rows[0].shape[1]
    border = np.zeros((BORDER_PX, width, 3), np.uint8)
    parts = [part for row in rows for part in (border, row)] + [border]
    sheet = np.concatenate(parts, axis=0)
    side = np.zeros((len(sheet), BORDER_PX, 3), np.uint8)
    return np.concatenate([side, sheet, side], axis=1)


def _colours(count: int) -> list[str]:
    return [COLOURS[min(number, len(COLOURS) - 1)] for number in range(count)]
