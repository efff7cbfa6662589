"""How predicted and true people become figures: the contract between an evaluation and a protocol.

A protocol names a function `rule(protocol, body) -> PersonRule | SetRule`. A PersonRule looks at people
one by one, as almost all protocols do; a SetRule looks at the whole set at once, as AGORA's matching.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hpscli.hooks import ProtocolSpec
from hpscli.records import Prediction, PredictionSet, Sample
from hpscli.registry import resolve

if TYPE_CHECKING:
    from torch import Tensor

    from hpscli.body.layer import Body

Array = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A number that a rule gives: how it is written and what it means."""

    label: str  # "PA-MPJPE"
    meaning: str  # "mean distance of the joints, in one sentence"
    unit: str = "mm"  # mm | cm | m | % | degrees | "" (a share from 0 to 1)
    smaller_is_better: bool = True


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure of a set: its value over the `n` people that have it."""

    value: float
    unit: str = "mm"
    n: int = 0
    label: str = ""
    smaller_is_better: bool = True


@dataclass(frozen=True, kw_only=True)
class Table:
    """More figures, side by side: per joint, per action, per sequence."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    unit: str = ""  # of the numbers, if they have one in common


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Lines over a threshold: {name: y}, as many numbers as `x`."""

    title: str
    x_label: str
    y_label: str
    x: tuple[float, ...]
    lines: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, kw_only=True)
class People:
    """A batch as a rule sees it: what was predicted, what is true.

    `prediction` is complete: vertices if the rule needs the mesh, joints of the body. `targets` and
    `present` as in a Batch; 2D key points in crop units. When predictions come from a file there
    was no crop: `affine` is the identity, 2D key points stay in pixels, the camera is NaN.
    """

    keys: tuple[str, ...]
    prediction: Prediction
    targets: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    meta: tuple[Mapping[str, Any], ...]
    affine: Tensor  # (B,2,3) px of the original picture -> px of the crop
    crop_size: tuple[int, int] | None = None  # (height, width) px; None: there was no crop
    samples: tuple[Sample, ...] = ()  # as stored, for what targets leave out: extra.*, px

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What a PersonRule said about all people, in the order of the list."""

    keys: tuple[str, ...]
    values: Mapping[str, Array]  # name -> (N,) or (N,...)
    meta: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True)
class Totals:
    """The figures of a set. `errors`: a number per person (N,) under a figure's own name."""

    metrics: Mapping[str, Metric]
    errors: Mapping[str, Array] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    curves: Mapping[str, Curve] = field(default_factory=dict)
    official_text: str = ""  # the block of lines that the official program prints
    notes: tuple[str, ...] = ()  # what a reader of the figures must know


class PersonRule(Protocol):
    """Each person measured on its own, then all together."""

    figures: Mapping[str, Figure]  # in the order in which they are printed
    needs_mesh: bool  # whether the model's vertices are wanted

    def measure(self, people: People) -> Mapping[str, Array]:
        """B people -> {name: (B,) or (B,...)}, NaN where there is no truth.

        A one-dimensional value under the name of a figure is that person's share of the figure.
        """
        ...

    def total(self, measured: Measured) -> Totals:
        """All people -> the figures."""
        ...


class SetRule(Protocol):
    """The whole set at once: predictions need not belong to anybody."""

    figures: Mapping[str, Figure]
    keeps: tuple[str, ...]  # patterns of the arrays of a PredictionSet that it looks at

    def score(self, predictions: PredictionSet, people: Iterable[Sample]) -> Totals:
        """Predictions, true people -> the figures; `errors` in the order of the true people."""
        ...


def rule_of(protocol: ProtocolSpec, body: Body) -> Any:
    """-> the PersonRule or SetRule of a protocol, for predictions of this body."""
    return resolve(protocol.rule)(protocol, body)


def is_set_rule(rule: PersonRule | SetRule) -> bool:
    """-> whether a rule wants the whole set at once."""
    return hasattr(rule, "score")


def mean_metrics(
    values: Mapping[str, Array], figures: Mapping[str, Figure], *, names: Iterable[str] = ()
) -> dict[str, Metric]:
    """{figure: (N,)} -> the mean of each over the people that have it; none: left out."""
    found = {}
    for name in names or figures:
        known = values[name][~np.isnan(values[name])] if name in values else np.zeros(0)
        if len(known):
            found[name] = metric(figures[name], float(known.mean()), len(known))
    return found


def metric(figure: Figure, value: float, n: int) -> Metric:
    """-> a figure's value."""
    return Metric(
        value=value,
        unit=figure.unit,
        n=n,
        label=figure.label,
        smaller_is_better=figure.smaller_is_better,
    )
