"""Train in several processes, and again from a step: python -m tests.train.forking RECIPE RUN WORLD STEP.

They are forked from one that has imported everything, which is most of the time that a short job takes.
RUN is what goes on; RUN.whole is the unbroken one.
"""

import os
import shutil
import sys
import tomllib
from pathlib import Path

import accelerate  # noqa: F401  # what the loop imports later

from hpscli.recipe import Recipe, validated
from hpscli.registry import get_registry
from hpscli.train.keeping.state import saved_step
from hpscli.train.loop import train
from hpscli.train.scaling.launch import meeting_port, place
from hpscli.train.scaling.stopping import PARENT


def job(world: int, recipe: Recipe, run: Path, *, resume: bool = False) -> None:
    """Train in so many processes that do as ours do after a launch."""
    processes = []
    with meeting_port() as port:
        for rank in range(world):
            if process := os.fork():
                processes.append(process)
                continue
            os.environ.update({**place(rank, world, port), PARENT: "0"})
            try:
                train(recipe, run, resume=resume, device="cpu")
                os._exit(0)
            finally:
                os._exit(1)
        codes = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    if any(codes):
        sys.exit(f"the processes ended with {codes}")


if __name__ == "__main__":
    file, run, world, step = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
    made = validated(tomllib.loads(file.read_text()), str(file))
    get_registry()
    job(world, made, run)
    shutil.copytree(run, run.with_suffix(".whole"), symlinks=True)
    while saved_step(run) > step:
        (run / f"checkpoints/step-{saved_step(run):08}.state.pt").unlink()
    job(world, made, run, resume=True)
