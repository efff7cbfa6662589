"""Finding plugins: entry points of group `hps`, files named in HPS_PLUGINS, minus HPS_DISABLE."""

import importlib
import importlib.util
import os
import traceback
from collections.abc import Callable, Iterable
from dataclasses import MISSING, dataclass, field, fields
from functools import cache, partial
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from hpscli import hooks
from hpscli.errors import HpsError, MissingError, UsageError, unknown_name
from hpscli.plugin_files import import_file, plugin_file, plugin_name

KINDS: dict[str, tuple[str, type, str]] = {
    # kind: hook, record, the command that lists them
    "model": ("hps_models", hooks.ModelSpec, "hps models list"),
    "dataset": ("hps_datasets", hooks.DatasetSpec, "hps datasets list"),
    "protocol": ("hps_protocols", hooks.ProtocolSpec, "hps protocols list"),
    "writer": ("hps_writers", hooks.WriterSpec, "hps export-preds list"),
    "prediction file": (
        "hps_prediction_files",
        hooks.PredictionFileSpec,
        "hps info predictions",
    ),
    "speed": ("hps_speeds", hooks.SpeedSpec, "hps bench metrics"),
    "command": ("hps_commands", hooks.CommandSpec, "hps plugins list"),
    "detector": ("hps_detectors", hooks.DetectorSpec, "hps plugins list"),
    "golden": ("hps_goldens", hooks.GoldenSpec, "hps plugins list"),
}


@dataclass(frozen=True)
class Plugin:
    """A plugin that was found: where it came from, what it registered, what is wrong with it."""

    name: str
    origin: str  # "hps 0.1.0" for a distribution, or the path of a development file
    records: tuple[tuple[str, Any], ...] = ()  # (kind, record)
    problems: tuple[str, ...] = ()


@dataclass
class Registry:
    """Every record by kind and name, with the plugin that brought it."""

    plugins: list[Plugin] = field(default_factory=list)
    _found: dict[tuple[str, str], list[tuple[Any, Plugin]]] = field(default_factory=dict)

    def add(self, plugin: Plugin) -> None:
        self.plugins.append(plugin)
        for kind, record in plugin.records:
            self._found.setdefault((kind, record.name), []).append((record, plugin))

    def names(self, kind: str) -> list[str]:
        """-> the names registered for a kind, in order of registration."""
        return [name for k, name in self._found if k == kind]

    def all(self, kind: str) -> list[Any]:
        """-> the records of a kind; of a doubly registered name the first (see `problems`)."""
        return [entries[0][0] for (k, _), entries in self._found.items() if k == kind]

    def get(self, kind: str, name: str) -> Any:
        """-> the record, or an error with the nearest name, or with both owners of a double."""
        entries = self._found.get((kind, name))
        if not entries:
            error = unknown_name(kind, name, self.names(kind), KINDS[kind][2])
            raise UsageError(error.problem, "\n".join([error.fix, *self.broken()]))
        if len(entries) > 1:
            raise UsageError(
                _collision(kind, name, entries), "Disable one: HPS_DISABLE=" + entries[-1][1].name
            )
        return entries[0][0]

    def broken(self) -> list[str]:
        """-> the plugins that may have brought what is not found."""
        names = [f"'{plugin.name}'" for plugin in self.plugins if plugin.problems]
        if not names:
            return []
        what = f"Plugin {names[0]} is" if len(names) == 1 else f"Plugins {', '.join(names)} are"
        return [f"{what} broken, so what it brings may be missing; see: hps plugins list"]

    def origin(self, kind: str, name: str) -> str:
        """-> which plugin brought a record."""
        return self._found[kind, name][0][1].origin

    def problems(self) -> list[str]:
        """-> everything that is wrong with plugins, one sentence each."""
        broken = [
            f"plugin '{p.name}' ({p.origin}): {text}" for p in self.plugins for text in p.problems
        ]
        doubles = [
            _collision(kind, name, entries)
            for (kind, name), entries in self._found.items()
            if len(entries) > 1
        ]
        return broken + doubles

    def model(self, name: str) -> hooks.ModelSpec:
        return self.get("model", name)  # type: ignore[no-any-return]

    def dataset(self, name: str) -> hooks.DatasetSpec:
        if name not in self.names("dataset"):
            name = next((s.name for s in self.all("dataset") if name in s.aliases), name)
        return self.get("dataset", name)  # type: ignore[no-any-return]

    def protocol(self, name: str) -> hooks.ProtocolSpec:
        return self.get("protocol", name)  # type: ignore[no-any-return]


def _collision(kind: str, name: str, entries: list[tuple[Any, Plugin]]) -> str:
    owners = " and ".join(f"'{plugin.name}' ({plugin.origin})" for _, plugin in entries)
    return f"{kind} '{name}' is registered by both {owners}."


def resolve(target: str) -> Callable[..., Any]:
    """ "package.module:function" -> the function, importing the module now."""
    module, _, attribute = target.partition(":")
    if not module or not attribute:
        raise UsageError(f"target '{target}' is not written 'package.module:function'.")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except HpsError:
        raise
    except (Exception, SystemExit) as error:  # the module of a plugin may raise anything
        owner = _owner(target)
        fix = f"hps plugins check {owner}" if owner else "See: hps plugins list"
        raise MissingError(f"cannot load '{target}': {_words(error)}.", fix) from error
    return found  # type: ignore[no-any-return]


def _owner(target: str) -> str:
    """-> the plugin with a record that names this target, or ""."""
    for plugin in get_registry().plugins:
        for _, record in plugin.records:
            if target in (getattr(record, entry.name) for entry in fields(record)):
                return plugin.name
    return ""


def discover(
    points: Iterable[EntryPoint], files: Iterable[Path], disabled: Iterable[str]
) -> Registry:
    """-> a registry of the plugins at these entry points and files; broken ones are named in it."""
    registry, skip = Registry(), set(disabled)
    for point in points:
        if point.name not in skip:
            origin = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
            registry.add(_load(point.name, origin, point.load))
    for path in map(plugin_file, files):
        if (name := plugin_name(path)) not in skip:
            registry.add(_load(name, str(path), partial(import_file, path)))
    return registry


@cache
def get_registry() -> Registry:
    """-> the registry of this process, from installed packages and the environment."""
    files = [Path(p) for p in os.environ.get("HPS_PLUGINS", "").split(os.pathsep) if p]
    disabled = [n.strip() for n in os.environ.get("HPS_DISABLE", "").split(",") if n.strip()]
    return discover(sorted(entry_points(group="hps"), key=_first_party_first), files, disabled)


def _first_party_first(point: EntryPoint) -> tuple[bool, str]:
    return (not (point.dist and point.dist.name == "hps"), point.name)


def _load(name: str, origin: str, load: Callable[[], object]) -> Plugin:
    """Import one plugin and collect its records; whatever goes wrong ends in its `problems`."""
    try:
        manager = pluggy.PluginManager("hps")
        manager.add_hookspecs(hooks.Hooks)
        manager.register(load(), name=name)
        manager.check_pending()
    except HpsError as error:
        return Plugin(name, origin, problems=(str(error),))
    except (
        Exception,
        SystemExit,
    ) as error:  # a broken plugin may raise anything; the rest works on
        return Plugin(name, origin, problems=(_words(error),))
    records: list[tuple[str, Any]] = []
    problems: list[str] = []
    hooked = False
    for kind, (hook, record_type, _) in KINDS.items():
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            hooked = True
            try:
                answer = implementation.function()
            except (Exception, SystemExit) as error:
                problems.append(f"{hook}() raised {_words(error)}")
                continue
            good, bad = _checked(hook, answer, record_type)
            records.extend((kind, record) for record in good)
            problems.extend(bad)
    if not hooked:
        problems.append("registers nothing: it has no function marked @hookimpl")
    return Plugin(name, origin, tuple(records), tuple(problems))


def _words(error: BaseException) -> str:
    """-> the error in one line, with the file and line of the plugin's code that raised it."""
    text, place = str(error), _place(error)
    if isinstance(error, SyntaxError) and error.filename:
        text, place = error.msg, f" ({error.filename}, line {error.lineno})"
    return " ".join(f"{type(error).__name__}: {text}{place}".split())


def _place(error: BaseException) -> str:
    """-> " (file, line 3)" of the innermost frame that is not part of importing; "" without any."""
    ours = (__file__, import_file.__code__.co_filename)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename not in ours]
    frames = [f for f in frames if "importlib" not in f.filename and "pluggy" not in f.filename]
    return f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""


def _checked(hook: str, answer: object, record_type: type) -> tuple[list[Any], list[str]]:
    """-> the valid records in a hook's answer, and a sentence for each invalid one."""
    if not isinstance(answer, list | tuple):
        return [], [
            f"{hook}() returned {type(answer).__name__}, not a list of {record_type.__name__}"
        ]
    good: list[Any] = []
    bad: list[str] = []
    for record in answer:
        if not isinstance(record, record_type):
            bad.append(f"{hook}() returned a {type(record).__name__}, not a {record_type.__name__}")
        elif wrong := _nonsense(record):
            bad.append(f"{record_type.__name__} '{record.name}': {wrong}")  # type: ignore[attr-defined]
        else:
            good.append(record)
    return good, bad


TARGETS = (
    *("build", "write", "check", "run", "replay", "losses", "rule", "recognise", "read"),
    *("make", "ours", "plain"),
)
OPTIONAL_TARGETS = ("people", "samples", "poses", "parallel", "adapt", "raw")
BODIES = ("smpl", "smplx", "mano")
OUTPUTS = ("camera", "vertices", "joints", "parameters", "levels")
ACCESS = ("open", "register", "request", "withdrawn", "generated")


def _nonsense(record: Any) -> str:
    """-> what is wrong with a record, or ""."""
    if not isinstance(record.name, str) or not record.name or " " in record.name:
        return "the name must be a word"
    for entry in fields(record):
        value = getattr(record, entry.name)
        needed = entry.name in TARGETS or (entry.name in OPTIONAL_TARGETS and value != "")
        needed = needed and entry.type is str  # a protocol's `samples` is a number
        if needed and not _is_target(value):
            return f"{entry.name} = {value!r} is not 'package.module:function'"
        said = isinstance(value, str) and value.strip()
        if entry.name in ("licence", "summary") and entry.default is MISSING and not said:
            return f"{entry.name} is empty"
    if isinstance(record, hooks.ModelSpec):
        return _nonsense_model(record)
    if isinstance(record, hooks.DatasetSpec):
        if record.access not in ACCESS:
            return f"access = {record.access!r} is none of {', '.join(ACCESS)}"
        if not (record.people or record.samples or record.poses):
            return "neither people nor samples is given"
        if not record.splits or isinstance(record.splits, str):
            return f"splits = {record.splits!r} is not a list of names"
    return ""


def _is_target(value: object) -> bool:
    return isinstance(value, str) and value.count(":") == 1 and all(value.split(":"))


def _nonsense_model(spec: hooks.ModelSpec) -> str:
    if "." in spec.name or "/" in spec.name:
        return "the name must not contain '.' or '/': 'name.tag' means weights"
    if spec.body not in BODIES:
        return f"body = {spec.body!r} is none of {', '.join(BODIES)}"
    size = spec.input_size
    if (
        not isinstance(size, list | tuple)
        or len(size) != 2
        or not all(isinstance(side, int) and side > 0 for side in size)
    ):
        return f"input_size = {size!r} is not (height, width) in px"
    if unknown := [name for name in spec.outputs if name not in OUTPUTS]:
        return f"outputs names '{unknown[0]}', which is none of {', '.join(OUTPUTS)}"
    for preset, options in spec.presets.items():
        if unknown := [name for name in options if name not in spec.defaults]:
            return f"preset '{preset}' sets '{unknown[0]}', which is not among the defaults"
    return ""
