"""True people of AGORA's pictures, out of shards."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hps_benchmarks.agora.averages import has_hands
from hps_benchmarks.agora.matching import MATCHED_JOINTS
from hps_benchmarks.agora.submission.naming import picture_stem, to_4k
from hpscli.body.joints import conversion_index
from hpscli.body.layer import Body
from hpscli.data.labels import labels_of
from hpscli.errors import InvalidData
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.protocols import Points
from hpscli.metrics.truth import Truth
from hpscli.records import Sample

Array = NDArray[Any]

LABELLED = "keypoints2d."
PARAMETERS = ("smpl.", "smplx.", "keypoints3d.", "vertices.")  # that truth in space is made of


@dataclass(frozen=True)
class TruePerson:
    """Somebody who is there: joints (J,2) px of the 4K picture; `sample` without its picture."""

    key: str
    stem: str
    joints2d: Array
    valid: bool
    kid: bool
    occlusion: float  # percent, NaN where nobody says
    sample: Sample


def true_people(samples: Iterable[Sample], joints: str) -> list[TruePerson]:
    """Samples in any order -> their people, in that order; `joints`: the track's set."""
    return [_person(sample, joints) for sample in samples]


def _person(sample: Sample, joints: str) -> TruePerson:
    meta, arrays = sample.meta, sample.arrays
    kept = {name: value for name, value in arrays.items() if name.startswith(PARAMETERS)}
    weight = [value for name, value in arrays.items() if name in ("smpl.kid", "smplx.kid")]
    return TruePerson(
        key=sample.key,
        stem=picture_stem(str(meta.get("image_path", sample.key))),
        joints2d=to_4k(_labelled(sample, joints), meta).astype(np.float32),
        valid=bool(meta.get("is_valid", True)),
        kid=bool(meta.get("kid", bool(weight and weight[0][0] > 0))),
        occlusion=float(meta.get("occlusion", np.nan)),
        sample=replace(sample, image=b"", arrays=kept),
    )


def _labelled(sample: Sample, joints: str) -> Array:
    """-> the labelled joints (J,2) px in the order of the track's set, the first 24 among them."""
    for name, values in sample.arrays.items():
        if name.startswith(LABELLED):
            index = conversion_index(name.removeprefix(LABELLED), joints)
            if (index[:MATCHED_JOINTS] >= 0).all():
                return np.asarray(values, np.float64)[index[index >= 0], :2]
    raise InvalidData(
        f"sample '{sample.key}' has no 2D joints of {joints}, in which AGORA matches people.",
        "Prepare the people again: hps prepare agora --from DIR --split validation",
    )


class TrueBodies:
    """Joints and vertices of true people, made when they are asked for."""

    def __init__(self, protocol: ProtocolSpec, body: Body) -> None:
        self.joints = protocol.joints
        self.truth = Truth(replace(protocol, metrics=("pve",)), body)

    def of(self, people: Sequence[TruePerson]) -> Points:
        """-> joints (n,J,3), vertices (n,V,3) metres; an error for people without either."""
        samples = [person.sample for person in people]
        targets, present = labels_of(samples, self.joints)
        with torch.no_grad():
            points = self.truth.points(targets, present, [sample.meta for sample in samples])
        assert points.vertices is not None  # `pve` asks for them
        assert points.mask is not None
        for person, mesh, known in zip(people, points.vertices, points.mask, strict=True):
            if np.isnan(mesh[0, 0]) or not known.all():
                raise InvalidData(
                    f"sample '{person.key}' has neither parameters of its body nor vertices and all "
                    f"joints of {self.joints}.",
                    "Import SMPL-X (or SMPL), then prepare AGORA again.",
                )
        return points


def occlusions(people: Sequence[TruePerson]) -> Array:
    """-> (N,) percent; who is said nothing about counts as visible."""
    return np.nan_to_num(np.array([person.occlusion for person in people], np.float64))


def by_picture(stems: Iterable[str]) -> Mapping[str, list[int]]:
    """Pictures of N people -> {picture: places of its people}, in the order of their first person."""
    groups: dict[str, list[int]] = {}
    for place, stem in enumerate(stems):
        groups.setdefault(stem, []).append(place)
    return groups


def counts_hands(stem: str) -> bool:
    """-> whether the SMPL-X leaderboard counts this picture."""
    return has_hands(stem)
