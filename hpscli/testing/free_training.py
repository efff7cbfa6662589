"""Free recipes trained from scratch and set beside the mean person: what a family's network learns."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from hpscli.atomic import write_atomically
from hpscli.errors import HpsError, UsageError, unknown_name
from hpscli.nn.checkpoints import load_model
from hpscli.recipe import Recipe, list_recipes, recipe_hash
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.run.sessions.baseline import baseline
from hpscli.testing.speed.processor_time import ProcessorTime

SUFFIX = "_free"  # of the names of such recipes
ERRORS = ("mpjpe", "pa_mpjpe")  # what is compared, mm; the first decides
LEAST = 15.0  # % below the mean person, at least
TIMES = "bench-free.json"  # in a run folder: how long it took
PEOPLE = {"smpl": "bodies", "mano": "hands", "smplx": "whole bodies"}


@dataclass(frozen=True, kw_only=True)
class Times:
    """How long one training took, all of its processes together."""

    recipe_hash: str
    date: str  # UTC
    wall_s: float
    cpu_s: float | None  # None where the system does not tell
    load: float  # programs that wanted a core in the minute before it began


@dataclass(frozen=True, kw_only=True)
class Row:
    """One recipe: what it learned, and what that took."""

    name: str
    family: str
    people: str
    steps: int
    samples: int
    times: Times
    mean: Mapping[str, float]  # errors of the mean person of training, mm
    ours: Mapping[str, float]  # after the last step, mm

    @cached_property
    def below(self) -> dict[str, float]:
        """-> % below the mean person, by error."""
        return {name: 100 * (1 - self.ours[name] / self.mean[name]) for name in self.ours}

    def ok(self, least: float) -> bool:
        """-> whether the first error is far enough below that of the mean person."""
        return self.below[ERRORS[0]] >= least

    def document(self, least: float) -> dict[str, Any]:
        """-> the row as JSON has it."""
        plain = ("name", "family", "people", "steps", "samples")
        found: dict[str, Any] = {name: getattr(self, name) for name in plain}
        found |= {"wall_s": self.times.wall_s, "cpu_s": self.times.cpu_s}
        found |= {"date": self.times.date, "load": self.times.load}
        for name in self.ours:
            found |= {f"mean_{name}": self.mean[name], name: self.ours[name]}
            found[f"{name}_below_percent"] = self.below[name]
        return {**found, "ok": self.ok(least)}


def free_recipes(asked: Sequence[str] = ()) -> list[str]:
    """Names, files, nothing -> recipes; nothing: every shipped one of free people."""
    known = [name for name in list_recipes() if name.endswith(SUFFIX)]
    for name in asked:
        if not Path(name).is_file() and Path(name).stem not in known:
            raise unknown_name("free recipe", name, known, "hps recipes list")
    return list(asked) or known


def train_from_scratch(name: str, recipe: Recipe, place: Path, *, quiet: bool = False) -> Times:
    """Recipe, run folder -> how long `hps train` took; a finished run of this recipe is taken as it is.

    A run that was stopped begins anew, for its time counts. People must be there: their making does not.
    """
    if (place / "finished.json").is_file() and (place / TIMES).is_file():
        times = Times(**json.loads((place / TIMES).read_text(encoding="utf-8")))
        if times.recipe_hash != _hash(recipe):
            raise UsageError(
                f"{place} is a run of another form of {name}.", f"Remove it: rm -r {place}"
            )
        return times
    if (place / "recipe.toml").is_file():
        shutil.rmtree(place)
    load, date = os.getloadavg()[0], datetime.now(UTC).strftime("%Y-%m-%d")
    command = [sys.executable, "-m", "hpscli", "train", name, "--out", str(place)]
    command += ["--device", "cpu", *(["--quiet"] if quiet else [])]
    start = time.monotonic()
    training = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    with training, ProcessorTime(training.pid) as processor:
        code = training.wait()
    if code:
        raise HpsError(
            f"the training of {name} ended with exit code {code}.",
            f"Look at {place}/log.txt; then the same command again.",
        )
    times = Times(
        recipe_hash=_hash(recipe),
        date=date,
        wall_s=round(time.monotonic() - start, 1),
        cpu_s=None if processor.seconds is None else round(processor.seconds, 1),
        load=round(load, 1),
    )
    write_atomically(place / TIMES, json.dumps(vars(times), indent=1).encode())
    return times


def _hash(recipe: Recipe) -> str:
    """-> of all that trains; its summary may be written anew."""
    return recipe_hash(recipe.model_copy(update={"summary": ""}))


def measured(recipe: Recipe, place: Path, times: Times) -> Row:
    """Recipe, its finished run -> the row: weights of the last step under the validation's protocol."""
    wanted = recipe.data.validation
    if wanted is None or len(recipe.data.mix) != 1:
        raise UsageError(f"{recipe.name} has no validation, or several data sets: no mean person.")
    protocol = get_registry().protocol(wanted.protocol)
    model = load_model(f"{place}@last", device="cpu")
    found = evaluate(model, wanted.shards, protocol, limit=wanted.limit).metrics
    (member,) = recipe.data.mix.values()
    mean = baseline(member.shards, wanted.shards, protocol, model.body, limit=wanted.limit)
    steps = int(json.loads((place / "finished.json").read_text(encoding="utf-8"))["step"])
    return Row(
        name=recipe.name,
        family=recipe.model.name,
        people=PEOPLE[model.body.kind],
        steps=steps,
        samples=steps * recipe.optim.batch * recipe.optim.accumulate,
        times=times,
        mean={name: mean[name].value for name in ERRORS},
        ours={name: found[name].value for name in ERRORS},
    )
