"""Invented downloads of rendered data sets, consistent with the free bodies; tables without pandas."""

import copyreg
import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from hpscli.body.layer import load_body, matrices

STATE_ENTRY = "0.14.1"


def posed(kind: str, gender: str, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """Parameters of an imported body -> its kinematic joints (J,3), metres."""
    values = {
        name.partition(".")[2]: torch.tensor(np.float32(value))[None]
        for name, value in arrays.items()
        if name.startswith(f"{kind}.") and not name.endswith(".kid")
    }
    body = load_body(kind, gender=gender, source="imported")
    return np.asarray(body.kinematics(matrices(values))[0], np.float64)


class Stateful:
    """Pickled as a class and its state, under a name that tests give it."""

    def __init__(self, state: Any) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        return copyreg.__newobj__, (type(self),), self.state  # type: ignore[attr-defined]


def write_table(
    path: Path, columns: Mapping[str, Sequence[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns -> a table as pandas 1.1 pickles it; only the names of pandas are there."""
    kinds: dict[str, Any] = {}
    for module, name in (
        ("pandas.core.frame", "DataFrame"),
        ("pandas.core.internals.managers", "BlockManager"),
        ("pandas.core.indexes.base", "Index"),
    ):
        kinds[name] = type(name, (Stateful,), {"__module__": module})
        made = ModuleType(module)
        setattr(made, name, kinds[name])
        monkeypatch.setitem(sys.modules, module, made)
        for parent in ("pandas", "pandas.core", module.rpartition(".")[0]):
            if parent not in sys.modules:
                monkeypatch.setitem(sys.modules, parent, ModuleType(parent))
    index = sys.modules["pandas.core.indexes.base"]

    def new_index(kind: Any, state: Any) -> Any:
        raise AssertionError

    new_index.__module__, new_index.__qualname__ = "pandas.core.indexes.base", "_new_Index"
    monkeypatch.setattr(index, "_new_Index", new_index, raising=False)

    class Labels:
        def __init__(self, values: Sequence[Any]) -> None:
            self.values = np.array(values, object)

        def __reduce__(self) -> Any:
            return new_index, (kinds["Index"], {"data": self.values, "name": None})

    count = len(next(iter(columns.values())))
    values = np.empty((len(columns), count), object)
    for row, column in enumerate(columns.values()):
        for number, cell in enumerate(column):
            values[row, number] = cell
    axes = [Labels(list(columns)), Labels(range(count))]
    blocks = [{"values": values, "mgr_locs": slice(0, len(columns), 1)}]
    manager = kinds["BlockManager"]((axes, [], [], {STATE_ENTRY: {"axes": axes, "blocks": blocks}}))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(kinds["DataFrame"]({"_mgr": manager}), protocol=4))
