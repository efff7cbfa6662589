"""--dry-run: everything that an evaluation would use, and what it would need; nothing is measured."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hpscli.data.evalset import EvalSet
from hpscli.errors import HpsError, MissingError
from hpscli.hooks import ModelSpec, ProtocolSpec
from hpscli.metrics.protocol_names import find_protocol
from hpscli.nn.files import is_ours, read_info
from hpscli.nn.options import adapted, adapted_by_name, complete_options, preset_of
from hpscli.nn.weights.sources import find_checkpoint
from hpscli.registry import Registry, get_registry
from hpscli.run.evaluating.checks import check_split
from hpscli.run.places import find_shards, new_result_file, training_shards
from hpscli.run.prediction_files import is_predictions, read_predictions
from hpscli.run.sessions.choice import all_protocols, chosen, protocol_for
from hpscli.run.sessions.request import ALL, Request, check
from hpscli.run.sessions.saying import standing
from hpscli.run.sessions.session import pick_device


@dataclass
class Plan:
    """Lines to print, and what is not here: (what is wrong, what to type)."""

    lines: list[tuple[str, str]] = field(default_factory=list)
    missing: list[tuple[str, str]] = field(default_factory=list)

    def need(self, error: HpsError) -> None:
        """Note what is not here."""
        if (error.problem, error.fix) not in self.missing:
            self.missing.append((error.problem, error.fix))

    def document(self) -> dict[str, Any]:
        """-> plain values."""
        return {
            "plan": [{"what": what, "value": value} for what, value in self.lines],
            "would_need": [{"problem": problem, "fix": fix} for problem, fix in self.missing],
        }


def plan(request: Request) -> Plan:
    """-> what `hps eval` would do. What cannot be meant is an error; what is not here is not."""
    registry = get_registry()
    check(request)
    found = Plan()
    models, body = _subject(request, registry, found)
    for spec in _protocols(request, registry, models, body):
        _people(request, registry, spec, found)
    settings = request.settings
    words = [
        f"batch {settings.batch}",
        settings.dtype,
        f"tta {settings.augmentation or 'none'}",
        f"crop {settings.crop or 'as the weights were trained'}",
        f"boxes {settings.boxes or 'annotated'}",
    ]
    found.lines.append(("settings", " · ".join(words)))
    if settings.boxes and not Path(settings.boxes).is_file():
        found.need(MissingError(f"there is no file of boxes {settings.boxes}."))
    _device(request, found)
    file = new_result_file(request.out, models[0] if models else request.checkpoint or "model")
    found.lines.append(("result", str(file.parent if request.testset == ALL else file)))
    return found


def _subject(request: Request, registry: Registry, found: Plan) -> tuple[tuple[str, ...], str]:
    """-> names of the model and its body; "" when nobody can know."""
    try:
        choice = chosen(request, registry)
    except MissingError as error:
        found.need(error)
        return (), ""
    found.lines.append(("checkpoint", f"{choice.name}   {choice.why}".rstrip()))
    path = Path(choice.name).expanduser()
    if path.exists() and is_predictions(path, registry):
        kind = str(read_predictions(path, registry).body.get("kind", ""))
        found.lines[-1] = ("predictions", f"{path}   {kind}")
        return (), kind
    spec = _named_model(choice.name, registry)
    try:
        file, _ = find_checkpoint(choice.name)
        if is_ours(file):
            info = read_info(file)
            spec = adapted_by_name(info.model, info.options)
            preset = preset_of(spec, complete_options(spec, "", info.options))
            names = [f"{spec.name}.{preset}"] * bool(preset)
            return (choice.name, *names, spec.name), spec.body
    except MissingError as error:
        found.need(error)
    return (choice.name, spec.name) if spec else (), spec.body if spec else ""


def _named_model(name: str, registry: Registry) -> ModelSpec | None:
    """-> the model of "metro" or "metro.tag", whether or not its weights are here."""
    title, _, tag = name.partition(".")
    models: dict[str, ModelSpec] = {spec.name: spec for spec in registry.all("model")}
    if title not in models:
        return None
    spec = models[title]
    presets = {weights.tag: weights.preset for weights in spec.weights}
    return adapted(spec, complete_options(spec, presets.get(tag, ""), {}))


def _protocols(
    request: Request, registry: Registry, models: tuple[str, ...], body: str
) -> list[ProtocolSpec]:
    if request.testset == ALL:
        specs: list[ProtocolSpec] = registry.all("protocol")
        return all_protocols(registry, body, models) if body else [p for p in specs if p.default]
    name, testset = request.protocol, request.testset
    if not body:
        return [find_protocol(registry, name=name, testset=testset)]
    return [protocol_for(registry, models, name=name, testset=testset, body=body)]


def _people(request: Request, registry: Registry, spec: ProtocolSpec, found: Plan) -> None:
    count = f"{spec.samples} people" if spec.samples else "every person in the shards"
    found.lines.append(("protocol", f"{spec.name}   {count}, {spec.body}"))
    found.lines.append(
        ("", standing(spec) + (f"   licence: {spec.licence}" if spec.licence else ""))
    )
    try:
        shards, remark = find_shards(spec, request.shards, registry)
        people = EvalSet(shards, limit=request.limit)
        check_split(people, spec, registry)
        found.lines.append(("shards", f"{shards}   {len(people)} people   {remark}".rstrip()))
        if train := training_shards(spec, request.baseline, registry):
            EvalSet(train, limit=1)
    except MissingError as error:
        found.need(error)


def _device(request: Request, found: Plan) -> None:
    import torch

    count = request.gpus or request.processes or 1
    try:
        device = pick_device(request)
        there = torch.cuda.device_count()
        if request.gpus > there:
            raise MissingError(f"{request.gpus} GPUs asked for, {there} found.", "--processes N")
        found.lines.append(("device", f"{device}   {count} process{'es' if count > 1 else ''}"))
    except MissingError as error:
        found.need(error)
