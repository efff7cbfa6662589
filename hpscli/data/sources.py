"""Reading people out of a data set plugin, one by one: a record -> a sample, checked and encoded.

A record that is bad comes out as `Bad` with its position and reason; it never stops the others.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from hpscli.data.people import Layout, keyed, make_sample, recropped
from hpscli.data.sample import complaints, encode_record, image_kind
from hpscli.errors import HpsError, LostFile, UsageError, did_you_mean
from hpscli.hooks import DatasetSpec
from hpscli.records import Person, Sample
from hpscli.registry import get_registry, resolve

KINDS = {bool: "true or false", int: "a whole number", float: "a number"}


@dataclass(frozen=True)
class Encoded:
    """A sound person, ready for the tar."""

    position: int
    key: str
    extension: str
    image: bytes
    record: bytes
    names: tuple[str, ...]
    body_source: str


@dataclass(frozen=True)
class Bad:
    """A record that cannot be used, and why."""

    position: int
    key: str
    problem: str
    whole_file: bool = False  # lost with all who are in it


@dataclass(frozen=True, kw_only=True)
class Source:
    """A data set plugin with everything that its functions need; small, so that it travels."""

    spec: DatasetSpec
    root: Path
    split: str
    options: Mapping[str, Any] = field(default_factory=dict)
    layout: Layout = Layout()
    decode: bool = False  # whole pictures too are decoded, to see whether they can be

    def open_parallel(self) -> tuple[int, Callable[[int], Sample]]:
        """-> how many people there are, and the function that makes one."""
        get_registry()  # development plugins (HPS_PLUGINS) become importable
        count, make = resolve(self.spec.parallel)(self.root, self.split, **self.options)
        return int(count), make

    def open_records(self) -> Iterator[Person | Sample | HpsError]:
        """-> people or samples; an error comes in place of a record that cannot be read."""
        get_registry()
        target = self.spec.people or self.spec.samples
        records = iter(resolve(target)(self.root, self.split, **self.options))
        return keyed(records) if self.spec.people else records

    def finish(self, record: Person | Sample) -> Sample:
        """-> the sample of a person, or a sample in the layout that is asked for."""
        if isinstance(record, Sample):
            return recropped(record, self.layout)
        meta = {"dataset": self.spec.name, "split": self.split, **record.meta}
        if self.options.get("reference"):
            meta["as_reference"] = self.options["reference"]
        return make_sample(self.root, replace(record, meta=meta), self.layout)


def checked_options(spec: DatasetSpec, words: Sequence[str]) -> dict[str, Any]:
    """`key=value` words -> all options of the data set, typed like their defaults."""
    options = dict(spec.options)
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"'{word}' is not key=value.", f"See: hps datasets show {spec.name}")
        if key not in options:
            raise UsageError(
                f"data set '{spec.name}' has no option '{key}'.",
                did_you_mean(key, options) or f"Its options: {', '.join(options) or 'none'}",
            )
        options[key] = _typed(spec, key, text)
    return options


def _typed(spec: DatasetSpec, key: str, text: str) -> Any:
    default = spec.options[key]
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if isinstance(default, int | float):
            return type(default)(text)
    except (KeyError, ValueError):
        kind = KINDS[type(default)]
        raise UsageError(
            f"option '{key}' of '{spec.name}' is {text!r}, expected {kind}.",
            f"For example: {key}={default}",
        ) from None
    return text


def encode(position: int, sample: Sample, *, decode: bool = True) -> Encoded | Bad:
    """A sample -> bytes for the tar, or what is wrong with it."""
    arrays = {name: _narrow(array) for name, array in sample.arrays.items()}
    sample = Sample(key=sample.key, image=sample.image, arrays=arrays, meta=sample.meta)
    wrong = complaints(sample, decode=decode)
    if wrong:
        return Bad(position, sample.key, "; ".join(wrong))
    return Encoded(
        position,
        sample.key,
        image_kind(sample.image),
        sample.image,
        encode_record(arrays, sample.meta),
        tuple(sorted(arrays)),
        str(sample.meta.get("body_source", "")),
    )


def _narrow(values: Any) -> np.ndarray:
    array: np.ndarray = np.asarray(values)
    return array.astype(np.float32) if array.dtype.kind == "f" else array


def make_and_encode(source: Source, position: int, make: Callable[[], Any]) -> Encoded | Bad:
    """The function that gives record number `position` -> encoded, or what is wrong with it."""
    key, record = "", None
    try:
        record = make()
        if isinstance(record, HpsError):
            raise record
        key = record.key
        sample = source.finish(record)
        # a person's picture was looked at when the sample was made
        decode = isinstance(record, Sample) or (source.decode and _is_another(sample.image))
        found = encode(position, sample, decode=decode)
    except HpsError as error:
        problem = _anywhere(error.problem.rstrip("."), source.root)
        found = Bad(position, key, problem, isinstance(error, LostFile))
    except Exception as error:  # a plugin that stumbles over one record must not lose the others
        found = Bad(position, key, _anywhere(f"{type(error).__name__}: {error}", source.root))
    if isinstance(found, Bad) and isinstance(record, Person):
        return _with_file(found, record.image)
    return found


def _anywhere(problem: str, root: Path) -> str:
    """-> the same without addresses and the folder of this machine: the index is the same everywhere."""
    return re.sub(r" at 0x[0-9a-f]+", "", problem.replace(f"{root}{os.sep}", ""))


def _with_file(bad: Bad, image: str) -> Bad:
    """-> the same, naming the picture if it does not yet."""
    if PurePosixPath(image).name in bad.problem:
        return bad
    return replace(bad, problem=f"{image}: {bad.problem}")


_decoded: list[bytes] = []  # the picture that was decoded last: people of one follow each other


def _is_another(image: bytes) -> bool:
    if _decoded and _decoded[0] is image:
        return False
    _decoded[:] = [image]
    return True
