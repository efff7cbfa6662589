"""What one sample's labels say of themselves: numbers that a whole data set is judged by."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from hpscli.body.joints import conversion_index, joint_set
from hpscli.data.audit.posed import posed
from hpscli.records import Sample
from hpscli.render.skeleton import plain_name

CLEAR_BEND = 0.08  # of the leg's length: how far a knee is off the line from hip to ankle
NEAREST = 0.1  # metres before the camera
FEWEST = 6  # joints that two sets share before they are compared
Array = np.ndarray[Any, Any]


def measure(sample: Sample, *, with_body: bool) -> dict[str, float]:
    """A sample -> {measure: value}; what cannot be measured is left out.

    behind: share of absolute 3D joints that are not in front of the camera;
    projection, projection_mirrored: median distance of projected 3D joints from 2D ones / box side;
    body2d, body2d_mirrored: the same of the body's joints; body3d, body3d_mirrored: of 3D joints, m;
    knee: 1 bent forwards, 0 backwards; leg, hand: m; outside: share of 2D joints outside the image;
    betas: largest coefficient; box_outside: share of the box outside the image.
    """
    found: dict[str, float] = {}
    found |= _projection(sample)
    found |= _anatomy(sample)
    found |= _places(sample)
    for name, array in sample.arrays.items():
        if name.endswith(".betas"):
            found["betas"] = float(np.abs(array).max())
    if with_body:
        found |= _body(sample)
    return found


def _projection(sample: Sample) -> dict[str, float]:
    """3D joints through the camera against 2D ones; root-relative ones have no place."""
    intrinsics = sample.arrays.get("camera.intrinsics")
    if intrinsics is None or sample.meta.get("root_relative"):
        return {}
    found: dict[str, float] = {}
    for name, points in sample.arrays.items():
        seen = points[:, 3] > 0 if name.startswith("keypoints3d.") else np.zeros(0, bool)
        if not seen.any():
            continue
        if points[seen, 2].min() <= NEAREST:
            found["behind"] = float((points[seen, 2] <= NEAREST).mean())
            continue
        pixels = np.full((len(points), 3), 0.0)
        pixels[seen, :2] = _pixels(points[seen, :3], intrinsics)
        pixels[:, 2] = seen
        return {"behind": 0.0, **_against_2d(sample, pixels, name.partition(".")[2], "projection")}
    return found


def _pixels(points: Array, intrinsics: Array) -> Array:
    moved = points @ np.asarray(intrinsics, np.float64).T
    return moved[:, :2] / moved[:, 2:]


def _against_2d(sample: Sample, pixels: Array, source: str, what: str) -> dict[str, float]:
    """Joints (J,3) px, confidence of a set -> distance from the labelled ones, straight and mirrored."""
    side = float(sample.arrays["box.size"][0])
    for name, labelled in sample.arrays.items():
        group, _, target = name.partition(".")
        if group == "keypoints2d":
            found = _compared(pixels[:, :2], pixels[:, 2] > 0, source, labelled, target)
            if found is not None:
                return {what: found[0] / side, f"{what}_mirrored": found[1] / side}
    return {}


def _compared(
    points: Array, seen: Array, source: str, labelled: Array, target: str
) -> tuple[float, float] | None:
    """-> median distances of shared joints: as named, and with left and right exchanged."""
    index = _shared(source, target)
    present = index >= 0
    moved, there = points[np.maximum(index, 0)], present & seen[np.maximum(index, 0)]
    both = there & (labelled[:, -1] > 0)
    mirror = np.array(joint_set(target).mirror)
    swapped = both & both[mirror]
    if both.sum() < FEWEST or swapped.sum() < FEWEST:
        return None
    size = points.shape[1]
    straight = np.linalg.norm(moved[both] - labelled[both, :size], axis=1)
    mirrored = np.linalg.norm(moved[mirror][swapped] - labelled[swapped, :size], axis=1)
    return float(np.median(straight)), float(np.median(mirrored))


@lru_cache(maxsize=64)
def _shared(source: str, target: str) -> Array:
    """-> (J_target,) which joint of `source` it is, -1 without; by name where slots share too few.

    OpenPose's hips are not SMPL's, but near enough to tell left from right.
    """
    index = conversion_index(source, target)
    if (index >= 0).sum() >= FEWEST:
        return index
    names = [plain_name(name) for name in joint_set(source).joints]
    wanted = [plain_name(name) for name in joint_set(target).joints]
    return np.array([names.index(name) if name in names else -1 for name in wanted])


def _anatomy(sample: Sample) -> dict[str, float]:
    """Do knees bend forwards, and how long are a leg and a hand."""
    found: dict[str, float] = {}
    for joints in _named_joints(sample):
        found |= _legs(joints)
        for side in ("left_", "right_", ""):  # sets of one hand name no side
            if {f"{side}wrist", f"{side}middle"} <= joints.keys() and len(joints) > 18:
                reach = joints[f"{side}middle"] - joints[f"{side}wrist"]
                found["hand"] = float(np.linalg.norm(reach))
    return found


def _named_joints(sample: Sample) -> Iterator[dict[str, Array]]:
    """-> {plain name: (3,) metres} of every set of 3D joints."""
    for name, points in sample.arrays.items():
        group, _, joints = name.partition(".")
        if group == "keypoints3d":
            named: dict[str, Array] = {}
            for joint, point in zip(joint_set(joints).joints, points, strict=True):
                if point[3] > 0:
                    named.setdefault(plain_name(joint), point[:3].astype(np.float64))
            yield named


def _legs(joints: Mapping[str, Array]) -> dict[str, float]:
    found: dict[str, float] = {}
    hips = [f"{side}_hip" for side in ("left", "right")]
    shoulders = [f"{side}_shoulder" for side in ("left", "right")]
    forwards = None
    if {*hips, *shoulders} <= joints.keys():
        up = sum(joints[s] for s in shoulders) / 2 - sum(joints[h] for h in hips) / 2
        # to the person's left, times up: in a frame with y down this points where they face
        forwards = np.cross(joints["left_hip"] - joints["right_hip"], up)
    bends, lengths = [], []
    for side in ("left", "right"):
        names = [f"{side}_{joint}" for joint in ("hip", "knee", "ankle")]
        if not set(names) <= joints.keys():
            continue
        hip, knee, ankle = (joints[name] for name in names)
        line = ankle - hip
        length = float(np.linalg.norm(line))
        if length < 1e-6:
            continue
        lengths.append(float(np.linalg.norm(knee - hip) + np.linalg.norm(ankle - knee)))
        off = (knee - hip) - line * float((knee - hip) @ line) / length**2
        if forwards is not None and np.linalg.norm(off) > CLEAR_BEND * lengths[-1]:
            bends.append(float(off @ forwards > 0))
    if lengths:
        found["leg"] = float(np.mean(lengths))
    if bends:
        found["knee"] = float(np.mean(bends))
    return found


def _places(sample: Sample) -> dict[str, float]:
    """How much of the person lies outside the image."""
    height, width = sample.meta["image_size_px"]
    found: dict[str, float] = {}
    shares = []
    for name, points in sample.arrays.items():
        if name.startswith("keypoints2d.") and (points[:, 2] > 0).any():
            x, y = points[points[:, 2] > 0, :2].T
            shares.append(float(((x < -0.5) | (y < -0.5) | (x >= width) | (y >= height)).mean()))
    if shares:
        found["outside"] = max(shares)
    center, half = sample.arrays["box.center"], float(sample.arrays["box.size"][0]) / 2
    low, high = np.maximum(center - half, 0), np.minimum(center + half, [width, height])
    inside = float(np.prod(np.maximum(high - low, 0)))
    found["box_outside"] = 1 - inside / (2 * half) ** 2
    return found


def _body(sample: Sample) -> dict[str, float]:
    """The body of the parameters against the labelled joints, straight and mirrored."""
    body = posed(sample)
    if body is None:
        return {}
    found: dict[str, float] = {}
    pixels = np.concatenate(
        [_pixels(body.joints, body.intrinsics), np.ones((len(body.joints), 1))], axis=1
    )
    found |= _against_2d(sample, pixels, body.joint_set, "body2d")
    everywhere = np.ones(len(body.joints), bool)
    for name, labelled in sample.arrays.items():
        group, _, target = name.partition(".")
        if group == "keypoints3d":
            moved = _without_mean(body.joints, body.joint_set, labelled, target)
            if moved is not None:
                own, known = moved
                pair = _compared(own, everywhere, body.joint_set, known, target)
                if pair is not None:
                    found |= {"body3d": pair[0], "body3d_mirrored": pair[1]}
    return found


def _without_mean(
    points: Array, source: str, labelled: Array, target: str
) -> tuple[Array, Array] | None:
    """-> both sets of joints about the mean of those that they share."""
    index = _shared(source, target)
    both = (index >= 0) & (labelled[:, 3] > 0)
    if not both.any():
        return None
    known = labelled.astype(np.float64).copy()
    known[:, :3] -= known[both, :3].mean(0)
    return points - points[index[both]].mean(0), known
