"""Pickles are read as data: official kinds of objects come out as arrays, everything else ends."""

import contextlib
import os
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings, strategies

from hpscli.body.assets.files import safe_load_pickle
from hpscli.body.official.pickles import safe_loads
from hpscli.body.official.records import Sparse, Unread
from hpscli.errors import InvalidData, MissingError
from tests.body.official.makers import fake_chumpy, python2_pickle

ARRAYS = {
    "float64": np.linspace(0, 1, 12).reshape(3, 4),
    "float32": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4),
    "fortran": np.asfortranarray(np.arange(12.0).reshape(3, 4)),
    "big endian": np.arange(5, dtype=">i4"),
    "bool": np.array([True, False]),
    "text": np.array(["left", "right"]),
    "bytes": np.array([b"lbs"]),
    "one number": np.array(2.5),
    "empty": np.zeros((0, 3)),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", sorted(ARRAYS))
def test_arrays_come_back_from_every_protocol(kind: str, protocol: int) -> None:
    array = ARRAYS[kind]
    read = safe_loads(pickle.dumps({"a": array}, protocol), "file")["a"]
    np.testing.assert_array_equal(read, array)
    assert read.shape == array.shape
    assert read.dtype.kind == array.dtype.kind


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_objects_come_back_from_every_protocol(protocol: int) -> None:
    value = {
        "numbers": [1, -1, 255, 65536, 2**31, 2**70, -(2**70), 1.5, True, None],
        "text": "ä\n'\"",
        "bytes": b"\x00\xff",
        "tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
        "sets": [{1, 2}, frozenset({3})],
        "ordered": OrderedDict(a=1, b=2),
        "scalars": [np.float64(0.5), np.int32(7)],
    }
    assert safe_loads(pickle.dumps(value, protocol), "file") == value


@pytest.mark.parametrize("form", ["csc", "csr", "coo"])
@pytest.mark.parametrize("old_names", [False, True])
def test_sparse_matrices_of_any_form_and_age_have_the_same_entries(
    form: str, old_names: bool
) -> None:
    matrix = scipy.sparse.random(7, 4, 0.4, form, random_state=0)
    data = python2_pickle(matrix) if old_names else pickle.dumps(matrix)
    read = safe_loads(data, "file")
    assert isinstance(read, Sparse)
    np.testing.assert_array_equal(read.dense(), matrix.toarray())


def test_strings_of_python_2_are_text(tmp_path: Path) -> None:
    data = python2_pickle({"bs_style": "lbs", "a": np.arange(300.0)})
    assert b"numpy.core.multiarray" in data
    assert b"unicode" not in data
    (tmp_path / "old.pkl").write_bytes(data)
    read = safe_load_pickle(tmp_path / "old.pkl")
    assert read["bs_style"] == "lbs"
    np.testing.assert_array_equal(read["a"], np.arange(300.0))


def test_chumpy_objects_and_their_reorderings_become_arrays() -> None:
    numbers = np.arange(24.0)
    with fake_chumpy() as chumpy:
        plain = chumpy.Ch(x=numbers)
        data = python2_pickle(
            {
                "plain": plain,
                "selected": chumpy.Select(a=plain, idxs=np.array([5, 3]), preferred_shape=(2, 1)),
                "flat": chumpy.Select(a=plain, idxs=np.array([1])),
                "shaped": chumpy.Reshape(a=plain, newshape=(4, 6)),
                "turned": chumpy.transpose(
                    a=chumpy.Reshape(a=plain, newshape=(2, 3, 4)), axes=(2, 0, 1)
                ),
                "joined": chumpy.Concatenate(dterms=["m0", "m1"], axis=0, m0=plain, m1=plain),
                "computed": chumpy.MatVecMult(mtx=1, vec=plain),
            }
        )
    read = safe_loads(data, "file")
    np.testing.assert_array_equal(read["plain"], numbers)
    np.testing.assert_array_equal(read["selected"], [[5], [3]])
    np.testing.assert_array_equal(read["flat"], [1])
    np.testing.assert_array_equal(read["shaped"], numbers.reshape(4, 6))
    np.testing.assert_array_equal(read["turned"], numbers.reshape(2, 3, 4).transpose(2, 0, 1))
    np.testing.assert_array_equal(read["joined"], [*numbers, *numbers])
    assert read["computed"] == Unread("chumpy.ch.MatVecMult")


def test_object_arrays_hold_arrays_and_sparse_matrices() -> None:
    inner = np.empty(2, object)
    inner[:] = [np.arange(3), scipy.sparse.eye(2, format="csc")]
    read = safe_loads(pickle.dumps(inner), "file")
    np.testing.assert_array_equal(read[0], np.arange(3))
    np.testing.assert_array_equal(read[1].dense(), np.eye(2))


class Runs:
    """An object whose pickle calls something."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("protocol", [0, 1, 2, 4, 5])
@pytest.mark.parametrize(
    ("function", "arguments", "named"),
    [
        (os.system, ("touch canary",), r"(posix|nt)\.system"),
        (eval, ("open('canary', 'w')",), "eval"),
        (getattr, ("", "join"), "getattr"),
        (subprocess.Popen, (["touch", "canary"],), r"\.Popen"),
        (np.load, ("canary",), r"numpy\.load"),
        (np.fromfile, ("canary",), "fromfile"),
    ],
)
def test_a_hostile_pickle_is_refused_by_name_and_nothing_runs(
    function: Any,
    arguments: tuple[Any, ...],
    named: str,
    protocol: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidData, match=named) as caught:
        safe_loads(pickle.dumps({"v_template": Runs(function, *arguments)}, protocol), "body.pkl")
    assert "body.pkl" in caught.value.problem
    assert caught.value.exit_code == 5
    assert not (tmp_path / "canary").exists()


HAND_WRITTEN = {
    "a global in text": (b"cos\nsystem\n(S'touch canary'\ntR.", "os.system"),
    "an old instance": (b"(S'touch canary'\nios\nsystem\n.", "os.system"),
    "an object opcode": (b"(cos\nsystem\nS'touch canary'\no.", "os.system"),
    "a global from the stack": (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", "os.system"),
    "a dotted name": (b"\x80\x04\x8c\x05numpy\x8c\x0ef2py.os.system\x93.", "f2py.os.system"),
    "a module with a side effect": (b"cantigravity\nfly\n.", "antigravity.fly"),
    "a name below numpy": (b"cnumpy.core.multiarray\nfromstring\n.", "fromstring"),
    "a reduced type": (b"\x80\x02cnumpy\nndarray\n(K\x05tR.", "only ever named"),
    "a call of a number": (b"K\x05)R.", "called"),
    "a call of text": (b"S'os.system'\n)R.", "called"),
    "a state for a global": (b"cnumpy\ndtype\n}S'__call__'\nK\x01sb.", "cannot take a state"),
    "a state for a list": (b"]}b.", "cannot take a state"),
    "an extension code": (b"\x82\x01.", "not a readable pickle"),
    "a persistent object": (b"Pobject\n.", "points outside itself"),
    "an outside buffer": (b"\x80\x05\x97.", "not a readable pickle"),
    "a reconstructed stranger": (
        b"ccopy_reg\n_reconstructor\n(cnumpy\nndarray\nc__builtin__\nobject\nNtR.",
        "only ever named",
    ),
    "a structured dtype": (b"cnumpy\ndtype\n(S'V16'\nI0\nI1\ntR.", "V16"),
    "an encoding with a module": (b"c_codecs\nencode\n(S'a'\nS'zlib'\ntR.", "zlib"),
}


@pytest.mark.parametrize("what", sorted(HAND_WRITTEN))
def test_a_trick_in_opcodes_is_refused(
    what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data, reason = HAND_WRITTEN[what]
    with pytest.raises(InvalidData, match=reason.replace(".", r"\.")):
        safe_loads(data, "file")
    assert "antigravity" not in sys.modules
    assert not (tmp_path / "canary").exists()


def test_a_hostile_pickle_inside_an_object_array_is_refused() -> None:
    array = np.empty(1, object)
    array[0] = Runs(os.system, "true")
    with pytest.raises(InvalidData, match="system"):
        safe_loads(pickle.dumps(array), "file")


def test_a_pickle_cannot_change_the_stand_ins_for_the_next_file() -> None:
    good = python2_pickle({"a": np.arange(3)})
    attack = b"cnumpy.core.multiarray\n_reconstruct\n(N}S'build'\nNstb."
    with pytest.raises(InvalidData):
        safe_loads(attack, "attack")
    np.testing.assert_array_equal(safe_loads(good, "good")["a"], np.arange(3))


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_pickle_is_named_as_damaged(kept: float) -> None:
    data = pickle.dumps({"a": np.arange(1000.0)})
    with pytest.raises(InvalidData, match=r"file is not a readable pickle.*of "):
        safe_loads(data[: int(len(data) * kept)], "file")


BOMBS = {
    "a string of 2 GB in 10 bytes": b"T\xff\xff\xff\x7fabc.",
    "bytes of 2^60": b"\x80\x04\x8e" + (2**60).to_bytes(8, "little") + b"abc.",
    "a negative length": b"T\xff\xff\xff\xffabc.",
    "a memo that is not there": b"h\x07.",
    "an empty stack": b"R.",
    "a mark too many": b"tttt.",
    "an odd dictionary": b"(K\x01d.",
    "a list as a key": b"(]K\x01d.",
    "an array of 10^12 numbers without them": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\nK\x00\x85U\x01btR"
        b"(K\x01\x8a\x05\x00\x10\xa5\xd4\xe8\x85cnumpy\ndtype\n(U\x02f8K\x00K\x01tR\x89U\x00tb."
    ),
    "lists 5000 deep": b"]" * 5000 + b"a" * 4999 + b".",
}


@pytest.mark.parametrize("what", sorted(BOMBS))
def test_a_pickle_that_promises_too_much_is_damaged(what: str) -> None:
    with pytest.raises(InvalidData):
        safe_loads(BOMBS[what], "file")


def test_chumpy_arrays_cannot_double_until_memory_ends() -> None:
    with fake_chumpy() as chumpy:
        grown = chumpy.Ch(x=np.zeros(1024))
        for _ in range(40):
            grown = chumpy.Concatenate(dterms=["m0", "m1"], axis=0, m0=grown, m1=grown)
        data = python2_pickle(grown)
    with pytest.raises(InvalidData, match="grows without end"):
        safe_loads(data, "file")


def test_a_sparse_matrix_that_points_outside_itself_is_damaged() -> None:
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    matrix.indices[0] = 99
    with pytest.raises(InvalidData, match="points outside itself"):
        safe_loads(pickle.dumps(matrix), "file")


@pytest.mark.parametrize("pointers", [[0, 1, 2**31 - 1, 2**31 - 1], [1, 1, 2, 3]])
def test_a_sparse_matrix_whose_pointers_miss_its_entries_is_damaged(pointers: list[int]) -> None:
    matrix = scipy.sparse.csc_matrix(np.eye(3))
    matrix.indptr[:] = pointers
    with pytest.raises(InvalidData, match="do not fit its entries"):  # and asks for no memory
        safe_loads(pickle.dumps(matrix), "file")


def test_an_array_whose_numbers_are_a_count_is_damaged() -> None:
    whole = pickle.dumps(np.arange(3.0), protocol=2)
    start, end = whole.index(b"h\x03X\x19"), whole.index(b"Rq\x13") + 3  # encode(text, "latin1")
    with pytest.raises(InvalidData, match="numbers of an array are int"):
        safe_loads(whole[:start] + b"J\xff\xff\xff\x7f" + whole[end:], "file")


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"nothing\.pkl"):
        safe_load_pickle(tmp_path / "nothing.pkl")


@given(data=strategies.binary(max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_bytes_are_data_or_invalid_and_nothing_else(data: bytes) -> None:
    with contextlib.suppress(InvalidData):
        safe_loads(data, "noise")


GOOD = python2_pickle(
    {"a": np.arange(3.0), "s": scipy.sparse.eye(2, format="csc"), "t": ("x", [1])}
)


@given(where=strategies.integers(0, len(GOOD) - 1), value=strategies.integers(0, 255))
@settings(max_examples=500, deadline=None)
def test_a_good_pickle_with_one_changed_byte_is_data_or_invalid(where: int, value: int) -> None:
    with contextlib.suppress(InvalidData):
        safe_loads(GOOD[:where] + bytes([value]) + GOOD[where + 1 :], "changed")
