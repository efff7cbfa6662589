"""FreiHAND's evaluation beside a plain loop."""

from collections.abc import Mapping
from typing import Any

from hps_benchmarks.freihand.score import PROGRAM
from hpscli.metrics.hands.scores import measure_hands, set_scores
from hpscli.testing.speed.plain_hands import by_tree, hands_of, made_hands, plain_scores

COUNT = 3960


def make() -> dict[str, Any]:
    """-> true and predicted hands."""
    return dict(made_hands(COUNT, "metro_hand21"))


def ours(given: Mapping[str, Any]) -> dict[str, float]:
    """Hands in memory -> the numbers of scores.txt."""
    prediction, truth = hands_of(given)
    return set_scores(measure_hands(prediction, truth, PROGRAM), PROGRAM)


def plain(given: Mapping[str, Any]) -> dict[str, float]:
    """The same, one hand after the other."""
    return plain_scores(given, by_tree, aligned=PROGRAM.aligned_joints)
