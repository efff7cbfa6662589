"""The z-buffer against analytic triangles and ray casting."""

import numpy as np
import trimesh

from hpscli.render.raster import rasterize

SIZE = 24
FOCAL = 30.0


def project(vertices: np.ndarray, focal: float = FOCAL, size: int = SIZE) -> np.ndarray:
    middle = (size - 1) / 2
    depth = vertices[:, 2]
    return np.stack(
        [
            vertices[:, 0] / depth * focal + middle,
            vertices[:, 1] / depth * focal + middle,
            depth,
        ],
        axis=1,
    )


def ball(subdivisions: int = 1, away: float = 3.0) -> tuple[np.ndarray, np.ndarray]:
    mesh = trimesh.creation.icosphere(subdivisions=subdivisions, radius=0.8)
    turn = trimesh.transformations.rotation_matrix(0.3, [0.2, 1.0, 0.4])[:3, :3]
    return mesh.vertices @ turn.T + [0.03, -0.02, away], np.asarray(mesh.faces, np.int32)


def cast_rays(
    rays: np.ndarray, vertices: np.ndarray, faces: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every ray from the origin against every triangle, with trimesh -> first face, its depth."""
    triangles = vertices[faces].astype(float)
    ray, hit = (i.ravel() for i in np.indices((len(rays), len(faces))))
    normals = np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0])
    along = (normals * triangles[:, 0]).sum(1)[hit] / (normals[hit] * rays[ray]).sum(1)
    place = rays[ray] * along[:, None]
    weights = trimesh.triangles.points_to_barycentric(triangles[hit], place)
    inside = (weights >= 0).all(1) & (along > 0)
    ray, hit, along = ray[inside], hit[inside], along[inside]
    order = np.argsort(-along, kind="stable")
    face, depth = np.full(len(rays), -1), np.full(len(rays), np.inf)
    face[ray[order]], depth[ray[order]] = hit[order], along[order]
    return face, depth


def test_a_flat_triangle_covers_the_pixels_whose_centres_lie_inside_it():
    vertices = np.array([[1.0, 1.0, 2.0], [9.0, 1.0, 2.0], [1.0, 9.0, 2.0]])
    raster = rasterize(vertices, np.array([[0, 1, 2]]), 12, 12)
    row, column = np.mgrid[:12, :12]
    expected = (column >= 1) & (row >= 1) & (row + column <= 10)
    np.testing.assert_array_equal(raster.mask, expected)
    assert np.isinf(raster.depth[~expected]).all()
    np.testing.assert_allclose(raster.depth[expected], 2.0)


def test_weights_and_depth_are_correct_in_perspective():
    vertices = np.array([[-1.0, -1.0, 2.0], [1.5, -0.8, 6.0], [-0.9, 1.2, 3.0]])
    faces = np.array([[0, 1, 2]])
    raster = rasterize(project(vertices), faces, SIZE, SIZE)
    assert raster.mask.sum() > 30
    points = raster.interpolate(vertices, faces)
    row, column = np.nonzero(raster.mask)
    back = project(points)
    np.testing.assert_allclose(back[:, 0], column, atol=1e-4)
    np.testing.assert_allclose(back[:, 1], row, atol=1e-4)
    np.testing.assert_allclose(points[:, 2], raster.depth[raster.mask], rtol=1e-5)


def test_triangles_and_depths_are_those_of_ray_casting():
    rng = np.random.default_rng(3)
    first, faces = ball()
    second = first * [0.5, 1.4, 0.6] + [0.15, 0.1, 1.1]  # reaches into the first ball
    vertices = np.concatenate([first, second + rng.normal(0, 0.01, second.shape)])
    faces = np.concatenate([faces, faces + len(first)])
    raster = rasterize(project(vertices), faces, SIZE, SIZE)
    row, column = np.mgrid[:SIZE, :SIZE]
    middle = (SIZE - 1) / 2
    rays = np.stack([column - middle, row - middle, np.full_like(row, FOCAL, float)], -1)
    rays = rays.reshape(-1, 3) / FOCAL  # z of a direction is 1: distances are depths
    face, depth = cast_rays(rays, vertices, faces)
    assert (face >= 0).sum() > 150
    np.testing.assert_array_equal(raster.face.ravel(), face)
    np.testing.assert_allclose(raster.depth.ravel(), depth, rtol=1e-5)


def test_the_nearest_of_crossing_triangles_wins_in_every_pixel():
    vertices = np.array(
        [[0, 0, 1.0], [20, 0, 9.0], [0, 20, 1.0], [0, 0, 9.0], [20, 0, 1.0], [0, 20, 9.0]]
    )
    raster = rasterize(vertices, np.array([[0, 1, 2], [3, 4, 5]]), 20, 20)
    assert {0, 1} <= set(np.unique(raster.face))
    single = [rasterize(vertices, f, 20, 20).depth for f in np.array([[[0, 1, 2]], [[3, 4, 5]]])]
    np.testing.assert_array_equal(raster.depth, np.minimum(*single))


def test_triangles_behind_or_across_the_near_plane_are_dropped():
    vertices = np.array(
        [[2, 2, -1.0], [20, 2, -1.0], [2, 20, -1.0], [2, 2, 1.0], [20, 2, 1.0], [2, 20, -0.5]]
    )
    assert not rasterize(vertices, np.array([[0, 1, 2], [3, 4, 5]]), 24, 24).mask.any()


def test_points_at_infinity_and_not_a_number_are_dropped():
    vertices = np.array([[2, 2, 1.0], [np.inf, 2, 1.0], [2, 20, 1.0], [np.nan, 3, 1.0]])
    assert not rasterize(vertices, np.array([[0, 1, 2], [0, 3, 2]]), 24, 24).mask.any()


def test_a_triangle_far_larger_than_the_picture_fills_it():
    vertices = np.array([[-1e7, -1e7, 2.0], [3e7, -1e7, 2.0], [-1e7, 3e7, 2.0]])
    raster = rasterize(vertices, np.array([[0, 1, 2]]), 16, 16)
    assert raster.mask.all()
    np.testing.assert_allclose(raster.depth, 2.0, rtol=1e-5)


def test_shared_edges_leave_no_holes():
    step = np.linspace(-3.1, 33.7, 14)
    x, y = np.meshgrid(step, step)
    vertices = np.stack([x.ravel(), y.ravel(), np.full(x.size, 1.0)], axis=1)
    corner = (np.arange(13)[:, None] * 14 + np.arange(13)).ravel()
    faces = np.concatenate(
        [
            np.stack([corner, corner + 1, corner + 14], 1),
            np.stack([corner + 1, corner + 15, corner + 14], 1),
        ]
    )
    assert rasterize(vertices, faces, 30, 30).mask.all()


def test_culling_changes_nothing_on_a_closed_mesh_but_the_effort():
    vertices, faces = ball(2)
    points = project(vertices)
    both, culled = (rasterize(points, faces, SIZE, SIZE, cull=c) for c in (False, True))
    np.testing.assert_array_equal(both.face, culled.face)


def test_small_chunks_give_the_same_picture():
    vertices, faces = ball(2)
    whole = rasterize(project(vertices), faces, SIZE, SIZE)
    pieces = rasterize(project(vertices), faces, SIZE, SIZE, chunk=50)
    np.testing.assert_array_equal(whole.face, pieces.face)
    np.testing.assert_array_equal(whole.barycentric, pieces.barycentric)


def test_an_empty_picture_has_no_faces():
    vertices, faces = ball()
    raster = rasterize(project(vertices) + [100.0, 0, 0], faces, SIZE, SIZE)
    assert not raster.mask.any()
    assert raster.interpolate(vertices, faces).shape == (0, 3)
