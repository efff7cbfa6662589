"""Does a recipe run? Its names are looked up, then it trains one fast dev run on stand-ins."""

import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hpscli.errors import HpsError
from hpscli.recipe import load_recipe
from hpscli.testing.standins.folders import Standins
from hpscli.testing.standins.trial import Trial, trial
from hpscli.train.recipes.naming import problems

EVERYBODY = "of each data set"  # in a warning of the training: it looked at all members


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was found out about one recipe."""

    name: str
    problems: tuple[str, ...] = ()
    ran: bool = False  # the fast dev run, to its end
    seconds: float = 0.0
    loss: float | None = None  # of the training batch
    figures: tuple[str, ...] = ()  # of the validation batch: "MPJPE 300.1 mm"
    notes: tuple[str, ...] = ()  # what was changed so that it can run here
    small: bool = False  # the family's tiny network in place of its own
    parameters: int = 0  # of its own network

    @property
    def ok(self) -> bool:
        return not self.problems


def check_recipe(
    name: str,
    overrides: Sequence[str] = (),
    *,
    standins: Standins,
    run: bool = True,
    small: bool = False,
    whole: bool = False,
    place: Path | None = None,
) -> Outcome:
    """A recipe's name or file -> whether it resolves, names only known things, and trains.

    small: with the family's tiny network; whole: with its own, however large.
    place: where the run folder lies for a moment; None: among the temporary files.
    """
    started = time.monotonic()
    try:
        recipe = load_recipe(name, overrides)
        found = problems(recipe)
    except HpsError as error:
        found = [str(error)]
    if found or not run:
        return Outcome(name=name, problems=tuple(found), seconds=time.monotonic() - started)
    try:
        tried = trial(recipe, standins, small=small, whole=whole)
        loss, figures, warnings = _fast_run(tried, place)
    except Exception as error:  # whatever a plugin raises is an answer about this recipe
        said = str(error) if isinstance(error, HpsError) else f"{type(error).__name__}: {error}"
        problem = " ".join(f"the fast dev run stopped: {said}".split())
        if os.environ.get("HPS_DEBUG"):
            raise
        return Outcome(name=name, problems=(problem,), seconds=time.monotonic() - started)
    return Outcome(
        name=name,
        ran=True,
        seconds=time.monotonic() - started,
        loss=loss,
        figures=figures,
        notes=(*tried.notes, *warnings),
        small=tried.small,
        parameters=tried.parameters,
    )


def _fast_run(tried: Trial, place: Path | None) -> tuple[float, tuple[str, ...], tuple[str, ...]]:
    """-> the loss of the training batch, figures of the validation batch, warnings."""
    from hpscli.train.loop import train
    from hpscli.train.plan import adjusted

    said: list[str] = []

    def say(label: str, text: object) -> None:
        # of every data set; that two people of a mix lack a label is chance
        if label == "warning" and EVERYBODY in str(text):
            said.append(str(text).partition(". ")[0])

    with tempfile.TemporaryDirectory(prefix="hps-recipe-", dir=place) as folder:
        recipe = adjusted(tried.recipe, 1, fast=True)
        run = train(recipe, Path(folder) / "run", device="cpu", say=say)
        lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    loss = next(line["losses"]["loss"] for line in reversed(lines) if "losses" in line)
    measured: dict[str, float] = next(
        (line["validation"] for line in reversed(lines) if "validation" in line), {}
    )
    figures = tuple(f"{name} {value:.1f}" for name, value in measured.items())
    return float(loss), figures, tuple(said)
