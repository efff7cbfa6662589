from pathlib import Path

import pytest

from hpscli.data.preparing.keys import Keys


@pytest.mark.parametrize("in_memory", [3, 1000])
def test_keys_are_known_exactly_in_memory_and_on_disk(tmp_path: Path, in_memory: int) -> None:
    with Keys(tmp_path, in_memory) as keys:
        names = [f"person-{number * 7 % 50}" for number in range(50)]
        assert all(keys.take(name) for name in names)
        assert not any(keys.take(name) for name in names)
        assert "person-7" in keys and "person-50" not in keys
        assert bool(list(tmp_path.iterdir())) == (in_memory == 3)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("in_memory", [1, 1000])
def test_of_a_shard_with_a_known_key_nothing_is_noted(tmp_path: Path, in_memory: int) -> None:
    with Keys(tmp_path, in_memory) as keys:
        assert keys.take_all(["a", "b", "c"])
        assert not keys.take_all(["d", "b"]) and not keys.take_all(["e", "e"])
        assert keys.take_all(["d", "e"])
