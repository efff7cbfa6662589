"""Picture strips of an evaluation: FastMETRO's rows of tiles, and OSX's mesh on the whole picture."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpscli.body.cameras import to_full_image
from hpscli.data.crops import invert
from hpscli.data.evalset import EvalSet
from hpscli.data.preparation import Preparation
from hpscli.data.sample import decode_image
from hpscli.errors import UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.results import Result
from hpscli.nn.checkpoints import LoadedModel
from hpscli.render.pictures import render_mesh, write_image
from hpscli.render.strips import stacked, strip
from hpscli.run.pictures.shown import Shown, chosen_or_first, shown_people

Image = NDArray[np.uint8]

TILE_PX = 224  # width, as FastMETRO draws its tiles
FOCAL_CROP_WIDTHS = 5000 / 192  # of the whole picture's camera: OSX's lens, nearly parallel
EVERYBODY, TOGETHER = "everybody", "people.png"  # caption and file of all strips in one picture
LONGEST_NAME = 120  # letters of a file's name


def write_strips(
    folder: Path,
    model: LoadedModel,
    shards: str | Path,
    protocol: ProtocolSpec,
    result: Result,
    *,
    multi_view: bool = False,
    count: int = 4,
    preparation: Preparation | None = None,
) -> dict[str, Path]:
    """Write strips of the `count` worst, median and best people -> {caption: file}.

    One file for each person, and all below each other as FastMETRO stacks a batch; of whole bodies
    (SMPL-X) also the whole picture with the mesh on it, as OSX draws it.
    """
    if count < 1:
        raise UsageError(f"{count} people cannot be drawn.", "At least one of each: count=1")
    places, captions = chosen_or_first(result, count)
    keys = [result.keys[place] for place in places]
    files: dict[str, Path] = {}
    rows: dict[str, Image] = {}
    people = shown_people(model, EvalSet(shards), keys, protocol, TILE_PX, preparation)
    for caption, key, shown in zip(captions, keys, people, strict=True):
        rows[caption] = strip(
            shown.crop, shown.meshes, model.body.faces, shown.camera, multi_view=multi_view
        )
        word = caption.removesuffix(key).split(" ")[0]  # worst, median, best
        name = folder / f"{len(rows):02}-{_file_name(f'{word}-{key}' if word else key)}"
        files[caption] = name.with_name(f"{name.name}.png")
        write_image(files[caption], rows[caption])
        if model.body.kind == "smplx":
            whole = name.with_name(f"{name.name}.picture.png")
            write_image(whole, in_picture(shown, model))
            files[f"{caption}, whole picture"] = whole
    if rows:
        files = {EVERYBODY: folder / TOGETHER, **files}
        write_image(folder / TOGETHER, stacked(list(rows.values())))
    return files


def in_picture(shown: Shown, model: LoadedModel) -> Image:
    """One person -> the stored picture (H,W,3) with the mesh where the crop had it."""
    arrays = shown.sample.arrays
    picture = decode_image(shown.sample.image)
    stored = np.vstack([np.asarray(arrays["image.affine"], np.float64), [0, 0, 1]])
    if not shown.camera[0] > 0:  # a model that has learned nothing: behind the camera
        return picture
    width_px = model.input_size[1] * float(np.linalg.norm(invert(shown.affine)[:, 0]))
    camera = to_full_image(
        shown.camera,
        shown.affine,
        model.input_size,
        picture.shape[:2],
        focal_px=FOCAL_CROP_WIDTHS * width_px,
    )
    mesh = shown.meshes[0] + camera.translation
    return render_mesh(picture, mesh, model.body.faces, stored @ camera.intrinsics)


def _file_name(words: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", words)[:LONGEST_NAME]
