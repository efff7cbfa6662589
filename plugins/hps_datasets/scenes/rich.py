"""RICH: people recorded by several fixed cameras outdoors and indoors, with SMPL-X in the world.

Known from reading (the owner's toolkit): no file was at hand.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hps_datasets.scenes.calibration import Camera, read_camera
from hps_datasets.scenes.hands import smplx_arrays
from hps_datasets.scenes.labels import mapping
from hpscli.body.assets.files import have_asset
from hpscli.body.layer import load_body, matrices
from hpscli.body.placement import in_camera
from hpscli.data.containers.pickles import load_pickle
from hpscli.data.people import padded_box, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person

FOLDERS = {"train": "train", "validation": "val", "test": "test"}
EXTENSIONS = (".jpeg", ".jpg", ".png", ".bmp")  # by scene, and of the smaller download
FEMALE = {9, 10, 12, 13, 16, 17, 18, 19, 21}  # subjects; rich_toolkit resource/gender.json
NEUTRAL_PELVIS = (0.003, -0.351, 0.012)  # at rest, metres: SMPL-X's neutral body, rounded


@dataclass(frozen=True)
class Frame:
    """One moment of a sequence: who is in it, and the pictures of all cameras."""

    sequence: str
    bodies: tuple[Path, ...]  # one file for each subject
    pictures: tuple[tuple[int, str], ...]  # camera, path below the root


def rich(root: Path, split: str) -> Iterator[Person | HpsError]:
    """RICH -> every subject in every picture that has a fit: sequence, then frame, camera, subject."""
    bodies, pictures = _folders(root, FOLDERS[split])
    for sequence in sorted(path for path in bodies.iterdir() if path.is_dir()):
        scene = sequence.name.split("_")[0]
        for folder in sorted(path for path in sequence.iterdir() if path.is_dir()):
            files = tuple(sorted(folder.glob("*.pkl")))
            found = tuple(_pictures(root, pictures / sequence.name, folder.name))
            yield from _people(root, scene, Frame(sequence.name, files, found))


def _folders(root: Path, split: str) -> tuple[Path, Path]:
    """-> where fits and where pictures of a split lie: as downloaded, or as the toolkit wants them."""
    layouts = ((f"{split}_body", split), (f"bodies/{split}", f"images/{split}"))
    for bodies, pictures in layouts:
        if (root / bodies).is_dir():
            return root / bodies, root / pictures
    raise MissingError(
        f"{root} has no {split}_body and no bodies/{split}.", "hps datasets show rich"
    )


def _pictures(root: Path, folder: Path, frame: str) -> Iterator[tuple[int, str]]:
    """-> the cameras that saw a frame, and their pictures."""
    for camera in sorted(folder.glob("cam_*")):
        number = camera.name.removeprefix("cam_")
        names = [f"{frame}_{number}{extension}" for extension in EXTENSIONS]
        path = next((camera / name for name in names if (camera / name).is_file()), None)
        if path is not None and number.isdecimal():
            yield int(number), path.relative_to(root).as_posix()


def _people(root: Path, scene: str, frame: Frame) -> Iterator[Person | HpsError]:
    """-> everybody in every picture of a moment."""
    fits: dict[str, dict[str, np.ndarray]] = {}
    for path in frame.bodies:
        name = path.relative_to(root).as_posix()
        try:
            fits[path.stem] = smplx_arrays(mapping(load_pickle(path), name))
        except HpsError as error:
            yield error
        except BAD_RECORD as error:
            yield InvalidData(f"{name}: {in_words(error)}.")
    for number, image in frame.pictures:
        try:
            camera = read_camera(root / f"scan_calibration/{scene}/calibration/{number:03d}.xml")
        except HpsError as error:
            yield error
            continue
        for subject, fit in fits.items():
            try:
                yield _person(image, subject, fit, camera, frame.sequence)
            except BAD_RECORD as error:
                yield InvalidData(f"{image} subject {subject}: {in_words(error)}.")


def _person(
    image: str, subject: str, fit: Mapping[str, np.ndarray], camera: Camera, sequence: str
) -> Person:
    """-> a subject as one camera sees it."""
    gender = "female" if int(subject) in FEMALE else "male"
    points, imported = _joints(fit, gender)
    points = points @ camera.rotation.T + camera.translation
    arrays = {
        **in_camera(fit, "smplx", gender, camera.rotation, camera.translation),
        "camera.intrinsics": camera.intrinsics,
        "camera.rotation": camera.rotation,
        "camera.translation": camera.translation,
        "extra.distortion": camera.distortion,
    }
    if imported:
        arrays["keypoints3d.smplx55"] = np.hstack([points, np.ones((len(points), 1))])
    ahead = points[points[:, 2] > 0] @ camera.intrinsics.T
    if len(ahead) < 2:
        raise ValueError("it is behind the camera")
    return Person(
        key=f"{stem_of(image)}-{stem_of(subject)}",
        image=image,
        arrays=arrays,
        box=padded_box(ahead[:, :2] / ahead[:, 2:]),
        meta={
            "gender": gender,
            "body_source": "imported",
            "sequence": sequence,
            "subject": subject,
            "box_from": "imported" if imported else "free",
        },
    )


def _joints(fit: Mapping[str, np.ndarray], gender: str) -> tuple[np.ndarray, bool]:
    """-> the body's 55 joints (55,3) metres in the world, and whether they are SMPL-X's own.

    Without that body they are those of the free one with the same pose, put at the same pelvis: good
    enough for a box.
    """
    import torch

    imported = have_asset(f"smplx-{gender}")
    parameters = {
        name.removeprefix("smplx."): torch.from_numpy(np.array(array, np.float32))[None]
        for name, array in fit.items()
        if name.startswith("smplx.")
    }
    if not imported:
        parameters = {k: v for k, v in parameters.items() if k not in ("betas", "expression")}
    words = {"gender": gender, "source": "imported"} if imported else {"source": "free"}
    body = load_body("smplx", **words)  # read once, however often it is asked for
    joints = body.kinematics(matrices(parameters))[0].double().numpy()
    if not imported:
        joints = joints - joints[0] + fit["smplx.transl"] + NEUTRAL_PELVIS
    return joints, imported
