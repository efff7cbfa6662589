"""MPI-INF-3DHP, training: 8 subjects, 2 sequences, 14 cameras; joints in annot.mat, pictures in videos."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.studio.cameras import StudioCamera, calibration
from hps_datasets.studio.labels import (
    MM_PER_M,
    all_inside,
    option_folder,
    rooted,
    spin_joints,
    sure,
)
from hpscli.data.containers.matlab import read_mat
from hpscli.data.containers.videos import frame_count
from hpscli.data.forms.openpose import WITHOUT, match_openpose, read_openpose
from hpscli.data.people import padded_box, stem_of
from hpscli.errors import (
    BAD_RECORD,
    HpsError,
    InvalidData,
    LostFile,
    MissingError,
    UsageError,
    in_words,
)
from hpscli.records import Person, Picture

JOINTS, ROOT = 28, 4
SIDE_PX = 2048  # of all pictures
SEVENTEEN = [4, 18, 19, 20, 23, 24, 25, 3, 5, 6, 7, 9, 10, 11, 14, 15, 16]  # SPIN's, of 28
SUBJECTS, SEQUENCES = range(1, 9), (1, 2)
SET = "mpi_inf_3dhp28"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Which frames are taken, and how; options of the data set."""

    reference: str
    every: int  # of the frames that pass, counted over all videos
    inside: int  # joints that must lie in the picture: 17, 28, or 0 for any
    cameras: tuple[int, ...]
    annotation: str  # annot3, or univ_annot3
    openpose: Path | None


@dataclass(frozen=True, kw_only=True)
class Labels:
    """What annot.mat says of one camera."""

    flat: np.ndarray  # (frames, 28, 2) px
    points: np.ndarray  # (frames, 28, 3) metres
    camera: StudioCamera | None

    def __len__(self) -> int:
        return min(len(self.flat), len(self.points))


class Counter:
    """Of the people that pass, the first and every n-th after it; it runs on from video to video."""

    def __init__(self, every: int) -> None:
        self.every, self.count = every, 0

    def takes(self) -> bool:
        """-> whether this one is taken."""
        self.count += 1
        return (self.count - 1) % self.every == 0


def training_frames(
    root: Path,
    *,
    reference: str,
    every: int,
    inside: int,
    cameras: str,
    annotation: str,
    openpose: str,
) -> Iterator[Person | HpsError]:
    """-> people of the training videos."""
    if every < 1 or inside not in (0, len(SEVENTEEN), JOINTS):
        raise UsageError(
            f"every={every} inside={inside} is no choice.", "every=1 or more; inside=0, 17 or 28"
        )
    try:
        numbers = tuple(int(word) for word in cameras.split(","))
    except ValueError:
        raise UsageError(f"cameras={cameras} is no list of numbers.", "cameras=0,1,2") from None
    choice = Choice(
        reference=reference,
        every=every,
        inside=JOINTS if reference == "mmhuman3d" else inside,
        cameras=numbers,
        annotation="annot3" if reference else annotation,
        openpose=option_folder(root, openpose) if openpose else None,
    )
    counter, found = Counter(every), False
    for subject in SUBJECTS:
        for number in SEQUENCES:
            sequence = f"S{subject}/Seq{number}"
            if not (root / sequence / "annot.mat").is_file():
                continue
            found = True
            try:
                yield from _sequence(root, sequence, choice, counter)
            except (InvalidData, MissingError) as error:
                yield LostFile(f"{sequence}: {error.problem}")
    if not found:
        raise MissingError(
            f"{root} has no S1/Seq1/annot.mat, nor that of another sequence.",
            "hps datasets show mpi-inf-3dhp says what to get",
        )


def _sequence(
    root: Path, sequence: str, choice: Choice, counter: Counter
) -> Iterator[Person | HpsError]:
    pictured: dict[int, Frames] = {}
    for number in choice.cameras:
        try:
            frames = frames_of(root, sequence, number)
        except InvalidData as error:  # its video; the others are sound
            yield LostFile(f"{sequence} camera {number}: {error.problem}")
            continue
        if frames is not None:
            pictured[number] = frames
    if not pictured:
        return
    stored = read_mat(root / sequence / "annot.mat", ("annot2", choice.annotation))
    file = root / sequence / "camera.calibration"
    cameras = {} if choice.reference or not file.is_file() else calibration(file)
    for number, frames in pictured.items():
        try:
            labels = Labels(
                flat=_cell(stored, "annot2", number, 2),
                points=_cell(stored, choice.annotation, number, 3) / MM_PER_M,
                camera=cameras.get(str(number)),
            )
        except BAD_RECORD as error:
            yield InvalidData(f"{sequence}/annot.mat camera {number}: {in_words(error)}.")
            continue
        for place, (frame, picture) in enumerate(
            frames.pictures(len(labels), every_name=bool(choice.reference))
        ):
            row = place if choice.reference else frame
            if row >= len(labels) or not _passes(labels.flat[row], choice) or not counter.takes():
                continue
            person = _person(frames, frame, picture, labels, row, choice)
            try:
                yield (
                    person
                    if choice.openpose is None
                    else _detected(person, frames, frame, choice.openpose)
                )
            except (InvalidData, MissingError) as error:
                yield InvalidData(f"{sequence} camera {number} frame {frame}: {error.problem}")


def _cell(labels: dict[str, np.ndarray], name: str, number: int, columns: int) -> np.ndarray:
    """-> (frames, 28, columns) of one camera."""
    rows: Any = labels[name].ravel()[number]
    return np.asarray(rows, np.float64).reshape(len(rows), JOINTS, columns)


def _passes(flat: np.ndarray, choice: Choice) -> bool:
    if not choice.inside:
        return True
    chosen = flat if choice.inside == JOINTS else flat[SEVENTEEN]
    return all_inside(chosen, SIDE_PX, SIDE_PX)


def _person(
    frames: "Frames", frame: int, picture: Picture, labels: Labels, row: int, choice: Choice
) -> Person:
    """The pictures of a camera, one of them, and the row of its labels -> its person."""
    relative = bool(choice.reference) or choice.annotation != "annot3"
    points = labels.points[row]
    flat, solid = sure(labels.flat[row]), sure(rooted(points, ROOT) if relative else points)
    joints = {f"keypoints2d.{SET}": flat, f"keypoints3d.{SET}": solid}
    if choice.reference == "spin":
        flat, solid = flat[SEVENTEEN], solid[SEVENTEEN]
        joints = {
            "keypoints2d.spin_gt24": spin_joints(flat),
            "keypoints3d.spin_gt24": spin_joints(solid),
        }
    camera = labels.camera.arrays() if labels.camera else {}
    meta = {
        "subject": frames.sequence.partition("/")[0],
        "sequence": frames.sequence,
        "camera": frames.camera,
        "frame": frame,
    }
    image, own = frames.image(frame, choice.reference), picture.path
    folder = image.rpartition("/")[0]  # of that program's layout: there it takes any name
    return Person(
        key=stem_of(frames.image(frame, "mmhuman3d")),
        image=own if choice.reference and own.startswith(f"{folder}/") else image,
        picture=picture,
        image_size_px=(SIDE_PX, SIDE_PX),
        arrays={**joints, **camera},
        meta=meta | ({"root_relative": True} if relative else {}),
        box=padded_box(flat[:, :2]),
    )


def _detected(person: Person, frames: "Frames", frame: int, folder: Path) -> Person:
    """-> the same person with what OpenPose found of them, as SPIN chooses it."""
    name = frames.image(frame, "spin").removesuffix(".jpg") + "_keypoints.json"
    part = person.arrays.get("keypoints2d.spin_gt24")
    if part is None:
        part = spin_joints(person.arrays[f"keypoints2d.{SET}"][SEVENTEEN])
    found = match_openpose(read_openpose(folder / name, fix=WITHOUT), part, "mpi_inf_3dhp")
    return replace(person, arrays={**person.arrays, "keypoints2d.openpose25": found})


@dataclass(frozen=True, kw_only=True)
class Frames:
    """The pictures of one camera: files, or a video."""

    sequence: str  # S1/Seq1
    camera: int
    files: tuple[str, ...] = ()  # below the data set's folder, sorted
    video: str = ""
    count: int = 0  # of the video's frames

    def pictures(self, labelled: int, every_name: bool) -> Iterator[tuple[int, Picture]]:
        """-> frame, from 0, and picture of as many frames as have labels; else only numbered files."""
        if self.video:
            for frame in range(min(self.count or labelled, labelled)):
                yield frame, Picture(path=self.video, frame=frame)
        for place, path in enumerate(self.files):
            digits = re.search(r"(\d+)\.\w+$", path)
            if digits or every_name:
                yield int(digits[1]) - 1 if digits else place, Picture(path=path)

    def image(self, frame: int, layout: str) -> str:
        """Frame, from 0 -> the name of its picture in mmhuman3d's or SPIN's layout, counted from 1."""
        if layout == "spin":
            return f"{self.sequence}/imageFrames/video_{self.camera}/frame_{frame + 1:06d}.jpg"
        return f"{self.sequence}/video_{self.camera}/{frame + 1:06d}.jpg"


def frames_of(root: Path, sequence: str, camera: int) -> Frames | None:
    """-> the pictures of a camera, wherever they are; None when there are none."""
    for folder in (f"video_{camera}", f"imageFrames/video_{camera}"):
        files = sorted((root / sequence / folder).glob("*.jpg"))
        if files:
            names = tuple(f"{sequence}/{folder}/{path.name}" for path in files)
            return Frames(sequence=sequence, camera=camera, files=names)
    video = f"{sequence}/imageSequence/video_{camera}.avi"
    if (root / video).is_file():
        return Frames(
            sequence=sequence, camera=camera, video=video, count=frame_count(root / video)
        )
    return None
