"""What is measured when nobody says: the latest run that fits, else the weights that come with hps."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hpscli.errors import HpsError, MissingError, UsageError, did_you_mean
from hpscli.hooks import ModelSpec, ProtocolSpec
from hpscli.metrics.protocol_names import find_protocol, places, short_names
from hpscli.metrics.rules import Figure
from hpscli.nn.files import read_info
from hpscli.nn.options import adapted, adapted_by_name, complete_options
from hpscli.nn.weights.sources import FOLDER, TRIAL, find_checkpoint, numbered
from hpscli.registry import Registry
from hpscli.run.places import RUNS, shipped_checkpoint
from hpscli.run.sessions.request import ALL, Request


@dataclass(frozen=True)
class Choice:
    """A checkpoint, and why it: one line to print, "" when it was named."""

    name: str
    why: str = ""


def chosen(request: Request, registry: Registry) -> Choice:
    """-> the checkpoint of a request; raise where none fits, with what to type."""
    if request.checkpoint:
        return Choice(request.checkpoint)
    bodies = wanted_bodies(request, registry)
    if run := latest_run(bodies):
        return Choice(str(run), f"the latest run in {RUNS} for {' or '.join(bodies)}")
    for body in bodies:
        try:
            return Choice(shipped_checkpoint(registry, body), "the one that comes with hps")
        except MissingError:
            continue
    kinds = " or ".join(bodies)
    models = [spec.name for spec in registry.all("model") if set(bodies_of(spec)) & set(bodies)]
    raise MissingError(
        f"nothing to measure for {kinds}: no run in {RUNS} predicts {kinds}, and no trained weights "
        f"for {kinds} come with hps.",
        f"Name a checkpoint: hps eval CHECKPOINT {_where(request)}\n"
        f"or import one: hps models import FILE     ({', '.join(models)})\n"
        "or train one: hps train RECIPE     (hps recipes list)",
    )


def bodies_of(spec: ModelSpec) -> list[str]:
    """-> the bodies that a model and its presets predict."""
    presets = ("", *spec.presets)
    kinds = [adapted(spec, complete_options(spec, preset, {})).body for preset in presets]
    return list(dict.fromkeys(kinds))


def _where(request: Request) -> str:
    return f"--testset {request.testset}" if request.testset else f"--protocol {request.protocol}"


def wanted_bodies(request: Request, registry: Registry) -> list[str]:
    """-> the bodies that the test set has protocols for, that of the default one first."""
    specs: list[ProtocolSpec] = registry.all("protocol")
    if request.testset == ALL:
        return list(dict.fromkeys(p.body for p in specs if p.default))
    if request.protocol and request.testset:
        check_name(registry, request.protocol, request.testset)
    first = find_protocol(registry, name=request.protocol, testset=request.testset)
    if request.protocol:
        return [first.body]
    return list(
        dict.fromkeys([first.body, *(p.body for p in specs if request.testset in places(p))])
    )


def latest_run(bodies: Iterable[str], runs: Path | None = None) -> Path | None:
    """-> the run whose newest checkpoint is the newest of all for one of these bodies."""
    wanted, found = set(bodies), []
    for run in _runs(RUNS if runs is None else runs):
        try:
            file = find_checkpoint(run)[0]
            info = read_info(file)
            kind = info.body.get("kind") or adapted_by_name(info.model, info.options).body
        except HpsError:
            continue  # a run that has no checkpoint yet, or of a model that is not installed
        if kind in wanted:
            newest = max(_written(path) for path in [file, *numbered(run)])
            found.append((newest, run.as_posix()))
    return Path(max(found)[1]) if found else None


def _written(file: Path) -> int:
    """-> when, in ns; 0 where a training beside this has removed it."""
    try:
        return file.stat().st_mtime_ns
    except FileNotFoundError:
        return 0


def _runs(folder: Path) -> Iterator[Path]:
    """-> runs/RUN and runs/RECIPE/RUN; not those of --fast-dev-run."""
    for path in sorted(folder.glob(f"*/{FOLDER}")) + sorted(folder.glob(f"*/*/{FOLDER}")):
        if not path.parent.name.startswith(TRIAL):
            yield path.parent


def all_protocols(registry: Registry, body: str, models: tuple[str, ...]) -> list[ProtocolSpec]:
    """-> of every test set the protocol that `--testset` alone means for a model of this body."""
    specs: list[ProtocolSpec] = registry.all("protocol")
    found: dict[str, ProtocolSpec] = {}
    for spec in specs:
        if not spec.default or spec.body != body:
            continue
        place = spec.name.partition("@")[0]
        found[place] = protocol_for(registry, models, testset=place, body=body)
    return list(found.values())


def protocol_for(
    registry: Registry,
    models: tuple[str, ...],
    *,
    name: str = "",
    testset: str = "",
    body: str = "",
) -> ProtocolSpec:
    """-> the protocol by name, or that of the model's own authors, else the default of its body."""
    if name and testset:
        check_name(registry, name, testset)
    for model in models:
        spec = find_protocol(registry, name=name, testset=testset, body=body, model=model)
        if name or any(model == owner or model.startswith(f"{owner}.") for owner in spec.models):
            return spec
    return find_protocol(registry, name=name, testset=testset, body=body)


def check_name(registry: Registry, name: str, testset: str) -> None:
    """Raise for a protocol that this test set does not have, with those that it has."""
    specs: list[ProtocolSpec] = registry.all("protocol")
    own = [spec for spec in specs if testset in places(spec)]
    known = [word for spec in own for word in (spec.name, *short_names(spec))]
    if not own or name in known or name in {spec.name for spec in specs}:
        return
    short = ", ".join(dict.fromkeys(short_names(spec)[0] for spec in own))
    raise UsageError(
        f"test set '{testset}' has no protocol '{name}'.",
        did_you_mean(name, known) or f"It has: {short}",
    )


def chosen_figures(asked: Iterable[str], figures: dict[str, Figure]) -> tuple[str, ...]:
    """Words of --metrics, "pa_mpjpe" or "PA-MPJPE" -> names of figures, in the order of the rule."""
    plain = {_plain(name): name for name in figures}
    plain |= {_plain(figure.label): name for name, figure in figures.items()}
    found = set()
    for word in asked:
        if _plain(word) not in plain:
            near = did_you_mean(_plain(word), plain)
            raise UsageError(
                f"this protocol has no figure '{word}'.", near or f"One of: {', '.join(figures)}"
            )
        found.add(plain[_plain(word)])
    return tuple(name for name in figures if name in found)


def _plain(word: str) -> str:
    return word.strip().lower().replace("-", "_")
