"""Options of a model: defaults, presets, what a user set; and what they make of its record."""

from collections.abc import Mapping
from typing import Any

from hpscli.errors import UsageError, did_you_mean
from hpscli.hooks import ModelSpec, Start
from hpscli.registry import get_registry, resolve

# What may stand after the = of an option that is on or off; nothing is on.
TRUTH = {"": True, "yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


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


def published_start(spec: ModelSpec, options: Mapping[str, Any]) -> Start | None:
    """Model, complete options -> what its authors started this backbone from, if it is known."""
    for start in spec.starts:
        if all(options.get(name) == value for name, value in start.options.items()):
            return start
    return None


def typed_options(spec: ModelSpec, words: Mapping[str, str]) -> dict[str, Any]:
    """{"parametric": "", "layers": "2"} -> {"parametric": True, "layers": 2}, of the defaults' types."""
    found: dict[str, Any] = {}
    for name, word in words.items():
        default = spec.defaults.get(name)
        if name not in spec.defaults:
            complete_options(spec, "", {name: word})  # raises, with the nearest name
        elif isinstance(default, bool):
            if word.lower() not in TRUTH:
                raise UsageError(f"+{name}={word}: expected yes or no.", f"For example: +{name}")
            found[name] = TRUTH[word.lower()]
        elif default is None or isinstance(default, str):
            found[name] = word
        else:
            try:
                found[name] = type(default)(word)
            except (TypeError, ValueError):
                kind = type(default).__name__
                raise UsageError(f"+{name}={word}: expected {kind}.") from None
    return found


def _same_kind(default: Any, value: Any) -> bool:
    if default is None or type(default) is type(value):
        return True
    if isinstance(default, float):
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(default, list | tuple) and isinstance(value, list | tuple)


def adapted(spec: ModelSpec, options: Mapping[str, Any]) -> ModelSpec:
    """-> the spec as these complete options make it: body, sizes, crop."""
    if not spec.adapt:
        return spec
    changed: ModelSpec = resolve(spec.adapt)(spec, options)
    return changed


def adapted_by_name(name: str, options: Mapping[str, Any]) -> ModelSpec:
    """Registered name, options -> the spec at these options."""
    spec = get_registry().model(name)
    return adapted(spec, complete_options(spec, "", options))


def preset_of(spec: ModelSpec, options: Mapping[str, Any]) -> str:
    """-> the preset that has exactly these complete options, or ""."""
    for name, changes in spec.presets.items():
        if {**spec.defaults, **changes} == dict(options):
            return name
    return ""


def title(spec: ModelSpec, options: Mapping[str, Any]) -> str:
    """-> "graphormer, preset hrnet-w64", or the options that make no preset."""
    if preset := preset_of(spec, options):
        return f"{spec.name}, preset {preset}"
    changed = {k: v for k, v in options.items() if spec.defaults.get(k) != v}
    return f"{spec.name}, {', '.join(f'{k}={v}' for k, v in changed.items()) or 'defaults'}"
