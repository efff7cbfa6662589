"""UP-3D: SMPL fitted to pictures of sports, with a camera; every picture has files of its own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from hps_datasets.scenes.labels import flat, mapping, numbers
from hpscli.body.placement import in_camera
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.containers.archives import load_npz
from hpscli.data.containers.pickles import load_pickle
from hpscli.data.people import BOX_SCALE, image_size, inside, picture_bytes, scaled_box, stem_of
from hpscli.data.sample import decode_bgr
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, in_words
from hpscli.records import Person, Picture

LISTS = {"trainval": "trainval", "train": "train", "validation": "val", "test": "test"}
MASK_SCALE = 0.9  # of SPIN and mmhuman3d, which takes off what the render never had
WHITE = 255  # background of the render


def up3d(root: Path, split: str, *, reference: str) -> Iterator[Person | HpsError]:
    """UP-3D -> the person of every picture of the list, in its order."""
    path = root / f"{LISTS[split]}.txt"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise InvalidData(f"{path} is no text.") from None
    for line in filter(str.strip, lines):
        try:
            yield _person(root, picture_number(line), reference)
        except HpsError as error:
            yield error
        except BAD_RECORD as error:
            yield InvalidData(f"{path.name} '{line[:40]}': {in_words(error)}.")


def picture_number(line: str) -> str:
    """A line of a list, "/00001_image.png" or "/00001_image.png 512.0" -> "00001"."""
    name = line.partition("_image.png")[0] if "_image.png" in line else line.split()[0]
    return name.lstrip("/")


def _person(root: Path, number: str, reference: str) -> Person:
    name = f"{number}_body.pkl"
    fit = mapping(load_pickle(inside(root, name)), name)
    pose, betas = flat(fit["pose"], 72), flat(fit["betas"], 10)
    points = numbers(load_npz(inside(root, f"{number}_joints.npy"))[""], 3, 14).T
    arrays = {
        "keypoints2d.lsp14": points,
        "smpl.global_orient": pose[:3],
        "smpl.body_pose": pose[3:],
        "smpl.betas": betas,
    }
    image = f"{number}_image.png"
    if not reference:
        size = image_size(picture_bytes(root, Picture(path=image)), image)
        turn = torch.from_numpy(flat(fit["rt"], 3).astype(np.float64))
        rotation, translation = axis_angle_to_matrix(turn).numpy(), flat(fit["t"], 3)
        arrays["smpl.transl"] = flat(fit["trans"], 3)
        arrays = in_camera(arrays, "smpl", "neutral", rotation, translation)
        arrays |= {"camera.rotation": rotation, "camera.translation": translation}
        arrays["camera.intrinsics"] = _intrinsics(float(flat(fit["f"], 1)[0]), *size)
    scale = MASK_SCALE if reference else BOX_SCALE
    return Person(
        key=stem_of(number),
        image=image,
        arrays=arrays,
        box=scaled_box(_render_box(root, f"{number}_render_light.png"), scale),
        meta={} if reference else {"body_source": "imported", "gender": "neutral"},
    )


def _intrinsics(focal_px: float, height: int, width: int) -> np.ndarray:
    """-> (3,3); the principal point is the middle of the picture."""
    return np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])


def _render_box(root: Path, name: str) -> np.ndarray:
    """-> (4,) x, y, width, height of what is not white in a render."""
    try:
        render = decode_bgr(picture_bytes(root, Picture(path=name)))
    except InvalidData as error:
        raise InvalidData(f"{name}: {error.problem}") from None
    body = render.min(axis=2) < WHITE
    rows, columns = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    if not len(rows):
        raise InvalidData(f"{name} is white all over: it shows no body.")
    corner = np.array([columns[0], rows[0]])
    return np.concatenate([corner, np.array([columns[-1], rows[-1]]) + 1 - corner])
