"""joblib's files are read without joblib, and without running what they name."""

import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.data.containers.pickled_joblib import load_joblib, loads_joblib, unpacked
from hpscli.errors import HpsError, InvalidData, MissingError
from tests.data.containers.joblib_writer import joblib_bytes, joblib_dump


def content() -> dict[str, Any]:
    random = np.random.RandomState(0)
    pose = random.randn(2, 24, 3, 3).astype(np.float32)
    return {
        "imgname": np.array(["a/b.jpg", "c.jpg"]),
        "pose": pose,
        "turned": np.asfortranarray(random.randn(3, 4)),
        "objects": np.array(["x", None], dtype=object),
        "inner": [{"none": np.zeros((0, 3))}, np.arange(3, dtype=">i4")],
        "same": pose,
    }


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("compressed", [True, False])
def test_arrays_come_back_as_they_were(
    tmp_path: Path, protocol: int, aligned: bool, compressed: bool
) -> None:
    path = tmp_path / "x.pkl"
    joblib_dump(content(), path, protocol=protocol, aligned=aligned, compressed=compressed)
    read, wanted = load_joblib(path), content()
    for name in ("imgname", "pose", "turned", "objects", "same"):
        np.testing.assert_array_equal(read[name], wanted[name])
    assert read["inner"][0]["none"].shape == (0, 3)
    np.testing.assert_array_equal(read["inner"][1], [0, 1, 2])


def test_plain_pickles_are_read_too() -> None:
    assert loads_joblib(pickle.dumps({"a": np.arange(2)}), "x")["a"].tolist() == [0, 1]


def test_a_name_outside_the_vocabulary_is_refused() -> None:
    hostile = b"\x80\x02cos\nsystem\nU\x04trueq\x00\x85R."
    with pytest.raises(InvalidData, match="asks for os.system"):
        loads_joblib(hostile, "x.pkl")


def test_what_unpacks_without_end_is_refused() -> None:
    with pytest.raises(InvalidData, match="more than 1000000 bytes"):
        unpacked(zlib.compress(b"\0" * 10_000_000), "x.pkl", limit=1_000_000)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="cannot be read"):
        load_joblib(tmp_path / "none.pkl")


def test_announced_sizes_are_not_believed() -> None:
    whole = joblib_bytes({"a": np.zeros((3, 4))}, protocol=2)
    lying = whole.replace(b"K\x03K\x04\x86", b"J\xff\xff\xff\x7fK\x04\x86"[:7])
    with pytest.raises(InvalidData):
        loads_joblib(lying, "x.pkl")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_ends_in_one_message_or_in_something_read(data: st.DataObject) -> None:
    whole = bytearray(joblib_bytes(content(), compressed=data.draw(st.booleans())))
    place = data.draw(st.integers(0, len(whole) - 1))
    if data.draw(st.booleans()):
        del whole[place:]
    else:
        whole[place] ^= data.draw(st.integers(1, 255))
    try:
        loads_joblib(unpacked(bytes(whole), "x.pkl"), "x.pkl")
    except HpsError as error:
        assert error.problem
