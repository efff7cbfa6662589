"""What a run needs besides weights to go on as if it had never stopped, and how it lies on disk.

checkpoints/step-00001000.safetensors   weights (averaged ones if EMA is on) and their description
checkpoints/step-00001000.state.pt      optimiser, random generators, data position; tensors and
                                        plain values only, read with weights_only=True
checkpoints/last.safetensors, best.safetensors   links to numbered ones
"""

import io
import os
import random
import shutil
import tomllib
from collections.abc import Callable, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hpscli.atomic import write_atomically
from hpscli.errors import InvalidData, MissingError, UsageError, lacks_memory
from hpscli.nn.files import FIX, CheckpointInfo, read_info, read_tensors
from hpscli.nn.files import save_checkpoint as write_weights
from hpscli.nn.weights.sources import FOLDER, find_run, numbered, step_file
from hpscli.recipe import Recipe, validated
from hpscli.train.keeping.claim import in_use, in_use_error

SCHEMA = "hps/state/1"
SHOWN_KEYS = 5
LINKS = ("last", "best")  # made when a checkpoint is whole
UNSAVED = (  # what a training makes before its first checkpoint is whole, besides its recipe
    "environment.json",
    "log.*",
    "curves.png",
    "not-finite-*.json",
    ".*.part",
    "samples",
    "trackers",
    FOLDER,
)
FREE_KEYS = {  # may differ when a run is continued
    "base",
    "name",
    "summary",
    "needs",
    "data.workers",
    "data.validation.batch",  # no figure depends on it
    "data.validation_as_published.batch",
    "optim.batch",
    "optim.accumulate",
    "train.keep",
    "train.checkpoint_every",
    "train.overlays",
    "train.multi_view",
}
State = dict[str, Any]
Checkpoint = tuple[Path, dict[str, torch.Tensor], CheckpointInfo, State]


def random_state() -> State:
    """-> the state of every random generator of this process."""
    name, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    return {
        "python": random.getstate(),
        "numpy": (
            name,
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            position,
            has_gauss,
            gauss,
        ),
        "torch": torch.get_rng_state(),
        # of its own device only: others are other processes'
        "cuda": [torch.cuda.get_rng_state()] if torch.cuda.is_available() else [],
    }


def restore_random_state(state: State) -> None:
    """Set every random generator of this process."""
    random.setstate(state["python"])
    name, keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, gauss))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        of_all = len(state["cuda"]) > 1  # older versions kept those of every visible device
        own = torch.cuda.current_device() if of_all else 0
        torch.cuda.set_rng_state(state["cuda"][min(own, len(state["cuda"]) - 1)])


def seed_random(seed: int) -> None:
    """Start every random generator of this process anew."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def derived_seed(*words: int) -> int:
    """Numbers -> a seed that only they have."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0] >> 1)


def state_path(weights: Path) -> Path:
    """-> the state file beside a numbered checkpoint."""
    return weights.with_name(weights.name.removesuffix(".safetensors") + ".state.pt")


def save(
    run: Path,
    weights: Mapping[str, torch.Tensor],
    info: CheckpointInfo,
    state: State,
    *,
    best: bool,
    keep: int,
) -> Path:
    """Write a numbered checkpoint and its state, move the links, drop the oldest -> the file."""
    path = run / FOLDER / step_file(info.step)
    write_weights(path, weights, info)
    buffer = io.BytesIO()
    torch.save({"schema": SCHEMA, **state}, buffer)
    write_atomically(state_path(path), buffer.getvalue(), FIX)
    _link(path, "last")
    if best:
        _link(path, "best")
    _prune(run, keep)
    return path


def load_one(path: Path) -> Checkpoint:
    """A numbered checkpoint -> (file, weights, description, state)."""
    return path, read_tensors(path), read_info(path), read_state(state_path(path))


def load(run: Path, warn: Callable[[str], None] = lambda text: None) -> Checkpoint:
    """Run folder -> (file, weights, description, state) of its newest checkpoint that can be read.

    One that is damaged is passed over, and `warn` says so.
    """
    paths = whole(run)
    if not paths:
        raise MissingError(
            f"run {run} has no checkpoint with its state: there is nothing to continue.",
            "Start a new run; from the weights of this one, if any: --init " + str(run),
        )
    for path in reversed(paths):
        try:
            return load_one(path)
        except InvalidData as error:
            if path == paths[0]:
                raise
            warn(f"{error.problem} The checkpoint before is taken.")
    raise AssertionError("the loop returns or raises")


def whole(run: Path) -> list[Path]:
    """-> the numbered checkpoints of a run whose state is there too, oldest first."""
    return [path for path in numbered(run) if state_path(path).is_file()]


def saved_step(run: Path) -> int:
    """-> the steps from which a run can be continued; -1: none."""
    paths = whole(run)
    return int(paths[-1].name.removeprefix("step-").removesuffix(".safetensors")) if paths else -1


def clear_unsaved(run: Path) -> None:
    """Remove what a run left that ended before its first whole checkpoint."""
    for path in _unsaved(run):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def check_place(run: Path) -> None:
    """Refuse a place where no run can begin: a file, or a folder with more than clear_unsaved removes."""
    if run.exists() and not run.is_dir():
        raise UsageError(f"{run} is a file, and a run is a folder.", "Another folder: --out DIR")
    if run.exists() and any(run.iterdir()) and not _unsaved(run):
        saved = f"; to continue the run in it: --resume {run}" * (saved_step(run) >= 0)
        raise UsageError(
            f"run folder {run} is not empty, and runs are never overwritten.",
            f"Another folder: --out DIR{saved}",
        )


def _unsaved(run: Path) -> list[Path]:
    """-> what a run left that ended before its first whole checkpoint, its recipe last: it says that
    this is a run.

    Nothing where anything else is: weights whose states somebody removed, or files that no training
    has made.
    """
    recipe = run / "recipe.toml"
    if not recipe.is_file() or whole(run):
        return []
    if in_use(run):
        raise in_use_error(run)
    there = [path for path in run.iterdir() if path != recipe]
    ours = all(any(fnmatch(path.name, name) for name in UNSAVED) for path in there)
    linked = any((run / FOLDER / f"{name}.safetensors").exists() for name in LINKS)
    return [*there, recipe] if ours and not linked else []


def read_state(path: Path) -> State:
    """-> the content of a state file, read without running code from it."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        if state["schema"] != SCHEMA:
            raise InvalidData(f"{path} is written in schema '{state['schema']}', not '{SCHEMA}'.")
    except InvalidData:
        raise
    except Exception as error:  # torch raises a dozen kinds for a damaged or hostile file
        if lacks_memory(error):  # the file is as it should be
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InvalidData(
            f"{path} cannot be read safely as the state of a run: {reason}",
            "Remove it, and the run continues from the checkpoint before.",
        ) from None
    return dict(state)


def check_resumable(target: Path) -> Path:
    """What the user gave to --resume -> the run folder; weights are refused with what was meant."""
    if target.is_file():
        if target.name.endswith(".state.pt") or target.parent.name == FOLDER:
            raise UsageError(
                f"--resume continues a run and takes its folder, not {target}.",
                f"To continue the run: --resume {target.parent.parent}\n"
                f"To start a new run from these weights: --init {target}",
            )
        raise UsageError(
            f"{target} holds weights only: optimiser, random generators and data position are not "
            "in it, so nothing can be continued from it.",
            f"To start a new run from these weights: --init {target}",
        )
    if not target.is_dir():
        raise MissingError(f"no run folder {target}.", "Its name is printed when a run starts.")
    return find_run(target)


def check_recipe(run: Path, recipe: Recipe) -> None:
    """A run continues with its own recipe; keys that do not change the result may differ."""
    if lines := differences(run, recipe):
        raise UsageError(
            f"{run} was started with another recipe:\n" + "\n".join(lines[:SHOWN_KEYS]),
            f"Continue it as it is: hps train --resume {run}\n"
            "Start a new run from its weights: --init " + str(run),
        )


def differences(run: Path, recipe: Recipe) -> list[str]:
    """-> a line for each key that changes the result and is another one in a run's own recipe."""
    own = flat(
        validated(
            tomllib.loads((run / "recipe.toml").read_text(encoding="utf-8")), str(run)
        ).model_dump()
    )
    asked = flat(recipe.model_dump())
    counted = {key for key in {*own, *asked} - FREE_KEYS if not key.startswith("about.")}
    changed = [key for key in sorted(counted) if own.get(key) != asked.get(key)]
    return [f"{key}: {own.get(key)} in the run, {asked.get(key)} asked for" for key in changed]


def flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables -> {dotted key: value}."""
    result: dict[str, Any] = {}
    for key, value in document.items():
        if isinstance(value, Mapping):
            result.update(flat(value, f"{prefix}{key}."))
        else:
            result[prefix + key] = value
    return result


def _link(path: Path, name: str) -> None:
    """Make checkpoints/NAME.safetensors stand for a numbered checkpoint, atomically."""
    link = path.with_name(f"{name}.safetensors")
    temporary = path.with_name(f".{name}.{os.getpid()}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        temporary.symlink_to(path.name)
    except OSError:  # file systems without links
        shutil.copyfile(path, temporary)
    temporary.replace(link)


def _prune(run: Path, keep: int) -> None:
    """Keep the newest numbered checkpoints, and the weights that `best` stands for."""
    for ending in ("tmp", "part"):  # of a process that was killed while it wrote
        for rest in (run / FOLDER).glob(f".*.{ending}"):
            rest.unlink()
    paths = numbered(run)
    best = run / FOLDER / "best.safetensors"
    spared = best.resolve().name if best.is_symlink() else ""
    for path in paths[:-keep]:
        with suppress(FileNotFoundError):
            state_path(path).unlink()
        if path.name != spared:
            path.unlink()
