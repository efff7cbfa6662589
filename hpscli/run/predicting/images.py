"""Many images through one model: a broken one is named and counted, the rest goes on."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from hpscli.nn.checkpoints import LoadedModel
from hpscli.render.images import SUFFIXES
from hpscli.render.pictures import read_image
from hpscli.run.inference import Crop, Dtype
from hpscli.run.predict import Image, predict_image
from hpscli.run.predicting.boxes import BoxOutside
from hpscli.run.predicting.save import about_image, in_front, save_people

FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)  # what "35 mm equivalent" refers to (CIPA DCG-001)
EXIF_IFD, FOCAL_35MM = 0x8769, 0xA405  # Exif 2.3, tag FocalLengthIn35mmFilm

Boxes = NDArray[np.float64]
Detector = Callable[[Image], Boxes]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How to treat every image."""

    folder: Path
    kinds: list[str]
    boxes: Mapping[Path, Boxes] = field(default_factory=dict)
    detector: Detector | None = None
    hand: str = ""
    fov_degrees: float = 0.0  # horizontal
    focal_px: float = 0.0
    flip: bool = False
    dtype: Dtype = "fp32"
    crop: Crop = ""
    force: bool = False


@dataclass(frozen=True)
class Done:
    """One image: its files, or what is wrong with it."""

    image: Path
    people: int = 0
    undrawn: int = 0  # of them, people whom the model puts at or behind the camera
    files: Mapping[str, Path] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)
    problem: str = ""


def list_images(source: Path) -> list[Path]:
    """An image or a folder -> the images, sorted by name."""
    if source.is_file() and source.suffix.lower() == ".json":
        raise UsageError(
            f"{source} is not an image.",
            f"Boxes for the images of a folder: hps predict {source.parent} --boxes {source}",
        )
    if source.is_file():
        return [source]
    if not source.is_dir():
        raise MissingError(f"no image or folder {source}.", "hps predict IMAGE|FOLDER")
    found = sorted(p for p in source.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if not found:
        raise MissingError(f"no image in {source}.", f"Known suffixes: {' '.join(SUFFIXES)}")
    return found


def predict_images(model: LoadedModel, images: list[Path], plan: Plan) -> Iterator[Done]:
    """-> one Done per image, as they are finished."""
    stems = [path.stem for path in images]
    for path in images:
        name = path.stem if stems.count(path.stem) == 1 else path.name.replace(".", "_")
        try:
            yield _one(model, path, name, plan)
        except (InvalidData, MissingError, BoxOutside) as error:
            if isinstance(error, BoxOutside) and len(images) == 1:
                raise  # most likely just typed
            named = str(path) in error.problem
            yield Done(path, problem=error.problem if named else f"{path}: {error.problem}")


def _one(model: LoadedModel, path: Path, name: str, plan: Plan) -> Done:
    image = read_image(path)
    boxes = plan.boxes.get(path)
    if boxes is None and plan.detector is not None:
        boxes = detected(plan.detector, image)
    focal_px, source = focal_length(path, image, plan)
    people = predict_image(
        model,
        image,
        boxes,
        hand=plan.hand,
        focal_px=focal_px,
        flip=plan.flip,
        dtype=plan.dtype,
        crop=plan.crop,
    )
    about = about_image(model, str(path), image, source)
    files = save_people(plan.folder, name, image, people, about, plan.kinds, force=plan.force)
    undrawn = sum(not in_front(person) for person in people)
    return Done(path, len(people), undrawn, files, about)


def detected(detector: Detector, image: Image) -> Boxes:
    """A detector's answer, checked -> boxes (N,5)."""
    boxes = np.asarray(detector(image), np.float64)
    if boxes.size == 0:
        return np.zeros((0, 5))
    if boxes.ndim != 2 or boxes.shape[1] != 5 or not np.isfinite(boxes).all():
        raise UsageError(
            f"the detector gave boxes of shape {boxes.shape}, expected (N,5): x, y, w, h, score."
        )
    return boxes


def focal_length(path: Path, image: Image, plan: Plan) -> tuple[float | None, str]:
    """-> focal length in px, None when nobody knows it, and where it comes from."""
    height, width = image.shape[:2]
    if plan.focal_px:
        return plan.focal_px, "given"
    if plan.fov_degrees:
        return width / 2 / math.tan(math.radians(plan.fov_degrees) / 2), "given"
    equivalent = exif_focal_mm(path)
    if equivalent:
        return equivalent / FILM_DIAGONAL_MM * math.hypot(height, width), "exif"
    return None, "assumed"


def exif_focal_mm(path: Path) -> float:
    """-> the 35 mm equivalent focal length that the camera noted; 0 when it did not."""
    from PIL import Image as Pillow  # comes with torchvision

    try:
        with Pillow.open(path) as picture:
            value = picture.getexif().get_ifd(EXIF_IFD).get(FOCAL_35MM, 0)
        return float(value) if float(value) > 0 else 0.0
    except (OSError, ValueError, TypeError, SyntaxError, Pillow.DecompressionBombError):
        return 0.0  # no EXIF that can be read is no focal length, and no reason to stop


def failures(done: list[Done]) -> HpsError | None:
    """-> the error to end with when some images could not be read."""
    bad = [entry for entry in done if entry.problem]
    if not bad:
        return None
    named = "\n".join(entry.problem for entry in bad[:5])
    more = f"\n... and {len(bad) - 5} more" if len(bad) > 5 else ""
    return InvalidData(f"{len(bad)} of {len(done)} images failed.\n{named}{more}")
