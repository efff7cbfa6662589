"""Pickles for old servers, and what a pickle says before anybody reads it."""

import io
import pickle
import pickletools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from hpscli.data.containers.pickles import loads_pickle
from hpscli.data.leaderboard.pickles import inspect_pickle, numpy1_pickle


@given(arrays.arrays(np.float32, arrays.array_shapes(max_side=4), elements=st.floats(width=32)))
def test_arrays_come_back_bit_for_bit(values: np.ndarray) -> None:
    data = numpy1_pickle({"values": values, "of": values.T})
    for found in (pickle.loads(data), loads_pickle(data, "x")):
        assert found["values"].dtype == np.float32
        assert found["values"].tobytes() == values.tobytes()
        np.testing.assert_array_equal(found["of"], values.T)


def test_no_name_is_of_numpy_two_and_the_protocol_is_two() -> None:
    data = numpy1_pickle({"a": np.arange(3.0), "b": np.float64(2), "c": "numpy._core"})
    found = inspect_pickle(data)
    assert found.protocol == 2 and not found.damage
    assert (
        "numpy.core.multiarray" in found.modules and "numpy._core.multiarray" not in found.modules
    )
    assert pickle.loads(data)["c"] == "numpy._core"


def test_bytes_that_look_like_a_name_are_left_alone() -> None:
    text = b"cnumpy._core.multiarray\n_reconstruct\n"
    values = np.frombuffer(text, np.uint8).copy()
    assert pickle.loads(numpy1_pickle(values)).tobytes() == text


@pytest.mark.parametrize("protocol", range(6))
def test_names_are_found_in_every_protocol(protocol: int) -> None:
    data = pickle.dumps({"x": np.zeros(2), "y": np.ones(1), "z": io.BytesIO}, protocol=protocol)
    found = inspect_pickle(data)
    assert not found.damage and "numpy dtype" in found.names
    assert any(name.endswith("io BytesIO") for name in found.names)
    assert found.protocol == (protocol if protocol > 1 else 0)


def test_damage_is_told_and_nothing_runs() -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("ran",)

    data = pickle.dumps(Trap(), protocol=2)
    assert any("print" in name for name in inspect_pickle(data).names)
    whole = numpy1_pickle(np.zeros(4))
    assert inspect_pickle(whole[:-9]).damage
    assert inspect_pickle(b"").damage and inspect_pickle(b"\x80\x02hello").damage
    assert [op.name for op, *_ in pickletools.genops(whole)][-1] == "STOP"
