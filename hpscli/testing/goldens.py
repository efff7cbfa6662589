"""Golden files of official code: how their weights are made, how arrays are compared.

A golden stores what official code returned. Weights are not stored: every tensor is filled from its
own key name by `fill`, in the layout that a manifest (`keys/*.json`) lists.
"""

import hashlib
import json
import os
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hpscli.atomic import write_atomically
from hpscli.errors import InvalidData, MissingError, UsageError, did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

INTEGERS = ("int64", "int32", "uint8", "bool")
NORM_SCALES = ("weight", "gamma")  # last part of a one-dimensional key that scales a norm


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """What a replay may vary: seeds that the golden was made with, when they are not the usual."""

    seed_xor: int = 0  # the fill seed of a key is crc32(key) ^ seed_xor
    input_seed: int | None = None  # instead of the usual seed of random images
    values: Mapping[str, Any] = field(default_factory=dict)  # options that the GoldenSpec declares
    case: Mapping[str, Any] = field(default_factory=dict)  # GoldenSpec.case, as it stands there

    def get(self, name: str, default: int) -> int:
        """-> the option of this name, or its default."""
        return int(self.values.get(name, default))

    def image_seed(self, default: int) -> int:
        """-> the seed of the random images that a network is given."""
        return default if self.input_seed is None else self.input_seed

    def first_seed(self, name: str, default: int) -> int:
        """-> the seed of random images, which the option of this name decides before all."""
        return self.get(name, self.image_seed(default))


@dataclass(frozen=True, kw_only=True)
class ArrayCheck:
    """The verdict on one stored array."""

    name: str
    worst: float  # largest difference
    tolerance: float
    unit: str  # of both: "", "m", "px", "mm", "relative"
    ok: bool
    note: str = ""


@dataclass(frozen=True)
class Rule:
    """How a tensor deviates from the common fill rule: scale * value + offset."""

    scale: float = 1.0
    offset: tuple[float, ...] = (0.0,)  # tiled over the tensor
    plain: bool = False  # the bare normal numbers, without the factor of fan-in
    constant: bool = False  # whatever the official constructor puts there


_NUMBER = r"[0-9.]+"
_RULE = re.compile(
    rf"^(?:(?P<before>{_NUMBER})\s*\*\s*)?(?P<base>fill|rule|n\s*\*\s*sqrt\(1/fan_in\)|n)"
    rf"(?:\s*\*\s*(?P<after>{_NUMBER}))?"
    rf"(?:\s*\+\s*(?:(?P<offset>{_NUMBER})|tile\(\[(?P<tile>[0-9., ]+)\]\)))?(?:\s*\(.*\))?$"
)


def parse_rule(text: str) -> Rule:
    """ "fill", "fill*0.7", "8*rule + 3", "rule + tile([1,0,0,1,0,0])", "n", "constant" -> Rule."""
    text = text.removeprefix("fill_override:").strip()
    if text.startswith("constant"):
        return Rule(constant=True)
    found = _RULE.match(text)
    if not found:
        raise InvalidData(f"fill rule '{text}' is not understood.")
    offset = found["tile"].split(",") if found["tile"] else [found["offset"] or "0"]
    return Rule(
        scale=float(found["before"] or 1) * float(found["after"] or 1),
        offset=tuple(float(number) for number in offset),
        plain=found["base"] == "n",
    )


def fill(
    key: str, shape: tuple[int, ...], rule: str | Rule = "fill", xor: int = 0
) -> "np.ndarray[Any, np.dtype[np.float32]]":
    """Key of an official layout -> its tensor (*shape) float32, drawn from the key's own seed."""
    rule = parse_rule(rule) if isinstance(rule, str) else rule
    normal = np.random.RandomState((zlib.crc32(key.encode()) ^ xor) & 0xFFFFFFFF).standard_normal(
        shape
    )
    value = rule.scale * (normal if rule.plain else _shaped(key, shape, normal))
    offset = np.resize(np.asarray(rule.offset), shape)
    return np.asarray(value + offset, dtype=np.float32)


def _shaped(key: str, shape: tuple[int, ...], normal: Any) -> Any:
    """Normal numbers -> values that a trained tensor of this kind could have."""
    if key.endswith("running_var"):
        return 1 + 0.1 * np.abs(normal)
    if key.endswith("running_mean"):
        return 0.1 * normal
    if len(shape) == 1:
        scale = key.rsplit(".", 1)[-1] in NORM_SCALES
        return 1 + 0.05 * normal if scale else 0.05 * normal
    return normal * np.sqrt(1 / max(int(np.prod(shape[1:])), 1))


@dataclass(frozen=True)
class Entry:
    """One tensor of an official checkpoint layout."""

    shape: tuple[int, ...]
    dtype: str
    rule: Rule


def read_manifest(path: Path) -> dict[str, Entry]:
    """A key manifest in any of the four spellings -> its tensors by official key."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise MissingError(f"no key manifest {path}.") from None
    except ValueError as error:
        raise InvalidData(f"{path} is not JSON: {error}.") from None
    table = document.get("keys") or document.get("tensors") or document
    overrides = [(o["suffix"], o["rule"]) for o in document.get("fill_overrides", ())]
    entries = {}
    for key, row in table.items():
        if isinstance(row, dict) and "shape" in row:
            shape, dtype, role, deviation = row["shape"], row["dtype"], row["rule"], ""
        elif isinstance(row, list) and len(row) >= 3:
            shape, dtype, role = row[:3]
            deviation = row[3] if len(row) > 3 else ""
        else:
            continue  # a remark about the file, not a tensor
        if dtype in INTEGERS or role.startswith("constant"):
            rule = Rule(constant=True)
        else:
            deviation = next((r for suffix, r in overrides if key.endswith(suffix)), deviation)
            rule = parse_rule(deviation or (role if role.startswith("fill") else "fill"))
        entries[key] = Entry(tuple(shape), dtype, rule)
    if not entries:
        raise InvalidData(f"{path} lists no tensors.")
    return entries


def fill_manifest(
    manifest: Path | Mapping[str, Entry],
    *,
    constants: Mapping[str, Any] | None = None,
    xor: int = 0,
    deviation: Callable[[str, Entry], Rule | None] = lambda key, entry: None,
) -> "dict[str, Tensor]":
    """Manifest -> official state dict; integers are 0, constants as given, others left out.

    With HPS_FILLED set to a folder, what was filled once is read from there the next time.
    """
    import torch

    entries = read_manifest(manifest) if isinstance(manifest, Path) else manifest
    given = dict(constants or {})
    drawn = {
        key: (entry.shape, deviation(key, entry) or entry.rule)
        for key, entry in entries.items()
        if key not in given and entry.dtype not in INTEGERS and not entry.rule.constant
    }
    filled = _filled(drawn, xor)
    state = {}
    for key, entry in entries.items():
        if key in given:
            value = np.asarray(given[key], dtype=entry.dtype).reshape(entry.shape)
            state[key] = torch.from_numpy(np.array(value))
        elif entry.dtype in INTEGERS:
            state[key] = torch.from_numpy(np.zeros(entry.shape, dtype=entry.dtype))
        elif key in filled:
            state[key] = filled[key]
    return state


def _filled(drawn: Mapping[str, tuple[tuple[int, ...], Rule]], xor: int) -> "dict[str, Tensor]":
    """Key -> shape and rule -> tensors; hundreds of millions of numbers take many seconds."""
    import torch
    from safetensors.torch import load_file, save

    folder = os.environ.get("HPS_FILLED")
    if folder:
        digest = hashlib.sha256(repr((xor, sorted(drawn.items()))).encode()).hexdigest()
        path = Path(folder) / f"{digest}.safetensors"
        if path.is_file():
            return dict(load_file(path))
    tensors = {
        key: torch.from_numpy(fill(key, shape, rule, xor)) for key, (shape, rule) in drawn.items()
    }
    if folder:
        write_atomically(path, save(tensors), "Or unset HPS_FILLED.")
    return tensors


class Golden(dict[str, Any]):
    """The arrays of one golden by name; one that is not there is bad data."""

    def __init__(self, path: Path, arrays: Mapping[str, Any]) -> None:
        super().__init__(arrays)
        self.path = path

    def __missing__(self, name: str) -> Any:
        """-> never: says which array is wanted of which file."""
        raise InvalidData(f"{self.path} has no array '{name}', which this replay needs.")


def read_golden(folder: Path, name: str) -> Golden:
    """Reference folder, "goldens/x.npz" -> its arrays; nothing pickled is ever loaded."""
    path = locate(folder, name)
    if not zipfile.is_zipfile(path):
        raise InvalidData(f"{path} is not a readable golden: it is no .npz archive.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return Golden(path, {key: archive[key] for key in archive.files})
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, zlib.error) as error:
        raise InvalidData(f"{path} is not a readable golden: {error}.") from None


def locate(folder: Path, name: str) -> Path:
    """Reference folder, path below it -> the file, also when the folder is flat.

    What is not there (layouts, pictures) is taken from the references in HPS_REFERENCE.
    """
    places = [folder / name, folder / Path(name).name]
    if references := os.environ.get("HPS_REFERENCE"):
        places += sorted(Path(references).glob(f"*/{name}"))
    for path in places:
        if path.is_file():
            return path
    raise MissingError(
        f"{folder} has no {name}, which this replay needs.",
        "Give the whole reference folder, or say where the references are: HPS_REFERENCE=DIR",
    )


def compare(
    name: str, got: Any, expected: Any, tolerance: float, unit: str = "", note: str = ""
) -> ArrayCheck:
    """Two arrays -> the check; unit "relative": of the largest expected magnitude. NaN equals NaN."""
    got, expected = (np.asarray(_numpy(a), dtype=np.float64) for a in (got, expected))
    if got.shape != expected.shape:
        note = f"shape {got.shape}, expected {expected.shape}"
        return ArrayCheck(
            name=name, worst=float("inf"), tolerance=tolerance, unit=unit, ok=False, note=note
        )
    both_nan = np.isnan(got) & np.isnan(expected)
    with np.errstate(invalid="ignore"):  # inf - inf of equal infinities is settled by `same`
        difference = np.where((got == expected) | both_nan, 0.0, np.abs(got - expected))
    worst = float(np.max(difference, initial=0.0))
    if unit == "relative":
        magnitudes = np.abs(expected[np.isfinite(expected)])
        worst /= max(float(np.max(magnitudes, initial=0.0)), 1e-12)
    return ArrayCheck(
        name=name,
        worst=worst,
        tolerance=tolerance,
        unit=unit,
        ok=bool(worst <= tolerance),
        note=note,
    )


_SUMMARY = re.compile(r"^(?:_|__)?(first64|mean|std|stride(\d+)|shape)$")


def compare_stored(
    golden: Mapping[str, Any], name: str, value: Any, tolerance: float, unit: str = ""
) -> Iterator[ArrayCheck]:
    """Compare `value` with whatever the golden stores of it: whole, first64, mean, std, strideN."""
    value = np.asarray(_numpy(value), dtype=np.float64)
    if name in golden:
        yield compare(name, value, golden[name], tolerance, unit)
    for key, expected in golden.items():
        found = _SUMMARY.match(key.removeprefix(name)) if key.startswith(name) else None
        if not found or key == name:
            continue
        if found[1] == "first64":  # of the whole array, or of each row
            rows = value.reshape(1 if expected.ndim == 1 else len(expected), -1)
            part = rows[:, :64].reshape(expected.shape)
        elif found[2]:
            part = value.reshape(-1)[:: int(found[2])]
        elif found[1] == "shape":
            part = np.asarray(value.shape)
        else:
            part = value.mean() if found[1] == "mean" else value.std()
        yield compare(key, part, expected, tolerance, unit)


def parse_values(words: list[str], declared: Mapping[str, Any]) -> dict[str, Any]:
    """ "body_seed=9" words -> options of a GoldenSpec, checked against those that it declares."""
    values = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise UsageError(f"'{word}' is not NAME=VALUE.", "For example: --set body_seed=9")
        if name not in declared:
            raise UsageError(
                f"no golden here has an option '{name}'.",
                did_you_mean(name, declared) or f"Known: {', '.join(sorted(declared)) or 'none'}",
            )
        try:
            kind = type(declared[name])
            values[name] = int(text, 0) if kind is int else kind(text)
        except ValueError:
            raise UsageError(f"{name}={text}: expected {type(declared[name]).__name__}.") from None
    return values


def _numpy(value: Any) -> Any:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value
