"""A model, or a file of predictions, on the people of a leaderboard -> the file that it takes, checked."""

import hashlib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpscli.body.layer import Body, load_body
from hpscli.data.evalset import EvalSet
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, MissingError, UsageError, in_words
from hpscli.hooks import ProtocolSpec, WriterSpec
from hpscli.launched import launched
from hpscli.nn.checkpoints import LoadedModel, load_model
from hpscli.records import Finding, PredictionSet
from hpscli.registry import get_registry, resolve
from hpscli.run.evaluating.collecting import collect
from hpscli.run.evaluating.settings import Settings
from hpscli.run.exporting.collecting import CollectJob, collect_on, joined
from hpscli.run.exporting.request import (
    ExportRequest,
    check,
    check_body,
    fitting_checkpoint,
    protocol_of,
    shards_of,
    split_options,
    splits_of,
    target,
    writer_named,
)
from hpscli.run.gather import gather_predictions
from hpscli.run.given_predictions import described, first, in_order, kind_of, widened
from hpscli.run.inference import said_crop
from hpscli.run.matching import keyed
from hpscli.run.places import best_device, find_shards
from hpscli.run.prediction_files import is_predictions, read_predictions
from hpscli.run.processes import process_group
from hpscli.run.sessions.choice import Choice

Say = Callable[[str, object], None]
Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """A leaderboard's file on disk and everything that was found out about it."""

    spec: WriterSpec
    file: Path
    people: int
    sha256: str
    findings: tuple[Finding, ...]
    options: Mapping[str, Any]
    body: Mapping[str, Any]
    about: Mapping[str, Any]  # of the predictions: model, checkpoint, epoch ...
    shards: str


@dataclass(frozen=True, kw_only=True)
class _Order:
    """A request whose words have been looked up."""

    request: ExportRequest
    spec: WriterSpec
    splits: list[str]
    source: str
    why: str  # this source, when nobody named one
    say: Say
    progress: Progress
    meet: Callable[[], None] = lambda: None


def export(request: ExportRequest, say: Say, progress: Progress) -> Exported | None:
    """Predict or read, write, check -> the file and what was found; None on quiet processes."""
    registry = get_registry()
    spec = writer_named(registry, request.writer)
    split_options(spec, request.words)  # raises before anything is predicted
    check(request)
    group = launched()
    speaks = group is None or group[0] == 0
    choice = Choice(request.source) if request.source else fitting_checkpoint(registry, spec)
    order = _Order(
        request=request,
        spec=spec,
        splits=splits_of(spec, request),
        source=choice.name,
        why=choice.why,
        say=say if speaks else lambda label, text: None,
        progress=progress if speaks else lambda label, total, unit: nullcontext(lambda count: None),
    )
    if is_predictions(Path(order.source), registry):
        predictions, body, shards = _from_file(order)
    elif group:
        device = best_device(request.device, group[2])
        with process_group(device, group[0], group[1]):
            predictions, body, shards = _from_model(order, device, group[:2])
    else:
        predictions, body, shards = _from_model(order, _device(request))
    return _written(order, predictions, body, shards) if speaks else None


def export_together(
    model: LoadedModel,
    request: ExportRequest,
    rank: int,
    world: int,
    say: Say,
    progress: Progress,
    meet: Callable[[], None] = lambda: None,
) -> Exported | None:
    """The same with a model that is loaded, on every process of a group that is there already.

    meet: called by each process after its share of a split, before they exchange anything.
    """
    spec = writer_named(get_registry(), request.writer)
    check(request)
    order = _Order(
        request=request,
        spec=spec,
        splits=splits_of(spec, request),
        source=model.name,
        why="",
        say=say,
        progress=progress,
        meet=meet,
    )
    predictions, body, shards = _predicted(order, model, (rank, world))
    return _written(order, predictions, body, shards) if rank == 0 else None


def _written(order: _Order, predictions: PredictionSet, body: Body, shards: str) -> Exported:
    """Write the file and check it."""
    request, spec = order.request, order.spec
    options, check_options = split_options(spec, request.words)
    file = target(spec, request, predictions.about)
    typed = any(word.startswith("split=") for word in request.words)
    if "split" in options and not typed and len(order.splits) == 1:  # of who does not say theirs
        options["split"] = order.splits[0]
    resolve(spec.write)(predictions, file, body, **options)
    return Exported(
        spec=spec,
        file=file,
        people=len(predictions),
        sha256=_sha256(file),
        findings=tuple(_checked(spec, file, check_options)),
        options=options,
        body={**body.describe(), **predictions.body},
        about=predictions.about,
        shards=shards,
    )


def check_file(spec: WriterSpec, file: Path, words: Sequence[str] = ()) -> list[Finding]:
    """What the leaderboard's rules say about a file, made anywhere; violations first."""
    if not file.exists():
        raise MissingError(f"there is no file {file}.")
    if file.is_dir():
        raise UsageError(
            f"{file} is a folder.", "Name the file that you would upload; pack the folder first."
        )
    return _checked(spec, file, split_options(spec, words)[1])


def _checked(spec: WriterSpec, file: Path, options: Mapping[str, Any]) -> list[Finding]:
    try:
        found: list[Finding] = resolve(spec.check)(file, **options)
    except HpsError:
        raise
    except (*BAD_RECORD, zipfile.BadZipFile, EOFError, OSError) as error:
        raise InvalidData(
            f"{file} is no file for {spec.name}: {in_words(error)}.",
            f"What it has to be: {spec.summary}",
        ) from error
    return sorted(found, key=lambda finding: not finding.error)


def _device(request: ExportRequest) -> str:
    """-> where the parent's model is; processes of its own have their own."""
    if request.gpus or request.processes:
        return "cpu"
    return best_device(request.device)


def _from_model(
    order: _Order, device: str, rank_and_world: tuple[int, int] = (0, 1)
) -> tuple[PredictionSet, Body, str]:
    """-> what a model says about the people of the leaderboard, its body, the shards."""
    return _predicted(order, load_model(order.source, device=device), rank_and_world)


def _predicted(
    order: _Order, model: LoadedModel, rank_and_world: tuple[int, int]
) -> tuple[PredictionSet, Body, str]:
    """-> the same of a model that is loaded."""
    request, spec, say = order.request, order.spec, order.say
    kind = model.body.kind
    check_body(spec, kind, f"model '{model.name}'")
    say("checkpoint", f"{model.name}   model {model.spec.name}   {order.why}".rstrip())
    say("body", f"{kind}, {model.body.source}")
    say("crop", said_crop(model, request.crop, measuring=True))
    target(spec, request, {"model": model.spec.name, "epoch": model.info.epoch})
    places = [_people(order, s, kind, model.body.joint_set, model.name) for s in order.splits]
    parts = []
    for protocol, _, people in places:
        found = _collected(order, model, people, protocol, rank_and_world)
        parts.append(in_order(found, people.keys))
    return joined(parts), model.body, ",".join(where for _, where, _ in places)


def _people(
    order: _Order, split: str, kind: str, joints: str, model: str
) -> tuple[ProtocolSpec, str, EvalSet]:
    """-> how people of a split are cropped, where they are, the people themselves."""
    registry, spec = get_registry(), order.spec
    protocol = protocol_of(spec, split, kind, joints, model, registry)
    given = shards_of(order.request.shards, split, order.splits)
    shards, remark = find_shards(protocol, given, registry)
    people = EvalSet(shards, limit=order.request.limit)
    order.say("people", f"{people.location}   {len(people)} people   {remark}".rstrip())
    held = f"{people.index.dataset}/{people.index.split}"
    if held != f"{spec.testset}/{split}":
        order.say("note", f"these are people of {held}, not of {spec.testset}/{split}")
    return protocol, str(shards), people


def _collected(
    order: _Order,
    model: LoadedModel,
    people: EvalSet,
    protocol: ProtocolSpec,
    rank_and_world: tuple[int, int],
) -> PredictionSet:
    """-> everybody's predictions, in any order."""
    request, keeps = order.request, order.spec.keeps
    settings = Settings(
        batch=request.batch,
        limit=request.limit,
        tta=request.tta,
        dtype=request.dtype,  # type: ignore[arg-type]  # `check` has seen it
        crop=request.crop,  # type: ignore[arg-type]  # and this
    )
    count = request.gpus or request.processes
    if count > 1:
        job = CollectJob(
            checkpoint=order.source,
            shards=str(people.location),
            protocol=protocol,
            settings=settings,
            keeps=keeps,
            device="cuda" if request.gpus else "cpu",
        )
        return collect_on(count, job)
    rank, world = rank_and_world
    with order.progress("predicting", len(people), "people") as advance:
        found = collect(model, people, protocol, settings, keeps, rank, world, advance)
    order.meet()
    return gather_predictions(found, world)


def _from_file(order: _Order) -> tuple[PredictionSet, Body, str]:
    """-> what a file says, with the meshes and joints that the leaderboard wants."""
    request, spec, file = order.request, order.spec, Path(order.source)
    predictions = read_predictions(file, get_registry())
    kind = kind_of(predictions, spec.bodies)
    check_body(spec, kind, str(file))
    source = str(predictions.body.get("source", ""))
    body = load_body(kind, source="free" if source == "free" else "")
    what = predictions.about.get("format", "predictions of hps")
    order.say("predictions", f"{file}   {len(predictions)} people, {what}")
    order.say("body", f"{kind}, {source or body.source}")
    shards = ""
    if not predictions.meta or request.shards:
        if len(order.splits) > 1:
            raise UsageError(
                f"{file} does not say which split its people are of.", "Name one: --split NAME"
            )
        _, shards, people = _people(order, order.splits[0], kind, body.joint_set, "")
        predictions = keyed(predictions, people.keys, (sample.meta for sample in people))
        predictions = described(in_order(predictions, people.keys), people)
    elif request.limit:
        predictions = first(predictions, request.limit)
    return widened(predictions, body, spec.keeps), body, shards


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
