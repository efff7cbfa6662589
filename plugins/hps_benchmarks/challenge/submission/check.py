"""What the challenge's server would say about a file, and what it would only punish."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hps_benchmarks.challenge.submission import numbers
from hps_benchmarks.challenge.submission.layout import (
    JOINTS_KEY,
    SHAPES,
    SPLITS,
    SUFFIX,
    TRACKS,
    open_submission,
    place_of,
    read_ground_truth,
)
from hps_benchmarks.challenge.submission.layout import Sequence as Truth
from hpscli.data.containers.pickles import loads_pickle
from hpscli.data.leaderboard.pickles import NEW, Inspected, inspect_pickle
from hpscli.errors import BAD_RECORD, HpsError, did_you_mean
from hpscli.records import Finding

REWRITE = "Write it as hps does: hps export-preds 3dpw-challenge"
SAFE = ("numpy", "_codecs", "copy_reg", "copyreg", "builtins", "__builtin__", "collections")
NEWEST_PROTOCOL = 4  # Python 3.7, for which the program was written, reads no newer one
ZIP = b"PK\x03\x04"

Place = tuple[str, str]


def check(file: Path, *, ground_truth: str = "") -> list[Finding]:
    """The zip -> violations and doubts; with 3DPW's own folder also names, people and frames."""
    known = read_ground_truth(Path(ground_truth)) if ground_truth else {}
    opened = open_submission(file)
    places = {name: place for name in opened.names if (place := place_of(name)) is not None}
    found: list[Finding] = []
    sizes: dict[Place, dict[str, int]] = {}
    watch = numbers.Watch()
    for name, data in opened.contents(places):
        arrays, findings = _arrays(name, data)
        found += findings
        sizes[places[name]] = {key: value.shape[0] for key, value in arrays.items()}
        found += numbers.of_arrays(name, arrays, known.get(places[name]), watch)
    found = [*opened.findings, *_misplaced(opened.names), *_missing(places, known), *found]
    if sizes and not any(not sizes_of for sizes_of in sizes.values()):
        found += _tracks(sizes)
    return [*found, *watch.findings()]


def _arrays(name: str, data: bytes) -> tuple[dict[str, Any], list[Finding]]:
    """A member -> its arrays (P,N,...) of the right shape, and what is wrong with it."""
    if data.startswith(ZIP):
        problem = "it is a zip of torch.save or numpy.savez, not a pickle."
        fix = "pickle.dump({'jointPositions': ..., 'orientations': ...}, file, protocol=2)"
        return {}, [Finding(problem=problem, fix=fix, place=name)]
    seen = inspect_pickle(data)
    found = list(_of_pickle(name, seen))
    if any(finding.error and "asks for" in finding.problem for finding in found) or seen.damage:
        return {}, found
    try:
        content = loads_pickle(data, name)
    except HpsError as error:
        return {}, [*found, Finding(problem=error.problem, fix=REWRITE, place=name)]
    if not isinstance(content, Mapping):
        problem = f"it holds a {type(content).__name__}, not a dictionary."
        fix = f"One pickle is {{'{JOINTS_KEY}': (P,N,24,3), 'orientations': (P,N,9,3,3)}}."
        return {}, [*found, Finding(problem=problem, fix=fix, place=name)]
    found += _of_keys(name, [str(key) for key in content])
    arrays = {}
    for key in SHAPES:
        if key in content:
            try:
                value = np.asarray(content[key])
            except BAD_RECORD:  # lists of different lengths
                value = np.empty(0, object)
            problems = numbers.of_shape(name, key, value)
            found += problems
            if not any(finding.error for finding in problems):
                arrays[key] = value
    sizes = {value.shape[:2] for value in arrays.values()}
    if len(sizes) > 1:
        words = " and ".join(f"'{key}' {value.shape}" for key, value in arrays.items())
        fix = "Both hold the same people and frames."
        found.append(Finding(problem=f"{words} do not belong together.", fix=fix, place=name))
    return arrays, found


def _of_pickle(name: str, seen: Inspected) -> Iterator[Finding]:
    """-> what a pickle asks for and should not."""
    if seen.damage:
        problem = f"it is no whole pickle ({seen.damage})."
        yield Finding(problem=problem, fix=f"{REWRITE}, and upload all of it.", place=name)
        return
    if any(module.startswith("torch") for module in seen.modules):
        yield Finding(
            problem="it asks for torch: the server reads NumPy arrays.",
            fix="Store tensor.cpu().numpy() in place of tensors.",
            place=name,
        )
        return
    for module in seen.modules:
        if module.partition(".")[0] not in SAFE or _unsafe(seen.names):
            asked = next((n for n in seen.names if _unsafe((n,))), module)
            problem = f"it asks for {asked.replace(' ', '.')}, which is no data; nothing was run."
            yield Finding(problem=problem, fix="Store a dictionary of NumPy arrays.", place=name)
            return
    if any(module.startswith(NEW) for module in seen.modules):
        yield Finding(
            problem="it was pickled with NumPy 2 (numpy._core); a server with NumPy before 1.26 "
            "cannot load it.",
            fix=REWRITE,
            place=name,
        )
    if seen.protocol > NEWEST_PROTOCOL:
        yield Finding(
            problem=f"it is a pickle of protocol {seen.protocol}, older Pythons cannot load it.",
            fix="pickle.dump(..., protocol=2)",
            place=name,
        )


def _unsafe(names: Sequence[str]) -> bool:
    """-> whether a name among these is none of data."""
    allowed = (
        "set",
        "frozenset",
        "bytes",
        "bytearray",
        "complex",
        "list",
        "dict",
        "tuple",
        "str",
        "int",
    )
    for name in names:
        module, _, attribute = name.partition(" ")
        if module.partition(".")[0] not in SAFE:
            return True
        if module in ("builtins", "__builtin__") and attribute not in (*allowed, "float", "object"):
            return True
    return False


def _of_keys(name: str, keys: Sequence[str]) -> Iterator[Finding]:
    if not any(key in keys for key in SHAPES):
        near = next((hint for key in keys if (hint := did_you_mean(key, SHAPES))), "")
        problem = f"it has neither 'jointPositions' nor 'orientations', but {keys[:4]}."
        yield Finding(problem=problem, fix=near or "Name the keys exactly so.", place=name)
    for key in keys:
        if key not in SHAPES:
            fix = did_you_mean(key, SHAPES) or "Leave it out."
            problem = f"nobody reads its key '{key}'."
            yield Finding(problem=problem, fix=fix, place=name, error=False)


def _misplaced(names: Sequence[str]) -> Iterator[Finding]:
    """-> members outside of the three folders, or deeper than them."""
    strange = [name for name in names if place_of(name) is None]
    nested = [name for name in strange if set(PurePosixPath(name).parts[1:-1]) & set(SPLITS)]
    nested = [name for name in nested if name.endswith(SUFFIX) and "__MACOSX" not in name]
    if nested:
        above = nested[0].split("/")[0]
        yield Finding(
            problem=f"{len(nested)} files lie inside the folder '{above}': the server looks for "
            "train, validation and test at the top.",
            fix=f"Pack from inside of it: cd {above} && zip -r ../FILE.zip train validation test",
            place=nested[0],
        )
    for name in strange:
        if name not in nested:
            pickled = name.endswith(SUFFIX) and not PurePosixPath(name).name.startswith(".")
            where = "train, validation or test" if pickled else "a pickle of a sequence"
            problem = f"nobody reads it: it is not in {where}." if pickled else "nobody reads it."
            yield Finding(problem=problem, fix="Leave it out.", place=name, error=False)


def _missing(places: Mapping[str, Place], known: Mapping[Place, Truth]) -> Iterator[Finding]:
    """-> folders and sequences that are not there, or too many."""
    counts = Counter(split for split, _ in places.values())
    wanted = Counter(split for split, _ in known) if known else Counter(SPLITS)
    for split in SPLITS:
        if counts[split] == wanted[split]:
            continue
        problem = f"{split} holds {counts[split]} sequences, the data set has {wanted[split]}."
        if not counts[split]:
            problem = f"there is no folder {split} with its {wanted[split]} sequences."
        fix = "The program evaluates train, validation and test together: predict all of them."
        if counts[split] > wanted[split]:
            fix = "Leave out what is no sequence of this split."
        yield Finding(problem=problem, fix=fix, place=f"{split}/")
    names = set(places.values())
    for split, name in sorted(set(known) - names):
        problem = "it is missing; files are paired by their order, so all after it meet others."
        yield Finding(problem=problem, fix="Predict it too.", place=f"{split}/{name}{SUFFIX}")
    for split, name in sorted(names - set(known)) if known else ():
        near = did_you_mean(name, [other for of, other in known if of == split])
        problem = "the data set has no such sequence."
        fix = near or "Name it exactly as 3DPW's file."
        yield Finding(problem=problem, fix=fix, place=f"{split}/{name}{SUFFIX}")


def _tracks(sizes: Mapping[Place, Mapping[str, int]]) -> Iterator[Finding]:
    """-> keys that are not there for all 87 people: the program leaves these out without a word."""
    for key in SHAPES:
        total = sum(of.get(key, 0) for of in sizes.values())
        without = [f"{split}/{name}" for (split, name), of in sizes.items() if key not in of]
        if total == TRACKS and not without:
            continue
        if not total:
            problem = f"'{key}' is not there: its scores are left out."
            fix = "That is allowed; predict it to get all six scores."
            yield Finding(problem=problem, fix=fix, error=False)
            continue
        problem = (
            f"'{key}' holds {total} people, it has to be {TRACKS}: all its scores are left out."
        )
        if without:
            problem += f" {len(without)} sequences lack it, first {without[0]}."
        fix = "One row for every tracked person of the data set's file, in its order."
        yield Finding(problem=problem, fix=fix)
