"""The pictures that commands make: one door to this package."""

from hpscli.render.images import encode_image, read_image, write_image
from hpscli.render.overlay import (
    MESH_COLOURS,
    draw_in_crop,
    mesh_colour,
    render_mesh,
    turntable,
)
from hpscli.render.sheet import contact_sheet
from hpscli.render.skeleton import bones, draw_box, draw_keypoints

__all__ = [
    "MESH_COLOURS",
    "bones",
    "contact_sheet",
    "draw_box",
    "draw_in_crop",
    "draw_keypoints",
    "encode_image",
    "mesh_colour",
    "read_image",
    "render_mesh",
    "turntable",
    "write_image",
]
