"""The example on which protocols are compared."""

import pytest

from hpscli.errors import UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.registry import get_registry
from hpscli.run.explaining.effects import differing, effects, rows, siblings
from hpscli.run.explaining.example import (
    PEOPLE,
    WITHOUT_GENDER,
    WITHOUT_TRUTH,
    changed,
    example_people,
    measured_example,
)


def protocol(name: str) -> ProtocolSpec:
    return get_registry().protocol(name)


def test_the_example_has_somebody_without_truth_and_somebody_without_gender() -> None:
    people = example_people(protocol("3dpw/test@spin-v1"))
    assert len(people) == PEOPLE and "gender" not in people.meta[WITHOUT_GENDER]
    assert not any(name.startswith("smpl.") for name in people.samples[WITHOUT_TRUTH].arrays)
    found, _ = measured_example(protocol("3dpw/test@spin-v1"))
    assert list(found.values["mpjpe"] != found.values["mpjpe"]).count(True) == 1


def test_one_field_is_changed_at_a_time() -> None:
    spin, metro = protocol("3dpw/test@spin-v1"), protocol("3dpw/test@metro-v1")
    assert {"gender", "options.average", "options.root"} <= set(differing(spin, metro))
    half = changed(spin, "options.average", metro)
    assert half.options["average"] == "batches" and half.gender == spin.gender
    assert "unknown_gender" not in changed(spin, "options.unknown_gender", metro).options


def test_the_gender_of_the_truth_matters_and_the_aligned_error_knows_no_root() -> None:
    spin, metro = protocol("3dpw/test@spin-v1"), protocol("3dpw/test@metro-v1")
    found = {effect.field: effect.mm for effect in effects(spin, metro)}
    assert abs(found["gender"]["mpjpe"]) > 1
    assert found["options.root"]["pa_mpjpe"] == pytest.approx(0.0, abs=1e-6)
    assert abs(found["options.root"]["mpjpe"]) > 0.1
    assert found["options.average"]["pa_mpjpe"] < -0.5


def test_protocols_with_rules_of_their_own_exchange_nothing() -> None:
    assert effects(protocol("3dpw/test@spin-v1"), protocol("3dpw/test@challenge-v1")) == []


def test_siblings_are_of_the_same_people_and_body() -> None:
    spec = protocol("3dpw/test@spin-v1")
    names = [other.name for other in siblings(spec, get_registry().all("protocol"))]
    assert "3dpw/test@challenge-v1" in names and spec.name not in names
    assert all(name.startswith("3dpw/test@") for name in names)


def test_hands_have_no_example() -> None:
    hands = protocol("synthetic-hands/test@mano21-v1")
    assert rows([hands]) == []
    with pytest.raises(UsageError, match="SMPL bodies"):
        measured_example(hands)
