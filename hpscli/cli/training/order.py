"""What somebody typed after `hps train`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpscli.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Order:
    """What somebody typed after `hps train`."""

    recipe: str  # with --resume also a run
    words: tuple[str, ...] = ()
    out: Path | None = None
    resume: bool = False
    init: str = ""
    gpus: int = 0
    processes: int = 0
    device: str = ""
    dtype: str = ""
    seed: int | None = None
    limit: int = 0
    compile: bool = False
    tracker: str = ""
    keep_lr: bool = False
    scale_lr: bool = False
    validate: bool = True
    as_published: bool = False
    fast: bool = False
    slurm: str = ""
    wait: bool = False
    dry_run: bool = False
    json: bool = False
    quiet: bool = False

    @property
    def changes(self) -> list[str]:
        """-> the words that change the recipe."""
        return [word for word in self.words if "=" in word]

    @property
    def settings(self) -> dict[str, Any]:
        """-> what the loop is told besides the recipe."""
        return {
            "device": "cpu" if self.processes else self.device,
            "validate": self.validate,
            "tracker": self.tracker,
            "keep_lr": self.keep_lr,
            "scale_lr": self.scale_lr,
        }

    def adjustments(self) -> dict[str, Any]:
        """-> the flags that change the recipe."""
        return {
            "init": self.init,
            "dtype": self.dtype,
            "seed": self.seed,
            "compile": self.compile,
            "limit": self.limit,
            "fast": self.fast,
            "as_published": self.as_published,
        }

    def again(self, place: Path) -> str:
        """-> the command that continues this training with as many processes."""
        words = ["hps train --resume", str(place)]
        words += [f"--gpus {self.gpus}"] if self.gpus else []
        words += [f"--processes {self.processes}"] if self.processes else []
        words += [f"--device {self.device}"] if self.device else []
        words += [f"--slurm {self.slurm}"] if self.slurm else []
        return " ".join(words)


def check(order: Order) -> None:
    """Raise for flags that cannot be meant together."""
    if order.gpus and order.processes:
        raise UsageError("--gpus and --processes both say how many processes.", "Give one of them.")
    if order.slurm and (order.gpus or order.processes):
        raise UsageError("--slurm says how many processes there are.", "--slurm gpus=N, or tasks=N")
    if order.keep_lr and order.scale_lr:
        raise UsageError(
            "--keep-lr and --scale-lr say two learning rates for one batch.", "Give one of them."
        )
    if order.wait and not order.slurm:
        raise UsageError("--wait follows a job of --slurm.", "Leave it out, or add --slurm ...")
    if order.resume and order.init and order.out is None:
        raise UsageError(
            "--resume continues a run with its own weights, --init starts a new run from others; "
            "they exclude each other.",
            "Continue exactly: --resume RUN. New run from weights: --init FILE, without --resume.",
        )
