"""What only all people of a submission together tell: mixed forms, small pictures, mirrored bodies."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hps_benchmarks.agora.posing import mean_hand
from hps_benchmarks.agora.submission.naming import HEIGHT_4K_PX, WIDTH_4K_PX
from hps_benchmarks.agora.submission.person_checks import doubt, violation
from hpscli.body.layer import load_body
from hpscli.records import Finding

SMALL_PX = (1280, 720)  # width, height of the small pictures
MARGIN = 1.05
BENT = (2, 5, 11, 14, 29, 32)  # z of the first two joints of index, middle, ring, of 45 numbers
MIRRORED_RADIANS = 0.15
# Joints of SMPL (and SMPL-X): hips, pelvis, neck, ankles and feet tell left, up and forward.
PELVIS, LEFT_HIP, RIGHT_HIP, NECK = 0, 1, 2, 12
ANKLES, FEET = (7, 8), (10, 11)
HAND_JOINTS = {"left_hand_pose": 1.0, "right_hand_pose": -1.0}  # sign of z of a fist's fingers


class Together:
    """Takes people one by one and keeps a few numbers of each."""

    def __init__(self, track: str) -> None:
        self.track = track
        self.forms: dict[tuple[str, object], str] = {}  # (key, value) -> first file
        self.corners: list[Any] = []  # right, bottom of each person's joints
        self.chirality: list[float] = []
        self.bends: dict[str, list[float]] = {name: [] for name in HAND_JOINTS}

    def add(self, name: str, content: Mapping[str, Any]) -> None:
        """A person whose file has no violation of its own."""
        joints = np.squeeze(np.asarray(content["joints"]))[:, :2]
        self.corners.append(joints.max(axis=0))
        if "allSmplJoints3d" in content:
            points = np.squeeze(np.asarray(content["allSmplJoints3d"], np.float64))
            self.chirality.append(_chirality(points))
        if "params" not in content or {"allSmplJoints3d", "verts"} <= set(content):
            return
        turned = bool(content.get("pose2rot", True))
        self.forms.setdefault(("pose2rot", turned), name)
        self.forms.setdefault(("num_betas", int(content.get("num_betas", 10))), name)
        if self.track == "smplx" and turned:
            for hand, values in self.bends.items():
                pose = np.asarray(content["params"][hand], np.float64).reshape(-1)
                values.append(float(pose[list(BENT)].mean()))

    def findings(self) -> Iterator[Finding]:
        """-> what is wrong with all of them."""
        if self.track == "smplx":
            yield from self._mixed()
        yield from self._small()
        yield from self._mirrored()

    def _mixed(self) -> Iterator[Finding]:
        for key, advice in (
            ("pose2rot", "Write all rotations alike."),
            ("num_betas", "Give everybody the same: with a child 11, the eleventh of adults 0."),
        ):
            values = {value: name for (kind, value), name in self.forms.items() if kind == key}
            if len(values) > 1:
                shown = "; ".join(f"{value} in {name}" for value, name in values.items())
                yield violation(
                    f"the files differ in {key} ({shown}): the server makes its bodies once, for the "
                    "first file, and stops at the others.",
                    advice,
                )

    def _small(self) -> Iterator[Finding]:
        if not self.corners:
            return
        right, bottom = np.max(self.corners, axis=0)
        if right <= SMALL_PX[0] * MARGIN and bottom <= SMALL_PX[1] * MARGIN:
            yield doubt(
                f"no joint lies beyond x {right:.0f}, y {bottom:.0f}: these look like pixels of 1280x720.",
                f"The server wants pixels of {WIDTH_4K_PX}x{HEIGHT_4K_PX}: multiply joints by 3.",
            )
        outside = np.mean(np.any(np.array(self.corners) < 0, axis=1))
        if outside > 0.5:
            yield doubt(
                f"{outside:.0%} of the people lie left of or above their pictures.",
                "joints are pixels of the whole 4K picture, from its top left corner.",
            )

    def _mirrored(self) -> Iterator[Finding]:
        if len(self.chirality) and np.median(self.chirality) < 0:
            yield doubt(
                "the bodies are mirrored: left is where right should be.",
                "Check the sign of x in allSmplJoints3d and verts, and the order of left and right.",
            )
        if not self.bends["left_hand_pose"]:
            return
        body = load_body("smplx")
        for hand, sign in HAND_JOINTS.items():
            mean = mean_hand(body, hand)[list(BENT)].mean()
            bend = sign * (np.mean(self.bends[hand]) + mean)
            if bend > MIRRORED_RADIANS:
                yield doubt(
                    f"the fingers of {hand} bend backwards on average: hands of the other side?",
                    "A network that sees left hands mirrored has to mirror its left poses back: turn "
                    "the signs of y and z of each axis-angle.",
                )


def _chirality(joints: Any) -> float:
    """joints (>=24,3) -> cosine between forward by the feet, and by left and up; below 0: mirrored."""
    left = joints[LEFT_HIP] - joints[RIGHT_HIP]
    up = joints[NECK] - joints[PELVIS]
    forward = joints[list(FEET)].mean(axis=0) - joints[list(ANKLES)].mean(axis=0)
    across = np.cross(left, up)
    size = np.linalg.norm(across) * np.linalg.norm(forward)
    return float(across @ forward / size) if size > 0 else 0.0
