"""MPI-INF-3DHP, test: six sequences of frames, joints in HDF5; and the data set's reader of both splits."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from hps_datasets.studio import inf_3dhp
from hps_datasets.studio.cameras import fitted_intrinsics, with_camera
from hps_datasets.studio.labels import MM_PER_M, all_inside, rooted, spin_joints, sure
from hpscli.data.containers.matlab import BROKEN, hdf5_array, open_hdf5
from hpscli.data.people import image_size, padded_box, stem_of
from hpscli.errors import HpsError, InvalidData, LostFile, MissingError, UsageError
from hpscli.records import Person, Picture

FOLDERS = ("mpi_inf_3dhp_test_set", "")  # the owner's folder, or its content
SEQUENCES = tuple(f"TS{number}" for number in range(1, 7))
JOINTS, ROOT = 17, 14
ANNOTATIONS = ("annot3", "univ_annot3")
SET = "mpi_inf_3dhp17_test"
ACTIVITY, ACTIVITIES = "activity_annotation", range(1, 8)  # of each frame


def mpi_inf_3dhp(
    root: Path,
    split: str,
    *,
    reference: str,
    every: int,
    inside: int,
    cameras: str,
    annotation: str,
    openpose: str,
) -> Iterator[Person | HpsError]:
    """MPI-INF-3DHP -> people of its training videos or of the valid frames of its test."""
    if annotation not in ANNOTATIONS:
        raise UsageError(
            f"annotation={annotation} is unknown.", f"One of: {', '.join(ANNOTATIONS)}"
        )
    if split == "train":
        yield from inf_3dhp.training_frames(
            root,
            reference=reference,
            every=every,
            inside=inside,
            cameras=cameras,
            annotation=annotation,
            openpose=openpose,
        )
    else:
        yield from valid_frames(root, reference=reference, annotation=annotation)


def valid_frames(root: Path, *, reference: str, annotation: str) -> Iterator[Person | HpsError]:
    """-> people of the valid frames; official converters leave some of them out."""
    folder = next((f for f in FOLDERS if (root / f / "TS1" / "annot_data.mat").is_file()), None)
    if folder is None:
        raise MissingError(
            f"{root} has no {FOLDERS[0]}/TS1/annot_data.mat.",
            "hps datasets show mpi-inf-3dhp says what to get",
        )
    for sequence in SEQUENCES:
        here = f"{folder}/{sequence}".lstrip("/")
        try:
            yield from _sequence(root, here, reference, "univ_annot3" if reference else annotation)
        except (InvalidData, MissingError) as error:
            yield LostFile(f"{sequence}: {error.problem}")


def _sequence(
    root: Path, folder: str, reference: str, annotation: str
) -> Iterator[Person | HpsError]:
    with open_hdf5(root / folder / "annot_data.mat") as file:
        names = ("annot2", annotation, "valid_frame")
        flat, points, valid = (hdf5_array(file, name) for name in names)
        activities = hdf5_array(file, ACTIVITY).ravel() if ACTIVITY in file else np.zeros(0)
    try:
        flat = flat.astype(np.float64).reshape(len(flat), JOINTS, 2)
        points = points.astype(np.float64).reshape(len(points), JOINTS, 3) / MM_PER_M
        chosen = np.flatnonzero(valid.ravel())
        if not len(flat) == len(points) == valid.size:
            raise ValueError(f"{len(flat)}, {len(points)} and {valid.size} frames")
    except BROKEN as error:
        raise InvalidData(f"{folder}/annot_data.mat does not fit together: {error}.") from None
    camera = None
    if annotation == ANNOTATIONS[0]:
        camera = fitted_intrinsics(flat[chosen].reshape(-1, 2), points[chosen].reshape(-1, 3))
    for frame in chosen.tolist():
        image = f"{folder}/imageSequence/img_{frame + 1:06d}.jpg"
        try:
            if reference and not _kept(root / image, flat[frame], reference):
                continue
            person = _person(image, frame, flat[frame], points[frame], reference, annotation)
            if not reference and frame < len(activities) and activities[frame] in ACTIVITIES:
                meta = {**person.meta, "activity": int(activities[frame])}
                person = replace(person, meta=meta)
            yield with_camera(person, camera)
        except InvalidData as error:
            yield InvalidData(f"{image}: {error.problem}")


def _kept(path: Path, flat: np.ndarray, reference: str) -> bool:
    """Whether all joints lie in the picture: mmhuman3d takes all for square, SPIN looks."""
    if reference != "spin":
        return all_inside(flat, inf_3dhp.SIDE_PX, inf_3dhp.SIDE_PX)
    try:
        with path.open("rb") as stream:
            height, width = image_size(stream.read(), path.name)
    except OSError as error:
        raise InvalidData(f"it cannot be read: {error.strerror}.") from None
    return all_inside(flat, width, height)


def _person(
    image: str, frame: int, flat_px: np.ndarray, points: np.ndarray, reference: str, annotation: str
) -> Person:
    relative = bool(reference) or annotation != "annot3"
    flat, solid = sure(flat_px), sure(rooted(points, ROOT) if relative else points)
    arrays = {f"keypoints2d.{SET}": flat, f"keypoints3d.{SET}": solid}
    if reference == "spin":
        order = list(SPIN_ORDER)
        arrays = {
            "keypoints2d.spin_gt24": spin_joints(flat[order]),
            "keypoints3d.spin_gt24": spin_joints(solid[order]),
        }
    parts = image.split("/")
    return Person(
        key=stem_of("/".join(parts[-3:])),
        image=image,
        picture=Picture(path=image),
        arrays=arrays,
        meta={
            "sequence": parts[-3],
            "frame": frame,
            **({"root_relative": True} if relative else {}),
        },
        box=padded_box(flat_px),
    )


# of the 17 joints: where SPIN's order of the training joints takes them from
SPIN_ORDER = (14, 11, 12, 13, 8, 9, 10, 15, 1, 16, 0, 5, 6, 7, 2, 3, 4)
