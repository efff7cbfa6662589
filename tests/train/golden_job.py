"""A training on one batch of a golden: everything of the real loop but its data."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import nn

from hpscli.hooks import ModelSpec
from hpscli.recipe import validated
from hpscli.train.job import Job
from hpscli.train.learning.adversary import Contest
from hpscli.train.learning.optimizers import Optimizers
from hpscli.train.learning.schedule import count_steps
from hpscli.train.scaling.processes import open_processes
from hpscli.train.telling.track import Diary, Meter


class NeverStop:
    """Nobody presses Ctrl-C."""

    def now(self) -> bool:
        return False


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
