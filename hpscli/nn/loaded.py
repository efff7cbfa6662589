"""A model that is ready to predict, with everything that says what it is."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from hpscli.body.kit import BodyKit, body_kit
from hpscli.body.layer import Body, complete
from hpscli.errors import UsageError
from hpscli.hooks import ModelSpec
from hpscli.nn.files import CheckpointInfo
from hpscli.records import Prediction
from hpscli.registry import resolve


class LoadedModel(nn.Module):
    """images (B,3,H,W), normalised as the model wants -> Prediction with vertices, joints and raw.

    `module` is the network alone; `body` turns its parameters into meshes.
    """

    module: nn.Module
    body: Body

    def __init__(
        self,
        *,
        module: nn.Module,
        spec: ModelSpec,  # adapted to the options
        options: Mapping[str, Any],
        input_size: tuple[int, int],  # (height, width) px
        body: Body,
        info: CheckpointInfo,
        sha256: str,  # of the checkpoint file; "" when the weights are not from a file
        name: str,  # as the user typed it; of a folder of runs, the run that was taken
        kit: BodyKit | None = None,
        said: tuple[str, ...] = (),  # of a foreign checkpoint: what was recognised, what dropped
    ) -> None:
        super().__init__()
        self.module, self.body = module, body
        self.spec, self.options, self.input_size = spec, dict(options), input_size
        self.info, self.sha256, self.name, self.said = info, sha256, name, said
        # Around the body that moves with the model: one of the kit's own would stay on the CPU.
        self.kit = (kit if kit is not None else body_kit(spec.body, given=body)).around(body)

    def forward(self, images: Tensor) -> Prediction:
        """images (B,3,H,W) float -> Prediction, completed by the body."""
        check_images(images)
        prediction: Prediction = self.module(images)
        whole: Prediction = complete(prediction, self.body, vertices=True)
        if not self.spec.raw:
            return whole
        return replace(whole, raw={**whole.raw, **resolve(self.spec.raw)(whole, self.kit)})

    def but(self, **changes: Any) -> "LoadedModel":
        """-> the same model with some of its facts changed, sharing the network."""
        names = ("module", "spec", "options", "input_size", "body", "info", "sha256", "name")
        facts = {name: getattr(self, name) for name in (*names, "kit", "said")}
        return LoadedModel(**{**facts, **changes})


def check_images(images: Any) -> None:
    """Raise for what is not a normalised batch (B,3,H,W)."""
    if not isinstance(images, Tensor):
        raise UsageError(
            f"a model takes a torch tensor (B,3,H,W), not {type(images).__name__}.",
            "Pictures as they are, with boxes, go to hpscli.predict(model, image).",
        )
    if images.ndim != 4 or images.shape[1] != 3 or not len(images):
        raise UsageError(
            f"images have the shape {tuple(images.shape)}, expected (B,3,H,W), B at least 1.",
            "A single picture is image[None]; channels come before rows: x.permute(0, 3, 1, 2).",
        )
    if not images.is_floating_point():
        raise UsageError(
            f"images are {images.dtype}, expected normalised floating-point numbers.",
            "(image / 255 - mean) / std, with model.spec.mean and model.spec.std.",
        )


def arranged(module: nn.Module) -> nn.Module:
    """-> the module in the memory layout in which it answers fastest; trainings keep theirs.

    Convolutions whose weights keep a pixel's channels together are 3 to 14 % faster on a CPU, and
    no network is slower for it (docs/explanation/speed.md). A network may ask for another.
    """
    layout = getattr(module, "memory_format", torch.channels_last)
    return module.to(memory_format=layout)
