"""The worst, the typical and the best of an evaluation, drawn side by side."""

from pathlib import Path

import numpy as np

from hpscli.data.evalset import EvalSet
from hpscli.data.preparation import Preparation
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.results import Result
from hpscli.nn.checkpoints import LoadedModel
from hpscli.render.pictures import contact_sheet, draw_in_crop, write_image
from hpscli.run.pictures.shown import camera_remark, chosen_or_first, shown_people
from hpscli.run.pictures.shown import chosen_people as chosen_people

TILE_PX = 256


def write_gallery(
    path: Path,
    model: LoadedModel,
    shards: str | Path,
    protocol: ProtocolSpec,
    result: Result,
    *,
    each: int = 4,
    preparation: Preparation | None = None,
) -> Path:
    """Write a sheet with `each` worst, median and best people: crop and crop with mesh -> path."""
    places, captions = chosen_or_first(result, each)
    keys = [result.keys[place] for place in places]
    tiles = []
    people = shown_people(model, EvalSet(shards), keys, protocol, TILE_PX, preparation)
    for number, shown in enumerate(people):
        captions[number] += camera_remark(shown.camera)
        drawn = draw_in_crop(shown.crop, shown.meshes[0], model.body.faces, shown.camera)
        tiles.append(np.concatenate([shown.crop, drawn], axis=1))
    sheet = contact_sheet(
        tiles, captions, each, title=f"{result.checkpoint['name']} on {protocol.name}"
    )
    write_image(path, sheet)
    return path
