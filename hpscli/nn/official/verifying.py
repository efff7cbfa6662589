"""Whether a checkpoint is whole, still fits its model, and holds numbers only."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from hpscli.errors import HpsError, InvalidData
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import key_differences
from hpscli.nn.files import CheckpointInfo, file_sha256, is_ours, read_info, read_tensors
from hpscli.nn.layouts import counted
from hpscli.nn.meta import meta_network
from hpscli.nn.official.counts import layout_named, rows_of
from hpscli.nn.official.digest import state_sha256
from hpscli.nn.official.importing import not_finite
from hpscli.nn.options import complete_options, title
from hpscli.nn.weights.foreign import open_foreign, recognise
from hpscli.nn.weights.sources import find_checkpoint
from hpscli.nn.weights.store import side_file, stored
from hpscli.registry import get_registry


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What was found of one checkpoint; without problems it is sound."""

    name: str
    path: str
    what: str = ""  # model and preset
    checked: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.problems


def names_here() -> list[str]:
    """-> every checkpoint that comes with hps or was imported."""
    shipped = [
        f"{spec.name}.{weights.tag}"
        for spec in get_registry().all("model")
        for weights in spec.weights
        if weights.file
    ]
    return [*shipped, *(entry.name for entry in stored() if entry.name not in shipped)]


def verify(source: str | Path) -> Verdict:
    """Name or file -> its verdict; what cannot be found at all is an error."""
    name, path = str(source), Path(str(source))
    try:
        path, name = find_checkpoint(source)
    except InvalidData as error:
        return Verdict(name=name, path=str(path), problems=(error.problem,))
    try:
        return _verify_ours(path, name) if is_ours(path) else _verify_foreign(path, name)
    except HpsError as error:  # damaged, or of a model or options that are not here any more
        return Verdict(name=name, path=str(path), problems=(error.problem,))


def _verify_foreign(path: Path, name: str) -> Verdict:
    found = recognise(open_foreign(path))
    return Verdict(
        name=name,
        path=str(path),
        what=title(found.spec, found.options),
        checked=(f"layout {found.layout.name}", "shapes", "numbers"),
        problems=tuple(_unnatural(found.state())),
    )


def _verify_ours(path: Path, name: str) -> Verdict:
    info, state = read_info(path), read_tensors(path)
    problems, checked = [], ["whole"]
    if digest := info.origin.get("weights_sha256"):
        checked.append("sha256")
        if digest != state_sha256(state):
            problems.append(f"{path} is not what was imported: its weights have another sha256")
    elif recorded := _recorded(name):
        checked.append("sha256")
        if recorded != file_sha256(path):
            problems.append(f"{path} is not what was released: it has another sha256")
    spec = get_registry().model(info.model)
    options = complete_options(spec, "", info.options)
    wrong = key_differences(meta_network(spec, options).state_dict(), state)
    checked += ["shapes", "numbers"]
    if wrong:
        problems.append(f"{len(wrong)} tensors do not fit the model: {' '.join(wrong[0].split())}")
    problems += _unnatural(state)
    if info.origin.get("layout"):
        checked.append(f"layout {info.origin['layout']}")
        problems += _layout_problems(spec, info, state)
    problems += _side_problems(path, info)
    return Verdict(
        name=name,
        path=str(path),
        what=title(spec, options),
        checked=tuple(checked),
        problems=tuple(problems),
    )


def _recorded(name: str) -> str:
    """-> the sha256 that a plugin states for weights that it ships."""
    model, _, tag = name.partition(".")
    if model not in get_registry().names("model"):
        return ""
    weights = get_registry().model(model).weights
    return next((w.sha256 for w in weights if w.file and w.tag == tag), "")


def _unnatural(state: Mapping[str, Tensor]) -> list[str]:
    bad = not_finite(state)
    return [f"NaN or infinity in {counted(len(bad))}, {bad[0]}"] if bad else []


def _layout_problems(
    spec: ModelSpec, info: CheckpointInfo, state: Mapping[str, Tensor]
) -> list[str]:
    """-> what of the weights would not find its place in the authors' layout any more."""
    try:
        rows = rows_of(layout_named(spec, info.origin["layout"]), info.options)
    except HpsError as error:
        return [error.problem]
    lost = set(state) - {row.ours for row in rows}
    return [f"{len(lost)} tensors have no place in the layout: {min(lost)}"] if lost else []


def _side_problems(path: Path, info: CheckpointInfo) -> list[str]:
    """-> whether the tensors that an import kept besides are there and whole."""
    kept, side = info.origin.get("kept", ()), side_file(path)
    if not kept or path == side:
        return []
    if not side.is_file():
        return [f"{side.name}, the {len(kept)} tensors kept besides, is missing"]
    lost = set(kept) - set(read_tensors(side))
    return [f"{side.name} lacks {len(lost)} tensors: {min(lost)}"] if lost else []
