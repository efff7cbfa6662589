"""The processes of one job: who is first, what is shared; Accelerate behind a small surface."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpscli.atomic import write_atomically
from hpscli.errors import UsageError
from hpscli.recipe import Recipe
from hpscli.train.keeping.state import check_place, clear_unsaved
from hpscli.train.scaling.heartbeat import GROUP_SECONDS, watched
from hpscli.train.scaling.launch import inside_job
from hpscli.train.scaling.repeating import repeatable
from hpscli.train.scaling.sharding import allow_on_cpu, fsdp_plugin, share_out
from hpscli.train.scaling.stopping import PARENT


@dataclass(frozen=True)
class Processes:
    """This process among those of its job; `run` is the same folder for all."""

    accelerator: Any
    run: Path
    sharded: bool = False  # each process keeps a part of the weights

    @property
    def rank(self) -> int:
        return int(self.accelerator.process_index)

    @property
    def world(self) -> int:
        return int(self.accelerator.num_processes)

    @property
    def first(self) -> bool:
        """-> whether this process writes files and talks."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        device: torch.device = self.accelerator.device
        return device

    @property
    def flag(self) -> str:
        """-> what `hps train` was told to start so many processes, "" when another launcher did."""
        if self.world == 1 or PARENT not in os.environ:
            return ""
        return f" --{'gpus' if self.device.type == 'cuda' else 'processes'} {self.world}"

    def wait(self) -> None:
        """Return when every process is here."""
        self.accelerator.wait_for_everyone()

    def prepare(self, module: nn.Module, called: nn.Module, unreached: bool) -> nn.Module:
        """Bare model, what is to be called (it, or it compiled) -> what the loop calls.

        unreached: some parameters never get a gradient, which DDP must look for after each step.
        """
        from accelerate.utils import DistributedDataParallelKwargs

        if self.sharded:
            return share_out(self.accelerator, module, called)
        self.accelerator.ddp_handler = DistributedDataParallelKwargs(
            find_unused_parameters=unreached
        )
        network: nn.Module = self.accelerator.prepare(called)
        return network

    def no_sync(self, network: nn.Module) -> AbstractContextManager[None]:
        """-> within it a backward pass adds to the gradients of this process alone."""
        within: AbstractContextManager[None] = self.accelerator.no_sync(network)
        return within

    def mean(self, values: Tensor) -> Tensor:
        """values (N,) -> their mean over processes, the same on each."""
        if self.world == 1:
            return values
        reduced: Tensor = self.accelerator.reduce(values, "mean")
        return reduced

    def gather(self, value: Any) -> list[Any]:
        """-> this value of every process, by rank."""
        if self.world == 1:
            return [value]
        from accelerate.utils import gather_object

        return list(gather_object([value]))

    def same_buffers(self, module: nn.Module) -> None:
        """Give every process the first one's running statistics: batch norm drifts apart."""
        if self.world > 1:
            for buffer in module.buffers():
                sent = buffer.detach().contiguous()  # NCCL refuses what is not
                torch.distributed.broadcast(sent, 0)
                if sent.data_ptr() != buffer.data_ptr():
                    buffer.copy_(sent)

    def prepare_folder(self, recipe_toml: str, environment: Mapping[str, Any]) -> None:
        """Make the run folder, or take one whose run ended before it had saved anything."""
        check_place(self.run)
        clear_unsaved(self.run)
        self.run.mkdir(parents=True, exist_ok=True)
        write_atomically(self.run / "recipe.toml", recipe_toml.encode())
        self.write_json(self.run / "environment.json", environment)

    def open_trackers(self, name: str, settings: Mapping[str, Any]) -> None:
        """Start whatever Accelerate was told to track with; they know plain values only."""
        plain = {k: v if isinstance(v, int | float | str) else str(v) for k, v in settings.items()}
        self.accelerator.init_trackers(name, config=plain)

    def write_json(self, path: Path, document: Mapping[str, Any]) -> None:
        """Write a JSON file, atomically."""
        write_atomically(path, (json.dumps(document, indent=2) + "\n").encode())


def check_device_name(device: str) -> None:
    """Refuse what is neither a device nor "", the best there is."""
    if device not in ("", "cpu", "cuda"):
        raise UsageError(f"no device '{device}' for training.", "One of: cpu, cuda.")


def check_device(device: str, dtype: str) -> bool:
    """Refuse a device that is not here, and a precision that it has not -> whether it is the CPU."""
    check_device_name(device)
    on_cpu = device == "cpu" or not torch.cuda.is_available()
    if device == "cuda" and on_cpu:
        raise UsageError("no CUDA device is usable here.", "Look at: hps doctor; or: --device cpu")
    if dtype == "fp16" and on_cpu:
        raise UsageError("fp16 needs a GPU.", "Use --dtype bf16 or fp32.")
    return on_cpu


@contextmanager
def open_processes(recipe: Recipe, out: Path, device: str, tracker: str) -> Iterator[Processes]:
    """Yield the processes of this job; they are closed whatever happens."""
    from accelerate import Accelerator
    from accelerate.utils import (
        InitProcessGroupKwargs,
        ProjectConfiguration,
        broadcast_object_list,
    )

    on_cpu = check_device(device, recipe.train.dtype)
    # one process has nothing to share out
    sharing = fsdp_plugin() if recipe.train.sharding == "fsdp" and in_company() else None
    accelerator = Accelerator(
        cpu=on_cpu,
        mixed_precision={"fp32": "no"}.get(recipe.train.dtype, recipe.train.dtype),
        log_with=tracker or None,
        project_config=ProjectConfiguration(
            project_dir=str(out), logging_dir=str(out / "trackers")
        ),
        kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(seconds=GROUP_SECONDS))],
        fsdp_plugin=sharing,
    )
    if sharing is not None and on_cpu:
        allow_on_cpu(accelerator, sharing)
    shared = [out]
    if inside_job():
        broadcast_object_list(shared)
    processes = Processes(accelerator, shared[0], sharing is not None)
    threads = torch.get_num_threads()
    if on_cpu and "OMP_NUM_THREADS" not in os.environ:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", processes.world))  # of several machines
        torch.set_num_threads(threads_for(cores(), here, recipe.data.workers))
    try:
        steady = repeatable(recipe.train.deterministic)
        with steady, watched(processes.rank, processes.world, processes.run):
            yield processes
    finally:
        torch.set_num_threads(threads)
        accelerator.end_training()
        _forget(accelerator)


def in_company() -> bool:
    """-> whether this process is one of several of its job."""
    return inside_job() and int(os.environ["WORLD_SIZE"]) > 1


def cores() -> int:
    """-> the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def threads_for(cores: int, processes: int, workers: int) -> int:
    """-> threads of each process, so that together with the data workers they fill the machine.

    One thread too many is worse than one too few: threads of torch wait for the slowest of them.
    """
    return max(1, cores // processes - workers)


def _forget(accelerator: Any) -> None:
    """Accelerate keeps one state per Python process; the next training may want another precision."""
    from accelerate.state import AcceleratorState, GradientState

    AcceleratorState._reset_state(reset_partial_state=True)
    GradientState._reset_state()
    del accelerator
