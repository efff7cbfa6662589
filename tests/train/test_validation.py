"""Which figure of a validation chooses the checkpoint."""

import pytest

from hpscli.errors import UsageError
from hpscli.recipe import Validation
from hpscli.registry import get_registry
from hpscli.train.validation import deciding

FOUND = ["mpjpe", "pve", "pa_mpjpe"]


def wanted(protocol: str, metric: str = "") -> Validation:
    return Validation(shards="anywhere", protocol=protocol, metric=metric)


def test_the_recipe_says_which_figure_chooses() -> None:
    protocol = get_registry().protocol("3dpw/validation@by-metro-v1")
    assert deciding(wanted(protocol.name, "pa_mpjpe"), protocol, FOUND) == "pa_mpjpe"


def test_without_a_word_the_first_of_the_protocol_chooses() -> None:
    protocol = get_registry().protocol("3dpw/validation@by-metro-v1")
    assert deciding(wanted(protocol.name), protocol, FOUND) == protocol.metrics[0]


def test_a_protocol_that_names_none_is_chosen_by_its_first_figure() -> None:
    protocol = get_registry().protocol("agora/validation@osx-v1")
    assert not protocol.metrics
    assert deciding(wanted(protocol.name), protocol, ["mpvpe_all", "x"]) == "mpvpe_all"


def test_a_figure_that_was_not_measured_is_named_with_those_that_were() -> None:
    protocol = get_registry().protocol("3dpw/validation@by-metro-v1")
    with pytest.raises(UsageError, match="no such figure") as raised:
        deciding(wanted(protocol.name, "pa_mpjp"), protocol, FOUND)
    assert "pa_mpjpe" in raised.value.fix
