"""Checkpoints of other programs, recognised by their keys and shapes alone.

A file is opened safely, its weights are found among optimisers and logs, prefixes of wrappers are
taken off, and every layout that a model declares is asked whether it knows these keys.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from hpscli.errors import HpsError, InvalidData
from hpscli.hooks import Layout, ModelSpec
from hpscli.nn.layouts import Differences, Row, counted, differences, read_rows, renamed, rows_at
from hpscli.nn.official.containers import Foreign as Foreign
from hpscli.nn.official.containers import open_foreign as open_foreign
from hpscli.nn.options import adapted, complete_options, preset_of, title
from hpscli.registry import get_registry, resolve

COMMON_PREFIXES = ("", "module.", "model.", "module.model.", "model.module.", "network.", "net.")
PREFIX_WORDS = 3  # of a prefix that most keys share
SHOWN_KEYS = 3
SMALL = "tiny"  # end of the names of presets for tests


@dataclass(frozen=True)
class Recognised:
    """A foreign file that is exactly of a layout."""

    spec: ModelSpec  # adapted to the options
    layout: Layout
    options: Mapping[str, Any]  # complete
    preset: str  # "" when the options are of none
    rows: tuple[Row, ...]
    tensors: Mapping[str, Tensor]  # by their keys, without prefix
    prefix: str
    foreign: Foreign

    @property
    def used(self) -> int:
        return sum(row.ours != "" and row.theirs in self.tensors for row in self.rows)

    def state(self) -> dict[str, Tensor]:
        """-> our state dict."""
        return read_rows(self.rows, self.tensors)

    def unused(self) -> dict[str, str]:
        """-> key -> why it is dropped."""
        whys = {row.theirs: row.why or "never used" for row in self.rows if not row.ours}
        return {
            key: whys.get(key) or why_ignored(self.layout, key) or "never used"
            for key in self.tensors
            if key in whys or why_ignored(self.layout, key)
        }

    def bare(self) -> list[str]:
        """-> unused keys that lie beside the prefix, not under it."""
        return [key for key in self.unused() if self.prefix and key in self.foreign.tensors]

    def said(self) -> tuple[str, ...]:
        """-> what was recognised, dropped and changed, one line each."""
        return tuple(_report(self))


@dataclass(frozen=True)
class Attempt:
    """What one layout makes of a file."""

    spec: ModelSpec
    layout: Layout
    options: Mapping[str, Any]
    rows: tuple[Row, ...]
    tensors: Mapping[str, Tensor]
    prefix: str
    differences: Differences

    @property
    def matched(self) -> int:
        shapes = {key: tuple(tensor.shape) for key, tensor in self.tensors.items()}
        return sum(bool(row.ours) and shapes.get(row.theirs) == row.shape for row in self.rows)


def recognise(
    foreign: Foreign, *, models: Iterable[ModelSpec] | None = None, partial: bool = False
) -> Recognised:
    """Tensors -> the model, options and rows that they are of; else InvalidData with the nearest.

    partial: also layouts that hold only a part of a model.
    """
    specs = list(get_registry().all("model") if models is None else models)
    pairs = [(spec, at) for spec in specs for at in spec.layouts if partial or not at.partial]
    attempts = [attempt for pair in pairs for attempt in _attempts(foreign, *pair)]
    best = _best(attempts, foreign)
    if best is None or not preset_of(best.spec, best.options):
        small = [attempt for pair in pairs for attempt in _attempts(foreign, *pair, small=True)]
        best = _best(small, foreign) or best
    if best is not None:
        return _recognised(best, foreign)
    if not partial:
        _refuse_part(foreign, specs)
    raise _nearest(foreign, attempts, specs)


def _best(attempts: Iterable[Attempt], foreign: Foreign) -> Attempt | None:
    """-> the attempt without any difference that reads most, in its layout's container or prefix."""
    exact = [attempt for attempt in attempts if not attempt.differences and attempt.matched]

    def merit(attempt: Attempt) -> tuple[bool, int, bool, bool]:
        container = f"{foreign.place}/{attempt.prefix}" if foreign.place else attempt.prefix
        theirs, prefix = attempt.layout.container, attempt.layout.container.rpartition("/")[2]
        fits = theirs == container
        return not attempt.layout.partial, attempt.matched, fits, prefix == attempt.prefix

    return max(exact, key=merit, default=None)


def _refuse_part(foreign: Foreign, specs: Iterable[ModelSpec]) -> None:
    """Raise when the file is exactly a part of a model: a start for training, not a model."""
    for spec in specs:
        for layout in spec.layouts:
            tries = _attempts(foreign, spec, layout) if layout.partial else ()
            if any(attempt.matched and not attempt.differences for attempt in tries):
                raise InvalidData(
                    f"{foreign.origin} holds a part of model '{spec.name}' only: {layout.summary}.",
                    f"Start a training from it: hps train RECIPE model.name={spec.name} "
                    f"--init {foreign.origin}",
                )


def why_ignored(layout: Layout, key: str) -> str:
    """-> why a key that no row names is dropped, or ""."""
    return next((why for glob, why in layout.ignored.items() if fnmatchcase(key, glob)), "")


def _attempts(
    foreign: Foreign, spec: ModelSpec, layout: Layout, *, small: bool = False
) -> Iterator[Attempt]:
    """-> what a layout makes of the file, by prefix, at the options that it guesses.

    small: at the presets for tests, which nobody released and so no guess needs to know.
    """
    for prefix in _prefixes(foreign.tensors, layout):
        tensors = _without(foreign.tensors, prefix)
        tensors = {renamed(key, layout.renames): tensor for key, tensor in tensors.items()}
        shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
        for options in _guesses(spec, layout, shapes, small):
            try:
                rows = rows_at(layout.rows, options)
            except HpsError:  # options that no model can have: the file is not of this layout
                continue
            wrong = differences(rows, shapes, ignored=lambda key: bool(why_ignored(layout, key)))
            yield Attempt(spec, layout, options, rows, tensors, prefix, wrong)


def _guesses(
    spec: ModelSpec, layout: Layout, shapes: Mapping[str, tuple[int, ...]], small: bool
) -> list[dict[str, Any]]:
    if small:
        names = [preset for preset in spec.presets if preset.endswith(SMALL)]
        return [complete_options(spec, preset, {}) for preset in names]
    try:
        guessed = resolve(layout.guess)(shapes)
        return [] if guessed is None else [complete_options(spec, "", guessed)]
    except (HpsError, LookupError, ValueError):  # shapes that no file of this family has
        return []


def _prefixes(keys: Iterable[str], layout: Layout) -> list[str]:
    """-> the prefixes that keys of this file may have: known ones, and any that most keys share."""
    keys = list(keys)
    known = dict.fromkeys((*COMMON_PREFIXES, *layout.prefixes))
    found = [prefix for prefix in known if any(key.startswith(prefix) for key in keys)]
    shared = ""
    for _ in range(PREFIX_WORDS):
        inside = [key.removeprefix(shared) for key in keys if key.startswith(shared)]
        words = Counter(key.partition(".")[0] for key in inside if "." in key)
        word, count = words.most_common(1)[0] if words else ("", 0)
        if 2 * count < len(keys) or word.isdecimal():
            break
        shared += f"{word}."
        found += [shared] if shared not in found else []
    return found


def _without(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Take the prefix off; a key that would fall on another keeps its own name."""
    stripped = {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
    rest = {key: t for key, t in tensors.items() if not key.startswith(prefix)}
    return {**rest, **stripped}


def _recognised(best: Attempt, foreign: Foreign) -> Recognised:
    return Recognised(
        spec=adapted(best.spec, best.options),
        layout=best.layout,
        options=best.options,
        preset=preset_of(best.spec, best.options),
        rows=best.rows,
        tensors=best.tensors,
        prefix=best.prefix,
        foreign=foreign,
    )


def _report(found: Recognised) -> Iterator[str]:
    yield (
        f"recognised {title(found.spec, found.options)}: {found.layout.summary}; "
        f"{found.used} tensors used{_where(found)}"
    )
    for old, new in found.layout.renames:
        if any(key.removeprefix(found.prefix).startswith(old) for key in found.foreign.tensors):
            yield f"read the older names {old}* as {new}*"
    groups: dict[str, list[str]] = {}
    for key, why in found.unused().items():
        groups.setdefault(why, []).append(key)
    for why, keys in groups.items():
        numbers = sum(found.tensors[key].numel() for key in keys)
        yield f"dropped {_some(keys)} ({numbers:,} numbers): {why}"
    if found.foreign.baggage:
        yield f"dropped entries of the file: {', '.join(found.foreign.baggage)}"
    for row in found.rows:
        if row.ours and row.read and row.why:
            yield f"changed {row.theirs}: {row.why}"
    kinds = {tensor.dtype for tensor in found.tensors.values() if tensor.is_floating_point()}
    if halves := sorted(str(kind)[6:] for kind in kinds if kind.itemsize < torch.float32.itemsize):
        yield f"widened to float32 from {', '.join(halves)}"
    if torch.float64 in kinds:
        yield "rounded to float32 from float64"
    missing = [r.theirs for r in found.rows if not r.ours and r.theirs not in found.tensors]
    if missing:
        yield f"absent from the file, and not needed: {_some(missing)}"


def _where(found: Recognised) -> str:
    """-> the container: kind of file, entry, prefix."""
    parts = [found.foreign.form] if found.foreign.form else []
    parts += [f"entry '{found.foreign.place}'"] if found.foreign.place else []
    parts += [f"prefix '{found.prefix}'"] if found.prefix else []
    return f" ({', '.join(parts)})" if parts else ""


def _some(keys: list[str]) -> str:
    """-> "3 tensors, bert.pooler.dense.weight ..." """
    return f"{counted(len(keys))}, {keys[0]}{' ...' * (len(keys) > 1)}"


def _nearest(foreign: Foreign, attempts: list[Attempt], specs: Iterable[ModelSpec]) -> InvalidData:
    """-> the error that names the layout with the most tensors in common, and what differs."""
    if not attempts:
        keys = list(foreign.tensors)
        known = ", ".join(spec.name for spec in specs if spec.layouts)
        return InvalidData(
            f"{foreign.origin} is of no layout that a model here reads: {len(keys)} tensors, "
            f"{', '.join(keys[:SHOWN_KEYS])} ...",
            f"Models that read files of their authors: {known}. See: hps models show NAME",
        )
    best = max(attempts, key=lambda a: (a.matched - len(a.differences), a.matched))
    lines = best.differences.lines()
    more = f"\n... and {len(lines) - SHOWN_KEYS} more" * (len(lines) > SHOWN_KEYS)
    return InvalidData(
        f"{foreign.origin} is of no layout that a model here reads. Nearest is "
        f"{title(best.spec, best.options)} ({best.layout.summary}): "
        f"{best.matched} tensors fit, {len(lines)} differ.\n"
        + "\n".join(lines[:SHOWN_KEYS])
        + more,
        _advice(best),
    )


def _advice(best: Attempt) -> str:
    total = sum(row.needed for row in best.rows)
    if len(best.differences.missing) > total // 4 and not best.differences.misshaped:
        return "The file seems to hold a part of the weights only: get it again, whole."
    return "Give the file as its authors released it, or see what is read: hps models show " + (
        best.spec.name
    )
