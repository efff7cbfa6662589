"""The backbone's own start: weights of a classifier or a pose network, the rest stays random."""

import re
from collections.abc import Callable, Mapping
from pathlib import PurePath
from typing import Any

from torch import Tensor, nn

from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.hooks import ModelSpec, Start
from hpscli.nn.files import is_ours, read_info, read_tensors
from hpscli.nn.layouts import counted
from hpscli.nn.options import published_start
from hpscli.nn.weights.foreign import Foreign, open_foreign, recognise
from hpscli.nn.weights.sources import find_checkpoint
from hpscli.registry import get_registry

IMAGENET = "imagenet"
PARTS = ("backbone.", "encoder.")  # what backbones are called in our models
WRAPPERS = ("", "module.", "backbone.", "module.backbone.", "model.")
UNUSED = re.compile(r"\.num_batches_tracked$")  # a count that old files lack and nothing reads
SHOWN_KEYS = 3
Download = Callable[[str], Mapping[str, Tensor]]


def check_backbone(spec: ModelSpec, options: Mapping[str, Any], source: str) -> None:
    """Raise for a `model.backbone` that cannot be had: no such file, no such weights in the library."""
    if source == IMAGENET:
        _library(spec, options)
    elif source:
        try:
            find_checkpoint(source)
        except MissingError:
            start = published_start(spec, options)
            raise MissingError(
                f"the weights of the backbone, model.backbone = '{source}', are not there.",
                bring(start)
                if start and start.file == PurePath(source).name
                else "Put the file there, or take another: model.backbone=FILE\n"
                "or start the backbone at random: model.backbone=",
            ) from None


def start_backbone(
    module: nn.Module,
    spec: ModelSpec,
    options: Mapping[str, Any],
    source: str,
    *,
    download: Download | None = None,
) -> str:
    """Put weights into a model's backbone alone -> what was taken.

    source: "imagenet" (what timm offers), a file of another program, or a checkpoint of ours.
    """
    if source == IMAGENET:
        start = _library(spec, options)
        try:
            tensors = (download or from_library)(start.library)
        except Exception as error:  # timm, its hub and their clients raise dozens of kinds
            raise MissingError(
                f"'{start.library}' cannot be downloaded: {_reason(error)}.", bring(start)
            ) from None
        return _put(module, spec, open_foreign(tensors), f"timm's {start.library}")
    path, name = find_checkpoint(source)
    if not is_ours(path):
        return _put(module, spec, open_foreign(path), str(path))
    state = {k: v for k, v in read_tensors(path).items() if k.startswith(PARTS)}
    return _load(module, state, f"{name} (model '{read_info(path).model}')", ())


def from_library(name: str) -> Mapping[str, Tensor]:
    """Name of weights in timm -> their tensors, downloaded or out of its cache."""
    import timm

    found: Mapping[str, Tensor] = timm.create_model(name, pretrained=True).state_dict()
    return found


def bring(start: Start) -> str:
    """-> what to type with the file in hand, and without."""
    return (
        f"Bring the file {start.file} ({start.page}): model.backbone=FILE\n"
        "or start the backbone at random: model.backbone="
    )


def _library(spec: ModelSpec, options: Mapping[str, Any]) -> Start:
    start = published_start(spec, options)
    if start is not None and start.library:
        return start
    if start is not None:
        raise UsageError(
            f"this {spec.name} does not start from ImageNet: {start.note or start.file}.",
            bring(start),
        )
    raise UsageError(
        f"nothing is known of ImageNet weights for this {spec.name}.",
        "Give a file: model.backbone=FILE, or start at random: model.backbone=",
    )


def _put(module: nn.Module, spec: ModelSpec, foreign: Foreign, origin: str) -> str:
    """A file in any layout that the model knows, or in the backbone's own names."""
    try:
        found = recognise(foreign, models=[get_registry().model(spec.name)], partial=True)
    except InvalidData:
        return _by_names(module, foreign, origin)
    state = found.state()
    if not found.layout.partial:  # a whole model
        state = {name: value for name, value in state.items() if name.startswith(PARTS)}
    return _load(module, state, origin, found.said())


def _by_names(module: nn.Module, foreign: Foreign, origin: str) -> str:
    ours = module.state_dict()
    part = next((p for p in PARTS if any(name.startswith(p) for name in ours)), "")
    wanted = {name: value for name, value in ours.items() if part and name.startswith(part)}
    best: dict[str, Tensor] = {}
    for prefix in WRAPPERS:
        keys = {key.removeprefix(prefix): v for key, v in foreign.tensors.items()}
        found = {
            name: keys[name.removeprefix(part)]
            for name in wanted
            if name.removeprefix(part) in keys
        }
        best = max(best, found, key=len)
    missing = [name for name in wanted if name not in best and not UNUSED.search(name)]
    if not best or missing:
        raise InvalidData(
            f"{origin} is no backbone of this model: of its {counted(len(wanted))} "
            f"{len(missing)} are not there"
            + (f", first {', '.join(missing[:SHOWN_KEYS])}." if missing else "."),
            "Look at what it holds: hps models show FILE",
        )
    left = len(foreign.tensors) - len(best)
    said = (f"{counted(left)} of the file not used",) if left else ()
    return _load(module, best, origin, said)


def _load(
    module: nn.Module, state: Mapping[str, Tensor], origin: str, said: tuple[str, ...]
) -> str:
    ours = module.state_dict()
    wrong = [
        f"{name} {tuple(value.shape)}, here {tuple(ours[name].shape) if name in ours else 'none'}"
        for name, value in state.items()
        if name not in ours or ours[name].shape != value.shape
    ]
    if wrong or not state:
        raise InvalidData(
            f"{origin} does not fit the backbone of this model"
            + (
                f": {counted(len(wrong))} differ.\n" + "\n".join(wrong[:SHOWN_KEYS])
                if wrong
                else "."
            ),
            "Set model.preset or model.options to the backbone that the file is of.",
        )
    module.load_state_dict({**ours, **state})
    rest = f"{counted(len(state))} of the backbone from {origin}; the rest starts at random"
    return "\n".join([rest, *said])


def _reason(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")
