from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from hpscli.data.containers.mat5 import numbers, read_mat5
from hpscli.errors import InvalidData, MissingError


@pytest.fixture
def labels(tmp_path: Path) -> Path:
    path = tmp_path / "labels.mat"
    values = {
        "joints": np.arange(24.0).reshape(2, 3, 4),
        "small": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "one": 1.5,
        "name": "héllo",
        "cells": np.array([1, "x", np.eye(2)], dtype=object),
        "release": [{"scale": 2.0, "points": {"x": 1, "y": 2}}],
        "nothing": np.empty((0, 0)),
    }
    savemat(path, values)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_every_kind_of_variable_is_read(labels: Path, compressed: bool, tmp_path: Path) -> None:
    names = ("joints", "small", "one", "name", "cells", "release", "nothing")
    found = read_mat5(labels, *names)
    if compressed:
        path = tmp_path / "again.mat"
        savemat(path, {"joints": found["joints"], "name": "héllo"}, do_compression=True)
        found |= read_mat5(path, "joints", "name")
    assert np.array_equal(found["joints"], np.arange(24.0).reshape(2, 3, 4))
    assert found["small"].dtype == np.uint8 and found["small"][1, 0] == 3
    assert (found["one"], found["name"], found["nothing"].size) == (1.5, "héllo", 0)
    assert found["cells"][:2] == [1, "x"] and np.array_equal(found["cells"][2], np.eye(2))
    (release,) = found["release"][0] if isinstance(found["release"][0], list) else found["release"]
    assert release["scale"] == 2 and release["points"] == [{"x": 1, "y": 2}]


def test_a_variable_that_is_not_there_is_named_unless_it_is_optional(labels: Path) -> None:
    assert set(read_mat5(labels, "one", optional=("two",))) == {"one"}
    with pytest.raises(InvalidData, match=r"labels.mat has no variable 'two'"):
        read_mat5(labels, "one", "two")
    with pytest.raises(InvalidData, match="'name' is no array of numbers"):
        numbers(labels, "name", "héllo")


def test_files_that_are_no_matlab_files_say_so(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    with pytest.raises(MissingError, match="cannot be read"):
        read_mat5(path, "x")
    path.write_bytes(b"PK" * 300)
    with pytest.raises(InvalidData, match="does not begin as one"):
        read_mat5(path, "x")
    path.write_bytes(b"\0" * 512 + b"\x89HDF\r\n")
    with pytest.raises(InvalidData, match=r"MATLAB 7\.3"):
        read_mat5(path, "x")


def test_damage_ends_in_a_sentence_whatever_bytes_it_hits(labels: Path) -> None:
    generator = np.random.default_rng(3)
    whole = labels.read_bytes()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(int(generator.integers(1, 6))):
            data[int(generator.integers(128, len(data)))] = int(generator.choice([0, 1, 127, 255]))
        labels.write_bytes(data[: int(generator.integers(128, len(data)))])
        try:
            read_mat5(labels, "joints", "release", "cells", "name")
        except InvalidData as error:
            assert "labels.mat" in error.problem
