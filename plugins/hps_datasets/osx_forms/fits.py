"""NeuralAnnot's SMPL-X parameters, as OSX's data sets have them, in the conventions of shards.

Hands are stored relative to the mean hand of SMPL-X, which only its file knows; shards hold them
relative to the flat hand. So without SMPL-X they are kept as they are, under
extra.left_hand_pose_from_mean and extra.right_hand_pose_from_mean. `trans` belongs to a body that turns
about its pelvis: where it is in the world, it needs the body to be placed in the camera.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.osx_forms.annotations import Array, Labels, numbers, plain
from hpscli.body.assets.files import have_asset
from hpscli.body.hand_means import relative_to_flat
from hpscli.data.containers.json_records import json_value, json_values

COEFFICIENTS, HAND_NUMBERS = 10, 45
HANDS = {"lhand": "left", "rhand": "right"}


class Fits(Mapping[str, Any]):
    """A file {annotation: fit}: in memory are the names and where the fits lie."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.places = {found.name: (found.start, found.stop) for found in json_values(path, ())}

    def __getitem__(self, name: str) -> Any:
        """-> the fit of this annotation, read from the file."""
        start, stop = self.places[name]
        with self.path.open("rb") as stream:
            return json_value(stream, start, stop)

    def __iter__(self) -> Iterator[str]:
        """-> the names, in the order of the file."""
        return iter(self.places)

    def __len__(self) -> int:
        """-> how many fits there are."""
        return len(self.places)


@dataclass(frozen=True)
class World:
    """A camera in the world: rotation (3,3), translation (3,) metres; x in the camera = R x + t."""

    rotation: Array
    translation: Array


def intrinsics(camera: Labels) -> Array:
    """focal, princpt -> (3,3) px."""
    matrix = np.eye(3)
    matrix[[0, 1], [0, 1]] = numbers(camera, "focal", 2)
    matrix[:2, 2] = numbers(camera, "princpt", 2)
    return matrix


def smplx_arrays(
    fit: Labels, *, seen: Labels | None = None, world: World | None = None, source: str = "imported"
) -> dict[str, Array]:
    """A fit -> smplx.* and what belongs to it. `seen`: which of lhand, rhand, face were looked at."""
    seen = {} if seen is None else seen
    root = numbers(fit, "root_pose", 3)
    betas = numbers(fit, "shape", -1)[:COEFFICIENTS]
    arrays = {
        "smplx.body_pose": numbers(fit, "body_pose", 63),
        "smplx.betas": np.pad(betas, (0, COEFFICIENTS - len(betas))),
    }
    for part in HANDS:
        if f"{part}_pose" in fit and fit.get(f"{part}_valid", seen.get(part, True)):
            arrays |= _hand(fit, part, source)
    if "jaw_pose" in fit and "expr" in fit and fit.get("face_valid", seen.get("face", True)):
        arrays["smplx.jaw_pose"] = numbers(fit, "jaw_pose", 3)
        arrays["smplx.expression"] = numbers(fit, "expr", -1)[:COEFFICIENTS]
    moved = numbers(fit, "trans", 3)
    if world is None:
        return {**arrays, "smplx.global_orient": root, "smplx.transl": moved}
    return {**arrays, **_placed(root, betas, moved, world, str(fit.get("gender", "neutral")))}


def _hand(fit: Labels, part: str, source: str) -> dict[str, Array]:
    pose = numbers(fit, f"{part}_pose", HAND_NUMBERS)
    side = HANDS[part]
    flat = pose + _free_mean(side) if source == "free" else relative_to_flat(pose, side)
    if flat is None:
        return {f"extra.{side}_hand_pose_from_mean": pose}
    return {f"smplx.{side}_hand_pose": flat}


def _placed(root: Array, betas: Array, moved: Array, world: World, gender: str) -> dict[str, Array]:
    """A body in the world -> in the camera; its translation only when the body is here."""
    import cv2

    turned = cv2.Rodrigues(world.rotation @ cv2.Rodrigues(root)[0])[0].ravel()
    arrays = {
        "smplx.global_orient": turned,
        "camera.rotation": world.rotation,
        "camera.translation": world.translation,
        "extra.world_transl": moved,
    }
    if have_asset(f"smplx-{gender}"):
        from hpscli.body.placement import moved_translation, rest_pelvis

        pelvis = rest_pelvis("smplx", gender, betas)
        if pelvis is not None:
            arrays["smplx.transl"] = moved_translation(
                moved, pelvis, world.rotation, world.translation
            )
    return arrays


@lru_cache(maxsize=2)
def _free_mean(side: str) -> Array:
    """-> the mean hand (45,) of the free body, for people that `hps datasets dump` wrote."""
    from hpscli.body.layer import load_body

    means = load_body("smplx", source="free").hand_means
    return np.asarray(means[f"hands_mean{side[0]}"], np.float64)


def smpl_arrays(fit: Labels) -> dict[str, Array]:
    """PW3D's pose (72), shape, trans of SMPL in the camera -> smpl.*."""
    pose = numbers(fit, "pose", 72)
    return {
        "smpl.global_orient": pose[:3],
        "smpl.body_pose": pose[3:],
        "smpl.betas": numbers(fit, "shape", -1)[:COEFFICIENTS],
        "smpl.transl": numbers(fit, "trans", 3),
    }


def told_official(**values: Any) -> dict[str, Any]:
    """-> metadata `osx` of a person in OSX's own list: what no array holds."""
    return {"osx": {name: plain(value) for name, value in values.items()}}
