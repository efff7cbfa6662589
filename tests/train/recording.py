"""Train, and write down what a step was made of: python -m tests.train.recording RECIPE RUN."""

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import torch

from hpscli.data.streaming import stream
from hpscli.launched import leave
from hpscli.recipe import Recipe, validated
from hpscli.train.loop import train


def record(recipe: Recipe, run: Path) -> None:
    """Train with SGD -> keys and gradients of each step in RUN.RANK.pt; gradients are of all ranks."""
    keys: list[tuple[str, ...]] = []
    gradients: list[list[torch.Tensor]] = []
    make, step = stream.to_batch, torch.optim.SGD.step

    def noted(packed: Any, *rest: Any, **other: Any) -> Any:
        keys.append(packed.keys)
        return make(packed, *rest, **other)

    def stepped(self: torch.optim.SGD, *rest: Any, **other: Any) -> Any:
        of_all = [p.grad.clone() for group in self.param_groups for p in group["params"]]
        gradients.append(of_all)
        return step(self, *rest, **other)

    stream.to_batch, torch.optim.SGD.step = noted, stepped  # type: ignore[assignment]
    try:
        train(recipe, run, validate=False, device="cpu")
    finally:
        stream.to_batch, torch.optim.SGD.step = make, step  # type: ignore[method-assign]
    rank = os.environ.get("RANK", "0")
    torch.save({"keys": keys, "gradients": gradients}, run.with_suffix(f".{rank}.pt"))


if __name__ == "__main__":
    record(validated(tomllib.loads(Path(sys.argv[1]).read_text()), sys.argv[1]), Path(sys.argv[2]))
    leave(0)
