"""A rule that looks at everybody at once, for tests: it tells order, keys and meshes apart."""

from collections.abc import Iterable

import numpy as np

from hpscli.body.layer import Body
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import Figure, Metric, Totals
from hpscli.records import PredictionSet, Sample


class Everybody:
    """Weighs each prediction by its place in the list."""

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        self.figures = {"sum": Figure(label="sum", meaning="of all", unit="m")}
        self.keeps = ("vertices", "joints.*")
        self.fails = bool(protocol.options.get("fails"))

    def score(self, predictions: PredictionSet, people: Iterable[Sample]) -> Totals:
        if self.fails:
            raise InvalidData("nobody can be matched.")
        listed = [sample.key for sample in people]
        if predictions.keys and list(predictions.keys) != listed:
            raise InvalidData("predictions come in another order than people.")
        means = predictions.arrays["vertices"].astype(np.float64).mean(axis=(1, 2))
        weights = 1.0 + np.arange(len(means))
        return Totals(
            metrics={"sum": Metric(value=float((means * weights).sum()), unit="m", n=len(means))},
            errors={"sum": means} if predictions.keys else {},
            notes=(f"{len(predictions)} predictions, keys {bool(predictions.keys)}",),
        )
