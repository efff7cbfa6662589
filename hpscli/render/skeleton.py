"""Key points drawn as a skeleton; bones come from joint names, so every joint set has some."""

from __future__ import annotations

import re
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from hpscli.body.joints import joint_set
from hpscli.errors import InvalidData
from hpscli.render.images import Image

Colour = tuple[int, int, int]

SIDE_COLOURS: dict[str, Colour] = {
    "left": (255, 138, 42),
    "right": (46, 148, 255),
    "middle": (120, 220, 120),
}
FINGER_COLOURS: dict[str, Colour] = {
    "thumb": (255, 92, 92),
    "index": (255, 176, 46),
    "middle": (112, 214, 92),
    "ring": (56, 184, 255),
    "pinky": (190, 120, 255),
}
BOX_COLOUR: Colour = (255, 214, 64)
OUTLINE: Colour = (20, 22, 28)
SHIFT = 4  # cv2 draws at 1/16 pixel

# joint -> the joints it may hang on, best first; "~" stands for the same side, "!" for the other
PARENTS: dict[str, tuple[str, ...]] = {
    "~hip": ("pelvis", "~shoulder"),
    "~knee": ("~hip",),
    "~ankle": ("~knee",),
    "~foot": ("~ankle", "~knee"),
    "~bigtoe": ("~ankle",),
    "~smalltoe": ("~ankle",),
    "~heel": ("~ankle",),
    "~collar": ("spine_3", "neck"),
    "~shoulder": ("~collar", "neck", "thorax", "!shoulder"),
    "~elbow": ("~shoulder",),
    "~wrist": ("~elbow",),
    "~hand": ("~wrist",),
    "~eye": ("nose", "head"),
    "~ear": ("~eye", "head"),
    "~eyeball": ("head",),
    "spine": ("pelvis",),
    "torso": ("pelvis",),
    "spine_1": ("pelvis",),
    "spine_2": ("spine_1",),
    "spine_3": ("spine_2",),
    "thorax": ("spine", "torso", "pelvis"),
    "neck": ("spine_3", "thorax", "torso", "spine", "pelvis"),
    "nose": ("head", "neck"),
    "jaw": ("head", "neck"),
    "head": ("jaw_h36m", "neck", "thorax"),
    "headtop": ("head", "neck"),
}
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
ALIASES = {
    "head_top": "headtop",
    "upper_neck": "neck",
    "neck_thorax": "neck",
    "big_toe": "bigtoe",
    "small_toe": "smalltoe",
    "nose_or_head": "head",
}
OPENPOSE_IN_SPIN = re.compile(r"^OP ([LR])(?=[A-Z])")  # SPIN's "OP RWrist", beside "Right Wrist"
SIDES = {"L": "left", "R": "right"}
LOOSE = re.compile(r"_(openpose|extra|h36m|3dhp|smplhf|tip)$")


def bones(names: Sequence[str]) -> list[tuple[int, int]]:
    """Joint names -> pairs of joint numbers to join with lines."""
    place: dict[str, int] = {}
    for number, name in enumerate(names):
        place.setdefault(plain_name(name), number)
    found = []
    for name, number in place.items():
        side, base = _side(name)
        parent = next((p for p in _parents(side, base) if p in place), None)
        if parent and (number, place[parent]) not in found:
            found.append((place[parent], number))
    if "pelvis" not in place and {"left_hip", "right_hip"} <= place.keys():
        found.append((place["left_hip"], place["right_hip"]))
    return sorted(found)


def plain_name(name: str) -> str:
    """A joint's name in any convention -> side_base or base: R_Index_4 -> right_index."""
    name = OPENPOSE_IN_SPIN.sub(lambda side: f"{SIDES[side[1]]}_op_", name.strip())
    name = name.lower().replace(" ", "_").replace("(", "").replace(")", "")
    name = re.sub(r"^l_", "left_", re.sub(r"^r_", "right_", name))
    name = LOOSE.sub("", name)
    name = re.sub(r"(?<=[a-z])(\d)$", r"_\1", name)  # index1 -> index_1, spine1 -> spine_1
    side, base = _side(name)
    for finger in FINGERS:
        if base == f"{finger}_4":
            base = finger
    if side:
        return f"{side}_{ALIASES.get(base, base)}"
    return "pelvis" if base == "hip" else ALIASES.get(base, base)


def draw_keypoints(
    image: Image, points: NDArray[np.floating], joint_set_name: str, *, thickness_px: int = 0
) -> Image:
    """points (J,2) px, or (J,3) with confidence (0 = not drawn) -> image with the skeleton."""
    names = joint_set(joint_set_name).joints
    if points.ndim != 2 or points.shape[0] != len(names) or points.shape[1] not in (2, 3):
        raise InvalidData(
            f"joint set '{joint_set_name}' has {len(names)} joints; these points are "
            f"{points.shape}.",
            f"Give ({len(names)},2) or ({len(names)},3).",
        )
    canvas = image.copy()
    thick = thickness_px or max(1, round(min(image.shape[:2]) / 120))
    seen = points[:, 2] > 0 if points.shape[1] == 3 else np.ones(len(points), bool)
    seen &= np.isfinite(points[:, :2]).all(1)
    seen &= (np.abs(points[:, :2]) < 1e5).all(1)  # cv2 draws with 32-bit numbers
    hand = _is_hand(names)
    lines = [(a, b) for a, b in bones(names) if seen[a] and seen[b]]
    colours = [_colour(name, hand) for name in names]
    for a, b in lines:
        _line(canvas, points[a], points[b], OUTLINE, thick + 2)
    for a, b in lines:
        _line(canvas, points[a], points[b], colours[b], thick)
    small = len(names) > 60
    for number in np.flatnonzero(seen):
        radius = thick + (0 if small else 1)
        _disc(canvas, points[number], radius + 0.8, OUTLINE)
        _disc(canvas, points[number], radius, colours[number])
    return canvas


def draw_box(
    image: Image,
    center: NDArray[np.floating],
    size_px: float,
    *,
    colour: Colour = BOX_COLOUR,
    label: str = "",
) -> Image:
    """The square of side `size_px` around `center` (2,) px -> image with it drawn."""
    canvas = image.copy()
    thick = max(1, round(min(image.shape[:2]) / 240))
    half = float(size_px) / 2
    corners = [(float(center[0]) + half * i, float(center[1]) + half * j) for i, j in _SQUARE]
    for start, stop in zip(corners, corners[1:] + corners[:1], strict=True):
        _line(canvas, np.asarray(start), np.asarray(stop), colour, thick)
    if label:
        scale = max(0.35, min(image.shape[:2]) / 900)
        place = (round(corners[0][0]) + 3, max(round(corners[0][1]) - 4, 12))
        for paint, wide in ((OUTLINE, 3), (colour, 1)):
            cv2.putText(canvas, label, place, cv2.FONT_HERSHEY_SIMPLEX, scale, paint, wide, 16)
    return canvas


_SQUARE = ((-1, -1), (1, -1), (1, 1), (-1, 1))


def _parents(side: str, base: str) -> list[str]:
    """-> plain names that this joint may hang on, best first."""
    prefix = f"{side}_" if side else ""
    for finger in FINGERS:
        if base == finger:
            return [f"{prefix}{finger}_3", f"{prefix}hand", f"{prefix}wrist"]
        if base == f"{finger}_1":
            return [f"{prefix}wrist"]
        if base in (f"{finger}_2", f"{finger}_3"):
            return [f"{prefix}{finger}_{int(base[-1]) - 1}", f"{prefix}wrist"]
    other = {"left": "right_", "right": "left_"}.get(side, "")
    listed = PARENTS.get(f"~{base}" if side else base, ())
    return [p.replace("~", prefix).replace("!", other) for p in listed]


def _side(name: str) -> tuple[str, str]:
    for side in ("left", "right"):
        if name.startswith(side + "_"):
            return side, name[len(side) + 1 :]
    return "", name


def _is_hand(names: Sequence[str]) -> bool:
    """One hand alone (its fingers are told apart by colour), not a body with hands."""
    plain = [_side(plain_name(n)) for n in names]
    sides = {side for side, _ in plain}
    return len(sides) == 1 and all(
        base == "wrist" or base.split("_")[0] in FINGERS for _, base in plain
    )


def _colour(name: str, hand: bool) -> Colour:
    side, base = _side(plain_name(name))
    if hand:
        return FINGER_COLOURS.get(base.split("_")[0], (230, 230, 230))
    return SIDE_COLOURS[side or "middle"]


def _fixed(point: NDArray[np.floating]) -> tuple[int, int]:
    return round(float(point[0]) * 2**SHIFT), round(float(point[1]) * 2**SHIFT)


def _line(
    canvas: Image,
    start: NDArray[np.floating],
    stop: NDArray[np.floating],
    colour: Colour,
    thick: int,
) -> None:
    cv2.line(canvas, _fixed(start), _fixed(stop), colour, thick, cv2.LINE_AA, SHIFT)


def _disc(canvas: Image, point: NDArray[np.floating], radius: float, colour: Colour) -> None:
    cv2.circle(canvas, _fixed(point), round(radius * 2**SHIFT), colour, -1, cv2.LINE_AA, SHIFT)
