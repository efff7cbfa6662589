"""One sample from start to end: a person, a camera, light, a place, the picture, every label."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from hps_datasets.synthetic.backgrounds import make_background
from hps_datasets.synthetic.bodies import FreeBody, free_body
from hps_datasets.synthetic.clothes import dress
from hps_datasets.synthetic.forearm import add_forearm
from hps_datasets.synthetic.lens import expose, ground_shadow, make_occluder
from hps_datasets.synthetic.people import Person, sample_person
from hps_datasets.synthetic.rotations import turn, vectors
from hpscli.records import Sample
from hpscli.render.images import encode_image
from hpscli.render.raster import rasterize
from hpscli.render.shading import Studio, shade

Array = NDArray[Any]
Rng = np.random.Generator

FOCAL = (1.1, 3.0)  # in picture widths
FILL = {"smpl": (0.62, 0.88), "smplx": (0.66, 0.92), "mano": (0.50, 0.78)}  # of the picture
PITCH = {
    "smpl": (0.10, 0.16),
    "smplx": (0.08, 0.14),
    "mano": (0.0, 0.10),
}  # mean, spread: looking down
BOX_MARGIN = 1.15  # side of the box / longest side of the person
SUPERSAMPLE = 2
PLAIN_GREY = 0.12
Y_DOWN = np.diag([1.0, -1.0, -1.0])  # y up, facing +z -> camera frame, facing the camera


@dataclass(frozen=True)
class View:
    """A pinhole camera of a square picture, and where the person stands in front of it."""

    focal_px: float
    centre_px: Array  # (2,)
    pitch: float
    translation: Array  # (3,) metres
    bounds_px: Array  # (4,) left, top, right, bottom of the person

    @property
    def intrinsics(self) -> Array:
        x, y = self.centre_px
        return np.array([[self.focal_px, 0, x], [0, self.focal_px, y], [0, 0, 1]])

    def project(self, points: Array) -> Array:
        """points (N,3) metres in the camera frame -> (N,2) px."""
        return points[:, :2] / points[:, 2:] * self.focal_px + self.centre_px


def make_sample(
    rng: Rng,
    key: str,
    kind: str,
    hand: str,
    size_px: int,
    yaw_degrees: float,
    quality: int,
    *,
    plain: bool = False,
) -> Sample:
    """-> a sample that depends on the arguments and the numbers of `rng` alone."""
    person = sample_person(rng, kind, hand, yaw_degrees)
    body = free_body(kind, person.hand or "right")
    pitch = float(np.clip(rng.normal(*PITCH[kind]), -0.25, 0.6))
    rotations = person.rotations.copy()
    rotations[0] = turn(0, pitch) @ Y_DOWN @ rotations[0]
    vertices, normals, joints = body.pose(rotations, person.shape)
    view = place_camera(rng, vertices, kind, size_px, pitch)
    colours = dress(rng, body)
    mesh = vertices, normals, colours, body.faces
    if kind == "mano":
        mesh = add_forearm(rng, body, hand, rotations[0], mesh[:3])
    picture, occluder = paint(rng, view, mesh, size_px, shadow=kind != "mano", plain=plain)
    arrays, meta = labels(body, person, rotations[0], vertices, joints, view, occluder, size_px)
    return Sample(key=key, image=encode_image(picture, ".jpg", quality), arrays=arrays, meta=meta)


def place_camera(rng: Rng, vertices: Array, kind: str, size_px: int, pitch: float) -> View:
    """-> a camera in which the person fills a drawn share of the picture, near its middle."""
    focal = rng.uniform(*FOCAL) * size_px
    centre = (size_px - 1) / 2 + rng.normal(0, 0.012, 2) * size_px
    side = rng.uniform(*FILL[kind]) * size_px
    room = max(size_px - side, 0.0) / 2
    goal = (size_px - 1) / 2 + rng.uniform(-0.7, 0.7, 2) * room
    extent = np.ptp(vertices[:, :2], axis=0).max()
    shift = np.array([0.0, 0.0, focal * extent / side - vertices[:, 2].min() * 0.5])
    shift[2] = max(shift[2], 0.15 * extent - vertices[:, 2].min())
    for _ in range(4):  # fixed-point steps: perspective bends the outline a little
        depth = vertices[:, 2] + shift[2]
        flat = (vertices[:, :2] + shift[:2]) / depth[:, None] * focal + centre
        low, high = flat.min(0), flat.max(0)
        near = depth.min()
        shift[:2] += (goal - (low + high) / 2) * depth.mean() / focal
        shift[2] += max(((high - low).max() / side - 1) * depth.mean(), 0.15 * extent - near)
    view = View(focal, centre, pitch, shift, np.zeros(4))
    flat = view.project(vertices + shift)
    return View(focal, centre, pitch, shift, np.concatenate([flat.min(0), flat.max(0)]))


def paint(
    rng: Rng,
    view: View,
    mesh: tuple[Array, Array, Array, Array],
    size_px: int,
    *,
    shadow: bool,
    plain: bool,
) -> tuple[NDArray[np.uint8], Array]:
    """-> the picture (H,W,3) uint8 and what stands in front of the person (H,W) 0..1.

    plain: an empty room of one grey, and nothing in front.
    """
    vertices, normals, colours, faces = mesh
    points = (vertices + view.translation).astype(np.float32)
    lit = shade(normals, points, colours, _studio(rng)) * rng.normal(1.0, [0.05, 0.02, 0.06])
    left, _, right, bottom = view.bounds_px
    horizon = view.centre_px[1] - view.focal_px * np.tan(view.pitch)
    if plain:
        picture = np.full((size_px, size_px, 3), PLAIN_GREY, np.float32)
    else:
        picture = make_background(rng, size_px, horizon, bottom)
    if shadow and not plain and rng.random() < 0.7:
        place = np.array([(left + right) / 2, bottom - 0.01 * size_px])
        ground_shadow(picture, place, 0.8 * (right - left), rng.uniform(0.15, 0.5))
    layer, cover = _render(view, points, faces, lit, size_px)
    picture = picture * (1 - cover[:, :, None]) + layer
    occluder = np.zeros((size_px, size_px), np.float32)
    front = None if plain else make_occluder(rng, cover, view.bounds_px)
    if front is not None:
        occluder = front[0]
        picture = picture * (1 - occluder[:, :, None]) + front[1] * occluder[:, :, None]
    return expose(rng, picture.astype(np.float32)), occluder


def _render(
    view: View, points: Array, faces: Array, lit: Array, size_px: int
) -> tuple[Array, Array]:
    """-> colours (H,W,3) already times their cover, and the cover (H,W), both 0..1."""
    fine = SUPERSAMPLE * size_px
    flat = (view.project(points) + 0.5) * SUPERSAMPLE - 0.5
    raster = rasterize(np.concatenate([flat, points[:, 2:]], axis=1), faces, fine, fine, cull=True)
    layer = np.zeros((fine, fine, 4), np.float32)
    layer[raster.mask, :3] = raster.interpolate(lit, faces)
    layer[raster.mask, 3] = 1
    layer = cv2.resize(layer, (size_px, size_px), interpolation=cv2.INTER_AREA)
    return layer[:, :, :3], layer[:, :, 3]


def _studio(rng: Rng) -> Studio:
    """-> daylight, a lamp or an overcast sky, from somewhere in front and above."""
    x, y, z = rng.normal([0.0, -0.6, -0.7], [0.7, 0.35, 0.25])
    ambient = rng.uniform(0.22, 0.62)
    return Studio(
        key=(float(x), float(min(y, 0.2)), float(min(z, -0.15))),
        key_strength=float(1.15 - ambient),
        fill=(float(-x), -0.2, -0.6),
        fill_strength=float(rng.uniform(0.0, 0.25)),
        sky=float(ambient),
        ground=float(ambient * rng.uniform(0.3, 0.9)),
        gloss=float(rng.uniform(0.0, 0.08)),
        rim=0.45,
    )


def labels(
    body: FreeBody,
    person: Person,
    root: Array,
    vertices: Array,
    joints: Array,
    view: View,
    occluder: Array,
    size_px: int,
) -> tuple[dict[str, Array], dict[str, Any]]:
    """-> the arrays of a sample by their names in the shard format, and its metadata."""
    kind, shift = person.kind, view.translation
    arrays: dict[str, Array] = {f"{kind}.{k}": v for k, v in person.parameters.items()}
    arrays[f"{kind}.global_orient"] = vectors(root[None])[0]
    arrays[f"{kind}.transl"] = shift
    hidden: list[int] = []
    for number, (name, points) in enumerate(body.joint_sets(vertices, joints).items()):
        placed = points + shift
        flat = view.project(placed)
        inside = ((flat >= -0.5) & (flat < size_px - 0.5)).all(1)
        arrays[f"keypoints3d.{name}"] = np.column_stack([placed, np.ones(len(placed))])
        arrays[f"keypoints2d.{name}"] = np.column_stack([flat, inside])
        if number == 0:
            pixel = np.clip(flat + 0.5, 0, size_px - 1).astype(int)
            covered = (occluder[pixel[:, 1], pixel[:, 0]] > 0.5) & inside
            arrays[f"extra.occluded.{name}"] = covered.astype(np.uint8)
            hidden = np.flatnonzero(covered).tolist()
    low, high = view.bounds_px[:2], view.bounds_px[2:]
    arrays["box.center"] = (low + high) / 2
    arrays["box.size"] = np.array([(high - low).max() * BOX_MARGIN])
    arrays["camera.intrinsics"] = view.intrinsics
    arrays["image.affine"] = np.eye(2, 3)
    arrays = {k: v if v.dtype == np.uint8 else v.astype(np.float32) for k, v in arrays.items()}
    meta = {
        "image_size_px": [size_px, size_px],
        "gender": "neutral",
        "body": kind,
        "body_source": "free",
        "pose": person.mode,
        "occluded_joints": len(hidden),
    }
    return arrays, meta | ({"hand": person.hand} if person.hand else {})
