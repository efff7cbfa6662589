"""A training under way: everything that it holds, and how it gets it."""

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from hpscli.body.layer import Body, load_body
from hpscli.data.stream import TrainingStream
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import build_model, initialise
from hpscli.recipe import Recipe, to_toml
from hpscli.records import Batch
from hpscli.train.average import Average
from hpscli.train.processes import Processes
from hpscli.train.schedule import Steps
from hpscli.train.state import State, flat, restore_random_state
from hpscli.train.track import Diary, Meter, Say, environment


@dataclass(kw_only=True)
class Job:
    """A training under way."""

    recipe: Recipe
    run: Path
    processes: Processes
    diary: Diary
    spec: ModelSpec
    options: dict[str, Any]
    module: nn.Module  # the bare model
    network: nn.Module  # what is called: compiled, wrapped for several processes
    optimizer: torch.optim.Optimizer
    average: Average | None
    body: Body
    steps: Steps
    rate: float
    meter: Meter
    step: int = 0  # optimiser steps done
    logged: bool = False  # in this process
    best: float = float("inf")
    metrics: dict[str, float]
    random: State | None = None  # of the generators, when continuing


def start(
    recipe: Recipe, processes: Processes, steps: Steps, rate: float, resume: bool, say: Say
) -> Job:
    """-> a job at its first step; on resume the run folder is left as it is."""
    torch.manual_seed(recipe.seed)
    module, spec, options = build_model(
        recipe.model.name,
        preset=recipe.model.preset,
        options=recipe.model.options,
        body_source=recipe.model.body,
    )
    taken = ""
    if recipe.model.init and not resume:
        start, body = recipe.model.init, recipe.model.body
        taken = initialise(module, spec, start, body_source=body)
    run, diary = processes.run, Diary(processes.run, say, mute=not processes.first)
    if processes.first and not resume:
        processes.prepare_folder(to_toml(recipe), environment(processes.device, processes.world))
    processes.wait()
    processes.open_trackers(recipe.name, flat(recipe.model_dump()))
    diary.say("run", run)
    if taken:
        diary.say("init", taken)
    module.to(processes.device)
    optimizer = make_optimizer(recipe, module, rate)
    called: Any = torch.compile(module) if recipe.train.compile else module
    network, prepared = processes.prepare(called, optimizer)
    return Job(
        recipe=recipe,
        run=run,
        processes=processes,
        diary=diary,
        spec=spec,
        options=options,
        module=module,
        network=network,
        optimizer=prepared,
        average=Average(module, recipe.optim.ema) if recipe.optim.ema else None,
        body=load_body(spec.body, source=recipe.model.body).to(processes.device),
        steps=steps,
        rate=rate,
        meter=Meter(),
        metrics={},
    )


def make_optimizer(recipe: Recipe, module: nn.Module, rate: float) -> torch.optim.Optimizer:
    """-> the optimiser that the recipe names, over all trainable parameters."""
    settings = recipe.optim
    parameters = [p for p in module.parameters() if p.requires_grad]
    if settings.name == "sgd":
        return torch.optim.SGD(
            parameters,
            rate,
            momentum=settings.momentum,
            weight_decay=settings.weight_decay,
            fused=True,
        )
    kind = torch.optim.AdamW if settings.name == "adamw" else torch.optim.Adam
    return kind(
        parameters,
        rate,
        betas=settings.betas,
        weight_decay=settings.weight_decay,
        fused=True,  # three times as fast as the default on a CPU
    )


def stream(job: Job) -> Iterator[Batch]:
    """-> the batches from here on; then random generators are set, for loaders draw from them too."""
    recipe = job.recipe
    batches = iter(
        TrainingStream(
            recipe.data.mix,
            size=recipe.data.image_size or job.spec.input_size,
            joints=recipe.data.joints,
            augment=recipe.augment,
            crop_scale=recipe.data.crop_scale,
            batch=recipe.optim.batch,
            seed=recipe.seed,
            rank=job.processes.rank,
            world=job.processes.world,
            workers=recipe.data.workers,
            start_batch=job.step * recipe.optim.accumulate,
        )
    )
    first = next(batches)
    if job.random is not None:
        restore_random_state(job.random)
    else:
        seed = recipe.seed * 1000 + job.processes.rank  # each process drops other neurons
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
    return itertools.chain([first], batches)
