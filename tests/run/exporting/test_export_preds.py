"""Predictions of one process, of two, and of a file become the same leaderboard file."""

import json
import zipfile
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpscli.data.evalset import EvalSet
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.records import PredictionSet
from hpscli.registry import get_registry
from hpscli.run.evaluating.collecting import collect
from hpscli.run.evaluating.settings import Settings
from hpscli.run.exporting.collecting import CollectJob, collect_on, joined
from hpscli.run.exporting.export_preds import Exported, export
from hpscli.run.exporting.request import ExportRequest, epoch_in
from hpscli.run.given_predictions import in_order
from hpscli.run.prediction_files import write_predictions
from tests.run.people import tiny_checkpoint, tiny_model, write_people

COUNT = 6


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exporting")
    write_people(folder / "test", COUNT)
    tiny_checkpoint(folder / "tiny.safetensors")
    return folder


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HPS_PLUGINS", str(Path(__file__).with_name("writer_plugin.py")))
    get_registry.cache_clear()
    yield
    get_registry.cache_clear()


def exported(place: Path, out: Path, **changes: object) -> Exported:
    values = {
        "writer": "toy",
        "source": str(place / "tiny.safetensors"),
        "shards": str(place / "test"),
        "out": out,
    }
    done = export(
        ExportRequest(**{**values, **changes}),
        lambda label, text: None,
        lambda label, total, unit: nullcontext(lambda count: None),
    )
    assert done is not None
    return done


def people_of_the_model(place: Path):
    protocol = get_registry().protocol("synthetic/test@smpl24-v1")
    return collect(
        tiny_model(place), EvalSet(place / "test"), protocol, Settings(), ("parameters.*",)
    )


def test_a_file_of_predictions_gives_the_same_file_as_the_model(
    place: Path, tmp_path: Path
) -> None:
    direct = exported(place, tmp_path / "a.zip")
    found = people_of_the_model(place)
    assert "vertices" not in found.arrays  # nobody asked for them
    kept = write_predictions(tmp_path / "kept.npz", found)
    again = exported(place, tmp_path / "b.zip", source=str(kept))
    assert again.about["file"] == str(kept) and again.people == COUNT
    assert (tmp_path / "b.zip").read_bytes() == (tmp_path / "a.zip").read_bytes()
    assert direct.sha256 == again.sha256 and not direct.findings
    few = exported(place, tmp_path / "c.zip", source=str(kept), limit=2, shards="")
    assert few.people == 2 and "holds 2 people" in few.findings[0].problem


@pytest.mark.slow
def test_two_processes_give_the_same_people_in_the_same_order(place: Path, tmp_path: Path) -> None:
    one = exported(place, tmp_path / "a.zip", batch=2)
    two = exported(place, tmp_path / "b.zip", batch=2, processes=2)
    assert two.people == one.people == COUNT
    first, second = (
        np.array(json.loads(zipfile.ZipFile(done.file).read("joints.json"))["joints"])
        for done in (one, two)
    )
    np.testing.assert_allclose(second, first, atol=1e-5)


def test_more_gpus_than_there_are_is_said(place: Path) -> None:
    job = CollectJob(
        checkpoint="x",
        shards="y",
        protocol=get_registry().protocol("synthetic/test@smpl24-v1"),
        settings=Settings(),
        keeps=(),
        device="cuda",
    )
    with pytest.raises(MissingError, match="999 GPUs asked for"):
        collect_on(999, job)


def test_shares_are_joined_and_put_in_order(place: Path) -> None:
    found = people_of_the_model(place)
    nobody = replace(found, keys=(), meta=(), arrays={n: v[:0] for n, v in found.arrays.items()})
    odd, even = (
        replace(
            found,
            keys=found.keys[start::2],
            meta=found.meta[start::2],
            arrays={n: v[start::2] for n, v in found.arrays.items()},
        )
        for start in (1, 0)
    )
    whole = in_order(joined([odd, even, nobody]), found.keys)
    assert whole.keys == found.keys and whole.meta == found.meta
    for name, values in found.arrays.items():
        np.testing.assert_array_equal(whole.arrays[name], values)
    with pytest.raises(InvalidData, match="1 of 7 people are not among"):
        in_order(found, [*found.keys, "stranger"])
    with pytest.raises(InvalidData, match="6 predictions, and 5 people"):
        in_order(replace(found, keys=()), found.keys[:5])


def test_flip_changes_what_is_written(place: Path, tmp_path: Path) -> None:
    plain = exported(place, tmp_path / "a.zip")
    flipped = exported(place, tmp_path / "b.zip", tta="flip")
    assert plain.sha256 != flipped.sha256


def test_a_body_that_the_leaderboard_does_not_take_is_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="predicts mano, leaderboard 'toy' takes smpl"):
        exported(place, tmp_path / "a.zip", source=hand_predictions(tmp_path))


def hand_predictions(folder: Path) -> str:
    arrays = {"vertices": np.zeros((2, 778, 3), np.float32)}
    found = PredictionSet(keys=("a", "b"), arrays=arrays, body={"kind": "mano"})
    return str(write_predictions(folder / "hands.npz", found))


@pytest.mark.parametrize(
    ("name", "epoch"),
    [
        ("out/checkpoint-200-203600/state_dict.bin", 200),
        ("runs/hands/2026-01-01T00-00-00@37", 37),
        ("graphormer_hand_state_dict.bin", 200),
        ("runs/hands", 0),
    ],
)
def test_the_epoch_is_read_from_the_name(name: str, epoch: int) -> None:
    assert epoch_in(name) == epoch


def test_several_splits_become_one_file(place: Path, tmp_path: Path) -> None:
    for split, start in (("test", 0), ("validation", 40)):
        write_people(tmp_path / "all" / split, 2, split=split, seed=start, shards=1)
    done = exported(
        place, tmp_path / "a.zip", shards=str(tmp_path / "all"), split="validation,test"
    )
    assert done.people == 4 and done.shards.count(",") == 1
    with zipfile.ZipFile(done.file) as archive:
        joints = np.array(json.loads(archive.read("joints.json"))["joints"])
    single = exported(place, tmp_path / "b.zip", shards=str(tmp_path / "all" / "test"))
    with zipfile.ZipFile(single.file) as archive:
        last = np.array(json.loads(archive.read("joints.json"))["joints"])
    np.testing.assert_allclose(joints[2:], last, atol=1e-6)
