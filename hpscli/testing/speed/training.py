"""A step of our training loop against a plain one of the same network, weights and batch.

Plain is what one writes in twenty lines: forward, the same losses, backward, Adam, nothing else. Turns
of both alternate in one process, for other programs slow both alike; memory is the largest size of
a process that takes a few steps of one form alone. A process of its own measures each.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hpscli.data.batch import ready
from hpscli.recipe import Recipe, load_recipe, validated
from hpscli.records import Batch
from hpscli.registry import get_registry, resolve
from hpscli.testing.speed.waiting import PEOPLE, all_labels, data_wait, make_crops
from hpscli.testing.standins.folders import Standins
from hpscli.train.job import Job, start, stream
from hpscli.train.learning.freezing import learning_mode
from hpscli.train.learning.schedule import count_steps
from hpscli.train.loop import optimise
from hpscli.train.scaling.processes import open_processes
from hpscli.train.scaling.stopping import Stop
from hpscli.train.telling.track import memory_mb

OURS, PLAIN = "ours", "plain"
SETTLING = 2  # first turns, which are not counted
MEMORY_STEPS = 3
GPU_STEPS, GPU_SETTLING = 30, 10
MATRIX = 8192  # side of the product that measures a device's peak
WORKERS = 8  # of the run whose waiting for data is looked at
RATE = 1e-5  # of Adam: the loss stays finite, whatever the weights are
ROWS: Mapping[str, str] = {  # the recipe whose network, joints and losses a row has
    "graphormer-h64": "graphormer_h36m",
    "fastmetro-s-r50": "fastmetro/s_resnet50_h36m",
    "hmr-r50": "hmr/hmr_3dpw",  # without its critic of poses, which is a network of its own
    "osx-b": "osx/setting1_b",
}


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was measured of one network."""

    row: str
    batch: int
    ours_s: tuple[float, ...]  # of each turn
    plain_s: tuple[float, ...]
    ours_mb: float
    plain_mb: float

    @property
    def ratio(self) -> float:
        """-> our time over the plain one: the median over turns."""
        return statistics.median(a / b for a, b in zip(self.ours_s, self.plain_s, strict=True))


def recipe_of(row: str, folder: Path, batch: int, *, crops: int = 0, **train_keys: Any) -> Recipe:
    """-> the recipe of a row, on made-up people with every label that it asks for.

    crops: people in crops as large as those of a training; 0: small stand-ins, for what runs on one batch.
    """
    published = load_recipe(ROWS[row])
    spec, joints = get_registry().model(published.model.name), published.data.joints
    labels = all_labels(spec.body, joints)
    if crops:
        people = make_crops(folder / "people", labels, crops)
    else:
        people = Standins(folder / "people").shards(labels)
    model = published.model.model_dump(include={"name", "preset", "options"})
    return validated(
        {
            "name": row,
            "model": {**model, "body": "free"},
            "data": {"mix": {"people": {"shards": str(people)}}, "joints": joints, "workers": 0},
            "augment": published.augment.model_dump(),
            "loss": {name: weight for name, weight in published.loss.items() if weight > 0},
            "optim": {"name": "adam", "lr": RATE, "batch": batch},
            "train": {
                "epoch_samples": 10**6,
                "overlays": 0,
                "log_every": 10**6,
                "checkpoint_every": 10**6,
                **train_keys,
            },
        },
        "hps bench train",
    )


@contextmanager
def opened(recipe: Recipe, run: Path, device: str) -> Iterator[tuple[Job, Batch]]:
    """Yield a training at its first step and a batch of it."""
    with open_processes(recipe, run, device, "") as processes:
        steps = count_steps(recipe, processes.world)
        job = start(recipe, processes, steps, recipe.optim.lr, False, lambda label, text: None)
        yield job, next(stream(job))


def our_step(job: Job, batch: Batch) -> Callable[[], None]:
    """-> a step of our loop, as `train` takes it."""
    learning_mode(job.network, job.fixed)
    batches, stop = repeat(batch), Stop()

    def step() -> None:
        optimise(job, batches, stop)
        job.step += 1

    return step


def plain_step(job: Job, module: nn.Module, batch: Batch) -> Callable[[], None]:
    """-> forward, losses, backward, Adam."""
    losses, weights = resolve(job.spec.losses), job.recipe.loss
    optimizer = torch.optim.Adam(module.parameters(), RATE)
    device = job.processes.device
    module.train()

    def step() -> None:
        here = ready(batch.to(device), job.spec.mean, job.spec.std)
        terms = losses(module(here.image), here, job.body, list(weights))
        loss = sum(terms[name] * weight for name, weight in weights.items())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def seconds(step: Callable[[], object], device: torch.device) -> float:
    """-> of one step; of a CPU with one thread the clock of the process, which others do not move."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    alone = device.type == "cpu" and torch.get_num_threads() == 1
    clock = time.process_time if alone else time.perf_counter
    begun = clock()
    step()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - begun


def both(row: str, folder: Path, batch: int, turns: int, device: str) -> dict[str, Any]:
    """-> seconds of each turn of both forms, in alternating order."""
    recipe = recipe_of(row, folder, batch)
    with opened(recipe, folder / "run", device) as (job, people):
        steps = {
            OURS: our_step(job, people),
            PLAIN: plain_step(job, deepcopy(job.module), people),
        }
        told: dict[str, list[float]] = {OURS: [], PLAIN: []}
        for turn in range(turns + SETTLING):
            for form in (OURS, PLAIN) if turn % 2 else (PLAIN, OURS):
                taken = seconds(steps[form], job.processes.device)
                if turn >= SETTLING:
                    told[form].append(taken)
    return told


def alone(row: str, folder: Path, batch: int, form: str, device: str) -> dict[str, Any]:
    """-> the peak memory of a process that takes a few steps of one form."""
    recipe = recipe_of(row, folder, batch)
    with opened(recipe, folder / "run", device) as (job, people):
        step = plain_step(job, job.module, people) if form == PLAIN else our_step(job, people)
        for _ in range(MEMORY_STEPS):
            step()
        return {"mb": memory_mb(job.processes.device)}


def on_gpu(row: str, folder: Path, batch: int) -> dict[str, Any]:
    """-> samples/s of a compiled step in bf16, its share of the matrix peak, waiting for data."""
    recipe = recipe_of(row, folder, batch, dtype="bf16", compile=True)
    with opened(recipe, folder / "run", "cuda") as (job, people):
        step = our_step(job, people)
        for _ in range(GPU_SETTLING):
            step()
        taken = [seconds(step, job.processes.device) for _ in range(GPU_STEPS)]
        eager = plain_step(job, job.module, people)
        with FlopCounterMode(display=False) as counter:
            eager()
    best = statistics.median(taken)
    peak = matrix_peak()
    return {
        "samples_per_s": batch / best,
        "matrix_share": counter.get_total_flops() / best / peak,
        "matrix_peak_tflops": peak / 1e12,
        "data_wait": data_wait(
            recipe_of(row, folder / "crops", batch, crops=PEOPLE, dtype="bf16", compile=True),
            folder / "waiting",
            workers=WORKERS,
            steps=GPU_STEPS,
            device="cuda",
        ),
    }


def matrix_peak() -> float:
    """-> operations a second of a large product in bf16 on this GPU."""
    one = torch.randn(MATRIX, MATRIX, device="cuda", dtype=torch.bfloat16)
    device = torch.device("cuda")
    taken = [seconds(lambda: one @ one, device) for _ in range(GPU_STEPS)]
    return 2 * MATRIX**3 / min(taken)


def measure(row: str, batch: int, turns: int, device: str, threads: int) -> Found:
    """-> time and memory of one network, each from a process of its own."""
    told = [asked(row, what, batch, turns, device, threads) for what in ("both", OURS, PLAIN)]
    return Found(
        row=row,
        batch=batch,
        ours_s=tuple(told[0][OURS]),
        plain_s=tuple(told[0][PLAIN]),
        ours_mb=told[1]["mb"],
        plain_mb=told[2]["mb"],
    )


def asked(row: str, what: str, batch: int, turns: int, device: str, threads: int) -> dict[str, Any]:
    """-> what a new process says of a row: both | ours | plain | gpu."""
    words = [row, what, str(batch), str(turns), device, str(threads)]
    done = subprocess.run(
        [sys.executable, "-m", "hpscli.testing.speed.training", *words],
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{row}: {done.stderr.strip().splitlines()[-1]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """ROW WHAT BATCH TURNS DEVICE THREADS -> one line of JSON."""
    row, what, batch, turns, device, threads = sys.argv[1:]
    torch.set_num_threads(int(threads))
    with tempfile.TemporaryDirectory(prefix="hps-bench-") as name:
        folder = Path(name)
        if what == "both":
            found = both(row, folder, int(batch), int(turns), device)
        elif what == "gpu":
            found = on_gpu(row, folder, int(batch))
        else:
            found = alone(row, folder, int(batch), what, device)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
