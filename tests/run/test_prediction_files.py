"""Files of predictions: written, read again, and refused in one message when they are damaged."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hpscli.errors import HpsError, InvalidData, MissingError
from hpscli.records import PredictionSet
from hpscli.registry import get_registry
from hpscli.run.prediction_files import (
    DOCUMENT,
    KEYS,
    SCHEMA,
    is_predictions,
    read_ours,
    read_predictions,
    write_predictions,
)


def two_people() -> PredictionSet:
    random = np.random.RandomState(0)
    return PredictionSet(
        keys=("a", "b/ü"),
        arrays={
            "vertices": random.randn(2, 5, 3).astype(np.float32),
            "joints.smpl24": random.randn(2, 24, 3),
        },
        meta=({"image_path": "a.jpg"}, {"image_path": "b.jpg", "frame": 3}),
        body={"kind": "smpl", "source": "free"},
        about={"model": "hmr", "epoch": 3},
    )


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    written = two_people()
    path = write_predictions(tmp_path / "p.npz", written)
    read = read_predictions(path, get_registry())
    assert read.keys == written.keys and read.meta == written.meta and read.body == written.body
    assert {"model": "hmr", "epoch": 3}.items() <= read.about.items()
    assert read.about["file"] == str(path) and len(read.about["sha256"]) == 64
    for name, values in written.arrays.items():
        np.testing.assert_array_equal(read.arrays[name], values)
        assert read.arrays[name].dtype == values.dtype
    assert is_predictions(path, get_registry())


def test_keys_and_meta_may_be_left_out(tmp_path: Path) -> None:
    nameless = PredictionSet(keys=(), arrays=two_people().arrays)
    read = read_ours(write_predictions(tmp_path / "p.npz", nameless))
    assert read.keys == () and read.meta == () and len(read) == 2


def document(**changes: object) -> np.ndarray:
    whole = {"schema": SCHEMA, "body": {}, "about": {}, "meta": []}
    return np.array(json.dumps({**whole, **changes}))


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({DOCUMENT: document(schema="hps/predictions/9")}, "schema 'hps/predictions/9'"),
        ({DOCUMENT: np.array("{")}, "not a whole file"),
        ({DOCUMENT: document(meta=[1])}, "not a whole file"),
        ({DOCUMENT: document(body=None)}, "not a whole file"),
        ({DOCUMENT: np.zeros((3, 3))}, "not a whole file"),
        ({KEYS: np.array(["a"])}, "keys 1, vertices 2"),
        ({KEYS: np.array(["a", "a"])}, "names 1 people twice"),
        ({"joints.smpl24": np.zeros((3, 24, 3))}, "joints.smpl24 3"),
        ({"vertices": np.array(["x", "y"])}, "vertices is not an array of numbers"),
        ({"vertices": np.array(1.0)}, "no predictions of people"),
        ({"vertices": np.array([{}, {}], dtype=object)}, "vertices is not an array of numbers"),
        ({DOCUMENT: document(meta=[{}, {}, {}])}, "meta 3"),
    ],
)
def test_what_does_not_fit_together_is_said(
    arrays: dict[str, np.ndarray], says: str, tmp_path: Path
) -> None:
    whole = {
        DOCUMENT: document(),
        KEYS: np.array([], dtype=str),
        "vertices": np.zeros((2, 5, 3)),
    }
    np.savez(tmp_path / "p.npz", **{**whole, **arrays})
    with pytest.raises(InvalidData, match=says):
        read_ours(tmp_path / "p.npz")


def test_a_file_without_keys_or_predictions_is_said(tmp_path: Path) -> None:
    np.savez(tmp_path / "p.npz", **{DOCUMENT: document()})
    with pytest.raises(InvalidData, match="no entry 'hps.keys'|not a whole file"):
        read_ours(tmp_path / "p.npz")
    np.savez(tmp_path / "q.npz", **{DOCUMENT: document(), KEYS: np.array([], dtype=str)})
    with pytest.raises(InvalidData, match="no predictions of people"):
        read_ours(tmp_path / "q.npz")


def test_what_nobody_knows_names_the_layouts(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no file"):
        read_predictions(tmp_path / "none.npz", get_registry())
    (tmp_path / "p.npz").write_bytes(b"PK nonsense")
    assert not is_predictions(tmp_path / "p.npz", get_registry())
    with pytest.raises(InvalidData, match="no file of predictions that hps knows") as caught:
        read_predictions(tmp_path / "p.npz", get_registry())
    assert "hps info predictions" in caught.value.fix
    with pytest.raises(InvalidData, match="no file of predictions"):
        read_predictions(tmp_path, get_registry())


def header_that_lies(path: Path) -> None:
    """An entry that announces more numbers than any machine has memory for."""
    import zipfile

    text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (900000000000, 3), }"
    text += b" " * (118 - len(text)) + b"\n"
    entry = b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text
    np.savez(path, **{DOCUMENT: document(), KEYS: np.array([], dtype=str)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("vertices.npy", entry)


def test_an_announced_size_is_not_believed(tmp_path: Path) -> None:
    header_that_lies(tmp_path / "p.npz")
    with pytest.raises(InvalidData):
        read_ours(tmp_path / "p.npz")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damage_ends_in_one_message_or_in_whole_predictions(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.npz"
    content = bytearray(write_predictions(path, two_people()).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    kind = data.draw(st.sampled_from(["cut", "flip", "drop", "insert"]))
    if kind == "cut":
        del content[place:]
    elif kind == "flip":
        content[place] ^= data.draw(st.integers(1, 255))
    elif kind == "drop":
        del content[place : place + data.draw(st.integers(1, 40))]
    else:
        content[place:place] = data.draw(st.binary(min_size=1, max_size=40))
    path.write_bytes(bytes(content))
    try:
        read = read_predictions(path, get_registry())
    except HpsError as error:
        assert error.problem
    else:
        assert len(read) == 2
