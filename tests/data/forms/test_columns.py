from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpscli.data.containers import archives
from hpscli.data.forms import columns
from hpscli.data.forms.columns import Columns, stacked, write_columns
from hpscli.errors import InvalidData

ROWS: list[dict[str, Any]] = [
    {"name": "a", "box": np.arange(4.0)},
    {"name": "a longer one", "box": np.ones(4), "pose": np.ones((2, 3), np.float32)},
    {"name": "c", "box": np.zeros(4), "camera": {"H": 3}, "kid": True},
]


def test_columns_on_disk_are_those_in_memory_whatever_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(columns, "BLOCK_ROWS", 2)
    expected = stacked(ROWS)
    with Columns() as kept:
        for row in ROWS:
            kept.append(row)
        document = {name: kept.blocks(name) for name in kept.names()}
        write_columns(tmp_path / "a.npz", document | {"wrapped": {"k": 1}})
    found = archives.load_npz(tmp_path / "a.npz")
    assert found.pop("wrapped") == {"k": 1}
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
    assert expected["pose"].dtype == found["pose"].dtype == np.float32
    assert not (tmp_path / "a.npz.part").exists()


def test_a_row_of_another_shape_is_named() -> None:
    with Columns() as kept, pytest.raises(InvalidData, match="'betas' of row 1"):
        kept.append({"betas": np.zeros(10)})
        kept.append({"betas": np.zeros(11)})
    with pytest.raises(InvalidData, match="'betas'"):
        stacked([{"betas": np.zeros(10)}, {"betas": np.zeros(11)}])


def test_whole_numbers_give_way_to_a_fraction() -> None:
    with Columns() as kept:
        for age in (3, 4, 4.5, 5):
            kept.append({"age": age})
        assert kept.whole("age").tolist() == [3, 4, 4.5, 5]
