import io
import pickle
import random
import time
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpscli.data.containers.pickles import Frame, load_pickle, loads_pickle
from hpscli.errors import InvalidData, MissingError

TABLES = sorted((Path(__file__).parent / "pickles").glob("*.pkl"))
TENSOR = torch.arange(6, dtype=torch.float32).reshape(2, 3)


class Calls:
    """An object whose pickle calls a function, with arguments, when it is loaded carelessly."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.reduced = function, arguments

    def __reduce__(self) -> Any:
        return self.reduced


@pytest.mark.parametrize("path", TABLES, ids=lambda path: path.stem)
def test_tables_of_every_pandas_are_read_without_pandas(path: Path) -> None:
    content = load_pickle(path)
    columns = content["frame"].columns
    assert len(content["frame"]) == 3
    assert list(columns) == [
        "imgPath",
        "camYaw",
        "number",
        "indoors",
        "kid",
        "gt_joints_2d",
        "nothing",
    ]
    assert columns["imgPath"] == ["a_00.png", "b_01.png", "c_02.png"]
    assert columns["camYaw"] == [0.5, -1.25, 90.0]
    assert columns["indoors"] == [True, False, True]
    assert columns["kid"] == [[True, False], [False], []]
    assert columns["gt_joints_2d"][0][0].tolist() == [[0, 1], [2, 3]]
    assert columns["nothing"][1] == "x"
    assert content["columns"] == Frame({"camYaw": [0.5, 90.0], "number": [1, 3]})
    assert content["chosen"].columns["kid"] == [[True, False], []]
    assert content["series"] == [0.5, -1.25, 90.0]
    assert [*content["index"]] == [0, 1, 2]
    assert content["words"] == ["a", "b"]
    assert content["numbers"] == [3, 1, 2]


def torch_file(content: Any, **options: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps({"a": TENSOR, "turned": TENSOR.T, "half": TENSOR.bfloat16()}),
        torch_file({"a": TENSOR, "turned": TENSOR.T, "half": TENSOR.bfloat16()}),
        torch_file(
            {"a": TENSOR, "turned": TENSOR.T, "half": TENSOR.bfloat16()},
            _use_new_zipfile_serialization=False,
        ),
        # what a graphics card's tensor looks like: only the name of its place differs
        pickle.dumps({"a": TENSOR, "turned": TENSOR.T, "half": TENSOR.bfloat16()}).replace(
            b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0"
        ),
    ],
    ids=["plain", "zip", "legacy", "cuda"],
)
def test_tensors_become_arrays_from_every_container(data: bytes) -> None:
    if b"cuda:0" in data:  # bytes objects that are three longer
        data = lengthened(data)
    content = loads_pickle(data, "tensors.pkl")
    expected = np.arange(6, dtype=np.float32).reshape(2, 3)
    for name, array in (("a", expected), ("turned", expected.T), ("half", expected)):
        assert content[name].dtype == np.float32
        assert content[name].tolist() == array.tolist()


def lengthened(data: bytes) -> bytes:
    """A pickle whose tensors' bytes have grown -> the same with their lengths corrected."""
    marker = b"_load_from_bytes"
    position = data.index(marker)
    parts, last = [], 0
    head = b"\x80\x02\x8a\nl\xfc\x9cF"  # torch's magic number
    while (start := data.find(head, position)) >= 0:
        length = int.from_bytes(data[start - 4 : start], "little")
        parts += [data[last : start - 4], (length + 3).to_bytes(4, "little")]
        last, position = start, start + length
    frameless = b"".join([*parts, data[last:]])
    return frameless[:2] + frameless[11:]  # without the frame, whose length is wrong too


def test_what_python_2_and_numpy_2_wrote_is_read() -> None:
    python_2 = b"\x80\x02}q\x00(U\x03oneq\x01U\x02\xe9aq\x02U\x03twoq\x03]q\x04K\x01au."
    assert loads_pickle(python_2, "old.pkl") == {"one": "\xe9a", "two": [1]}
    assert b"numpy._core" in pickle.dumps(np.ones(2))  # the tables have files with numpy.core
    content = {"a": np.float64(2), "b": np.array(["x", None], object), "c": OrderedDict(d={1, 2})}
    for protocol in range(6):
        found = loads_pickle(pickle.dumps(content, protocol), "new.pkl")
        assert found["a"] == 2
        assert found["b"].tolist() == ["x", None]
        assert found["c"] == {"d": {1, 2}}


@pytest.mark.parametrize("protocol", range(6))
def test_a_file_that_wants_to_run_something_is_refused_by_name(
    protocol: int, tmp_path: Path
) -> None:
    path = tmp_path / "hostile.pkl"
    path.write_bytes(pickle.dumps({"a": Calls(Path.mkdir, tmp_path / "ran")}, protocol))
    with pytest.raises(InvalidData, match="refused, and nothing was run"):
        load_pickle(path)
    for function, name in ((eval, "eval"), (getattr, "getattr"), (np.load, "load")):
        path.write_bytes(pickle.dumps([Calls(function, "1")], protocol))
        with pytest.raises(InvalidData, match=name):
            load_pickle(path)
    assert not (tmp_path / "ran").exists()


def nested_tuples(depth: int) -> bytes:
    return b"\x80\x02}(" + b")" + b"2\x86" * depth + b"K\x01u."


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80\x04",
        b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".",  # lists in lists
        b"\x80\x04" + b"(" * 100_000 + b".",
        b"\x80\x04\x8e" + (1 << 60).to_bytes(8, "little") + b".",  # an exabyte announced
        b"\x80\x02" + b"\x8b\xff\xff\xff\x7f" + b".",
        nested_tuples(80),  # its hash would take 2^80 steps
        b"\x80\x02c__builtin__\nset\n(" + b")" + b"2\x86" * 80 + b"\x91\x85R.",
        b"\x80\x02]q\x00" + b"h\x00a" * 3 + b"h\x00b.",
        b"PK\x03\x04" + b"\0" * 100,
        b"\x80\x02cpandas\nDataFrame\n)\x81.",
        b"\x80\x02cpandas.core.indexes.base\n_new_Index\ncpandas\nRangeIndex\n}(X\x05\x00\x00\x00startK\x00"
        b"X\x04\x00\x00\x00stopK\x01X\x04\x00\x00\x00stepK\x00u\x86R.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(K\x00K\x00K\x02K\x01tR.",
        b"\x80\x02ctorch.storage\n_load_from_bytes\nU\x03abc\x85R.",
    ],
)
def test_broken_and_greedy_pickles_end_in_one_sentence(data: bytes) -> None:
    start = time.perf_counter()
    with pytest.raises(InvalidData, match=r"bad\.pkl"):
        loads_pickle(data, "bad.pkl")
    assert time.perf_counter() - start < 2


def test_damaged_bytes_give_content_or_a_sentence_and_nothing_else() -> None:
    sources = [path.read_bytes() for path in TABLES]
    sources += [pickle.dumps({"a": TENSOR, "b": np.arange(3)}), torch_file({"a": TENSOR})]
    generator = random.Random(0)
    for data in sources:
        for _ in range(120):
            damaged = bytearray(data[: generator.randrange(1, len(data) + 1)])
            for _ in range(generator.randrange(4)):
                damaged[generator.randrange(len(damaged))] = generator.randrange(256)
            try:
                loads_pickle(bytes(damaged), "damaged.pkl")
            except InvalidData as error:
                assert "damaged.pkl" in error.problem


def test_an_absent_file_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match=r"no\.pkl"):
        load_pickle(tmp_path / "no.pkl")
