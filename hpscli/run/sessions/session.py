"""A whole evaluation as a command asks for it: find everything, measure, draw, save."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from hpscli.body.layer import Body, load_body
from hpscli.data.evalset import EvalSet
from hpscli.data.shards import refuse_crops
from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.launched import launched
from hpscli.metrics.results import Result, samples_path, write_result
from hpscli.metrics.rules import rule_of
from hpscli.nn.checkpoints import LoadedModel, load_model
from hpscli.records import PredictionSet
from hpscli.registry import Registry, get_registry
from hpscli.run.evaluate import evaluate_predictions, evaluate_with
from hpscli.run.evaluating.checks import check_shards, check_split, index_sha256
from hpscli.run.evaluating.subject import names_of
from hpscli.run.given_predictions import first as first_people
from hpscli.run.given_predictions import kind_of
from hpscli.run.inference import said_crop
from hpscli.run.pictures.drawing import draw_people
from hpscli.run.places import best_device, find_shards, new_result_file, training_shards
from hpscli.run.prediction_files import is_predictions, read_predictions
from hpscli.run.processes import Job, evaluate_on, process_group
from hpscli.run.sessions.baseline import baseline
from hpscli.run.sessions.choice import Choice, chosen, chosen_figures, protocol_for
from hpscli.run.sessions.request import Request, check
from hpscli.run.sessions.saying import Say, say_protocol

Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]
Done = tuple[Result, Path, ProtocolSpec]
T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Session:
    """A request under way in this process."""

    request: Request
    registry: Registry
    device: str
    first: bool  # of a launched group the one process that speaks and writes
    say: Say
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Opened:
    """What is measured: a model, or predictions from a file."""

    name: str
    body: Body
    models: tuple[str, ...] = ()  # names under which protocols and published numbers know it
    model: LoadedModel | None = None
    predictions: PredictionSet | None = None


def run_request(request: Request, say: Say, progress: Progress) -> Done | None:
    """-> result, its file and protocol; None on the quiet processes of a launched group."""
    with opened_session(request, say, progress) as (session, found):
        spec = protocol_for(
            session.registry,
            found.models,
            name=request.protocol,
            testset=request.testset,
            body=found.body.kind,
        )
        return evaluate_one(session, found, spec)


@contextmanager
def opened_session(
    request: Request, say: Say, progress: Progress
) -> Iterator[tuple[Session, Opened]]:
    """Check, join the launcher's group if there is one, load -> what everything else needs."""
    registry = get_registry()
    check(request)
    group = launched()
    first = group is None or group[0] == 0
    session = Session(
        request=request,
        registry=registry,
        device=pick_device(request, group[2] if group else 0),
        first=first,
        say=say if first else lambda label, text: None,
        progress=progress,
    )
    choice = chosen(request, registry)
    joined = process_group(session.device, group[0], group[1]) if group else nullcontext()
    with joined:
        yield session, open_subject(session, choice)


def open_subject(session: Session, choice: Choice) -> Opened:
    """-> the model, or the predictions, that are measured."""
    request, say = session.request, session.say
    path = Path(choice.name).expanduser()
    if path.exists() and is_predictions(path, session.registry):
        return _open_predictions(session, path)
    say("loading", choice.name)
    try:
        model = load_model(choice.name, device=session.device, body_source=request.body_source)
    except InvalidData as error:
        if not path.is_file():
            raise
        raise InvalidData(error.problem, f"{error.fix}\n{_other_use(path)}".strip()) from error
    why = f"   {choice.why}" if choice.why else ""
    trained = f"   step {model.info.step}, epoch {model.info.epoch}" if model.info.step else ""
    sha256 = f"   (sha256 {model.sha256[:12]}...)" if model.sha256 else ""
    say("checkpoint", f"{model.name}{why}   model {model.spec.name}{trained}{sha256}")
    say("body", f"{model.body.kind}, {model.body.source}")
    return Opened(name=choice.name, body=model.body, models=names_of(model), model=model)


def _other_use(path: Path) -> str:
    """-> what a file that is no checkpoint may have been meant as."""
    if path.suffix.lower() in (".png", ".jpg", ".jpeg"):
        return f"People in a picture: hps predict {path}"
    return "A file of predictions was not recognised either: hps info predictions lists their forms"


def _open_predictions(session: Session, path: Path) -> Opened:
    request, say = session.request, session.say
    for option in ("visualize", "boxes", "tta", "flip", "save_predictions"):
        if getattr(request, option):
            raise UsageError(
                f"{path} holds predictions: there is no model for --{option.replace('_', '-')}.",
                "Leave the option out, or name a checkpoint.",
            )
    if request.gpus or request.processes:
        raise UsageError(
            f"{path} holds predictions: one process measures them.", "Leave out --gpus."
        )
    say("loading", path)
    predictions = read_predictions(path, session.registry)
    if request.limit:
        predictions = (
            first_people(predictions, request.limit) if not predictions.keys else predictions
        )
    specs: list[ProtocolSpec] = session.registry.all("protocol")
    bodies = dict.fromkeys(
        p.body for p in specs if request.testset == p.testset or request.protocol == p.name
    )
    kind = kind_of(predictions, tuple(bodies) or tuple(dict.fromkeys(p.body for p in specs)))
    said = str(predictions.body.get("source", ""))
    body = load_body(kind, source=request.body_source or ("free" if said == "free" else ""))
    what = predictions.about.get("format", "predictions of hps")
    say("predictions", f"{path}   {len(predictions)} people, {what}")
    say("body", f"{kind}, {body.source}")
    return Opened(name=str(path), body=body, predictions=predictions)


def evaluate_one(
    session: Session, found: Opened, spec: ProtocolSpec, out: Path | None = None
) -> Done | None:
    """One protocol: find its people, measure, save; None on quiet processes."""
    request, say = session.request, session.say
    shards, remark = find_shards(spec, request.shards, session.registry)
    people = EvalSet(shards, limit=request.limit)
    check_shards(people, spec, found.body, request.limit)
    if found.model is not None:
        refuse_crops(people.index, spec)
    check_split(people, spec, session.registry)
    figures = chosen_figures(request.metrics, dict(rule_of(spec, found.body).figures))
    train = training_shards(spec, request.baseline, session.registry)
    if train:
        check_shards(EvalSet(train, limit=1), spec, found.body, limit=1)
    say_protocol(spec, request, people, remark, say)
    if found.model is not None:
        say("crop", said_crop(found.model, request.crop, measuring=True))
    if request.tta == "multiscale" and found.body.kind != "mano":
        say("note", "multiscale is Mesh Graphormer's for hands; of bodies nobody published with it")
    file = new_result_file(out or request.out, found.name)
    if not request.force and (file.exists() or samples_path(file).exists()):
        raise UsageError(f"{file} exists already.", "Choose another name, or add --force.")
    if session.first:  # a place that cannot be written must not cost the whole measurement
        file.parent.mkdir(parents=True, exist_ok=True)
    result = _measured(session, found, spec, shards, len(people))
    if not session.first:
        return None
    if train:
        result = replace(result, baseline=_baseline(train, shards, spec, found.body, request.limit))
    result = only(result, figures)
    _write(session, found, spec, shards, result, file)
    return result, file, spec


def _write(
    session: Session, found: Opened, spec: ProtocolSpec, shards: str, result: Result, file: Path
) -> None:
    """Save the result, pictures and the page."""
    request, say = session.request, session.say
    write_result(file, result, overwrite=request.force)
    pictures: dict[str, Path] = {}
    if request.visualize and found.model is not None:
        pictures = draw_people(file, found.model, shards, spec, result, request)
        say("look", next(iter(pictures.values())))
    if request.report:
        from hpscli.run.report import write_report

        say("report", write_report(file, result, pictures=pictures))


def only(result: Result, names: tuple[str, ...]) -> Result:
    """-> the result with these figures, all when there are no names."""
    if not names:
        return result

    return replace(
        result,
        metrics=_kept(result.metrics, names),
        errors=_kept(result.errors, names),
        reference=_kept(result.reference, names),
        settings={**result.settings, "metrics": list(names)},
    )


def _kept(values: Mapping[str, T], names: tuple[str, ...]) -> dict[str, T]:
    return {name: value for name, value in values.items() if name in names}


def _measured(
    session: Session, found: Opened, spec: ProtocolSpec, shards: str, people: int
) -> Result:
    request = session.request
    if found.predictions is not None:
        session.say("measuring", f"{len(found.predictions)} predictions")
        return evaluate_predictions(
            found.predictions, found.body, shards, spec, limit=request.limit
        )
    assert found.model is not None
    count = request.gpus or request.processes
    if count > 1:
        job = Job(
            checkpoint=found.name,
            shards=shards,
            protocol=spec,
            settings=request.settings,
            device="cuda" if request.gpus else "cpu",
            body_source=request.body_source,
            save=str(request.save_predictions or ""),
        )
        session.say("measuring", f"{people} people on {count} processes")
        return evaluate_on(count, job)
    quiet: AbstractContextManager[Callable[[int], None]] = nullcontext(lambda count: None)
    shown = session.progress("measuring", people, "people") if session.first else quiet
    with shown as advance:
        return evaluate_with(
            found.model,
            shards,
            spec,
            request.settings,
            save=request.save_predictions,
            advance=advance,
        )


def _baseline(
    train: str, shards: str, spec: ProtocolSpec, body: Body, limit: int
) -> dict[str, object]:
    mean = baseline(train, shards, spec, body, limit=limit)
    plain = {name: {"value": m.value, "unit": m.unit, "n": m.n} for name, m in mean.items()}
    return {"shards": train, "index_sha256": index_sha256(train), "metrics": plain}


def pick_device(request: Request, local_rank: int = 0) -> str:
    """-> cpu, cuda or cuda:N; the best there is unless said otherwise."""
    asked = request.device or ("cuda" if request.gpus else "cpu" if request.processes else "")
    return best_device(asked, local_rank)
