"""A training under way: everything that it holds, and how it gets it."""

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn

from hpscli.body.layer import Body, load_body
from hpscli.data.placing import seen_by
from hpscli.data.streaming.feed import feed
from hpscli.data.streaming.stream import TrainingStream
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import build_model, initialise
from hpscli.nn.weights.starts import start_backbone
from hpscli.recipe import Recipe, to_toml
from hpscli.records import Batch
from hpscli.registry import resolve
from hpscli.train.keeping.state import State, flat, restore_random_state, seed_random
from hpscli.train.learning.adversary import Contest, refuse_without_critic, start_contest, wanted
from hpscli.train.learning.average import Average
from hpscli.train.learning.freezing import freeze, learning_mode, norms, synchronised
from hpscli.train.learning.memory import compute_again
from hpscli.train.learning.optimizers import Optimizers
from hpscli.train.learning.schedule import Steps
from hpscli.train.scaling.processes import Processes
from hpscli.train.scaling.reach import settle, unreached
from hpscli.train.telling.active import active_terms, tell
from hpscli.train.telling.track import Diary, Meter, Say, environment


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
    fixed: list[nn.Module]  # batch norms whose statistics stay as they are
    optimizer: Optimizers
    average: Average | None
    contest: Contest | None  # with a critic of poses
    body: Body
    steps: Steps
    rate: float
    meter: Meter
    step: int = 0  # optimiser steps done
    logged: bool = False  # in this process
    best: float = float("inf")
    stale: int = 0  # validations in a row that were no better than the best
    metrics: dict[str, float]
    random: State | None = None  # of the generators, when continuing
    people: dict[str, int] = field(default_factory=dict)  # in each member of the mix


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
    elif recipe.model.backbone and not resume:
        taken = start_backbone(module, spec, options, recipe.model.backbone)
    run, diary = processes.run, Diary(processes.run, say, mute=not processes.first)
    if processes.first and not resume:
        processes.prepare_folder(to_toml(recipe), environment(processes.device, processes.world))
    processes.wait()
    processes.open_trackers(recipe.name, flat(recipe.model_dump()))
    diary.say("run", run)
    if taken:
        diary.say("init", taken)
    if processes.first and not resume:
        tell(diary, active_terms(recipe, module, spec))
    module, fixed = shaped(recipe, module, processes, diary)
    called: Any = torch.compile(module) if recipe.train.compile else module
    size = recipe.data.image_size or spec.input_size
    apart = unreached(module, size) if processes.world > 1 and not processes.sharded else []
    network = processes.prepare(module, called, bool(apart))
    if apart:
        diary.say("unused", in_words(apart))
    elif processes.world > 2 and not processes.sharded:
        learning_mode(network, fixed)
        settle(network, module, recipe.optim.batch, size)
    optimizer = Optimizers(recipe.optim, module, rate)  # of what sharding made of the parameters
    if groups := optimizer.describe():
        diary.say("groups", groups)
    return Job(
        recipe=recipe,
        run=run,
        processes=processes,
        diary=diary,
        spec=spec,
        options=options,
        module=module,
        network=network,
        fixed=fixed,
        optimizer=optimizer,
        average=Average(module, recipe.optim.ema) if recipe.optim.ema else None,
        contest=contest(recipe, spec, options, processes),
        body=load_body(spec.body, source=recipe.model.body).to(processes.device),
        steps=steps,
        rate=rate,
        meter=Meter(),
        metrics={},
    )


def contest(
    recipe: Recipe, spec: ModelSpec, options: Mapping[str, Any], processes: Processes
) -> Contest | None:
    """-> the adversary of a training, None without one."""
    if wanted(recipe) is None:
        return None
    refuse_without_critic(recipe, spec.adversary)
    return start_contest(
        recipe,
        resolve(spec.adversary),
        options,
        device=processes.device,
        rank=processes.rank,
        world=processes.world,
        average=processes.mean,
    )


def shaped(
    recipe: Recipe, module: nn.Module, processes: Processes, diary: Diary
) -> tuple[nn.Module, list[nn.Module]]:
    """-> the model on its device, frozen where the recipe says, and the norms that stay as they are."""
    wanted = recipe.train
    if wanted.batch_norm == "sync" and norms(module):
        if processes.world > 1 and processes.device.type == "cuda":
            module = synchronised(module)
        else:
            diary.warn(
                "batch_norm",
                'train.batch_norm = "sync" needs several processes on GPUs; here each batch norm sees '
                "the batch of its own process.",
            )
    if wanted.sharding == "fsdp" and processes.world == 1:
        diary.warn("sharding", 'train.sharding = "fsdp": one process keeps all weights itself.')
    fixed = freeze(module, wanted.freeze, wanted.batch_norm, wanted.fixed_statistics)
    if wanted.freeze or fixed:
        learning = sum(p.numel() for p in module.parameters() if p.requires_grad)
        every = sum(p.numel() for p in module.parameters())
        diary.say(
            "frozen",
            f"{learning / 1e6:.2f} of {every / 1e6:.2f} M parameters learn; "
            f"{len(fixed)} of {norms(module)} batch norms keep their statistics",
        )
    if wanted.gradient_checkpointing:
        compute_again(module)
    return module.to(processes.device), fixed


def in_words(names: list[str]) -> str:
    """Parameters that no output depends on -> what is told of them."""
    shown = ", ".join(names[:3]) + (" ..." if len(names) > 3 else "")
    return (
        f"{len(names)} tensors never get a gradient ({shown}): processes look for them at each "
        "step, which costs a little; train.freeze with their names saves that"
    )


def stream(job: Job) -> Iterator[Batch]:
    """-> the batches from here on; then random generators are set, for loaders draw from them too."""
    recipe = job.recipe
    source = TrainingStream(
        recipe.data.mix,
        mixing=recipe.data.mixing,
        size=recipe.data.image_size or job.spec.input_size,
        joints=recipe.data.joints,
        augment=recipe.augment,
        crop_scale=recipe.data.crop_scale,
        seen=seen_by(job.spec.crop),
        batch=recipe.optim.batch,
        seed=recipe.seed,
        rank=job.processes.rank,
        world=job.processes.world,
        workers=recipe.data.workers,
        position=job.steps.position(job.step),
        for_gpu=job.processes.device.type == "cuda",
    )
    if changed := changes_of_sizes(job.people, source.people):
        job.diary.warn(
            "people",
            f"{changed}: from here on the order is another one, and some people come again early.",
        )
    job.people = source.people
    batches = feed(source, job.processes.device, job.spec.mean, job.spec.std)
    first = next(batches)
    if job.random is not None:
        restore_random_state(job.random)
    else:
        seed_random(recipe.seed * 1000 + job.processes.rank)  # each process drops other neurons
    return itertools.chain([first], batches)


def changes_of_sizes(before: Mapping[str, int], now: Mapping[str, int]) -> str:
    """People by member when a run was saved, and now -> what is different, "" if nothing."""
    return ", ".join(
        f"{name} had {before[name]} people and has {count}"
        for name, count in now.items()
        if before.get(name, count) != count
    )
