"""Human3.6M's recordings: which ones a split has, and where their labels and pictures lie."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hpscli.errors import InvalidData, MissingError
from hpscli.records import Picture

CAMERAS = ("54138969", "55011271", "58860488", "60457274")
SIZES_PX = {  # height, width
    "54138969": (1002, 1000),
    "55011271": (1000, 1000),
    "58860488": (1000, 1000),
    "60457274": (1002, 1000),
}
SUBJECTS = {
    "train": ("S1", "S5", "S6", "S7", "S8"),
    "validation-p1": ("S9", "S11"),
    "validation-p2": ("S9", "S11"),
}
ONLY_CAMERA = {"validation-p2": "60457274"}
ALL_ACTIONS = "_ALL"  # recordings that repeat the others
CORRUPT = ("S11", "Directions", "54138969")  # its video cannot be read in the owner's download
RENAMED = {"Photo": "TakingPhoto", "WalkDog": "WalkingDog"}  # as other subjects' files call them
POSES = "MyPoseFeatures/D3_Positions_mono"


@dataclass(frozen=True)
class Take:
    """One subject doing one thing in front of one camera."""

    subject: str  # S1
    name: str  # "Directions 1"
    camera: str  # 54138969

    @property
    def label(self) -> str:
        """-> S1_Directions_1.54138969, the start of the names of its pictures."""
        return f"{self.subject}_{self.name.replace(' ', '_')}.{self.camera}"

    @property
    def action(self) -> str:
        """-> the action by one name for all subjects."""
        plain = re.sub(r" \d+$", "", self.name)
        return RENAMED.get(plain, plain)

    def file(self, folder: str, suffix: str) -> str:
        """-> one of its files, e.g. S1/Videos/Directions 1.54138969.mp4."""
        return f"{self.subject}/{folder}/{self.name}.{self.camera}{suffix}"

    def image(self, frame: int) -> str:
        """Frame, from 0 -> the name of its picture in mmhuman3d's layout, counted from 1."""
        return f"{self.subject}/images/{self.label}/{self.label}_{frame + 1:06d}.jpg"

    def spin_image(self, frame: int) -> str:
        """Frame, from 0 -> the name of its picture in SPIN's layout."""
        return f"images/{self.label}_{frame + 1:06d}.jpg"


def takes(root: Path, split: str, reference: str) -> Iterator[Take | InvalidData]:
    """-> the recordings of a split, sorted by subject and name."""
    found = False
    for subject in SUBJECTS[split]:
        for path in sorted((root / subject / POSES).glob("*.cdf")):
            found = True
            name, _, camera = path.stem.rpartition(".")
            if not name or camera not in CAMERAS:
                yield InvalidData(f"{subject}/{path.name} is not named ACTION.CAMERA.cdf.")
                continue
            take = Take(subject, name, camera)
            if not left_out(take, reference) and ONLY_CAMERA.get(split, camera) == camera:
                yield take
    if not found:
        subjects = ", ".join(SUBJECTS[split])
        raise MissingError(
            f"{root} has no {POSES}/*.cdf of {subjects}.", "hps datasets show h36m says what to get"
        )


def left_out(take: Take, reference: str) -> bool:
    """Whether a recording is none of the actions, or is known to be corrupt."""
    if reference:  # official code compares the whole name, so that "_ALL 1" slips through
        return take.name.replace(" ", "_") == ALL_ACTIONS
    return take.name.startswith(ALL_ACTIONS) or (take.subject, take.name, take.camera) == CORRUPT


class Frames:
    """Where the pictures of a recording are: frames as files, or its video."""

    def __init__(self, root: Path, take: Take) -> None:
        self.take = take
        self.video = take.file("Videos", ".mp4")
        self.kind = ""  # none of them is there
        if (root / take.image(0)).parent.is_dir():
            self.kind = "folder"
        elif (root / take.spin_image(0)).is_file():
            self.kind = "flat"
        elif (root / self.video).is_file():
            self.kind = "video"

    def picture(self, frame: int, late: int = 0) -> Picture | None:
        """-> the picture of a frame; None without any. `late`: frames by which the video is ahead."""
        if self.kind == "video":
            return Picture(path=self.video, frame=frame + late)
        name = {"folder": self.take.image, "flat": self.take.spin_image}.get(self.kind)
        return Picture(path=name(frame)) if name else None
