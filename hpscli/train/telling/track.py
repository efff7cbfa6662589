"""The diary of a run: what the terminal showed, and one JSON line per logging step."""

import importlib.util
import json
import os
import platform
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from hpscli import __version__
from hpscli.atomic import write_atomically
from hpscli.errors import HpsError, MissingError, UsageError, did_you_mean
from hpscli.registry import get_registry

Say = Callable[[str, object], None]
REPORTED = ("torch", "timm", "accelerate", "numpy", "smplx", "webdataset", "safetensors")


class Diary:
    """Writes log.txt and log.jsonl of a run folder; on other processes than the first it is mute."""

    def __init__(self, run: Path, say: Say, *, mute: bool = False) -> None:
        self.run, self.mute = run, mute
        self._say = say
        self._warned: set[str] = set()

    def say(self, label: str, text: object = "") -> None:
        """One line of the story, on the terminal and in log.txt."""
        if self.mute:
            return
        self._say(label, text)
        self._append("log.txt", f"{label:<11} {text}".rstrip())

    def warn(self, about: str, text: str) -> None:
        """Say something that is wrong but stops nothing, once."""
        if about not in self._warned:
            self._warned.add(about)
            self.say("warning", text)

    def record(self, values: Mapping[str, Any]) -> None:
        """One JSON line in log.jsonl."""
        if not self.mute:
            self._append("log.jsonl", json.dumps(values))

    def _append(self, name: str, line: str) -> None:
        path = self.run / name
        try:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(line + "\n")
        except OSError as error:
            raise HpsError(
                f"cannot write {path}: {error.strerror or error}.",
                f"Free some space; then: hps train --resume {self.run}",
            ) from None

    def rewind(self, step: int, *, measured: bool = True) -> None:
        """Forget what was logged after this step: those steps are going to happen again.

        measured: whether the validation of this step is done, and does not happen again.
        """
        path = self.run / "log.jsonl"
        if self.mute or not path.exists():
            return
        kept = []
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if not line.endswith("\n"):
                break  # it was being written when the process was killed
            record = json.loads(line)
            again = "validation" in record and record["step"] == step and not measured
            if record["step"] > step or again:
                break
            kept.append(line)
        write_atomically(path, "".join(kept).encode())


class Meter:
    """Means of what happened since the last log line; part of the saved state.

    `steps` and `waited_s` are of this process alone: its clock did not run before it was started.
    """

    def __init__(self, state: Mapping[str, Any] | None = None) -> None:
        self.sums: dict[str, float] = dict((state or {}).get("sums", {}))
        self.sums.pop("wait_s", None)  # of older versions
        self.count = int((state or {}).get("count", 0))
        self.steps, self.waited_s = 0, 0.0

    def add(self, values: Mapping[str, float], waited_s: float = 0.0) -> None:
        """Add the numbers of one optimiser step, and the time without a batch."""
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        self.steps += 1
        self.waited_s += waited_s

    def take(self) -> dict[str, float]:
        """-> the means, and start anew."""
        means = {name: total / max(self.count, 1) for name, total in self.sums.items()}
        self.sums, self.count = {}, 0
        self.steps, self.waited_s = 0, 0.0
        return means

    def state(self) -> dict[str, Any]:
        """-> what `Meter` takes to go on."""
        return {"sums": dict(self.sums), "count": self.count}


def memory_mb(device: torch.device) -> float:
    """-> the peak of memory so far: of the GPU, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def check_tracker(name: str) -> None:
    """Refuse a tracker that Accelerate does not know or whose package is missing."""
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS

    known = [str(key) for key in LOGGER_TYPE_TO_CLASS]
    if name not in known:
        raise UsageError(
            f"no tracker named '{name}'.",
            did_you_mean(name, known) or f"One of: {', '.join(known)}.",
        )
    packages = {"tensorboard": ("tensorboard", "tensorboardX"), "comet_ml": ("comet_ml",)}
    if not any(importlib.util.find_spec(package) for package in packages.get(name, (name,))):
        extra = "hps[tensorboard]" if name == "tensorboard" else name
        raise MissingError(
            f"tracker '{name}' needs a package that is not installed.", f"pip install '{extra}'"
        )


def environment(device: torch.device, world: int) -> dict[str, Any]:
    """-> what a run was made with: versions, devices, source commit, plugins."""
    packages = {}
    for name in REPORTED:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            packages[name] = ""
    return {
        "schema": "hps/environment/1",
        "hps": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": packages,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "processes": world,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "plugins": {plugin.name: plugin.origin for plugin in get_registry().plugins},
        "command": sys.argv,
    }


def _commit() -> str:
    """-> the commit of a source checkout, "" when hps is installed from a wheel."""
    root = Path(__file__).parents[3]
    if not (root / ".git").exists():
        return ""
    done = subprocess.run(
        ["git", "-C", str(root), "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout.strip()
