"""One model over one batch of crops: precision, flip test, and a complete prediction."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from hpscli.body.layer import Body, complete
from hpscli.data.batch import ready
from hpscli.data.preparation import FAST, Preparation, preparation
from hpscli.data.turning import MIRROR_PARTNERS, pose_order
from hpscli.errors import InvalidData, UsageError
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Batch, Prediction

Crop = Literal["", "official", "fast"]  # "": as the weights were trained
Dtype = Literal["fp32", "bf16", "fp16"]
DTYPES: dict[str, torch.dtype] = {"bf16": torch.bfloat16, "fp16": torch.float16}


def device_of(model: LoadedModel) -> torch.device:
    """-> where the model's weights are."""
    first = next(model.module.parameters(), None)
    return torch.device("cpu") if first is None else first.device


def preparation_of(
    model: LoadedModel, crop: str = "", *, boxes: bool = True, measuring: bool = False
) -> Preparation | None:
    """-> how this model's pictures are prepared, with boxes or whole; None: our one warp.

    measuring: as in the evaluation of its authors, else as in their demo.

    "official" is what the model's authors do. Unsaid, it is what the weights were trained on: our warp
    for those that were trained here, official for those that were imported.
    """
    check_crop(crop)
    trained_here = bool(model.info.step or model.info.recipe_toml)
    if crop == FAST or (not crop and trained_here):
        return None
    if crop and model.spec.crop == FAST:
        raise UsageError(
            f"model '{model.spec.name}' has no official crop.", "Leave out --crop official."
        )
    found = preparation(model.spec.crop)
    if found is None:
        return None
    if measuring:
        return found.measured or found
    return found if boxes else found.whole or found


def said_crop(model: LoadedModel, crop: str, *, boxes: bool = True, measuring: bool = False) -> str:
    """-> one line about how pictures are prepared, and why."""
    found = preparation_of(model, crop, boxes=boxes, measuring=measuring)
    if found is not None:
        return f"official: {found.name}   ({found.summary.rstrip('.')})"
    if crop or model.spec.crop == FAST:
        return "our one warp"
    return "our one warp, which these weights were trained on (the authors': --crop official)"


def check_crop(crop: str) -> None:
    """Raise for a word that --crop does not know."""
    if crop not in get_args(Crop):
        raise UsageError(f"no crop '{crop}'.", "--crop official or --crop fast")


@torch.no_grad()
def predict_batch(
    model: LoadedModel,
    batch: Batch,
    *,
    vertices: bool = True,
    flip: bool = False,
    dtype: Dtype = "fp32",
    shift: bool = True,
) -> Prediction:
    """crops (B,3,H,W) -> Prediction in float32 with joints of the body, vertices if asked for.

    shift: how the flip test mirrors, see `mirror_image`.
    """
    prediction = network_batch(model, batch, flip=flip, dtype=dtype, shift=shift)
    whole: Prediction = complete(prediction, model.body, vertices=vertices)
    return whole


@torch.no_grad()
def network_batch(
    model: LoadedModel,
    batch: Batch,
    *,
    flip: bool = False,
    dtype: Dtype = "fp32",
    shift: bool = True,
) -> Prediction:
    """crops (B,3,H,W) -> what the network itself says of them, in float32; no body is posed."""
    image = batch.image.to(device_of(model), non_blocking=True)  # nothing else is looked at
    image = ready(replace(batch, image=image), model.info.mean, model.info.std).image
    prediction = _forward(model, image, dtype)
    if flip:
        mirrored = _forward(model, mirror_image(image, shift), dtype)
        prediction = average(prediction, mirror_prediction(mirrored, model.body))
    return prediction


def _forward(model: LoadedModel, image: Tensor, dtype: Dtype) -> Prediction:
    was_training = model.module.training
    model.module.eval()
    try:
        with torch.autocast(
            image.device.type, dtype=DTYPES.get(dtype, torch.float32), enabled=dtype in DTYPES
        ):
            prediction: Prediction = model.module(image)
    finally:
        model.module.train(was_training)
    named = prediction.named_tensors()
    return Prediction.from_named_tensors({name: value.float() for name, value in named.items()})


def mirror_image(image: Tensor, shift: bool = True) -> Tensor:
    """image (B,3,H,W) -> its mirror image, x -> W - x as in training: column 0 has no partner.

    shift=False: x -> W - 1 - x, the columns reversed, as most official code trains.
    """
    flipped = image.flip(-1)
    return torch.cat([flipped[..., :1], flipped[..., :-1]], dim=-1) if shift else flipped


def mesh_of(prediction: Prediction) -> Tensor:
    """A complete prediction -> its vertices (B,V,3)."""
    if prediction.vertices is None:
        raise InvalidData("the model gives neither vertices nor parameters: there is no mesh.")
    return prediction.vertices


def mirror_prediction(prediction: Prediction, body: Body) -> Prediction:
    """What is said about a mirrored crop -> the same about the crop itself; parameters only."""
    bare = prediction.vertices is not None or "global_orient" not in prediction.parameters
    if body.kind == "mano" or bare:
        raise UsageError(
            "--flip needs a model that predicts pose parameters of a whole body.",
            "A mirrored right hand is a left hand, and a bare mesh has no left-right order.",
        )
    camera = prediction.camera * prediction.camera.new_tensor([1.0, -1.0, 1.0])
    parameters = {
        name: _mirrored(name, prediction.parameters, body.kind) for name in prediction.parameters
    }
    return Prediction(camera=camera, parameters=parameters)


def _mirrored(name: str, parameters: Mapping[str, Tensor], kind: str) -> Tensor:
    full = f"{kind}.{name}"
    partner = MIRROR_PARTNERS.get(full, full).partition(".")[2]
    value = parameters.get(partner, parameters[name])
    if value.shape[-2:] != (3, 3):
        return value
    order = pose_order(full)
    if order is not None and value.ndim == 4:
        value = value[:, list(order)]
    sign = value.new_tensor([-1.0, 1.0, 1.0])
    return value * sign[:, None] * sign


def average(first: Prediction, second: Prediction) -> Prediction:
    """Two predictions by parameters -> their mean; rotations by the nearest rotation to the mean."""
    parameters = {}
    for name, value in first.parameters.items():
        if name == "expression":  # has no known mirror image
            parameters[name] = value
            continue
        mean = (value + second.parameters[name]) / 2
        parameters[name] = nearest_rotation(mean) if value.shape[-2:] == (3, 3) else mean
    camera = (first.camera + second.camera) / 2
    return Prediction(camera=camera, parameters=parameters)


def nearest_rotation(matrices: Tensor) -> Tensor:
    """matrices (...,3,3) -> the nearest proper rotations (...,3,3)."""
    u, _, vt = torch.linalg.svd(matrices.double())
    sign = torch.det(u @ vt)
    u = torch.cat([u[..., :2], u[..., 2:] * sign[..., None, None]], dim=-1)
    nearest: Tensor = u @ vt
    return nearest.to(matrices.dtype)
