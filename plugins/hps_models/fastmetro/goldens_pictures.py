"""Where the authors' drawings show the mesh: silhouettes of overlays and of turned meshes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.render.raster import rasterize
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, read_golden

SIDE = 224  # px of a tile
LEAST_OVERLAP = 0.97  # SPEC 8.3: intersection over union; edges of theirs are smoothed
VIEWS_DEGREES = (0, 90, 180, 270, 45)  # SPEC 7: about the vertical axis through the mean vertex


def replay_pictures(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/render_pyrender.npz: silhouettes, and the tiles of the three kinds of picture."""
    golden = read_golden(folder, "goldens/render_pyrender.npz")
    camera, faces = golden["cam"], golden["faces"]
    own, posed = (silhouette(golden[name], faces, camera) for name in ("vertices", "vertices_smpl"))
    turned = [
        silhouette(turn(golden["vertices"], degrees), faces, camera) for degrees in VIEWS_DEGREES
    ]
    yield _overlap("silhouette_front", own, _unpacked(golden["silhouette_front"]))
    views = "silhouette_views_0_90_180_270_45"
    for degrees, ours, theirs in zip(VIEWS_DEGREES, turned, golden[views], strict=True):
        yield _overlap(f"{views}, {degrees} degrees", ours, _unpacked(theirs))
    picture = np.round(255 * golden["image"]).astype(np.int64)
    white = np.full_like(picture, 255)
    for name, expected in (
        ("standard", [(picture, own)]),
        ("multi_view", [(picture, own), *((white, mask) for mask in turned)]),
        ("with_smpl", [(picture, own), (picture, posed)]),
    ):
        for number, (behind, ours) in enumerate(expected, start=1):
            tile = golden[name][:, number * SIDE : (number + 1) * SIDE].astype(np.int64)
            theirs = np.abs(tile - behind).max(axis=2) > 1  # rounding of the picture itself
            yield _overlap(f"{name}, tile {number}", ours, theirs)


def silhouette(vertices: Any, faces: Any, camera: Any) -> Any:
    """vertices (V,3) metres, camera (3,) = s, tx, ty -> (224,224) bool, where the mesh is."""
    crop = camera[0] * (vertices[:, :2] + camera[1:])
    pixels = (crop + 1) / 2 * SIDE - 0.5
    points = np.column_stack([pixels, vertices[:, 2] + 10.0])  # all in front of the camera
    return rasterize(points.astype(np.float64), faces, SIDE, SIDE, cull=False).mask


def turn(vertices: Any, degrees: float) -> Any:
    """vertices (V,3) -> turned about the vertical axis through their mean."""
    angle = np.radians(degrees)
    matrix = np.array(
        [
            [np.cos(angle), 0, np.sin(angle)],
            [0, 1, 0],
            [-np.sin(angle), 0, np.cos(angle)],
        ]
    )
    middle = vertices.mean(axis=0)
    return (vertices - middle) @ matrix + middle


def _unpacked(bits: Any) -> Any:
    return np.unpackbits(bits)[: SIDE * SIDE].reshape(SIDE, SIDE).astype(bool)


def _overlap(name: str, ours: Any, theirs: Any) -> ArrayCheck:
    """Two silhouettes -> what their intersection lacks of their union."""
    union = int((ours | theirs).sum())
    lacking = 1 - int((ours & theirs).sum()) / max(union, 1)
    return ArrayCheck(
        name=name,
        worst=lacking,
        tolerance=1 - LEAST_OVERLAP,
        unit="of union",
        ok=union > 0 and lacking <= 1 - LEAST_OVERLAP,
    )
