"""The conformance of layouts: a sound one passes, and each thing that can be wrong is named."""

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
import torch

from hpscli.nn import layouts
from hpscli.nn.layouts import Row
from hpscli.registry import get_registry
from hpscli.testing.conformance.checks import Check, Checks
from hpscli.testing.conformance.layouts import check_layouts
from tests.nn.stick_family import MODEL, NAME, installed, rows

Rows = Callable[[Mapping[str, Any]], list[Row]]


@pytest.fixture(autouse=True)
def stick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(layouts, "_ROWS", {})
    with installed(monkeypatch):
        get_registry()
        yield


def verdict(changed: Rows, monkeypatch: pytest.MonkeyPatch) -> Check:
    """-> what is said of the layout when its rows are these."""
    monkeypatch.setattr(importlib.import_module(NAME), "rows", changed)
    checks = Checks("model stick")
    check_layouts(checks, replace(MODEL, layouts=MODEL.layouts[:1]))
    return checks[0]


def test_a_sound_layout_passes_for_every_preset() -> None:
    checks = Checks("model stick")
    check_layouts(checks, MODEL)
    assert [check.says for check in checks] == ["fits plain, wide, bare"] * 2
    assert all(check.ok for check in checks)


def swapped(**changes: Any) -> Rows:
    """-> rows in which that of `fc.bias` is another."""
    return lambda options: [
        replace(row, **changes) if row.theirs == "fc.bias" else row for row in rows(options)
    ]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ours": ""}, "fc.bias is not used, and its row does not say why"),
        ({"ours": "", "why": "dead"}, "1 tensor of the network without a row: head.bias"),
        ({"ours": "tail.bias"}, "a row names tail.bias, which the network does not have"),
        ({"theirs": "fc.weight"}, "two rows name fc.weight"),
        ({"shape": (14,)}, "fc.bias gives (14,), head.bias is (13,)"),
        ({"parameter": False}, "fc.bias: head.bias is a parameter, its row says otherwise"),
        ({"read": torch.neg}, "fc.bias is changed on reading, and nothing writes it back"),
        ({"read": torch.neg, "write": torch.abs}, "fc.bias written back reads as other numbers"),
    ],
)
def test_each_fault_of_a_row_is_named(
    changes: dict[str, Any], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = verdict(swapped(**changes), monkeypatch)
    assert not found.ok
    assert found.says == f"plain: {says}"
