"""A training on one batch of a golden: everything of the real loop but its data."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpscli.hooks import ModelSpec
from hpscli.recipe import validated
from hpscli.records import Prediction
from hpscli.train.job import Job
from hpscli.train.learning.adversary import Contest
from hpscli.train.learning.optimizers import Optimizers
from hpscli.train.learning.schedule import count_steps
from hpscli.train.scaling.processes import open_processes
from hpscli.train.telling.track import Diary, Meter

SGD = {"name": "sgd", "lr": 1.0, "momentum": 0.0}  # a step is the gradient itself


class NeverStop:
    """Nobody presses Ctrl-C."""

    def now(self) -> bool:
        return False


STOP: Any = NeverStop()


class Stated(nn.Module):
    """A network that states its parameters, whatever it sees: the people of a golden in their order."""

    def __init__(self, prediction: Prediction) -> None:
        super().__init__()
        named = prediction.named_tensors()
        self.names = list(named)
        self.values = nn.ParameterList(value.detach().clone() for value in named.values())
        self.told = 0

    def forward(self, image: Tensor) -> Prediction:
        rows = torch.arange(self.told, self.told + len(image)) % len(self.values[0])
        self.told += len(image)
        return Prediction.from_named_tensors(
            {name: value[rows] for name, value in zip(self.names, self.values, strict=True)}
        )

    def now(self) -> Prediction:
        """-> what it states of everybody after the steps that it was trained."""
        values = [value.detach() for value in self.values]
        return Prediction.from_named_tensors(dict(zip(self.names, values, strict=True)))


@contextmanager
def golden_job(
    module: nn.Module,
    spec: ModelSpec,
    body: Any,
    loss: Mapping[str, float],
    optim: Mapping[str, Any],
    folder: Path,
    contest: Contest | None = None,
) -> Iterator[Job]:
    """Module, its losses and their weights, optimiser settings -> a job ready for `optimise`."""
    raw = {
        "name": "golden",
        "model": {"name": spec.name},
        "data": {"mix": {"golden": {"shards": "nowhere"}}},
        "loss": dict(loss),
        "optim": dict(optim),
        "train": {"epoch_samples": 1000},
    }
    recipe = validated(raw, "the test")
    with open_processes(recipe, folder, "cpu", "") as processes:
        yield Job(
            recipe=recipe,
            run=folder,
            processes=processes,
            diary=Diary(folder, lambda label, text: None),
            spec=spec,
            options={},
            module=module,
            network=processes.prepare(module, module, False),
            fixed=[],
            optimizer=Optimizers(recipe.optim, module, recipe.optim.lr),
            average=None,
            contest=contest,
            body=body,
            steps=count_steps(recipe, 1),
            rate=recipe.optim.lr,
            meter=Meter(),
            metrics={},
        )
