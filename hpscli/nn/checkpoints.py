"""Models by name and by checkpoint: build, save, load, start from weights of another."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpscli.body.hierarchy import OFFICIAL_TOPOLOGY
from hpscli.body.kit import BodyKit, body_kit
from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import ModelSpec
from hpscli.nn import files
from hpscli.nn.files import CheckpointInfo as CheckpointInfo
from hpscli.nn.files import is_ours, read_info, read_tensors
from hpscli.nn.layouts import counted
from hpscli.nn.loaded import LoadedModel as LoadedModel
from hpscli.nn.loaded import arranged
from hpscli.nn.meta import constructed, without_random_numbers
from hpscli.nn.options import (
    adapted,
    adapted_by_name,
    complete_options,
    title,
    typed_options,
)
from hpscli.nn.weights import sources
from hpscli.nn.weights.foreign import Foreign, Recognised, open_foreign, recognise
from hpscli.registry import get_registry

SHOWN_KEYS = 3  # of those that differ
OFFICIAL_FILES = {  # as their owners call them
    "smpl": "hps assets import SMPL_NEUTRAL.pkl mesh_downsampling.npz",
    "mano": "hps assets import MANO_RIGHT.pkl mano_downsampling.npz",
}


def build_model(
    name: str,
    *,
    preset: str = "",
    options: Mapping[str, Any] | None = None,
    kit: BodyKit | None = None,
    body_source: str = "",
) -> tuple[nn.Module, ModelSpec, dict[str, Any]]:
    """Name, preset, options -> (module with random weights, spec at these options, all options).

    kit: the body that the model is built around, if it is; without, one of this source.
    """
    spec = get_registry().model(name)
    complete = complete_options(spec, preset, options or {})
    spec = adapted(spec, complete)
    around = (kit or body_kit(spec.body, body_source)) if spec.takes_kit else None
    return constructed(spec, complete, around), spec, complete


def save_checkpoint(path: Path, module: nn.Module, info: CheckpointInfo) -> None:
    """Write a module's weights and their description as one .safetensors file, atomically."""
    files.save_checkpoint(path, module.state_dict(), info)


def load_model(
    source: str | Path | Mapping[str, Tensor],
    *,
    body: Any = None,
    device: torch.device | str = "cpu",
    body_source: str = "",
) -> LoadedModel:
    """File, `model.tag`, `model`, RUN, RUN@EPOCH, RUN@best, RUN@last -> the model in eval mode.

    A file may be ours or its authors', recognised by its content; so may be tensors in memory.
    After each of them may stand options to use it with: "fastmetro.l-hrnet-w64-smpl-3dpw+parametric".
    body: the body to use instead of the installed or free one (`hpscli.body.kit.body_kit`).
    """
    check_device(device)
    if isinstance(source, Mapping):
        return _load_foreign(open_foreign(source), "", "", {}, body, device, body_source)
    source, words = sources.split_options(source)
    path, name = sources.find_checkpoint(source)
    name += "".join(f"+{word}={value}" if value else f"+{word}" for word, value in words.items())
    if not is_ours(path):
        sha256 = files.file_sha256(path)
        return _load_foreign(open_foreign(path), name, sha256, words, body, device, body_source)
    info = read_info(path)
    if words:
        more = typed_options(get_registry().model(info.model), words)
        info = replace(info, options={**info.options, **more})
    wanted = body_source or info.body.get("source", "")
    spec = adapted_by_name(info.model, info.options)
    kit = body_kit(spec.body, _body_source("" if body is not None else wanted), given=body)
    with without_random_numbers():
        module, spec, options = build_model(info.model, options=info.options, kit=kit)
    origin = f"{path} (model '{info.model}')"
    check_topology(spec, info.body.get("topology", ""), kit, origin)
    load_weights(module, read_tensors(path), origin=origin, model=spec.name)
    return (
        LoadedModel(
            module=arranged(module),
            spec=spec,
            options=options,
            input_size=info.input_size,
            body=kit.body(gender=info.body.get("gender") or "neutral"),
            info=info,
            sha256=files.file_sha256(path),
            name=name,
            kit=kit,
        )
        .eval()
        .to(device)
    )


def check_device(device: torch.device | str) -> None:
    """Raise when nothing can be put on this device."""
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # torch raises either
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UsageError(f"device '{device}' cannot be used: {reason}", "cpu always can.") from None


def _load_foreign(
    foreign: Foreign,
    name: str,
    sha256: str,
    words: Mapping[str, str],
    body: Any,
    device: torch.device | str,
    body_source: str,
) -> LoadedModel:
    found = recognise(foreign)
    found = replace(found, options={**found.options, **typed_options(found.spec, words)})
    kit = body_kit(found.spec.body, _body_source(body_source), given=body)
    check_topology(found.spec, official_topology(found.spec), kit, foreign.origin)
    with without_random_numbers():
        module, spec, options = build_model(found.spec.name, options=found.options, kit=kit)
    load_weights(module, found.state(), origin=foreign.origin, model=spec.name)
    info = foreign_info(found, sha256)
    return (
        LoadedModel(
            module=arranged(module),
            spec=spec,
            options=options,
            input_size=spec.input_size,
            body=kit.body(),
            info=info,
            sha256=sha256,
            name=name,
            kit=kit,
            said=found.said(),
        )
        .eval()
        .to(device)
    )


def foreign_info(found: Recognised, sha256: str) -> CheckpointInfo:
    """-> the description that a recognised foreign file gets as a checkpoint of ours."""
    spec = found.spec
    body = {"kind": spec.body, "gender": "neutral", "source": ""}
    if spec.takes_kit:
        body["topology"] = official_topology(spec)
    return CheckpointInfo(
        model=spec.name,
        options=found.options,
        input_size=spec.input_size,
        body=body,
        mean=spec.mean,
        std=spec.std,
        origin={
            "file": Path(found.foreign.origin).name,
            "sha256": sha256,
            "layout": found.layout.name,
            "said": list(found.said()),
        },
    )


def official_topology(spec: ModelSpec) -> str:
    """-> the topology that its authors' weights are of, "" for models that need none."""
    return OFFICIAL_TOPOLOGY.get(spec.body, "") if spec.takes_kit else ""


def check_topology(spec: ModelSpec, trained: str, kit: BodyKit, origin: str) -> None:
    """Raise when weights that were trained on one mesh are to be used on another."""
    if not spec.takes_kit or not trained or kit.topology() == trained:
        return
    official = trained == OFFICIAL_TOPOLOGY.get(spec.body)
    mesh = f"the official {spec.body} mesh" if official else "another mesh"
    raise InvalidData(
        f"{origin} was trained on the vertices of {mesh}, which are not those of the "
        f"{kit.source} body that is used here.",
        f"Import the body and its sampling file: {OFFICIAL_FILES.get(spec.body, 'hps assets list')}"
        if official
        else "Give the body that the weights were trained on.",
    )


def load_weights(
    module: nn.Module, state: Mapping[str, Tensor], *, origin: str, model: str
) -> None:
    """Put a state dict into a module; any missing, extra or misshapen tensor is an error."""
    if differences := key_differences(module.state_dict(), state):
        shown = "\n".join(differences[:SHOWN_KEYS])
        more = len(differences) - SHOWN_KEYS
        raise InvalidData(
            f"{origin} does not fit model '{model}' as it is built here: "
            f"{len(differences)} tensors differ.\n{shown}"
            + (f"\n... and {more} more" * (more > 0)),
            "Give the model, preset and options that the weights were trained with.",
        )
    module.load_state_dict(dict(state))


def key_differences(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> list[str]:
    """-> one line for each tensor that is missing, left over, or of another shape."""
    lines = [f"missing     {key} {tuple(ours[key].shape)}" for key in ours if key not in theirs]
    lines += [f"left over   {key} {tuple(theirs[key].shape)}" for key in theirs if key not in ours]
    lines += [
        f"shape       {key} {tuple(theirs[key].shape)}, here {tuple(ours[key].shape)}"
        for key in ours
        if key in theirs and ours[key].shape != theirs[key].shape
    ]
    return lines


def initialise(
    module: nn.Module, spec: ModelSpec, source: str | Path, *, body_source: str = ""
) -> str:
    """Start a module from weights: ours, a foreign file of this model, or a bare backbone.

    -> what was taken, what was not, one line each.
    """
    path, name = sources.find_checkpoint(source)
    if path.name.endswith(".state.pt"):
        raise UsageError(
            f"{path} is the state of a run, not weights.",
            f"To continue that run: --resume {path.parent.parent}. To start from its weights: "
            f"--init {path.with_name(path.name.removesuffix('.state.pt') + '.safetensors')}",
        )
    if is_ours(path):  # all or nothing, but for what an option adds
        state, info = read_tensors(path), read_info(path)
        origin = f"{path} (model '{info.model}')"
        new = _added(module, spec, state)
        load_weights(module, {**new, **state}, origin=origin, model=spec.name)
        _check_start(spec, info.body.get("topology", ""), body_source, origin)
        return f"all {counted(len(state))} of {name}{_at_random(new)}"
    foreign = open_foreign(path)
    try:  # whole models before their parts: SPIN's file is also a ResNet
        found = recognise(foreign, models=[get_registry().model(spec.name)], partial=True)
    except InvalidData:
        for prefix in ("", "module.", "backbone."):
            if taken := _start_from_names(module, foreign, prefix):
                return taken
        _refuse_other_model(foreign, spec)
        raise
    if not found.layout.partial:
        _check_start(spec, official_topology(found.spec), body_source, foreign.origin)
    return _start_from_layout(module, spec, found, path)


def _added(module: nn.Module, spec: ModelSpec, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """-> tensors of the modules that options add, of which the weights have nothing."""
    new = tuple(
        f"{name}." for name in spec.added if not any(k.startswith(f"{name}.") for k in state)
    )
    ours = module.state_dict()
    return {key: value for key, value in ours.items() if new and key.startswith(new)}


def _at_random(new: Mapping[str, Tensor]) -> str:
    names = sorted({key.partition(".")[0] for key in new})
    return f"; {', '.join(names)} starts at random" if new else ""


def _refuse_other_model(foreign: Foreign, spec: ModelSpec) -> None:
    """Raise for a whole file of another model than the one that is trained."""
    try:
        found = recognise(foreign)
    except InvalidData:
        return
    raise InvalidData(
        f"{foreign.origin} is of {title(found.spec, found.options)}; "
        f"this training is of model '{spec.name}'.",
        f"Take a recipe of {found.spec.name} (hps recipes list), or a file of {spec.name}.",
    )


def _check_start(spec: ModelSpec, topology: str, body_source: str, origin: str) -> None:
    """Vertices of one mesh are no start for those of another."""
    if spec.takes_kit and topology:
        check_topology(spec, topology, body_kit(spec.body, _body_source(body_source)), origin)


def _start_from_layout(module: nn.Module, spec: ModelSpec, found: Recognised, path: Path) -> str:
    """A recognised file, whole or a part -> what was taken."""
    ours, state = module.state_dict(), found.state()
    wrong = key_differences(ours, {**_added(module, spec, state), **state})
    if found.layout.partial:
        wrong = [line for line in wrong if not line.startswith("missing")]
    if wrong:
        raise InvalidData(
            f"{path} holds {found.layout.summary} ({title(found.spec, found.options)}), which does "
            f"not fit this model: {counted(len(wrong))} differ.\n" + "\n".join(wrong[:SHOWN_KEYS]),
            "Set model.preset or model.options to what the file is of.",
        )
    module.load_state_dict({**ours, **state})
    rest = len(ours) - len(state)
    start = f"; {counted(rest)} start at random" if rest else ""
    return "\n".join([f"{counted(len(state))} from {path}{start}", *found.said()])


def _start_from_names(module: nn.Module, foreign: Foreign, prefix: str) -> str:
    """A state dict with our names, or a bare backbone with its own -> what was taken, or ""."""
    ours = module.state_dict()
    state = {key.removeprefix(prefix): value for key, value in foreign.tensors.items()}
    if not key_differences(ours, state):
        module.load_state_dict(state)
        return f"all {counted(len(state))} of {foreign.origin}"
    backbone = {k: v for k, v in ours.items() if k.startswith("backbone.")}
    found = {k: state[k[9:]] for k in backbone if k[9:] in state}
    if not backbone or key_differences(backbone, found):
        return ""
    module.load_state_dict({**ours, **found})
    left = len(state) - len(found)
    return (
        f"{counted(len(found))} of the backbone from {foreign.origin}; the head starts at random"
        + (f"; {counted(left)} of the file not used" if left else "")
    )


def _body_source(source: str) -> Any:
    if source not in ("", "free", "imported", "given"):
        raise InvalidData(f"body source '{source}' is neither 'free' nor 'imported'.")
    return "" if source == "given" else source
