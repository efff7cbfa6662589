"""Where the time of an evaluation goes, and how much of it the network has."""

import time
from dataclasses import dataclass
from pathlib import Path

from hpscli.data.evalset import EvalSet
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import rule_of
from hpscli.nn.checkpoints import LoadedModel
from hpscli.run.evaluating.measuring import measure_share
from hpscli.run.evaluating.pipeline import Clock
from hpscli.run.evaluating.settings import Settings


@dataclass(frozen=True, kw_only=True)
class Shares:
    """Seconds of one evaluation. Steady: from the first network call's beginning to the last one's end."""

    people: int
    wall: float  # from the first byte that is read to the last person measured
    steady: float
    network: float
    reading: float  # beside the network, in other threads
    measuring: float

    @property
    def share(self) -> float:
        """-> the network's part of the steady wall time."""
        return self.network / self.steady

    @property
    def people_per_second(self) -> float:
        return self.people / self.steady


def timed_share(
    model: LoadedModel, shards: str | Path, protocol: ProtocolSpec, settings: Settings
) -> Shares:
    """One evaluation in this process -> where its time went."""
    people, clock = EvalSet(shards, limit=settings.limit), Clock()
    rule = rule_of(protocol, model.body)
    start = time.perf_counter()
    measure_share(model, people, protocol, rule, settings, 0, 1, clock=clock)
    wall = time.perf_counter() - start
    return Shares(
        people=len(people),
        wall=wall,
        steady=clock.network[-1][1] - clock.network[0][0],
        network=_seconds(clock.network),
        reading=_seconds(clock.reading),
        measuring=_seconds(clock.measuring),
    )


def _seconds(spans: list[tuple[float, float]]) -> float:
    return sum(end - start for start, end in spans)
