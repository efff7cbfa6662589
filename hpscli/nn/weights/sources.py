"""Where a checkpoint is: a file, `model.tag`, `model`, a run folder, RUN@EPOCH, RUN@last, RUN@best.

`model.tag` is what comes with hps or was imported (`hps models import`). What follows a + are options
of the model that differ from those it was trained with: fastmetro.l-hrnet-w64-smpl-3dpw+parametric
"""

import re
from importlib import resources
from pathlib import Path

from hpscli.errors import InvalidData, MissingError, UsageError, did_you_mean
from hpscli.hooks import ModelSpec, Weights
from hpscli.nn.files import file_sha256, read_info
from hpscli.nn.weights.store import stored
from hpscli.registry import get_registry

FOLDER = "checkpoints"  # inside a run folder
RUN_NAME = re.compile(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d")  # as `hps train` names runs
TRIAL = "fast-dev-"  # before the time, of runs of one step: nobody who asks for the newest run means them
SHOWN_RUNS = 8
WITH_OPTIONS = re.compile(r"(?P<source>.+?)(?P<options>(?:\+[a-z_]+(?:=[^+]*)?)+)")


def step_file(step: int) -> str:
    """-> the file name of the checkpoint after this many optimiser steps."""
    return f"step-{step:08d}.safetensors"


def split_options(source: str | Path) -> tuple[str | Path, dict[str, str]]:
    """ "NAME+parametric+layers=2" -> "NAME", {"parametric": "", "layers": "2"}; a path that is there: itself."""
    text = str(source)
    found = WITH_OPTIONS.fullmatch(text)
    if found is None or Path(text).expanduser().exists():
        return source, {}
    words = (word.partition("=") for word in found["options"].split("+")[1:])
    return found["source"], {name: value for name, _, value in words}


def find_checkpoint(source: str | Path) -> tuple[Path, str]:
    """What a user typed -> (file, the name to show for it)."""
    text = str(source)
    path = Path(text).expanduser()
    if path.is_file():
        return path, text
    if path.is_dir():
        run = find_run(path)
        return _in_run(run, ""), text if run == path else str(run)
    folder, at, which = text.rpartition("@")
    if at and (path := Path(folder).expanduser()).is_dir():
        run = find_run(path)
        return _in_run(run, which), text if run == path else f"{run}@{which}"
    return _named(text)


def numbered(run: Path) -> list[Path]:
    """-> the numbered checkpoints of a run, oldest first."""
    return sorted((run / FOLDER).glob("step-*.safetensors"))


def refuse_unsaved(run: Path) -> None:
    """Raise for a run folder in which no checkpoint is yet."""
    if (run / "recipe.toml").is_file() and not numbered(run):
        raise MissingError(
            f"run {run} has no checkpoint: it was stopped before its first, or has not got so far.",
            f"If it was stopped, start it again: hps train RECIPE --out {run}",
        )


def find_run(folder: Path) -> Path:
    """A run -> itself; runs/RECIPE -> its newest run, for their names are times. Other folders of
    runs are refused: nobody can tell which one is meant."""
    refuse_unsaved(folder)
    if (folder / FOLDER).is_dir():
        return folder
    saved = sorted(path for path in folder.iterdir() if (path / FOLDER).is_dir())
    runs = [run for run in saved if not run.name.startswith(TRIAL)]
    if not runs:
        for path in sorted(folder.iterdir(), reverse=True):
            refuse_unsaved(path)
        if saved:
            raise MissingError(
                f"{folder} has no run but fast dev runs, which are never meant by it.",
                f"Train first; or name it: {saved[-1]}",
            )
        raise MissingError(
            f"no checkpoints in {folder}: it is not a run folder.",
            "Make a run: hps train RECIPE --out DIR",
        )
    if not all(RUN_NAME.fullmatch(run.name) for run in runs):
        shown = ", ".join(run.name for run in runs[:SHOWN_RUNS])
        more = f" and {len(runs) - SHOWN_RUNS} more" if len(runs) > SHOWN_RUNS else ""
        raise UsageError(
            f"{folder} is not a run but a folder of runs: {shown}{more}.",
            f"Name the one that you mean: {runs[-1]}",
        )
    return runs[-1]


def _in_run(run: Path, which: str) -> Path:
    if which in ("", "best", "last"):
        for name in ("best", "last") if not which else (which,):
            if (found := run / FOLDER / f"{name}.safetensors").is_file():
                return found
        raise MissingError(
            f"run {run} has no '{which or 'last'}' checkpoint yet.",
            f"Give it more time, or continue it: hps train --resume {run}",
        )
    if not which.isdecimal():
        raise UsageError(
            f"'@{which}' is not a checkpoint of a run.", "Write @EPOCH, @best or @last."
        )
    epochs = {read_info(path).epoch: path for path in numbered(run)}
    if int(which) not in epochs:
        there = ", ".join(str(epoch) for epoch in sorted(epochs)) or "none"
        raise MissingError(
            f"run {run} keeps no checkpoint of epoch {which}; kept: {there}.",
            "train.keep in the recipe says how many numbered checkpoints stay.",
        )
    return epochs[int(which)]


def _named(text: str) -> tuple[Path, str]:
    """ "model.tag", "model" -> what comes with hps, else what was imported."""
    registry = get_registry()
    name, _, tag = text.partition(".")
    if name not in registry.names("model"):
        known = registry.names("model")
        fix = did_you_mean(name, known) or "See: hps models list"
        raise MissingError(
            f"no checkpoint '{text}': no such file, run folder or model.",
            "\n".join([fix, *registry.broken()]),
        )
    spec = registry.model(name)
    shipped = [w for w in spec.weights if w.file and tag in ("", w.tag)]
    if shipped:
        return _packaged(spec, shipped[0])
    imported = [entry for entry in stored(name) if tag in ("", entry.tag)]
    if len(imported) == 1:
        return imported[0].path, imported[0].name
    if imported:
        names = ", ".join(entry.name for entry in imported)
        raise UsageError(
            f"model '{name}' has {len(imported)} checkpoints here: {names}.", "Name one of them."
        )
    raise _absent(spec, tag)


def _absent(spec: ModelSpec, tag: str) -> MissingError | UsageError:
    """-> the error for weights that are neither shipped nor imported."""
    tags = [w.tag for w in spec.weights]
    if tag and tag not in tags:
        known = [*tags, *(entry.tag for entry in stored(spec.name))]
        return UsageError(
            f"model '{spec.name}' has no weights '{tag}'.",
            did_you_mean(tag, known) or f"See: hps models show {spec.name}",
        )
    released = [w for w in spec.weights if w.official_file and tag in ("", w.tag)]
    name = f"{spec.name}.{tag}" if tag else spec.name
    if not released:
        return MissingError(f"no weights of '{name}' come with hps.", _where_to_get(spec, tag))
    file = released[0].official_file
    return MissingError(
        f"no weights of '{name}' are here: hps does not ship them; their authors call the file "
        f"{file}.",
        f"With a copy of it: hps models import {file}\nOr {_where_to_get(spec, tag)}",
    )


def _where_to_get(spec: ModelSpec, tag: str) -> str:
    pages = [w.homepage for w in spec.weights if w.homepage and tag in ("", w.tag)]
    train = "train some: hps train RECIPE model.name=" + spec.name
    return f"see the project, {pages[0]}, or {train}" if pages else train


def _packaged(spec: ModelSpec, weights: Weights) -> tuple[Path, str]:
    package, _, relative = weights.file.partition(":")
    path = Path(str(resources.files(package).joinpath(relative)))
    name = f"{spec.name}.{weights.tag}"
    if not path.is_file():
        raise MissingError(f"the weights of '{name}' are missing: {path}.", "Install hps again.")
    if weights.sha256 and file_sha256(path) != weights.sha256:
        raise InvalidData(
            f"the weights of '{name}' are not what they were: {path} has another sha256.",
            "Install hps again.",
        )
    return path, name
