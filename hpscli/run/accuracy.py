"""The matrix of published numbers: which can be measured here, what the others need, what comes out."""

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from hpscli.data.shards import read_index
from hpscli.errors import HpsError
from hpscli.hooks import ModelSpec, ProtocolSpec, Published, Weights
from hpscli.metrics.protocol_names import belongs, places, short_names
from hpscli.registry import Registry
from hpscli.run.places import find_shards

NO_CHECKPOINT = "a checkpoint of it"

Evaluation = tuple[str, str, str, str]  # protocol, model, augmentation, options as JSON


@dataclass(frozen=True, kw_only=True)
class Need:
    """Something without which a number cannot be measured here, and what to type."""

    kind: str  # checkpoint | shards | asset | model | evaluation
    what: str
    fix: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """One published number; `ours` is None until it is measured."""

    protocol: str
    testset: str
    split: str
    standing: str
    model: str
    label: str
    metric: str
    published: float
    source: str
    doubt: str
    note: str
    tta: str
    options: Mapping[str, Any]
    needs: tuple[Need, ...] = ()
    ours: float | None = None
    unit: str = ""
    people: int = 0
    difference: float | None = None
    remark: str = ""
    file: str = ""

    @property
    def runnable(self) -> bool:
        """-> whether everything that it needs is here."""
        return not self.needs

    @property
    def target(self) -> bool:
        """-> whether the number may be aimed at."""
        return not self.doubt

    def document(self) -> dict[str, Any]:
        """-> plain values."""
        return {**asdict(self), "runnable": self.runnable, "target": self.target}


def matrix(
    registry: Registry, *, testset: str = "", protocol: str = "", model: str = ""
) -> list[Row]:
    """-> every number that plugins say was published, or those of a test set, protocol, model."""
    found: list[Row] = []
    specs: list[ProtocolSpec] = registry.all("protocol")
    for spec in specs:
        if testset and testset not in places(spec):
            continue
        if protocol and protocol not in (spec.name, *short_names(spec)):
            continue
        entries = [e for e in spec.published if not model or belongs(e.model, model)]
        if not entries:
            continue
        data = shard_needs(spec, registry)
        found += [_row(spec, entry, checkpoint_needs(registry, entry) + data) for entry in entries]
    return found


def _row(spec: ProtocolSpec, entry: Published, needs: tuple[Need, ...]) -> Row:
    return Row(
        protocol=spec.name,
        testset=spec.testset,
        split=spec.split,
        standing=spec.standing,
        model=entry.model,
        label=entry.label or entry.model,
        metric=entry.metric,
        published=entry.value,
        source=entry.source,
        doubt=entry.doubt,
        note=entry.note,
        tta=entry.tta,
        options=entry.options,
        needs=needs,
    )


def shard_needs(spec: ProtocolSpec, registry: Registry) -> tuple[Need, ...]:
    """-> the shards that a protocol lacks here; () when they are whole."""
    try:
        shards, _ = find_shards(spec, "", registry)
        count = read_index(shards).samples
    except HpsError as error:
        what = f"shards of {spec.testset}/{spec.split}"
        return (Need(kind="shards", what=what, fix=_first_command(error)),)
    if spec.samples and count != spec.samples:
        what = f"all {spec.samples} people of {spec.testset}/{spec.split}; {shards} has {count}"
        fix = f"hps prepare {spec.testset} --split {spec.split} --from DIR"
        return (Need(kind="shards", what=what, fix=fix),)
    return ()


def checkpoint_needs(registry: Registry, entry: Published) -> tuple[Need, ...]:
    """-> the checkpoint and the bodies that a number's model lacks here."""
    from hpscli.nn.weights.store import stored, stored_path

    name, _, tag = entry.model.partition(".")
    models: dict[str, ModelSpec] = {spec.name: spec for spec in registry.all("model")}
    if not name:
        fix = "measure one of your own: hps eval CHECKPOINT --protocol PROTOCOL"
        return (Need(kind="checkpoint", what=NO_CHECKPOINT, fix=fix),)
    if name not in models:
        what = f"a plugin with the model '{name}'"
        return (Need(kind="model", what=what, fix="see: hps plugins list"),)
    spec = models[name]
    named = [w for w in spec.weights if tag in ("", w.tag)]
    here = [w for w in named if w.file or stored_path(f"{name}.{w.tag}").is_file()]
    others = [entry for entry in stored(name) if tag in ("", entry.tag)]
    if here and here[0].file:  # what ships was trained on the body that ships
        return ()
    if here or others:
        return _asset_needs(spec, here[0] if here else None)
    wanted = next((w for w in named if w.official_file), None)
    what = f"the checkpoint {entry.model}" + (f", {wanted.official_file}" if wanted else "")
    fix = f"hps models import {wanted.official_file.split(':')[0]}" if wanted else "hps train"
    if wanted and wanted.homepage:
        fix += f"     (from {wanted.homepage})"
    return (
        Need(kind="checkpoint", what=what, fix=fix),
        *_asset_needs(spec, named[0] if named else None),
    )


def _asset_needs(spec: ModelSpec, weights: Weights | None) -> tuple[Need, ...]:
    """-> the body files that a model's numbers depend on and that are not imported."""
    from hpscli.body.assets.files import have_asset, missing_asset
    from hpscli.nn.options import adapted, complete_options

    preset = weights.preset if weights else ""
    try:
        assets = adapted(spec, complete_options(spec, preset, {})).assets
        missing = [asset for asset in assets if not have_asset(asset)]
        return tuple(
            Need(
                kind="asset",
                what=f"the body file {asset}",
                fix=_first_command(missing_asset(asset)),
            )
            for asset in missing
        )
    except HpsError as error:
        return (Need(kind="asset", what=error.problem, fix=error.fix),)


def _first_command(error: HpsError) -> str:
    """-> the command of ours that an error advises, without the words around it."""
    for line in error.fix.splitlines():
        if "hps " in line:
            return line[line.index("hps ") :].strip()
    return error.fix.splitlines()[0] if error.fix else error.problem


def run_matrix(
    rows: Sequence[Row],
    registry: Registry,
    folder: Path,
    *,
    batch: int = 32,
    device: str = "",
    advance: Callable[[int], None] = lambda count: None,
) -> Iterator[Row]:
    """Rows -> the same, those that can be measured with our value; each evaluation lies in a folder."""
    asked = dict.fromkeys(_evaluation(row) for row in rows if row.runnable)
    done: dict[Evaluation, Any] = {}
    for key in asked:
        done[key] = _evaluated(key, registry, folder, batch, device)
        advance(1)
    for row in rows:
        outcome = done.get(_evaluation(row)) if row.runnable else None
        yield row if outcome is None else _compared(row, outcome, registry)


def evaluations(rows: Iterable[Row]) -> int:
    """-> how many evaluations the rows need: one serves all figures of a model and protocol."""
    return len({_evaluation(row) for row in rows if row.runnable})


def _evaluation(row: Row) -> Evaluation:
    return row.protocol, row.model, row.tta, json.dumps(dict(row.options), sort_keys=True)


def _evaluated(key: Evaluation, registry: Registry, folder: Path, batch: int, device: str) -> Any:
    """-> (result, its file), or the error that prevented it."""
    from hpscli.metrics.results import write_result
    from hpscli.nn.checkpoints import load_model
    from hpscli.run.evaluate import evaluate
    from hpscli.run.places import best_device
    from hpscli.run.report import write_report

    protocol, name, tta, options = key
    asked = asked_as(name, json.loads(options))
    spec = registry.protocol(protocol)
    words = "_".join(word.replace("/", "-") for word in (asked, protocol, tta) if word)
    file = folder / words / "result.json"
    try:
        model = load_model(asked, device=best_device(device))
        shards, _ = find_shards(spec, "", registry)
        result = evaluate(model, shards, spec, batch=batch, tta=tta)
        write_result(file, result, overwrite=True)
        write_report(file, result)
    except HpsError as error:
        return error
    return result, file


def asked_as(name: str, options: Mapping[str, Any]) -> str:
    """ "metro.3dpw", {"layers": 2} -> "metro.3dpw+layers=2", as a checkpoint is named with options."""
    words = (word if value is True else f"{word}={value}" for word, value in options.items())
    return "+".join([name, *words])


def _compared(row: Row, outcome: Any, registry: Registry) -> Row:
    """-> a row beside its evaluation."""
    if isinstance(outcome, HpsError):
        need = Need(kind="evaluation", what=outcome.problem, fix=outcome.fix)
        return replace(row, needs=(need,))
    result, file = outcome
    metric = result.metrics.get(row.metric)
    if metric is None:
        what = f"labels for the figure '{row.metric}': nobody in these shards has them"
        need = Need(kind="evaluation", what=what, fix=f"see: hps protocols show {row.protocol}")
        return replace(row, needs=(need,))
    if not math.isfinite(metric.value):
        return replace(row, remark="measured, and the rule gives no number", file=str(file))
    like = result.body.get("source") != "free" or _generated(row.testset, registry)
    return replace(
        row,
        ours=metric.value,
        unit=metric.unit,
        people=metric.n,
        difference=metric.value - row.published if like else None,
        remark="" if like else "measured with the free body: not comparable",
        file=str(file),
    )


def _generated(testset: str, registry: Registry) -> bool:
    """-> whether a test set is of generated people, whose numbers are of free bodies for all."""
    specs = registry.all("dataset")
    return any(spec.name == testset and spec.access == "generated" for spec in specs)
