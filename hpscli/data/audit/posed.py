"""A labelled person's own body, posed and placed in the picture: what the parameters really say."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpscli.body.joints import convert
from hpscli.errors import HpsError
from hpscli.records import Sample

KINDS = ("smplx", "smpl", "mano")
NEAREST = 0.05  # metres before the camera
FEWEST = 4  # joints seen in the picture, to place a body by them
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Posed:
    """vertices (V,3) and joints (J,3) metres in the camera frame, faces, intrinsics (3,3) px."""

    kind: str
    vertices: Array
    joints: Array
    joint_set: str
    faces: Array
    intrinsics: Array
    source: str  # of the body: free or imported
    placed: str  # by: labels (its own translation), picture (its 2D joints)


def drawn_mesh(sample: Sample) -> tuple[Array, Array, Array] | None:
    """A sample -> vertices (V,3) metres in the camera frame, faces (F,3), intrinsics (3,3) px.

    Labelled vertices where the sample has them, else the body of its parameters.
    """
    from hpscli.body.layer import load_body

    intrinsics = sample.arrays.get("camera.intrinsics")
    for kind in KINDS:
        vertices = sample.arrays.get(f"vertices.{kind}")
        if vertices is not None and intrinsics is not None and vertices[:, 2].min() > NEAREST:
            hand = str(sample.meta.get("hand", "right"))
            return vertices.astype(np.float64), load_body(kind, hand=hand).faces, intrinsics
    body = posed(sample)
    return None if body is None else (body.vertices, body.faces, body.intrinsics)


def posed(sample: Sample) -> Posed | None:
    """A sample with parameters -> its body in front of the camera; None without, or without a place.

    The free body stands in where an official one is not imported: its shape is then the mean's.
    """
    kind = next((kind for kind in KINDS if _rotations(sample.arrays, kind)), "")
    if not kind:
        return None
    try:
        body, output = _run(sample, kind)
    except HpsError:  # a body that was asked for by the labels is not here, or they do not fit it
        return None
    vertices = output.vertices[0].numpy().astype(np.float64)
    joints = output.joints[0].numpy().astype(np.float64)
    height, width = sample.meta["image_size_px"]
    intrinsics = sample.arrays.get("camera.intrinsics")
    moved = sample.arrays.get(f"{kind}.transl")
    placed = "labels"
    if moved is None or intrinsics is None or (joints + moved)[:, 2].min() <= 0:
        intrinsics, moved = _place(sample, joints, body.joint_set, height, width)
        placed = "picture"
        if intrinsics is None or moved is None or (joints + moved)[:, 2].min() <= 0:
            return None
    return Posed(
        kind=kind,
        vertices=vertices + moved,
        joints=joints + moved,
        joint_set=body.joint_set,
        faces=body.faces,
        intrinsics=np.asarray(intrinsics, np.float64),
        source=body.source,
        placed=placed,
    )


def _rotations(arrays: Mapping[str, Array], kind: str) -> bool:
    pose = "hand_pose" if kind == "mano" else "body_pose"
    return f"{kind}.global_orient" in arrays and f"{kind}.{pose}" in arrays


def _run(sample: Sample, kind: str) -> tuple[Any, Any]:
    """-> the body of the labels, and what it makes of their parameters."""
    import torch

    from hpscli.body.layer import COEFFICIENTS, PARAMETERS, load_body, matrices

    wanted = str(sample.meta.get("body_source", ""))
    hand = str(sample.meta.get("hand", "right"))
    gender = str(sample.meta.get("gender", "neutral"))
    body = load_body(kind, gender=gender, hand=hand, source="free" if wanted == "free" else "")
    names = [*PARAMETERS[kind], *COEFFICIENTS[kind]]
    given = {
        name: torch.from_numpy(np.array(sample.arrays[f"{kind}.{name}"], np.float32))[None]
        for name in names
        if f"{kind}.{name}" in sample.arrays
    }
    if body.source == "free" and wanted != "free":  # its coefficients mean other shapes
        given = {name: value for name, value in given.items() if name not in COEFFICIENTS[kind]}
    with torch.no_grad():
        return body, body(matrices(given))


def _place(
    sample: Sample, joints: Array, joint_set: str, height: int, width: int
) -> tuple[Array | None, Array | None]:
    """-> intrinsics and the translation that puts the joints where the picture shows them."""
    from hpscli.body.cameras import assumed_focal_px, solve_translation

    best: tuple[int, Array, Array] | None = None
    for name, points in sample.arrays.items():
        group, _, seen_set = name.partition(".")
        if group == "keypoints2d":
            own, present = convert(joints, joint_set, seen_set)
            weight = present & (points[:, 2] > 0)
            if weight.sum() >= FEWEST and (best is None or weight.sum() > best[0]):
                best = int(weight.sum()), own[weight], points[weight, :2].astype(np.float64)
    if best is None:
        return None, None
    intrinsics = sample.arrays.get("camera.intrinsics")
    if intrinsics is None:
        focal = assumed_focal_px((height, width))
        intrinsics = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1.0]])
    focal = float(intrinsics[0, 0])
    middle = np.array([width / 2, height / 2])
    seen = best[2] - intrinsics[:2, 2] + middle  # the solver takes the picture's middle
    try:
        return intrinsics, solve_translation(best[1], seen, focal, (height, width))
    except (HpsError, np.linalg.LinAlgError):
        return None, None
