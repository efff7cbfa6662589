"""What a recipe says after `hps prepare`: a data set, its split and its options, all of them known."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from hpscli.errors import UsageError, did_you_mean
from hpscli.hooks import DatasetSpec
from hpscli.registry import get_registry

# The flags of the command; a test compares them with it.
WITH_VALUE = (
    *("from", "out", "split", "workers", "limit", "layout", "size-px", "shard-samples"),
    *("body", "count", "size", "seed", "allow-bad", "slurm"),
)
SWITCHES = ("as-reference", "check", "partial", "wait", "dry-run", "force", "json", "quiet")
SHORT = ("body", "count", "size", "seed")  # flags that stand for options of the data set


@dataclass(frozen=True, kw_only=True)
class PrepareLine:
    """A line that was understood."""

    dataset: DatasetSpec
    split: str
    options: Mapping[str, Any]  # all that the data set takes


def read_line(prepare: str, shards: str) -> PrepareLine:
    """What stands after `hps prepare`, or nothing and shards/NAME/SPLIT -> the line, checked."""
    from hpscli.data.prepare import check_split
    from hpscli.data.sources import checked_options

    words, flags = _words(prepare or _from_place(shards))
    if not words:
        raise UsageError(f"'{prepare}' names no data set.", "See: hps datasets list")
    spec = get_registry().dataset(words[0])
    split = flags.get("split", "")
    split = spec.split_aliases.get(split, split) or spec.splits[0]
    check_split(spec, split)
    options = checked_options(spec, [*words[1:], *_meant(spec, flags)])
    return PrepareLine(dataset=spec, split=split, options=options)


def _from_place(shards: str) -> str:
    """ "shards/NAME/SPLIT" -> "NAME --split SPLIT"."""
    parts = PurePosixPath(shards).parts
    known = {name for spec in get_registry().all("dataset") for name in (spec.name, *spec.aliases)}
    if len(parts) < 2 or parts[-2] not in known:
        raise UsageError(
            f"nothing says how {shards} is made.",
            'Say it in the recipe: prepare = "NAME --split SPLIT"',
        )
    return f"{parts[-2]} --split {parts[-1]}"


def _words(line: str) -> tuple[list[str], dict[str, str]]:
    """-> plain words, and the values of flags; a flag that `hps prepare` does not have is an error."""
    words: list[str] = []
    flags: dict[str, str] = {}
    rest = iter(shlex.split(line))
    for word in rest:
        if not word.startswith("-"):
            words.append(word)
            continue
        name, equals, value = word.removeprefix("--").partition("=")
        if name in SWITCHES:
            continue
        if name not in WITH_VALUE:
            known = [f"--{flag}" for flag in (*WITH_VALUE, *SWITCHES)]
            raise UsageError(
                f"`hps prepare` has no flag '{word}'.",
                did_you_mean(word, known) or "See: hps prepare --help",
            )
        flags[name] = value if equals else next(rest, "")
    return words, flags


def _meant(spec: DatasetSpec, flags: Mapping[str, str]) -> list[str]:
    """-> short flags as words of the data set's options: --size 80 is size_px=80."""
    found = []
    for flag in SHORT:
        names = [name for name in (flag, f"{flag}_px") if name in spec.options]
        if flag in flags and names:
            found.append(f"{names[0]}={flags[flag]}")
        elif flag in flags and flag != "size":  # of other data, --size is that of stored crops
            raise UsageError(
                f"data set '{spec.name}' has no option '{flag}'.",
                f"Its options: {', '.join(spec.options) or 'none'}",
            )
    return found
