"""Where the authors' drawings show the mesh, beside the strips that `hps eval --visualize` draws."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.render.strips import VIEWS_DEGREES, drawn, stacked, strip, turned
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, read_golden

SIDE = 224  # px of a tile
LEAST_OVERLAP = 0.97  # SPEC 8.3: intersection over union; edges of theirs are smoothed
SAME_GREY = 1  # levels: rounding of the picture itself
WHITE = 255


def replay_pictures(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/render_pyrender.npz: silhouettes, and the tiles of the three kinds of picture."""
    golden = read_golden(folder, "goldens/render_pyrender.npz")
    camera, faces, mesh = golden["cam"], golden["faces"], golden["vertices"]
    picture = np.round(WHITE * golden["image"]).astype(np.uint8)
    white = np.full_like(picture, WHITE)
    own = silhouette(drawn(picture, mesh, faces, camera), picture)
    yield _overlap("silhouette_front", own, _unpacked(golden["silhouette_front"]))
    views = "silhouette_views_0_90_180_270_45"
    for degrees, theirs in zip(VIEWS_DEGREES, golden[views], strict=True):
        ours = silhouette(drawn(white, turned(mesh, degrees), faces, camera), white)
        yield _overlap(f"{views}, {degrees} degrees", ours, _unpacked(theirs))
    both = [mesh, golden["vertices_smpl"]]
    strips = {
        "standard": (strip(picture, both[:1], faces, camera), [picture]),
        "multi_view": (
            strip(picture, both[:1], faces, camera, multi_view=True),
            [picture, *[white] * len(VIEWS_DEGREES)],
        ),
        "with_smpl": (strip(picture, both, faces, camera), [picture, picture]),
    }
    for name, (ours, behind) in strips.items():
        yield from _tiles(name, ours, golden[name], behind)
    two = stacked([strips["standard"][0]] * 2)
    yield compare("grid_of_two_shape", two.shape, golden["grid_of_two_shape"], 0.0, "px")


def _tiles(name: str, ours: Any, theirs: Any, behind: list[Any]) -> Iterator[ArrayCheck]:
    """Two strips -> their sizes, their first tiles, and the silhouette in each of the others."""
    yield compare(f"{name}, size", ours.shape, theirs.shape, 0.0, "px")
    if ours.shape != theirs.shape:
        return
    first = theirs[:, :SIDE]
    yield compare(f"{name}, tile 0", ours[:, :SIDE], first, SAME_GREY, "grey levels")
    for number, background in enumerate(behind, start=1):
        place = slice(number * SIDE, (number + 1) * SIDE)
        masks = [silhouette(whole[:, place], background) for whole in (ours, theirs)]
        yield _overlap(f"{name}, tile {number}", *masks)


def silhouette(tile: Any, behind: Any) -> Any:
    """tile (H,W,3) uint8, the same without a mesh -> (H,W) bool, where it differs."""
    return np.abs(tile.astype(np.int64) - behind).max(axis=2) > SAME_GREY


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
