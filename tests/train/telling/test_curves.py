"""The picture of a run's losses and figures."""

from typing import Any

import pytest

from hpscli.train.telling.curves import panels


def validation(epoch: int, value: float, **said: Any) -> dict[str, Any]:
    return {"step": epoch, "epoch": epoch, "validation": {"figure": value}, **said}


@pytest.mark.parametrize(("smaller", "best"), [(True, 1), (False, 2)])
def test_the_best_value_of_a_figure_is_marked_whether_more_or_less_is_better(
    smaller: bool, best: int
) -> None:
    said = {"units": {"figure": ""}, "smaller_is_better": {"figure": smaller}}
    lines = [validation(epoch, value, **said) for epoch, value in enumerate([0.5, 0.2, 0.9, 0.4])]
    assert panels(lines)[0].mark == best


def test_in_a_log_that_does_not_say_what_is_better_the_lowest_value_is_marked() -> None:
    lines = [validation(1, 0.5), validation(2, float("nan")), validation(3, 0.4)]
    assert panels(lines)[0].mark == 2
