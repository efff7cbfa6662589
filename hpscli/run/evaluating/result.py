"""Figures and everything that says where they come from -> Result."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli import __version__
from hpscli.data.evalset import EvalSet
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocols import document
from hpscli.metrics.results import Result, sample_list_sha256
from hpscli.metrics.rules import Measured, Metric, Totals
from hpscli.run.evaluating.checks import index_sha256
from hpscli.run.evaluating.settings import Settings
from hpscli.run.evaluating.subject import Subject

Array = NDArray[np.float64]


def make_result(
    subject: Subject,
    people: EvalSet,
    protocol: ProtocolSpec,
    settings: Settings,
    measured: Measured,
    totals: Totals,
    processes: int,
    seconds: float,
) -> Result:
    """Figures and everything that says where they come from -> Result."""
    if not totals.metrics:
        raise InvalidData(
            f"nobody in {people.index.location} has what protocol '{protocol.name}' measures.",
            "Look at the samples: hps datasets stats SHARDS",
        )
    return Result(
        protocol={
            "id": protocol.name,
            **document(protocol),
            "sample_list_sha256": sample_list_sha256(measured.keys),
        },
        checkpoint=subject.checkpoint,
        model=subject.model,
        body=subject.body,
        data={
            "shards": str(people.index.location),
            "index_sha256": index_sha256(people.index.location),
            "samples": len(measured.keys),
            "dataset": people.index.dataset,
            "split": people.index.split,
        },
        settings={
            "batch": settings.batch,
            "dtype": settings.dtype,
            "flip": settings.flip,
            "tta": settings.augmentation,
            "crop": subject.crop,
            "boxes": settings.boxes,
            "limit": settings.limit,
        },
        metrics=totals.metrics,
        reference={}
        if settings.limit
        else published(protocol, subject, totals.metrics, settings.augmentation),
        tables=totals.tables,
        curves=totals.curves,
        official_text=totals.official_text,
        notes=(*subject.notes, *totals.notes),
        device=subject.device,
        processes=processes,
        seconds=round(seconds, 2),
        time=datetime.now(UTC).isoformat(timespec="seconds"),
        hps_version=__version__,
        recipe_hash=subject.recipe_hash,
        keys=measured.keys,
        sequences=tuple(str(entry.get("sequence", "")) for entry in measured.meta),
        errors={**per_person(measured.values, totals), **totals.errors},
        details={name: v for name, v in measured.values.items() if v.ndim > 1},
    )


def per_person(values: Mapping[str, Array], totals: Totals) -> dict[str, Array]:
    """-> the one-dimensional values that are figures, each person's share."""
    return {n: v for n, v in values.items() if v.ndim == 1 and n in totals.metrics}


def published(
    protocol: ProtocolSpec, subject: Subject, metrics: Mapping[str, Metric], tta: str = ""
) -> dict[str, Any]:
    """-> {metric: value, source, difference} of what others published for this model.

    Like with like: made with the same test-time augmentation and options of the model. Figures made
    with a free body are never set beside those of real ones.
    """
    if subject.body.get("source") == "free":
        return {}
    fitting = [
        entry
        for entry in protocol.published
        if entry.tta == tta
        and entry.options.items() <= subject.options.items()
        and entry.model in subject.names
        and entry.metric in metrics
    ]
    # the row of just these weights before that of the kind of model, and what nobody doubts first
    fitting.sort(key=lambda entry: (subject.names.index(entry.model), bool(entry.doubt)))
    found: dict[str, Any] = {}
    for entry in fitting:
        said = {"label": entry.label, "doubt": entry.doubt, "note": entry.note}
        found.setdefault(
            entry.metric,
            {
                "value": entry.value,
                "source": entry.source,
                "difference": metrics[entry.metric].value - entry.value,
                **{name: text for name, text in said.items() if text},
            },
        )
    return found
