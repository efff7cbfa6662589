"""A model, or a file of predictions, under a protocol: every person of the list once -> Result."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hpscli.body.layer import Body
from hpscli.data.evalset import EvalSet
from hpscli.data.shards import refuse_crops
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.results import Result
from hpscli.metrics.rules import Measured, is_set_rule, rule_of
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import PredictionSet
from hpscli.run.evaluating.checks import check_shards as check_shards
from hpscli.run.evaluating.checks import index_sha256 as index_sha256
from hpscli.run.evaluating.given import given_people as given_people
from hpscli.run.evaluating.measuring import collect as collect
from hpscli.run.evaluating.measuring import measure_share as measure_share
from hpscli.run.evaluating.measuring import people_of as people_of
from hpscli.run.evaluating.result import make_result as make_result
from hpscli.run.evaluating.result import published as published
from hpscli.run.evaluating.settings import Settings as Settings
from hpscli.run.evaluating.subject import Subject as Subject
from hpscli.run.evaluating.subject import subject_of as subject_of
from hpscli.run.evaluating.subject import subject_of_file as subject_of_file
from hpscli.run.gather import gather_people, gather_predictions, in_order, rank_and_world
from hpscli.run.inference import Crop, Dtype


def evaluate(
    model: LoadedModel,
    shards: str | Path,
    protocol: ProtocolSpec,
    *,
    batch: int = 32,
    limit: int = 0,
    flip: bool = False,
    dtype: Dtype = "fp32",
    crop: Crop = "",
    rank: int | None = None,
    world: int | None = None,
    advance: Callable[[int], None] = lambda count: None,
) -> Result:
    """Model, shard folder or URL, protocol -> Result, the same on every process of the group.

    rank and world come from torch.distributed when that is running; the figures do not depend on
    them nor on the batch size.
    """
    start = time.monotonic()
    settings = Settings(batch=batch, limit=limit, flip=flip, dtype=dtype, crop=crop)
    rule = rule_of(protocol, model.body)
    people = EvalSet(shards, limit=limit)
    refuse_crops(people.index, protocol)
    check_shards(people, protocol, model.body, limit)
    group = rank_and_world()
    rank, world = group[0] if rank is None else rank, group[1] if world is None else world
    if is_set_rule(rule):
        predictions = collect(model, people, protocol, settings, rule.keeps, rank, world, advance)
        predictions = gather_predictions(predictions, world if group[1] > 1 else 1)
        measured = Measured(keys=predictions.keys, values={}, meta=())
        totals = rule.score(predictions, people)
    else:
        measured = measure_share(model, people, protocol, rule, settings, rank, world, advance)
        measured = gather_people(measured, world if group[1] > 1 else 1)
        if world == 1 or group[1] > 1:
            measured = in_order(people.keys, measured)
        totals = rule.total(measured)
    who = subject_of(model, crop)
    seconds = time.monotonic() - start
    return make_result(who, people, protocol, settings, measured, totals, world, seconds)


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
