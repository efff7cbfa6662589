"""A model, or a file of predictions, under a protocol: every person of the list once -> Result."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from hpscli.body.layer import Body
from hpscli.data.evalset import EvalSet
from hpscli.data.shards import refuse_crops
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.results import Result
from hpscli.metrics.rules import Measured, PersonRule, SetRule, Totals, is_set_rule, rule_of
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import PredictionSet
from hpscli.run.evaluating.boxes import detections, with_boxes
from hpscli.run.evaluating.checks import check_shards
from hpscli.run.evaluating.collecting import SAVED, Collected, collect
from hpscli.run.evaluating.given import given_people
from hpscli.run.evaluating.measuring import measure_share
from hpscli.run.evaluating.result import make_result
from hpscli.run.evaluating.settings import Settings
from hpscli.run.evaluating.subject import subject_of, subject_of_file
from hpscli.run.gather import (
    gather_people,
    gather_predictions,
    in_order,
    once_for_all,
    rank_and_world,
)
from hpscli.run.inference import Crop, Dtype
from hpscli.run.prediction_files import write_predictions


def evaluate(
    model: LoadedModel,
    shards: str | Path,
    protocol: ProtocolSpec,
    *,
    batch: int = 32,
    limit: int = 0,
    flip: bool = False,
    tta: str = "",
    dtype: Dtype = "fp32",
    crop: Crop = "",
    boxes: str = "",
    overlap: bool = True,
    save: Path | None = None,
    rank: int | None = None,
    world: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
    meet: Callable[[], None] = lambda: None,
) -> Result:
    """Model, shard folder or URL, protocol -> Result, the same on every process of the group.

    rank and world come from torch.distributed when that is running; the figures do not depend on
    them nor on the batch size. save: a file for the predictions. meet: called by each process after
    its share, before they exchange anything; what `advance` and `meet` raise ends the evaluation.
    """
    settings = Settings(
        batch=batch,
        limit=limit,
        flip=flip,
        tta=tta,
        dtype=dtype,
        crop=crop,
        boxes=boxes,
        overlap=overlap,
    )
    return evaluate_with(
        model,
        shards,
        protocol,
        settings,
        save=save,
        rank=rank,
        world=world,
        advance=advance,
        meet=meet,
    )


def evaluate_with(
    model: LoadedModel,
    shards: str | Path,
    protocol: ProtocolSpec,
    settings: Settings,
    *,
    save: Path | None = None,
    rank: int | None = None,
    world: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
    meet: Callable[[], None] = lambda: None,
) -> Result:
    """The same, with everything that can be set in one record."""
    start = time.monotonic()
    rule = rule_of(protocol, model.body)
    people = EvalSet(shards, limit=settings.limit)
    refuse_crops(people.index, protocol)
    check_shards(people, protocol, model.body, settings.limit)
    group = rank_and_world()
    rank, world = group[0] if rank is None else rank, group[1] if world is None else world
    share = Share(rank=rank, world=world, together=group[1] > 1)
    judge = _score_all if is_set_rule(rule) else _measure_each
    measured, totals = judge(model, people, protocol, rule, settings, share, save, advance, meet)
    who = subject_of(model, settings.crop)
    seconds = time.monotonic() - start
    return make_result(who, people, protocol, settings, measured, totals, world, seconds)


@dataclass(frozen=True, kw_only=True)
class Share:
    """Which people are this process's: every `world`th from `rank`."""

    rank: int
    world: int
    together: bool  # other processes have the rest, and all exchange what they found


def _measure_each(
    model: LoadedModel,
    people: EvalSet,
    protocol: ProtocolSpec,
    rule: PersonRule,
    settings: Settings,
    share: Share,
    save: Path | None,
    advance: Callable[[int], None],
    meet: Callable[[], None],
) -> tuple[Measured, Totals]:
    """A rule for single persons: everybody measured by one process, then all together."""
    kept = Collected(model, SAVED) if save else None
    shown = with_boxes(people, model, settings) if settings.boxes else people
    measured = measure_share(
        model,
        shown,
        protocol,
        rule,
        settings,
        share.rank,
        share.world,
        advance,
        keep=kept.add if kept else None,
    )
    meet()
    if save and kept:
        _save(save, kept.predictions(), share)
    measured = gather_people(measured, share.world if share.together else 1)
    if share.world == 1 or share.together:
        measured = in_order(people.keys, measured)
    return measured, rule.total(measured)


def _score_all(
    model: LoadedModel,
    people: EvalSet,
    protocol: ProtocolSpec,
    rule: SetRule,
    settings: Settings,
    share: Share,
    save: Path | None,
    advance: Callable[[int], None],
    meet: Callable[[], None],
) -> tuple[Measured, Totals]:
    """A rule for the whole set: predictions are gathered, and the first process scores them."""
    shown = detections(people, model, settings) if settings.boxes else people
    mine = collect(model, shown, protocol, settings, rule.keeps, share.rank, share.world, advance)
    meet()
    world = share.world if share.together else 1
    found = gather_predictions(mine, world, only_first=True)
    if settings.boxes:  # whom a detection is of, nobody knows
        found = replace(found, keys=())
    if save and share.rank == 0:
        write_predictions(save, found)

    def score() -> tuple[Measured, Totals]:
        keys = tuple(people.keys)
        said = dict(zip(found.keys, found.meta, strict=False))  # in the order of the processes
        meta = tuple(said.get(key, {}) for key in keys) if said else ()
        return Measured(keys=keys, values={}, meta=meta), rule.score(found, people)

    return once_for_all(score, share.together)


def _save(file: Path, mine: PredictionSet, share: Share) -> None:
    found = gather_predictions(mine, share.world if share.together else 1, only_first=True)
    if share.rank == 0:
        write_predictions(file, found)


def evaluate_predictions(
    predictions: PredictionSet,
    body: Body,
    shards: str | Path,
    protocol: ProtocolSpec,
    *,
    limit: int = 0,
    chunk: int = 64,
) -> Result:
    """Predictions made anywhere, shards with the truth, protocol -> Result."""
    start = time.monotonic()
    rule = rule_of(protocol, body)
    people = EvalSet(shards, limit=limit)
    check_shards(people, protocol, body, limit)
    if is_set_rule(rule):
        measured, totals = (
            Measured(keys=tuple(people.keys), values={}, meta=()),
            rule.score(predictions, people),
        )
    else:
        parts = [
            (group, rule.measure(group))
            for group in given_people(predictions, body, people, protocol, rule.needs_mesh, chunk)
        ]
        names = parts[0][1] if parts else {}
        measured = Measured(
            keys=tuple(key for group, _ in parts for key in group.keys),
            values={name: np.concatenate([part[name] for _, part in parts]) for name in names},
            meta=tuple(entry for group, _ in parts for entry in group.meta),
        )
        totals = rule.total(measured)
    who, settings = subject_of_file(predictions, body), Settings(limit=limit)
    seconds = time.monotonic() - start
    return make_result(who, people, protocol, settings, measured, totals, 1, seconds)
