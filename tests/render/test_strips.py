"""FastMETRO's strips: which tiles, how wide, what they show."""

import numpy as np
import pytest

from hpscli.errors import UsageError
from hpscli.render.strips import VIEWS_DEGREES, drawn, stacked, strip, turned

SIDE = 48
CAMERA = np.array([0.9, 0.0, 0.0])
CROP = np.full((SIDE, SIDE, 3), 120, np.uint8)
# a tetrahedron that leans to one side
MESH = np.array([[-0.5, 0.5, -0.2], [0.7, 0.5, 0], [0, 0.5, 0.6], [0.1, -0.6, 0]])
FACES = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])


def silhouettes(picture: np.ndarray, behind: list[int]) -> list[np.ndarray]:
    """-> where each tile differs from its background."""
    tiles = np.split(picture, picture.shape[1] // SIDE, axis=1)
    return [(tile != grey).any(axis=2) for tile, grey in zip(tiles, behind, strict=True)]


@pytest.mark.parametrize(
    ("meshes", "multi_view", "tiles"), [(1, False, 2), (2, False, 3), (1, True, 7), (2, True, 8)]
)
def test_a_strip_has_as_many_tiles_as_fastmetros(meshes: int, multi_view: bool, tiles: int) -> None:
    found = strip(CROP, [MESH] * meshes, FACES, CAMERA, multi_view=multi_view)
    assert found.shape == (SIDE, tiles * SIDE, 3)
    np.testing.assert_array_equal(found[:, :SIDE], CROP)


def test_the_views_show_the_mesh_from_the_front_and_from_the_back() -> None:
    found = strip(CROP, [MESH], FACES, CAMERA, multi_view=True)
    _, overlay, front, side, back, *_ = silhouettes(found, [120, 120] + [255] * 5)
    assert overlay.any() and (overlay == front).mean() > 0.99
    widths = [tile.sum(axis=1) for tile in (front, back, side)]  # of each row of pixels
    assert np.abs(widths[0] - widths[1]).max() <= 1 < np.abs(widths[0] - widths[2]).max()
    assert (np.argmax(front.any(axis=0)) != np.argmax(back.any(axis=0))).all()
    assert VIEWS_DEGREES == (0, 90, 180, 270, 45)


def test_the_second_mesh_has_another_colour() -> None:
    found = strip(CROP, [MESH, MESH], FACES, CAMERA)
    first, second = found[:, SIDE : 2 * SIDE], found[:, 2 * SIDE :]
    assert ((first != 120).any(2) == (second != 120).any(2)).all() and (first != second).any()


def test_a_pixel_is_covered_or_not() -> None:
    found = drawn(np.full_like(CROP, 255), MESH, FACES, CAMERA, colour=(0.0, 0.0, 0.0))
    assert set(np.unique((found == 255).all(axis=2))) == {False, True}
    assert found[(found != 255).any(axis=2)].max() < 120  # no mixture with the white behind


def test_a_turned_mesh_keeps_its_middle_and_its_size() -> None:
    for degrees in VIEWS_DEGREES:
        other = turned(MESH, degrees)
        np.testing.assert_allclose(other.mean(axis=0), MESH.mean(axis=0), atol=1e-12)
        np.testing.assert_allclose(other[:, 1], MESH[:, 1])
    np.testing.assert_allclose(turned(turned(MESH, 90), 270), MESH, atol=1e-12)


def test_rows_are_stacked_with_black_borders_and_one_row_without() -> None:
    row = strip(CROP, [MESH], FACES, CAMERA)
    np.testing.assert_array_equal(stacked([row]), row)
    both = stacked([row, row])
    assert both.shape == (2 * (SIDE + 2) + 2, 2 * SIDE + 4, 3)
    np.testing.assert_array_equal(both[2 : 2 + SIDE, 2:-2], row)
    assert both[:2].max() == 0 and both[:, :2].max() == 0 and both[-2:].max() == 0


def test_a_mesh_behind_the_camera_is_not_drawn() -> None:
    for scale in (0.0, -1.0, float("nan")):
        np.testing.assert_array_equal(drawn(CROP, MESH, FACES, np.array([scale, 0, 0])), CROP)


def test_nothing_makes_no_picture() -> None:
    for make in (lambda: strip(CROP, [], FACES, CAMERA), lambda: stacked([])):
        with pytest.raises(UsageError):
            make()
