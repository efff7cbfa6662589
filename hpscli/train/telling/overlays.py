"""Pictures of what the model sees while it learns: its mesh drawn over its input."""

from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from hpscli.body.layer import Body, complete
from hpscli.data.batch import ready
from hpscli.data.evalset import EvalSet, eval_batches
from hpscli.data.placing import seen_by
from hpscli.errors import MissingError
from hpscli.hooks import ModelSpec
from hpscli.records import Batch
from hpscli.render.pictures import contact_sheet, draw_in_crop, write_image
from hpscli.render.strips import stacked, strip
from hpscli.train.job import Job
from hpscli.train.plan import selection

TILE_PX = 224


def draw_people(job: Job, module: nn.Module, validate: bool) -> None:
    """Write samples/epoch-0001.png: the same few people after each epoch, of the validation set
    where the run has one. A picture that cannot be drawn is a warning: no run ends for it."""
    if not job.recipe.train.overlays or not job.processes.first:
        return
    try:
        _draw(job, module, _people(job, validate))
    except Exception as error:  # files, memory, a model's own mistake: all the same to the run
        reason = str(error).partition("\n")[0] or type(error).__name__
        job.diary.warn("pictures", f"no picture after this epoch: {reason}")


def _people(job: Job, validate: bool) -> EvalSet:
    """-> a few people of the validation set, else of the first training set."""
    data, count = job.recipe.data, job.recipe.train.overlays
    validation = selection(job.recipe)
    if validate and validation is not None:
        try:
            return EvalSet(validation.shards, limit=count)
        except MissingError as error:
            job.diary.warn("people", f"pictures show people of the training: {error.problem}")
    return EvalSet(next(m for m in data.mix.values() if m.weight > 0).shards, limit=count)


def _draw(job: Job, module: nn.Module, people: EvalSet) -> None:
    recipe, count = job.recipe, job.recipe.train.overlays
    batch = next(
        eval_batches(
            people,
            size=recipe.data.image_size or job.spec.input_size,
            joints=recipe.data.joints,
            crop_scale=recipe.data.crop_scale,
            seen=seen_by(job.spec.crop),
            batch=count,
        )
    )
    path = job.run / "samples" / f"epoch-{job.steps.epoch(job.step):04d}.png"
    path.parent.mkdir(exist_ok=True)
    batch = batch.to(job.processes.device)
    multi_view = recipe.train.multi_view
    draw_overlays(path, module, job.spec, job.body, batch, count, multi_view=multi_view)


@torch.no_grad()
def draw_overlays(
    path: Path,
    module: nn.Module,
    spec: ModelSpec,
    body: Body,
    batch: Batch,
    count: int,
    *,
    multi_view: bool = False,
) -> None:
    """Write one picture: for each of the first people, the crop and the crop with the mesh on it.

    multi_view: each has a row, in which the mesh is seen from five sides too.
    """
    batch = _first(batch, count)
    was_training = module.training
    prediction = module.eval()(ready(batch, spec.mean, spec.std).image)
    module.train(was_training)
    vertices = complete(prediction, body, vertices=True).vertices
    assert vertices is not None  # that is what `complete` was asked for
    meshes, cameras = vertices.cpu().float().numpy(), prediction.camera.cpu().float().numpy()
    pictures, rows, faces = [], [], np.asarray(body.faces)
    for image, mesh, camera in zip(batch.image, meshes, cameras, strict=True):
        crop = _enlarged(image.permute(1, 2, 0).cpu().numpy())
        if multi_view:
            rows.append(strip(crop, [mesh], faces, camera, multi_view=True))
        else:
            pictures += [crop, draw_in_crop(crop, mesh, faces, camera)]
    sheet = stacked(rows) if rows else contact_sheet(pictures, columns=min(len(pictures), 8))
    write_image(path, sheet)


def _first(batch: Batch, count: int) -> Batch:
    return Batch(
        keys=batch.keys[:count],
        image=batch.image[:count],
        targets={},
        present={},
        affine=batch.affine[:count],
        flipped=batch.flipped[:count],
    )


def _enlarged(image: np.ndarray) -> np.ndarray:
    """crop (H,W,3) -> the same crop, TILE_PX wide."""
    height = round(TILE_PX * image.shape[0] / image.shape[1])
    resized: np.ndarray = cv2.resize(image, (TILE_PX, height), interpolation=cv2.INTER_LINEAR)
    return resized
