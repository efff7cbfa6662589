"""The worst, the typical and the best of an evaluation, drawn side by side."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hpscli.data.crops import make_crop
from hpscli.data.evalset import EvalSet
from hpscli.data.official_batch import prepared_batch
from hpscli.data.preparation import Preparation
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.results import Result
from hpscli.nn.checkpoints import LoadedModel
from hpscli.render.pictures import contact_sheet, draw_in_crop, write_image
from hpscli.run.inference import mesh_of, predict_batch

TILE_PX = 256

Image = NDArray[np.uint8]


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
    metric = next(name for name in result.metrics if name in result.errors)
    places, captions = chosen_people(result, metric, each)
    people = EvalSet(shards)
    samples = [people[place] for place in places]
    batch = prepared_batch(
        samples, model.input_size, protocol.joints, preparation, crop_scale=protocol.crop_scale
    )
    prediction = predict_batch(model, batch)
    vertices = mesh_of(prediction).cpu().numpy()
    cameras = prediction.camera.cpu().numpy()
    tiles = []
    height = round(TILE_PX * model.input_size[0] / model.input_size[1])
    for row, sample in enumerate(samples):
        crop, _ = make_crop(
            sample,
            (height, TILE_PX),
            crop_scale=protocol.crop_scale,
            flip=bool(batch.flipped[row]),
        )
        drawn = draw_in_crop(crop, vertices[row], model.body.faces, cameras[row])
        tiles.append(np.concatenate([crop, drawn], axis=1))
    sheet = contact_sheet(
        tiles, captions, each, title=f"{result.checkpoint['name']} on {protocol.name}"
    )
    write_image(path, sheet)
    return path


def chosen_people(result: Result, metric: str, each: int) -> tuple[list[int], list[str]]:
    """-> places in the sample list and captions: worst first, then around the median, then best."""
    kind, values = result.metrics[metric], result.errors[metric]
    order = [int(i) for i in np.argsort(-values if kind.smaller_is_better else values)]
    order = [i for i in order if not np.isnan(values[i])]
    middle = max(0, (len(order) - each) // 2)
    groups = {
        "worst": order[:each],
        "median": order[middle : middle + each],
        "best": order[-each:],
    }
    places, captions = [], []
    for word, group in groups.items():
        for place in group:
            places.append(place)
            captions.append(f"{word} {values[place]:.0f} {kind.unit}  {result.keys[place]}")
    return places, captions
