"""A mesh drawn over its image, and a mesh seen from all sides."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from hpscli.errors import InvalidData
from hpscli.render.images import Image
from hpscli.render.raster import Floats, Integers, Raster, rasterize
from hpscli.render.shading import STUDIO, Rgb, Studio, shade, vertex_normals

MESH_COLOURS: dict[str, Rgb] = {
    "blue": (0.60, 0.73, 0.90),
    "sand": (0.90, 0.78, 0.65),
    "green": (0.66, 0.83, 0.68),
    "pink": (0.92, 0.69, 0.72),
    "grey": (0.78, 0.78, 0.78),
}
BACKGROUND = (244, 245, 247)
FAR = 10.0  # focal length in crop widths: nearly the weak perspective that the model means
SHADOW = 0.13  # how much darker the floor is under the body in a turntable


def mesh_colour(index: int = 0) -> Rgb:
    """-> a colour for the person of this number; neighbours differ."""
    return list(MESH_COLOURS.values())[index % len(MESH_COLOURS)]


def render_mesh(
    image: Image,
    vertices: Floats,
    faces: Integers,
    intrinsics: Floats,
    *,
    colour: Rgb = MESH_COLOURS["blue"],
    vertex_colours: Floats | None = None,
    alpha: float = 1.0,
    supersample: int = 2,
    studio: Studio = STUDIO,
) -> Image:
    """image (H,W,3) RGB, vertices (V,3) metres in the camera frame -> image with the mesh on it.

    `vertex_colours` (V,3) is 0..1; `alpha` 1 hides what is behind; `supersample` 1 is faster.
    """
    _check(vertices, faces, vertex_colours)
    height, width = image.shape[:2]
    left, top, right, bottom = _window(vertices, intrinsics, width, height)
    if right <= left or bottom <= top:
        return image.copy()
    size = ((bottom - top) * supersample, (right - left) * supersample)
    vertices_px = _project(vertices, intrinsics, (left, top), supersample)
    raster = rasterize(vertices_px, faces, *size, cull=is_closed(vertices, faces))
    layer = _lit(raster, vertices, faces, colour, vertex_colours, studio)
    if supersample > 1:
        layer = cv2.resize(layer, (right - left, bottom - top), interpolation=cv2.INTER_AREA)
    result = image.copy()
    window = result[top:bottom, left:right].astype(np.float32)
    cover = layer[:, :, 3:] * alpha
    window = window * (1.0 - cover) + layer[:, :, :3] * (255.0 * alpha)
    result[top:bottom, left:right] = np.clip(window + 0.5, 0, 255).astype(np.uint8)
    return result


def draw_in_crop(
    crop: Image,
    vertices: Floats,
    faces: Integers,
    camera: Floats,
) -> Image:
    """crop (H,W,3), vertices (V,3) metres, weak camera (3,) -> the crop with the mesh on it.

    The crop may be enlarged: the camera is in crop units.
    """
    height, width = crop.shape[:2]
    scale = float(camera[0])
    if not scale > 1e-3:  # a model that has learned nothing may put people behind the camera
        return crop.copy()
    focal = FAR * width
    translation = np.array([camera[1], camera[2], 2.0 * focal / (width * scale)])
    intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    return render_mesh(crop, vertices + translation, faces, intrinsics)


def turntable(
    vertices: Floats,
    faces: Integers,
    *,
    size_px: int = 320,
    views: int = 4,
    colour: Rgb = MESH_COLOURS["blue"],
    vertex_colours: Floats | None = None,
    supersample: int = 2,
) -> Image:
    """vertices (V,3) metres, y down -> (size, views*size, 3): turned about the vertical axis.

    All views share one scale, with a soft shadow on the floor; the first is the camera's own.
    """
    _check(vertices, faces, vertex_colours)
    low, high = vertices.min(0), vertices.max(0)
    centred = vertices - (low + high) / 2
    radius = float(np.sqrt((centred[:, [0, 2]] ** 2).sum(1)).max())
    half = max(float(high[1] - low[1]) / 2, radius, 1e-6)
    distance = 8.0 * half  # far away: little perspective, limbs keep their proportions
    focal = 0.5 * size_px * 0.86 * (distance - radius) / half
    middle = (size_px - 1) / 2
    # a bit above the middle, so that the shadow fits below
    intrinsics = np.array([[focal, 0, middle], [0, focal, middle * 0.96], [0, 0, 1.0]])
    pictures = []
    for view in range(views):
        angle = 2 * np.pi * view / views
        cos, sin = np.cos(angle), np.sin(angle)
        turned = centred @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
        turned = turned + [0.0, 0.0, distance]
        stage = _stage(turned, intrinsics, size_px, radius)
        pictures.append(
            render_mesh(
                stage,
                turned,
                faces,
                intrinsics,
                colour=colour,
                vertex_colours=vertex_colours,
                supersample=supersample,
            )
        )
    return np.concatenate(pictures, axis=1)


def is_closed(vertices: Floats, faces: Integers) -> bool:
    """-> whether every edge has a face on either side and the faces look outwards."""
    start, stop = faces.ravel().astype(np.int64), np.roll(faces, -1, axis=1).ravel()
    forth = np.sort(start * len(vertices) + stop)
    back = np.sort(stop * len(vertices) + start)
    if not np.array_equal(forth, back):
        return False
    one, two, three = (vertices[faces[:, i]] for i in range(3))
    return float((one * np.cross(two, three)).sum()) > 0


def _stage(vertices: Floats, intrinsics: Floats, size_px: int, radius: float) -> Image:
    """-> a light background with the blurred shadow that the body throws straight down."""
    floor = vertices.copy()
    floor[:, 1] = vertices[:, 1].max() + 0.01 * radius
    points = _project(floor, intrinsics, (0, 0), 1)[:, :2]
    # seen nearly from the side the shadow would be a line: show the floor as if from a bit above
    points[:, 1] += (
        (vertices[:, 2].mean() - vertices[:, 2]) * 0.15 * intrinsics[0, 0] / (vertices[:, 2].mean())
    )
    shadow = np.zeros((size_px, size_px), np.float32)
    inside = np.clip(points + 0.5, 0, size_px - 1).astype(int)
    np.maximum.at(shadow, (inside[:, 1], inside[:, 0]), 1.0)
    shadow = cv2.dilate(shadow, np.ones((3, 3), np.uint8))
    shadow = cv2.GaussianBlur(shadow, (0, 0), max(size_px * 0.018, 0.8))
    light = 1.0 - SHADOW * np.minimum(shadow * 1.6, 1.0)
    stage: Image = (np.asarray(BACKGROUND, np.float32) * light[:, :, None]).astype(np.uint8)
    return stage


def _lit(
    raster: Raster,
    vertices: Floats,
    faces: Integers,
    colour: Rgb,
    vertex_colours: Floats | None,
    studio: Studio,
) -> NDArray[np.float32]:
    """-> (H,W,4) float32: shaded colour 0..1, already times its cover, and the cover."""
    layer = np.zeros((*raster.face.shape, 4), np.float32)
    mask = raster.mask
    if not mask.any():
        return layer
    values = [vertex_normals(vertices, faces), vertices]
    if vertex_colours is not None:
        values.append(np.asarray(vertex_colours))
    blended = raster.interpolate(np.concatenate(values, axis=1).astype(np.float32), faces)
    plain = np.broadcast_to(np.asarray(colour, np.float32), (len(blended), 3))
    base = blended[:, 6:9] if vertex_colours is not None else plain
    layer[mask, :3] = shade(blended[:, :3], blended[:, 3:6], base, studio)
    layer[mask, 3] = 1.0
    return layer


def _project(
    vertices: Floats, intrinsics: Floats, corner: tuple[int, int], supersample: int
) -> NDArray[np.float64]:
    """-> (V,3) x px, y px, depth, in a window that starts at `corner`, in finer pixels."""
    points = vertices.astype(np.float64) @ np.asarray(intrinsics, np.float64).T
    with np.errstate(divide="ignore", invalid="ignore"):
        points[:, :2] /= points[:, 2:]
    # pixel centres are whole numbers: 0 of the coarse grid lies between 0 and 1 of the fine one
    points[:, :2] = (points[:, :2] - corner + 0.5) * supersample - 0.5
    points[:, 2] = vertices[:, 2]
    return points


def _window(
    vertices: Floats, intrinsics: Floats, width: int, height: int
) -> tuple[int, int, int, int]:
    """-> left, top, right, bottom of the part of the image that the mesh can touch."""
    front = vertices[vertices[:, 2] > 1e-3]
    if not len(front):
        return 0, 0, 0, 0
    points = _project(front, intrinsics, (0, 0), 1)[:, :2]
    low = np.clip(np.floor(points.min(0)), 0, (width, height)).astype(int)
    high = np.clip(np.ceil(points.max(0)) + 1, 0, (width, height)).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _check(vertices: Floats, faces: Integers, vertex_colours: Floats | None) -> None:
    if vertices.ndim != 2 or vertices.shape[1] != 3 or faces.ndim != 2 or faces.shape[1] != 3:
        raise InvalidData(
            f"a mesh needs vertices (V,3) and faces (F,3), not {vertices.shape} and {faces.shape}."
        )
    if len(faces) and int(faces.max()) >= len(vertices):
        raise InvalidData(
            f"a face names vertex {int(faces.max())}, but there are only {len(vertices)}.",
            "These faces belong to another body.",
        )
    if vertex_colours is not None and np.shape(vertex_colours) != vertices.shape:
        raise InvalidData(
            f"vertex colours are {np.shape(vertex_colours)}, the vertices {vertices.shape}."
        )
