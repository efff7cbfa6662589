"""People of an evaluation as they are shown: who, their pictures as the network saw them, their meshes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.data.crops import compose, invert, warp
from hpscli.data.evalset import EvalSet
from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.placing import seen_by
from hpscli.data.preparation import Preparation
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.results import Result
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Prediction, Sample
from hpscli.run.inference import mesh_of, predict_batch

Image = NDArray[np.uint8]
Floats = NDArray[np.floating[Any]]
CHUNK = 16  # people shown to the network at once


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One person: `crop` (H,W,3) as the network saw it, weak camera (3,), meshes (V,3) metres.

    `meshes`: the model's own; then that of its regressed parameters, where it has both.
    `affine` (2,3): px of the original picture -> px of the network's crop.
    """

    sample: Sample
    crop: Image
    camera: Floats
    meshes: tuple[Floats, ...]
    affine: Floats


def camera_remark(camera: Floats) -> str:
    """weak camera (3,) -> "", or why no mesh is seen: untrained networks look the other way."""
    return "" if camera[0] > 0 else "  (behind the camera)"


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


def chosen_or_first(result: Result, each: int) -> tuple[list[int], list[str]]:
    """As `chosen_people` by the first figure that people have; without any the first people."""
    metric = next((name for name in result.metrics if name in result.errors), "")
    if metric:
        return chosen_people(result, metric, each)
    places = list(range(min(each, len(result.keys))))
    return places, [result.keys[place] for place in places]


def shown_people(
    model: LoadedModel,
    people: EvalSet,
    keys: Sequence[str],
    protocol: ProtocolSpec,
    tile_width: int,
    preparation: Preparation | None = None,
) -> Iterator[Shown]:
    """-> people of these keys, in this order; crops are `tile_width` px wide."""
    places = {key: place for place, key in enumerate(people.keys)}
    for start in range(0, len(keys), CHUNK):
        samples = [people[places[key]] for key in keys[start : start + CHUNK]]
        batch = prepared_batch(
            samples,
            model.input_size,
            protocol.joints,
            preparation,
            crop_scale=protocol.crop_scale,
            seen=seen_by(model.spec.crop),
        )
        prediction = predict_batch(model, batch)
        meshes = [mesh.cpu().numpy() for mesh in meshes_of(model, prediction)]
        cameras, affines = prediction.camera.cpu().numpy(), batch.affine.double().cpu().numpy()
        for row, sample in enumerate(samples):
            yield Shown(
                sample=sample,
                crop=shown_crop(sample, affines[row], model.input_size, tile_width),
                camera=cameras[row],
                meshes=tuple(mesh[row] for mesh in meshes),
                affine=affines[row],
            )


@torch.no_grad()
def meshes_of(model: LoadedModel, prediction: Prediction) -> list[torch.Tensor]:
    """A complete prediction -> its mesh (B,V,3), then the mesh of its parameters if that is another.

    Both have their pelvis, as the body regresses it, in one place: the camera is of the first.
    """
    own = mesh_of(prediction)
    both = {"vertices", "parameters"} <= set(model.spec.outputs)
    if not both or not prediction.parameters or model.options.get("parametric"):
        return [own]
    posed = model.body(prediction.parameters).vertices
    first, second = (model.body.regress(mesh, model.body.joint_set)[:, :1] for mesh in (own, posed))
    return [own, posed - second + first]


def shown_crop(
    sample: Sample, affine: Floats, crop_size: tuple[int, int], tile_width: int
) -> Image:
    """A stored person, affine (2,3) original -> crop px -> the crop (H,W,3) RGB, `tile_width` wide."""
    scale = tile_width / crop_size[1]
    window = (round(crop_size[0] * scale), tile_width)
    stored = compose(invert(sample.arrays["image.affine"]), np.asarray(affine) * scale)
    pixels: Image = np.ascontiguousarray(warp(sample.image, stored, window)[..., ::-1])
    return pixels
