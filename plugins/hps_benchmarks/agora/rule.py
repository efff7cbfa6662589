"""AGORA's evaluation as a rule: match the people of each picture, measure them, average."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hps_benchmarks.agora.averages import (
    MILLIMETRES,
    Averages,
    Outcome,
    corrected_averages,
    official_averages,
    official_order,
)
from hps_benchmarks.agora.detections import Detections, Meshes, detections_of, mixed
from hps_benchmarks.agora.errors import names, person_errors
from hps_benchmarks.agora.figures import figure_name, figures
from hps_benchmarks.agora.matching import (
    Matching,
    match_corrected,
    match_official,
    matchable_people,
)
from hps_benchmarks.agora.parts import part_vertices
from hps_benchmarks.agora.posing import JOINTS
from hps_benchmarks.agora.tables import tables
from hps_benchmarks.agora.truth import (
    TrueBodies,
    TruePerson,
    by_picture,
    counts_hands,
    occlusions,
    true_people,
)
from hpscli.body.layer import Body
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.errors import require_finite
from hpscli.metrics.rules import Metric, Totals, metric
from hpscli.metrics.truth import check_protocol
from hpscli.records import PredictionSet, Sample

Array = NDArray[np.float64]

CHUNK = 32  # matched people that are posed and measured at once


@dataclass(frozen=True)
class Matched:
    """The pictures of a set, by place: their matchings, in places of the whole lists."""

    pictures: tuple[str, ...]
    matchings: tuple[Matching, ...]
    pairs: tuple[tuple[int, int], ...]  # prediction, person
    predicted: tuple[int, ...]  # how many predictions each picture has
    elsewhere: int  # predictions of pictures that are not in the set


class AgoraRule:
    """Options: corrected; images: all, or bfh (the pictures of the SMPL-X leaderboard)."""

    keeps = ("vertices", "joints.*", "parameters.*", "joints2d.*", "from_mean.*")

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        check_protocol(protocol, body)
        self.protocol, self.body, self.track = protocol, body, protocol.body
        self.corrected = bool(protocol.options.get("corrected"))
        self.only_bfh = protocol.options.get("images") == "bfh"
        self.figures = figures(self.track)
        self.vertices_of = part_vertices(body)

    def score(self, predictions: PredictionSet, people: Iterable[Sample]) -> Totals:
        """Predictions, true people -> the figures; errors in the order of the true people."""
        detections = detections_of(predictions, self.body)
        differing = mixed(detections.given.meta) if detections.from_files else ""
        if differing and self.track == "smplx" and not self.corrected:
            raise InvalidData(
                f"the predictions differ in {differing}: AGORA's server makes its bodies once, as the "
                "first prediction wants them, and stops at the others.",
                "Write all of them alike.",
            )
        true = true_people(people, JOINTS[self.track])
        matched = self._matched(detections, true)
        whole = self._outcome(detections, true, matched)
        pictures = whole.bfh if self.only_bfh else np.ones(len(whole.bfh), bool)
        outcome, chosen = whole.only(pictures), pictures[whole.image]
        averages = self.averages(outcome)
        return Totals(
            metrics=self._metrics(averages, outcome),
            errors=self._shares(whole, chosen),
            tables=tables(self, outcome, occlusions(true)[chosen]),
            official_text="" if self.corrected else str(in_official_order(self.track, averages)),
            notes=_notes(detections, true, matched, len(predictions)),
        )

    def averages(self, outcome: Outcome) -> Averages:
        """-> figures by their official names."""
        if self.corrected:
            return dict(corrected_averages(self.track, outcome))
        return official_averages(self.track, outcome)

    def _matched(self, detections: Detections, true: Sequence[TruePerson]) -> Matched:
        people, found = by_picture(p.stem for p in true), by_picture(detections.stems)
        can = matchable_people([person.valid for person in true], occlusions(true).tolist())
        match = match_corrected if self.corrected else match_official
        matchings, pairs, predicted = [], [], []
        for stem, places in people.items():
            rows = sorted(found.get(stem, []), key=lambda row: detections.files[row])
            if rows:
                require_finite(
                    "the 2D joints", detections.joints2d[rows], [detections.files[r] for r in rows]
                )
            matching = match(
                [detections.joints2d[row] for row in rows],
                [true[place].joints2d for place in places],
                can[places],
            )
            matchings.append(matching)
            predicted.append(len(rows))
            pairs += [(rows[first], places[second]) for first, second in matching.pairs]
        return Matched(
            pictures=tuple(people),
            matchings=tuple(matchings),
            pairs=tuple(pairs),
            predicted=tuple(predicted),
            elsewhere=len(detections) - sum(predicted),
        )

    def _outcome(
        self, detections: Detections, true: Sequence[TruePerson], matched: Matched
    ) -> Outcome:
        place = {stem: number for number, stem in enumerate(matched.pictures)}
        valid = np.array([person.valid for person in true], bool)
        missed = np.ones(len(true), bool)
        missed[[person for _, person in matched.pairs]] = False
        return Outcome(
            image=np.array([place[person.stem] for person in true], np.int64),
            valid=valid,
            matchable=matchable_people(valid.tolist(), occlusions(true).tolist()),
            kid=np.array([person.kid for person in true], bool),
            missed=missed,
            errors=self._errors(detections, true, matched),
            false_positives=np.array([len(m.false_positives) for m in matched.matchings], np.int64),
            predicted=np.array([count > 0 for count in matched.predicted], bool),
            bfh=np.array([counts_hands(stem) for stem in matched.pictures], bool),
        )

    def _errors(
        self, detections: Detections, true: Sequence[TruePerson], matched: Matched
    ) -> dict[str, Array]:
        """-> official name: (N,) metres, 0 for who was missed."""
        errors = {name: np.zeros(len(true)) for name in names(self.track)}
        meshes, bodies = Meshes(detections, self.body), TrueBodies(self.protocol, self.body)
        for start in range(0, len(matched.pairs), CHUNK):
            pairs = matched.pairs[start : start + CHUNK]
            rows, places = [row for row, _ in pairs], [place for _, place in pairs]
            joints, vertices = meshes.of(rows)
            who = [detections.files[row] for row in rows]
            require_finite("the prediction", joints, who)
            require_finite("the predicted mesh", vertices, who)
            truth = bodies.of([true[place] for place in places])
            assert truth.vertices is not None  # `bodies` sees to it
            found = person_errors(
                self.track, joints, vertices, truth.joints, truth.vertices, self.vertices_of
            )
            for name, values in found.items():
                errors[name][places] = values
        return errors

    def _metrics(self, averages: Averages, outcome: Outcome) -> dict[str, Metric]:
        counted = outcome.matchable if self.corrected else outcome.valid
        known = {figure_name(name): value for name, value in averages.items()}
        found = {}
        for name, figure in self.figures.items():
            value = known.get(name, "")
            if isinstance(value, str) or not np.isfinite(value):
                continue
            whose = counted & outcome.kid if name.startswith("kid") else counted
            shown = whose if figure.unit == "" else whose & ~outcome.missed
            found[name] = metric(figure, float(value), int(shown.sum()))
        return found

    def _shares(self, outcome: Outcome, chosen: NDArray[np.bool_]) -> dict[str, Array]:
        """-> by our names (N,): errors of matched people in mm, and who was found; NaN for others."""
        counted = chosen & (outcome.matchable if self.corrected else outcome.valid)
        known = counted & ~outcome.missed
        shares = {
            figure_name(name): np.where(known, MILLIMETRES * values, np.nan)
            for name, values in outcome.errors.items()
        }
        return {**shares, "recall": np.where(counted, np.where(outcome.missed, 0.0, 1.0), np.nan)}


def in_official_order(track: str, averages: Averages) -> Averages:
    """-> the figures as the official program lists them."""
    return {name: averages[name] for name in official_order(track)}


def _notes(
    detections: Detections, true: Sequence[TruePerson], matched: Matched, given: int
) -> tuple[str, ...]:
    notes = []
    if matched.elsewhere:
        notes.append(
            f"{matched.elsewhere} predictions are of pictures that are not among these people; "
            "nobody looked at them."
        )
    if left := given - len(detections):
        notes.append(f"{left} predictions on the boxes of invalid people were left out.")
    if all(person.valid for person in true):
        notes.append(
            "These shards hold no people that AGORA calls invalid. A prediction on one is a false "
            "positive all the same, unless nobody valid is in its picture: prepare with invalid=keep."
        )
    if unknown := sum(bool(np.isnan(person.occlusion)) for person in true):
        notes.append(f"How far {unknown} people are hidden is not known; they count as visible.")
    return tuple(notes)
