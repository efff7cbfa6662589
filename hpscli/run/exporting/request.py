"""What `hps export-preds` was asked for, made sense of: names, options, places; nothing is predicted."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hpscli.errors import MissingError, UsageError, did_you_mean
from hpscli.hooks import ProtocolSpec, WriterSpec
from hpscli.metrics.protocol_names import belongs
from hpscli.nn.files import is_ours, read_info
from hpscli.nn.weights import sources
from hpscli.registry import Registry, get_registry
from hpscli.run.inference import check_crop
from hpscli.run.places import check_dtype, find_shards, shipped_checkpoint
from hpscli.run.prediction_files import is_predictions
from hpscli.run.sessions.choice import Choice, latest_run

VIEWS = {"": "sc10_rot0", "flip": "sc10_rot0", "multiscale": "multisc"}  # --tta: in file names
# METRO's, Graphormer's and FastMETRO's folders: checkpoint-EPOCH-STEP; ours: RUN@EPOCH
EPOCH = re.compile(r"checkpoint-(\d+)-\d+|@(\d+)$")
# The released files do not say theirs; run_hand_multiscale.py of METRO and Graphormer writes 200.
RELEASED, RELEASED_EPOCH = (".bin", ".pt", ".pth", ".tar", ".ckpt"), 200


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


def splits_of(spec: WriterSpec, request: ExportRequest) -> list[str]:
    """-> the splits whose people are wanted: --split a,b or the leaderboard's own."""
    return [name.strip() for name in (request.split or spec.split).split(",") if name.strip()]


def shards_of(given: str, split: str, splits: list[str]) -> str:
    """-> where a split is said to be: --shards, or with several splits the folder below it."""
    return f"{given.rstrip('/')}/{split}" if given and len(splits) > 1 else given


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


def plan(request: ExportRequest) -> dict[str, Any]:
    """What `export` would do, and what it would miss; nothing is loaded, predicted or written."""
    registry = get_registry()
    spec = writer_named(registry, request.writer)
    options, check_options = split_options(spec, request.words)
    check(request)
    missing: list[str] = []
    source, about = request.source, {}
    try:
        source = source or fitting_checkpoint(registry, spec).name
        if not is_predictions(Path(source), registry):
            about = _known(sources.find_checkpoint(sources.split_options(source)[0])[0])
    except MissingError as error:
        missing.append(f"{error.problem}\n{error.fix}".rstrip())
    splits, shards = splits_of(spec, request), []
    for split in splits:
        way = protocol_of(spec, split, spec.bodies[0], "", "", registry)
        try:
            where = shards_of(request.shards, split, splits)
            shards.append(str(find_shards(way, where, registry)[0]))
        except MissingError as error:
            missing.append(f"{error.problem}\n{error.fix}".rstrip())
    return {
        "leaderboard": spec.name,
        "checkpoint": source,
        "shards": ",".join(shards),
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


def fitting_checkpoint(registry: Registry, spec: WriterSpec) -> Choice:
    """-> the weights that are meant when nobody names any: of a body that the leaderboard takes."""
    bodies = " or ".join(spec.bodies)
    if run := latest_run(spec.bodies):
        return Choice(str(run), f"the latest run for {bodies}")
    for body in spec.bodies:
        try:
            return Choice(shipped_checkpoint(registry, body), "the one that comes with hps")
        except MissingError:
            continue
    raise MissingError(
        f"no run predicts {bodies}, and no trained weights for {bodies} come with hps.",
        f"Name a checkpoint: hps export-preds {spec.name} --checkpoint FILE\n"
        "or import one: hps models import FILE     or train one: hps train RECIPE",
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
    if found:
        return int(next(filter(None, found[-1])))
    return RELEASED_EPOCH if name.endswith(RELEASED) else 0


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


def check_body(spec: WriterSpec, kind: str, what: str) -> None:
    """Raise for predictions of a body that the leaderboard does not take."""
    if kind not in spec.bodies:
        raise UsageError(
            f"{what} predicts {kind}, leaderboard '{spec.name}' takes {' or '.join(spec.bodies)}.",
            f"Name another checkpoint: hps export-preds {spec.name} --checkpoint CKPT",
        )
