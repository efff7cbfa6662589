"""A model, or a file of predictions, on the people of a leaderboard -> the file that it takes, checked."""

import hashlib
import re
import zipfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.body.layer import Body, complete, load_body
from hpscli.data.evalset import EvalSet
from hpscli.errors import (
    BAD_RECORD,
    HpsError,
    InvalidData,
    MissingError,
    UsageError,
    did_you_mean,
    in_words,
)
from hpscli.hooks import ProtocolSpec, WriterSpec
from hpscli.metrics.protocols import belongs
from hpscli.nn.checkpoints import load_model
from hpscli.nn.files import is_ours, read_info
from hpscli.nn.sources import find_checkpoint
from hpscli.records import Finding, Prediction, PredictionSet
from hpscli.registry import Registry, get_registry, resolve
from hpscli.run.evaluating.measuring import collect
from hpscli.run.evaluating.settings import Settings
from hpscli.run.inference import check_crop, said_crop
from hpscli.run.places import best_device, check_dtype, find_shards, shipped_checkpoint
from hpscli.run.prediction_files import is_predictions, read_predictions

Say = Callable[[str, object], None]
Progress = Callable[[str, int, str], AbstractContextManager[Callable[[int], None]]]

VIEWS = {"": "sc10_rot0", "flip": "sc10_rot0", "multiscale": "multisc"}  # --tta: in file names
WIDEN = 64  # predictions of a file that are completed at once
# METRO's, Graphormer's and FastMETRO's folders: checkpoint-EPOCH-STEP; ours: RUN@EPOCH
EPOCH = re.compile(r"checkpoint-(\d+)-\d+|@(\d+)$")


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """What somebody typed after `hps export-preds`."""

    writer: str
    source: str = ""  # checkpoint, run, or a file of predictions
    words: tuple[str, ...] = ()  # key=value
    shards: str = ""
    split: str = ""
    out: Path | None = None
    tta: str = ""
    batch: int = 32
    limit: int = 0
    gpus: int = 0
    processes: int = 0
    device: str = ""
    dtype: str = "fp32"
    crop: str = ""
    force: bool = False


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


def writer_named(registry: Registry, name: str) -> WriterSpec:
    """-> the writer of this name, or an error with the nearest one."""
    known = registry.names("writer")
    if name not in known:
        fix = did_you_mean(name, known) or f"One of: {', '.join(known) or 'none is installed'}"
        raise UsageError(
            f"no leaderboard named '{name}'.", "\n".join([fix, *registry.broken()]).strip()
        )
    found: WriterSpec = registry.get("writer", name)
    return found


def split_options(spec: WriterSpec, words: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """`key=value` words -> (options of the writer, options of its check); some are of both."""
    known = {**spec.check_options, **spec.options}
    typed: dict[str, Any] = {}
    for word in words:
        key, equals, text = word.partition("=")
        if not equals:
            raise UsageError(
                f"'{word}' is not key=value.",
                f"A checkpoint or a file of predictions: --checkpoint {word}\n"
                f"A file to check: hps export-preds {spec.name} --check {word}",
            )
        if key not in known:
            raise UsageError(
                f"leaderboard '{spec.name}' has no option '{key}'.",
                did_you_mean(key, known) or f"Its options: {', '.join(known) or 'none'}",
            )
        typed[key] = _typed(spec.name, key, text, known[key])
    return (
        {key: typed.get(key, value) for key, value in spec.options.items()},
        {key: typed.get(key, value) for key, value in spec.check_options.items()},
    )


def _typed(writer: str, key: str, text: str, default: Any) -> Any:
    """-> the text as a value of the default's type."""
    try:
        if isinstance(default, bool):
            return {"true": True, "false": False, "1": True, "0": False}[text.lower()]
        if isinstance(default, int | float):
            return type(default)(text)
    except (KeyError, ValueError):
        kinds = {bool: "true or false", int: "a whole number", float: "a number"}
        raise UsageError(
            f"option '{key}' of '{writer}' is {text!r}, expected {kinds[type(default)]}.",
            f"For example: {key}={default}",
        ) from None
    return text


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


def export(request: ExportRequest, say: Say, progress: Progress) -> Exported:
    """Predict or read, write, check -> the file and what was found."""
    registry = get_registry()
    spec = writer_named(registry, request.writer)
    options, check_options = split_options(spec, request.words)
    check(request)
    source = request.source or fitting_checkpoint(registry, spec)
    if is_predictions(Path(source), registry):
        predictions, body, shards = _from_file(request, spec, registry, Path(source), say)
    else:
        predictions, body, shards = _from_model(request, spec, registry, source, say, progress)
    file = target(spec, request, predictions.about)
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


def plan(request: ExportRequest) -> dict[str, Any]:
    """What `export` would do, and what it would miss; nothing is loaded, predicted or written."""
    registry = get_registry()
    spec = writer_named(registry, request.writer)
    options, check_options = split_options(spec, request.words)
    check(request)
    missing: list[str] = []
    source, about = request.source, {}
    try:
        source = source or fitting_checkpoint(registry, spec)
        if not is_predictions(Path(source), registry):
            about = _known(find_checkpoint(source)[0])
    except MissingError as error:
        missing.append(str(error))
    shards = ""
    try:
        way = protocol_of(spec, request.split or spec.split, spec.bodies[0], "", "", registry)
        shards = str(find_shards(way, request.shards, registry)[0])
    except MissingError as error:
        missing.append(str(error))
    return {
        "leaderboard": spec.name,
        "checkpoint": source,
        "shards": shards,
        "file": str(target(spec, request, about, dry=True)),
        "options": {**check_options, **options},
        "missing": missing,
    }


def _known(checkpoint: Path) -> dict[str, Any]:
    """-> model and epoch of a checkpoint of ours, without its weights."""
    if not is_ours(checkpoint):
        return {}
    info = read_info(checkpoint)
    return {"model": info.model, "epoch": info.epoch}


def check(request: ExportRequest) -> None:
    """Raise for what cannot be meant, before anything is loaded."""
    if request.tta not in VIEWS:
        known = [name for name in VIEWS if name]
        raise UsageError(
            f"no test-time augmentation '{request.tta}'.",
            did_you_mean(request.tta, known) or f"One of: {', '.join(known)}.",
        )
    check_dtype(request.dtype)
    check_crop(request.crop)
    if request.gpus and request.processes:
        raise UsageError(
            "--gpus and --processes exclude each other.", "--processes is for the CPU."
        )


def fitting_checkpoint(registry: Registry, spec: WriterSpec) -> str:
    """-> the weights that are meant when nobody names any: of a body that the leaderboard takes."""
    for body in spec.bodies:
        try:
            return shipped_checkpoint(registry, body)
        except MissingError:
            continue
    raise MissingError(
        f"no trained weights for {' or '.join(spec.bodies)} come with hps, and no checkpoint is named.",
        f"hps export-preds {spec.name} --checkpoint FILE",
    )


def target(
    spec: WriterSpec, request: ExportRequest, about: Mapping[str, Any], *, dry: bool = False
) -> Path:
    """-> where the file goes: as said, or by the name that its authors' programs give it."""
    fields = {
        "writer": spec.name,
        "model": about.get("model") or "predictions",
        "epoch": about.get("epoch") or epoch_in(str(request.source)),
        "views": VIEWS[request.tta],
    }
    name = spec.file_name.format(**fields)
    file = Path(name) if request.out is None else request.out
    if request.out is not None and (request.out.is_dir() or not request.out.suffix):
        file = request.out / name
    if file.exists() and not request.force:
        raise UsageError(f"{file} exists already.", "Choose another --out, or add --force.")
    if not dry:
        file.parent.mkdir(parents=True, exist_ok=True)
    return file


def epoch_in(name: str) -> int:
    """-> the epoch in RUN@200, or in a path as METRO's family writes them; 0 without."""
    found = EPOCH.findall(name)
    return int(next(filter(None, found[-1]))) if found else 0


def protocol_of(
    spec: WriterSpec, split: str, body: str, joints: str, model: str, registry: Registry
) -> ProtocolSpec:
    """-> how the people of the leaderboard are cropped: by the model's protocol, if there is one."""
    protocols: list[ProtocolSpec] = registry.all("protocol")
    fitting = [p for p in protocols if (p.testset, p.split, p.body) == (spec.testset, split, body)]
    own = [p for p in fitting if model and any(belongs(model, owner) for owner in p.models)]
    if fitting:
        return (own or sorted(fitting, key=lambda p: not p.default))[0]
    return ProtocolSpec(
        name=f"{spec.testset}/{split}@{spec.name}",
        testset=spec.testset,
        split=split,
        summary=spec.summary,
        body=body,
        joints=joints,
        root=(),
    )


def _from_model(
    request: ExportRequest,
    spec: WriterSpec,
    registry: Registry,
    name: str,
    say: Say,
    progress: Progress,
) -> tuple[PredictionSet, Body, str]:
    """-> what a model says about the people of the leaderboard, its body, the shards."""
    asked = request.device or ("cuda" if request.gpus else "cpu" if request.processes else "")
    model = load_model(name, device=best_device(asked))
    kind = model.body.kind
    check_body(spec, kind, f"model '{model.name}'")
    say("checkpoint", f"{model.name}{_unasked(request)}   model {model.spec.name}")
    say("body", f"{kind}, {model.body.source}")
    split = request.split or spec.split
    protocol = protocol_of(spec, split, kind, model.body.joint_set, model.name, registry)
    shards, remark = find_shards(protocol, request.shards, registry)
    people = EvalSet(shards, limit=request.limit)
    _say_people(spec, split, people, remark, say)
    say("crop", said_crop(model, request.crop))
    settings = settings_of(request)
    target(
        spec, request, {"model": model.spec.name, "epoch": model.info.epoch}
    )  # may it be written
    with progress("predicting", len(people), "people") as advance:
        found = collect(model, people, protocol, settings, spec.keeps, advance=advance)
    return in_order(found, people.keys), model.body, str(shards)


def settings_of(request: ExportRequest) -> Settings:
    """-> how the model is run."""
    return Settings(
        batch=request.batch,
        limit=request.limit,
        flip=request.tta == "flip",
        dtype=request.dtype,  # type: ignore[arg-type]  # `check` has seen it
        crop=request.crop,  # type: ignore[arg-type]  # and this
    )


def _from_file(
    request: ExportRequest, spec: WriterSpec, registry: Registry, file: Path, say: Say
) -> tuple[PredictionSet, Body, str]:
    """-> what a file says, with the meshes and joints that the leaderboard wants."""
    predictions = read_predictions(file, registry)
    kind = str(predictions.body.get("kind") or _kind(predictions, spec))
    check_body(spec, kind, f"{file}")
    source = str(predictions.body.get("source", ""))
    body = load_body(kind, source="free" if source == "free" else "")
    what = predictions.about.get("format", "predictions of hps")
    say("predictions", f"{file}   {len(predictions)} people, {what}")
    say("body", f"{kind}, {source or 'not said'}")
    split = request.split or spec.split
    shards = ""
    if not predictions.meta or request.shards:
        protocol = protocol_of(spec, split, kind, body.joint_set, "", registry)
        shards, remark = find_shards(protocol, request.shards, registry)
        people = EvalSet(shards, limit=request.limit)
        _say_people(spec, split, people, remark, say)
        predictions = _described(in_order(predictions, people.keys), people)
    return widened(predictions, body, spec.keeps), body, shards


def _kind(predictions: PredictionSet, spec: WriterSpec) -> str:
    """-> the body that predictions are of, by the size of their meshes and parameters."""
    if len(spec.bodies) == 1:
        return spec.bodies[0]
    for kind in spec.bodies:
        vertices = load_body(kind, source="free").get_buffer("v_template").shape[0]
        if "vertices" in predictions.arrays and predictions.arrays["vertices"].shape[1] == vertices:
            return kind
    if "parameters.body_pose" in predictions.arrays:
        count = predictions.arrays["parameters.body_pose"].shape[1]
        return {23: "smpl", 21: "smplx"}.get(count, spec.bodies[0])
    return spec.bodies[0]


def check_body(spec: WriterSpec, kind: str, what: str) -> None:
    """Raise for predictions of a body that the leaderboard does not take."""
    if kind not in spec.bodies:
        raise UsageError(
            f"{what} predicts {kind}, leaderboard '{spec.name}' takes {' or '.join(spec.bodies)}.",
            f"Name another checkpoint: hps export-preds {spec.name} --checkpoint CKPT",
        )


def in_order(predictions: PredictionSet, keys: Sequence[str]) -> PredictionSet:
    """Predictions in any order -> those of `keys`, in that order; without keys as they are."""
    if not predictions.keys:
        if len(predictions) != len(keys):
            raise InvalidData(
                f"there are {len(predictions)} predictions, and {len(keys)} people in the shards.",
                "Give predictions for exactly these people, in their order.",
            )
        return replace(predictions, keys=tuple(keys))
    places = {key: place for place, key in enumerate(predictions.keys)}
    if missing := [key for key in keys if key not in places]:
        raise InvalidData(
            f"{len(missing)} of {len(keys)} people are not among the predictions, first "
            f"'{missing[0]}'.",
            "Predict all of them, or take a part: --limit N",
        )
    rows = np.array([places[key] for key in keys], int)
    return replace(
        predictions,
        keys=tuple(keys),
        arrays={name: values[rows] for name, values in predictions.arrays.items()},
        meta=tuple(predictions.meta[row] for row in rows) if predictions.meta else (),
    )


def _described(predictions: PredictionSet, people: EvalSet) -> PredictionSet:
    """-> the same with what the shards know about each person."""
    return replace(predictions, meta=tuple(sample.meta for sample in people))


def widened(predictions: PredictionSet, body: Body, keeps: Sequence[str]) -> PredictionSet:
    """-> the same with vertices and the body's joints, where they are wanted and were not given."""
    vertices = any(fnmatch("vertices", pattern) for pattern in keeps)
    made: list[dict[str, NDArray[np.float32]]] = []
    for start in range(0, len(predictions), WIDEN):
        rows = {n: v[start : start + WIDEN] for n, v in predictions.arrays.items()}
        count = len(next(iter(rows.values())))
        named = {name: torch.from_numpy(np.array(v)) for name, v in rows.items()}
        named.setdefault("camera", torch.full((count, 3), torch.nan))
        with torch.no_grad():
            whole = complete(Prediction.from_named_tensors(named), body, vertices=vertices)
        wanted = whole.named_tensors().items()
        kept = {n: v.numpy() for n, v in wanted if any(fnmatch(n, p) for p in keeps)}
        made.append({**rows, **kept})
    names = made[0] if made else {}
    arrays = {name: np.concatenate([part[name] for part in made]) for name in names}
    return replace(predictions, arrays=arrays)


def _say_people(spec: WriterSpec, split: str, people: EvalSet, remark: str, say: Say) -> None:
    say("people", f"{people.location}   {len(people)} people   {remark}".rstrip())
    held = f"{people.index.dataset}/{people.index.split}"
    if held != f"{spec.testset}/{split}":
        say("note", f"these are people of {held}, not of {spec.testset}/{split}")


def _unasked(request: ExportRequest) -> str:
    return "" if request.source else "   the one that comes with hps"


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
