"""Models by name and by checkpoint: build, save, load, start from weights of another."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from hpscli.body.layer import Body, load_body
from hpscli.errors import InvalidData, UsageError, did_you_mean
from hpscli.hooks import ModelSpec
from hpscli.nn import files, sources
from hpscli.nn.files import CheckpointInfo as CheckpointInfo
from hpscli.nn.files import read_info, read_tensors
from hpscli.nn.torch_files import load_torch_file
from hpscli.registry import get_registry, resolve

SHOWN_KEYS = 3  # of those that differ


@dataclass(frozen=True, kw_only=True)
class LoadedModel:
    """A model that is ready to predict, with everything that says what it is."""

    module: nn.Module
    spec: ModelSpec
    options: Mapping[str, Any]
    input_size: tuple[int, int]  # (height, width) px
    body: Body
    info: CheckpointInfo
    sha256: str  # of the checkpoint file; "" when the weights are not from a file
    name: str  # as the user typed it; of a folder of runs, the run that was taken


def build_model(
    name: str, *, preset: str = "", options: Mapping[str, Any] | None = None
) -> tuple[nn.Module, ModelSpec, dict[str, Any]]:
    """Registered name, preset, options -> (module with random weights, spec, complete options)."""
    spec = get_registry().model(name)
    complete = complete_options(spec, preset, options or {})
    return resolve(spec.build)(**complete), spec, complete


def complete_options(spec: ModelSpec, preset: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """-> defaults, then the preset, then these options; unknown names and wrong types are errors."""
    if preset and preset not in spec.presets:
        raise UsageError(
            f"model '{spec.name}' has no preset '{preset}'.",
            did_you_mean(preset, spec.presets) or f"One of: {', '.join(spec.presets) or 'none'}.",
        )
    for key, value in options.items():
        if key not in spec.defaults:
            raise UsageError(
                f"model '{spec.name}' has no option '{key}'.",
                did_you_mean(key, spec.defaults) or f"One of: {', '.join(spec.defaults)}.",
            )
        if not _same_kind(spec.defaults[key], value):
            kind = type(spec.defaults[key]).__name__
            raise UsageError(f"model.options.{key} = {value!r} is not of type {kind}.")
    return {**spec.defaults, **(spec.presets[preset] if preset else {}), **options}


def _same_kind(default: Any, value: Any) -> bool:
    if default is None or type(default) is type(value):
        return True
    if isinstance(default, float):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(default, list | tuple) and isinstance(value, list | tuple)


def save_checkpoint(path: Path, module: nn.Module, info: CheckpointInfo) -> None:
    """Write a module's weights and their description as one .safetensors file, atomically."""
    files.save_checkpoint(path, module.state_dict(), info)


def load_model(
    source: str | Path, *, device: torch.device | str = "cpu", body_source: str = ""
) -> LoadedModel:
    """File, `model.tag`, `model`, RUN, RUN@EPOCH, RUN@best, RUN@last -> the model in eval mode."""
    path, name = sources.find_checkpoint(source)
    _refuse_pickles(path)
    info = read_info(path)
    module, spec, options = build_model(info.model, options=info.options)
    load_weights(
        module, read_tensors(path), origin=f"{path} (model '{info.model}')", model=spec.name
    )
    body = load_body(
        spec.body,
        gender=info.body.get("gender") or "neutral",
        source=_body_source(body_source or info.body.get("source", "")),
    )
    return LoadedModel(
        module=module.eval().to(device),
        spec=spec,
        options=options,
        input_size=info.input_size,
        body=body.to(device),
        info=info,
        sha256=files.file_sha256(path),
        name=name,
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


def initialise(module: nn.Module, spec: ModelSpec, source: str | Path) -> str:
    """Start a module from weights: ours, a foreign file of this model, or a bare backbone.

    -> one sentence that says what was taken.
    """
    path, _ = sources.find_checkpoint(source)
    if path.name.endswith(".state.pt"):
        raise UsageError(
            f"{path} is the state of a run, not weights.",
            f"To continue that run: --resume {path.parent.parent}. To start from its weights: "
            f"--init {path.with_name(path.name.removesuffix('.state.pt') + '.safetensors')}",
        )
    state, model = _any_weights(path)
    if model:  # a checkpoint of ours: all or nothing
        load_weights(module, state, origin=f"{path} (model '{model}')", model=spec.name)
        return f"all {len(state)} tensors of {path}"
    ours = module.state_dict()
    candidates = [state]
    if spec.convert:
        candidates.append(resolve(spec.convert)(state))
    for candidate in candidates:
        if not key_differences(ours, candidate):
            module.load_state_dict(dict(candidate))
            return f"all {len(candidate)} tensors of {path}"
    backbone = {k: v for k, v in ours.items() if k.startswith("backbone.")}
    found = {k: state[k.removeprefix("backbone.")] for k in backbone if k[9:] in state}
    if not backbone or key_differences(backbone, found):
        load_weights(module, candidates[-1], origin=str(path), model=spec.name)
    module.load_state_dict({**ours, **found})
    return f"{len(found)} tensors of the backbone from {path}; the head starts at random"


def _any_weights(path: Path) -> tuple[dict[str, Tensor], str]:
    """-> (tensors by name, the model they are of, "" for a file that hps did not make)."""
    if path.suffix == ".safetensors":
        try:
            return read_tensors(path), read_info(path).model
        except InvalidData:
            return read_tensors(path), ""
    content = load_torch_file(path)
    for key in ("model", "state_dict"):  # as SPIN and most others wrap it
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = {k: v for k, v in dict(content).items() if isinstance(v, Tensor)}
    if not tensors:
        raise InvalidData(f"{path} holds no tensors.")
    return tensors, ""


def _refuse_pickles(path: Path) -> None:
    if path.suffix != ".safetensors":
        raise InvalidData(
            f"{path} is not a checkpoint made by hps (those are .safetensors).",
            "Pickled files can run code and are not opened here. To start a training from foreign "
            "weights: hps train RECIPE --init FILE",
        )


def _body_source(source: str) -> Any:
    if source not in ("", "free", "imported"):
        raise InvalidData(f"body source '{source}' is neither 'free' nor 'imported'.")
    return source
