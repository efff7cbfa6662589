"""A whole evaluation as a command asks for it: find everything, measure, draw, save."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from hpscli.data.evalset import EvalSet
from hpscli.data.shards import refuse_crops
from hpscli.errors import UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocols import find_protocol
from hpscli.metrics.results import Result, samples_path, write_result
from hpscli.nn.checkpoints import LoadedModel, load_model
from hpscli.registry import Registry, get_registry
from hpscli.run.baseline import baseline
from hpscli.run.evaluate import Settings, check_shards, evaluate, index_sha256
from hpscli.run.gallery import write_gallery
from hpscli.run.inference import check_crop, preparation_of, said_crop
from hpscli.run.places import (
    SHARDS,
    best_device,
    check_dtype,
    find_shards,
    new_result_file,
    prepare_line,
    shipped_checkpoint,
)
from hpscli.run.processes import Job, evaluate_on, launched, process_group

Say = Callable[[str, object], None]
Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What somebody typed after `hps eval`."""

    checkpoint: str = ""
    testset: str = ""
    protocol: str = ""
    shards: str = ""
    batch: int = 32
    limit: int = 0
    gpus: int = 0
    processes: int = 0
    device: str = ""
    dtype: str = "fp32"
    flip: bool = False
    crop: str = ""
    baseline: str = ""
    visualize: bool = False
    out: Path | None = None
    force: bool = False


def run_request(
    request: Request, say: Say, progress: Progress
) -> tuple[Result, Path, ProtocolSpec] | None:
    """-> result, its file and protocol; None on the quiet processes of a launched group."""
    registry = get_registry()
    check(request)
    group = launched()
    first = group is None or group[0] == 0
    tell: Say = say if first else lambda label, text: None
    device = pick_device(request, group[2] if group else 0)
    name = request.checkpoint or shipped_checkpoint(registry, _wanted_body(request, registry))
    if group:
        with process_group(device, group[0], group[1]):
            return _evaluated(request, registry, name, device, tell, progress, first)
    return _evaluated(request, registry, name, device, tell, progress, True)


def _evaluated(
    request: Request,
    registry: Registry,
    name: str,
    device: str,
    say: Say,
    progress: Progress,
    first: bool,
) -> tuple[Result, Path, ProtocolSpec] | None:
    model = load_model(name, device=device)
    _say_checkpoint(model, request, say)
    spec = find_protocol(
        registry,
        name=request.protocol,
        testset=request.testset,
        body=model.body.kind,
        model=model.name,
    )
    shards, remark = find_shards(spec, request.shards, registry)
    found = EvalSet(shards, limit=request.limit)
    check_shards(found, spec, model.body, request.limit)
    refuse_crops(found.index, spec)
    check_split(found, spec, registry)
    people, train = len(found), _training_shards(request, spec)
    if train:
        check_shards(EvalSet(train, limit=1), spec, model.body, limit=1)
    _say_protocol(spec, request, found, remark, say)
    say("crop", said_crop(model, request.crop))
    file = new_result_file(request.out, name)
    if not request.force and (file.exists() or samples_path(file).exists()):
        raise UsageError(f"{file} exists already.", "Choose another name, or add --force.")
    if first:  # a place that cannot be written must not cost the whole measurement
        file.parent.mkdir(parents=True, exist_ok=True)
    result = _measured(
        request, model, name, spec, shards, people, device, progress if first else None
    )
    if not first:
        return None
    if train:
        mean = baseline(train, shards, spec, model.body, limit=request.limit)
        plain = {k: {"value": m.value, "unit": m.unit, "n": m.n} for k, m in mean.items()}
        known = {"shards": train, "index_sha256": index_sha256(train), "metrics": plain}
        result = replace(result, baseline=known)
    write_result(file, result, overwrite=request.force)
    if request.visualize:
        picture = file.with_name(f"{file.stem}.people.png")
        crop = preparation_of(model, request.crop)
        say("look", write_gallery(picture, model, shards, spec, result, preparation=crop))
    return result, file, spec


def _training_shards(request: Request, spec: ProtocolSpec) -> str:
    """-> where the people of --baseline are; "mean": where `hps prepare` puts them."""
    prepared = str(SHARDS / spec.name.split("/")[0] / "train")
    return prepared if request.baseline == "mean" else request.baseline


def _measured(
    request: Request,
    model: LoadedModel,
    name: str,
    spec: ProtocolSpec,
    shards: str,
    people: int,
    device: str,
    progress: Progress | None,
) -> Result:
    settings = Settings(
        batch=request.batch,
        limit=request.limit,
        flip=request.flip,
        dtype=request.dtype,  # type: ignore[arg-type]  # `check` has seen it
        crop=request.crop,  # type: ignore[arg-type]  # and this
    )
    count = request.gpus or request.processes
    if count > 1:
        kind = "cuda" if request.gpus else "cpu"
        job = Job(checkpoint=name, shards=shards, protocol=spec, settings=settings, device=kind)
        return evaluate_on(count, job)
    quiet: AbstractContextManager[Callable[[int], None]] = nullcontext(lambda count: None)
    with progress("measuring", people, "people") if progress else quiet as advance:
        return evaluate(
            model,
            shards,
            spec,
            batch=settings.batch,
            limit=settings.limit,
            flip=settings.flip,
            dtype=settings.dtype,
            crop=settings.crop,
            advance=advance,
        )


def check(request: Request) -> None:
    """Raise for what cannot be meant, before anything is loaded."""
    if not (request.testset or request.protocol):
        raise UsageError(
            "which test set?", "hps eval --testset synthetic     (all: hps protocols list)"
        )
    check_dtype(request.dtype)
    check_crop(request.crop)
    if request.gpus and request.processes:
        raise UsageError(
            "--gpus and --processes exclude each other.", "--processes is for the CPU."
        )
    if (request.gpus or request.processes) and launched():
        raise UsageError(
            "a launcher has started several processes already.", "Leave out --gpus and --processes."
        )


def check_split(people: EvalSet, spec: ProtocolSpec, registry: Registry) -> None:
    """Raise for people of another split of the protocol's data set: the result would bear its name."""
    index = people.index
    if index.dataset != spec.testset or index.split in ("", spec.split):
        return
    about = (index.dataset, index.split, spec.body)
    protocols: list[ProtocolSpec] = registry.all("protocol")
    own = [p for p in protocols if (p.testset, p.split, p.body) == about]
    own.sort(key=lambda p: (p.joints != spec.joints, not p.default))
    own_name = f"Measure these people by their own: --protocol {own[0].name}" if own else ""
    raise UsageError(
        f"{index.location} holds {index.dataset}/{index.split}, protocol '{spec.name}' is about "
        f"{spec.testset}/{spec.split}.",
        own_name or f"Make the people it is about: {prepare_line(spec, registry)}",
    )


def pick_device(request: Request, local_rank: int = 0) -> str:
    """-> cpu, cuda or cuda:N; the best there is unless said otherwise."""
    asked = request.device or ("cuda" if request.gpus else "cpu" if request.processes else "")
    return best_device(asked, local_rank)


def _wanted_body(request: Request, registry: Registry) -> str:
    return find_protocol(registry, name=request.protocol, testset=request.testset).body


def _say_checkpoint(model: LoadedModel, request: Request, say: Say) -> None:
    shipped = "" if request.checkpoint else "   the one that comes with hps"
    trained = f"   step {model.info.step}, epoch {model.info.epoch}" if model.info.step else ""
    sha256 = f"   (sha256 {model.sha256[:12]}...)" if model.sha256 else ""
    say("checkpoint", f"{model.name}{shipped}   model {model.spec.name}{trained}{sha256}")
    say("body", f"{model.body.kind}, {model.body.source}")


def _say_protocol(
    spec: ProtocolSpec, request: Request, people: EvalSet, remark: str, say: Say
) -> None:
    root = " and ".join(spec.root) or "no"
    say("protocol", f"{spec.name}   {len(people)} people, {spec.joints}, {root} root")
    flip = "on" if request.flip else "off"
    part = f" · only the first {len(people)}" if request.limit else ""
    say("", f"crop {spec.crop_scale:g} x the annotated box · flip {flip} · {request.dtype}{part}")
    say("shards", f"{people.location}   {remark}".rstrip())
    held = f"{people.index.dataset}/{people.index.split}"
    if held != f"{spec.testset}/{spec.split}":
        say("note", f"these are people of {held}; the figures are not those of {spec.name}")
