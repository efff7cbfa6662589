"""`hps plugins check`: the conformance kit on everything that a plugin brings."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hpscli.errors import UsageError, did_you_mean
from hpscli.registry import Plugin, get_registry, resolve
from hpscli.testing.conformance.benchmarks import (
    check_prediction_file,
    check_protocol,
    check_writer,
)
from hpscli.testing.conformance.checks import Check, Checks, require
from hpscli.testing.conformance.datasets import check_dataset
from hpscli.testing.conformance.models import check_model

__all__ = [
    "Check",
    "check_dataset",
    "check_model",
    "check_plugin",
    "check_prediction_file",
    "check_protocol",
    "check_writer",
    "require",
]

TARGETS = {
    # kind: the fields of its record that name functions
    "speed": ("make", "ours", "plain"),
    "command": ("run",),
    "detector": ("build",),
    "golden": ("replay",),
}
BENCHMARKS: dict[str, Callable[[Any], list[Check]]] = {
    "writer": check_writer,
    "protocol": check_protocol,
    "prediction file": check_prediction_file,
}
HEAVY = ("numpy", "torch", "timm", "cv2", "smplx")  # 0.2 s and more for every command


def check_plugin(
    name: str,
    *,
    root: Path | None = None,
    onnx: bool = False,
    say: Callable[[str, object], None] = lambda label, text: None,
) -> list[Check]:
    """The name of a plugin, a model or a data set -> every check of what it brings."""
    registry = get_registry()
    plugin = _find(name)
    if plugin is None and name in registry.names("model"):
        return check_model(name, onnx=onnx)
    if plugin is None and name in registry.names("dataset"):
        return check_dataset(name, root=root)
    if plugin is None:
        for kind, check in BENCHMARKS.items():
            if name in registry.names(kind):
                return check(registry.get(kind, name))
        known = [p.name for p in registry.plugins]
        for kind in ("model", "dataset", *BENCHMARKS):
            known += registry.names(kind)
        raise UsageError(
            f"no plugin, model, data set or benchmark named '{name}'.",
            did_you_mean(name, known) or "See: hps plugins list",
        )
    checks: list[Check] = list(_check_registration(plugin))
    for kind, record in plugin.records:
        say("checking", f"{kind} {record.name}")
        if kind == "model":
            checks += check_model(record, onnx=onnx)
        elif kind == "dataset":
            checks += check_dataset(record, root=root)
        elif kind in BENCHMARKS:
            checks += BENCHMARKS[kind](record)
        else:
            checks += _check_record(kind, record)
    return checks


def _find(name: str) -> Plugin | None:
    """-> the plugin of this name; "foo" also finds the plugin "hps_foo"."""
    plugins = {plugin.name: plugin for plugin in get_registry().plugins}
    plain = name.replace("-", "_")
    candidates = (name, f"hps_{plain}", f"hps-{name}")
    return next((plugins[c] for c in candidates if c in plugins), None)


def _check_registration(plugin: Plugin) -> Checks:
    """It registers sound records, once, and stays light until it is used."""
    checks = Checks(f"plugin {plugin.name}")
    brought = f"{len(plugin.records)} records"
    checks.add("registers", "; ".join(plugin.problems), brought)
    doubles = [
        problem
        for problem in get_registry().problems()
        if "is registered by both" in problem and f"'{plugin.name}'" in problem
    ]
    checks.add("unique names", "; ".join(doubles))
    if not plugin.problems:
        checks.run("light", lambda: (_weight(plugin), "found without importing numpy or torch"))
    return checks


def _weight(plugin: Plugin) -> str:
    """-> which heavy package a listing imports because of this plugin (a new process tells)."""
    others = ",".join(p.name for p in get_registry().plugins if p.name != plugin.name)
    code = (
        "import sys; from hpscli.registry import get_registry; get_registry(); "
        f"print(*(name for name in {HEAVY!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HPS_DISABLE": others},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        return done.stderr.strip().splitlines()[-1]
    names = done.stdout.split()
    return f"finding the plugin imports {' '.join(names)}: import inside functions" if names else ""


def _check_record(kind: str, record: Any) -> Checks:
    """Functions that a record names can be imported."""
    checks = Checks(f"{kind} {record.name}")
    for field in TARGETS.get(kind, ()):
        checks.run(field, lambda field=field: _imports(getattr(record, field)))  # type: ignore[misc]
    return checks


def _imports(target: str) -> tuple[str, str]:
    resolve(target)
    return "", target
