"""Images, overlays, turntables, sheets and skeletons: what is where, and clear errors."""

from pathlib import Path

import numpy as np
import pytest
import trimesh

from hpscli.body.joints import joint_set, joint_set_names
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.render.overlay import is_closed
from hpscli.render.pictures import (
    bones,
    contact_sheet,
    draw_box,
    draw_keypoints,
    encode_image,
    mesh_colour,
    read_image,
    render_mesh,
    turntable,
    write_image,
)
from hpscli.render.shading import vertex_normals
from hpscli.render.skeleton import SIDE_COLOURS, plain_name

INTRINSICS = np.array([[60.0, 0, 31.5], [0, 60.0, 31.5], [0, 0, 1]])


@pytest.fixture
def ball() -> tuple[np.ndarray, np.ndarray]:
    mesh = trimesh.creation.icosphere(subdivisions=2, radius=0.5)
    return mesh.vertices + [0.0, 0.0, 2.0], np.asarray(mesh.faces)


def canvas(value: int = 90, size: int = 64) -> np.ndarray:
    return np.full((size, size, 3), value, np.uint8)


def test_an_image_survives_writing_and_reading(tmp_path: Path):
    image = np.random.default_rng(0).integers(0, 255, (9, 14, 3), dtype=np.uint8)
    write_image(tmp_path / "deep" / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "deep" / "a.png"), image)
    np.testing.assert_array_equal(read_image(encode_image(image, ".png")), image)


def test_a_missing_image_is_a_missing_error(tmp_path: Path):
    with pytest.raises(MissingError, match="not there"):
        read_image(tmp_path / "nobody.jpg")
    with pytest.raises(MissingError, match="folder"):
        read_image(tmp_path)


@pytest.mark.parametrize("data", [b"", b"hello, I am no picture", b"\xff\xd8\xff\xe0 broken"])
def test_a_file_that_is_not_an_image_is_named(tmp_path: Path, data: bytes):
    path = tmp_path / "text.jpg"
    path.write_bytes(data)
    with pytest.raises(InvalidData, match=r"text\.jpg"):
        read_image(path)


def test_an_unknown_suffix_is_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"a\.mesh"):
        write_image(tmp_path / "a.mesh", canvas())


def test_normals_of_a_ball_point_outwards(ball):
    vertices, faces = ball
    outward = (vertices - [0, 0, 2.0]) / 0.5
    assert (vertex_normals(vertices, faces) * outward).sum(1).min() > 0.99


def test_a_ball_is_drawn_where_the_camera_sees_it_and_nowhere_else(ball):
    vertices, faces = ball
    drawn = render_mesh(canvas(), vertices, faces, INTRINSICS)
    row, column = np.mgrid[:64, :64] - 31.5
    distance = np.hypot(row, column)
    radius = 60 * 0.5 / np.sqrt(2.0**2 - 0.5**2)
    assert (drawn[distance < radius - 1.5] != 90).any(-1).all()
    assert (drawn[distance > radius + 1.5] == 90).all()


def test_light_comes_from_above_and_the_left(ball):
    vertices, faces = ball
    drawn = render_mesh(canvas(), vertices, faces, INTRINSICS).astype(int).sum(-1)
    assert drawn[22, 22] > drawn[42, 42] + 60


def test_closed_meshes_are_told_from_open_ones(ball):
    vertices, faces = ball
    assert is_closed(vertices, faces)
    assert not is_closed(vertices, faces[:-1])
    assert not is_closed(vertices, faces[:, ::-1])


def test_leaving_out_the_far_side_of_a_closed_mesh_changes_nothing(ball, monkeypatch):
    vertices, faces = ball
    whole = render_mesh(canvas(), vertices, faces, INTRINSICS)
    monkeypatch.setattr("hpscli.render.overlay.is_closed", lambda *mesh: False)
    np.testing.assert_array_equal(render_mesh(canvas(), vertices, faces, INTRINSICS), whole)


def test_half_transparent_lies_between_the_image_and_the_mesh(ball):
    vertices, faces = ball
    full, half = (render_mesh(canvas(), vertices, faces, INTRINSICS, alpha=a) for a in (1.0, 0.5))
    middle = (slice(24, 40), slice(24, 40))
    expected = (full[middle].astype(float) + 90) / 2
    np.testing.assert_allclose(half[middle], expected, atol=1.1)


def test_vertex_colours_are_seen(ball):
    vertices, faces = ball
    paint = np.where(vertices[:, :1] < 0, [[0.9, 0.1, 0.1]], [[0.1, 0.1, 0.9]])
    drawn = render_mesh(canvas(), vertices, faces, INTRINSICS, vertex_colours=paint)
    assert drawn[32, 24, 0] > drawn[32, 24, 2]
    assert drawn[32, 40, 2] > drawn[32, 40, 0]


def test_a_mesh_behind_the_camera_leaves_the_image_alone(ball):
    vertices, faces = ball
    behind = vertices * [1, 1, -1]
    np.testing.assert_array_equal(render_mesh(canvas(), behind, faces, INTRINSICS), canvas())


def test_a_mesh_around_the_camera_does_not_crash(ball):
    vertices, faces = ball
    drawn = render_mesh(canvas(), vertices - [0, 0, 1.9], faces, INTRINSICS)
    assert drawn.shape == (64, 64, 3)


def test_faces_of_another_body_are_refused(ball):
    vertices, faces = ball
    with pytest.raises(InvalidData, match="another body"):
        render_mesh(canvas(), vertices[:-5], faces, INTRINSICS)


def test_a_turntable_shows_all_sides_in_one_scale(ball):
    vertices, faces = ball
    stick = vertices.copy()
    stick[:, 0] *= 3.0  # 3 m wide, 1 m high, 1 m deep
    sheet = turntable(stick, faces, size_px=80, views=4)
    assert sheet.shape == (80, 320, 3)
    views = [sheet[:, 80 * i : 80 * (i + 1)].astype(int) for i in range(4)]
    blue = [(v[:, :, 2] - v[:, :, 0] > 12) for v in views]
    wide = [b.any(0).sum() for b in blue]
    high = [b.any(1).sum() for b in blue]
    assert wide[0] > 2.5 * wide[1]
    assert abs(wide[0] - wide[2]) <= 2
    assert max(high) - min(high) <= 6


def test_a_contact_sheet_holds_every_picture_and_its_caption():
    images = [canvas(0, 60), canvas(40, 60), np.full((30, 60, 3), 200, np.uint8)]
    sheet = contact_sheet(images, ["one", "a caption far too long for its tile", "x"], 2)
    plain = contact_sheet(images, columns=2)
    assert sheet.shape[0] > plain.shape[0]
    assert sheet.shape[1] == plain.shape[1] == 2 * 68 + 8
    for value, count in ((0, 3600), (40, 3600), (200, 1800)):
        assert (plain == value).all(-1).sum() == count


def test_captions_must_match_pictures():
    with pytest.raises(UsageError, match="2 captions for 1"):
        contact_sheet([canvas()], ["a", "b"])


def test_left_and_right_limbs_have_their_own_colours():
    names = joint_set("smpl24").joints
    points = np.zeros((24, 3))
    for name, x in (("left_elbow", 12), ("right_elbow", 50)):
        points[names.index(name)] = (x, 32, 1)
    drawn = draw_keypoints(canvas(), points, "smpl24")
    np.testing.assert_array_equal(drawn[32, 12], SIDE_COLOURS["left"])
    np.testing.assert_array_equal(drawn[32, 50], SIDE_COLOURS["right"])


def test_points_without_confidence_are_not_drawn():
    points = np.full((17, 3), 30.0)
    points[:, 2] = 0
    np.testing.assert_array_equal(draw_keypoints(canvas(), points, "coco17"), canvas())


def test_points_of_another_joint_set_are_refused():
    with pytest.raises(InvalidData, match="17 joints"):
        draw_keypoints(canvas(), np.zeros((24, 3)), "coco17")


@pytest.mark.parametrize("name", joint_set_names())
def test_bones_of_every_joint_set_join_limbs_of_one_side(name: str):
    joints = [plain_name(joint) for joint in joint_set(name).joints]
    found = bones(joint_set(name).joints)
    assert all(a != b for a, b in found)
    limbs = ("knee", "ankle", "elbow", "wrist")
    for a, b in found:
        side, _, base = joints[b].partition("_")
        if side in ("left", "right") and base in limbs:
            assert joints[a].startswith(side)


@pytest.mark.parametrize(("name", "count"), [("smpl24", 23), ("mano21", 20), ("coco17", 16)])
def test_a_skeleton_has_the_bones_that_one_expects(name: str, count: int):
    assert len(bones(joint_set(name).joints)) == count


def test_names_of_other_conventions_are_understood():
    assert plain_name("R_Index_4") == "right_index"
    assert plain_name("left_wrist_openpose") == "left_wrist"
    assert plain_name("spine1") == "spine_1"
    assert plain_name("thumb_tip") == "thumb"
    assert plain_name("OP RWrist") == "right_op_wrist"  # beside SPIN's own right wrist


def test_a_box_is_drawn_around_its_centre():
    drawn = draw_box(canvas(), np.array([32.0, 30.0]), 40.0)
    changed = np.argwhere((drawn != 90).any(-1))
    assert abs(changed.min(0) - [10, 12]).max() <= 1
    assert abs(changed.max(0) - [50, 52]).max() <= 1


def test_neighbouring_people_get_different_colours():
    assert len({mesh_colour(i) for i in range(5)}) == 5
