"""What is meant when the user does not say."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from hpscli.errors import MissingError, UsageError
from hpscli.hooks import DatasetSpec, ModelSpec, ProtocolSpec, Weights
from hpscli.registry import Plugin, Registry
from hpscli.run.places import (
    best_device,
    check_dtype,
    dated_folder,
    find_shards,
    new_result_file,
    prepare_line,
    shipped_checkpoint,
    training_shards,
)
from tests.run.people import write_people

SPEC = ProtocolSpec(
    name="here/test@smpl24-v1",
    testset="here",
    split="test",
    summary="a test",
    body="smpl",
    joints="smpl24",
    root=("pelvis",),
)
HERE = DatasetSpec(
    name="here",
    samples="a.b:c",
    splits=("test",),
    summary="a test",
    licence="CC0",
    access="open",
    homepage="",
)
MODEL = ModelSpec(
    name="one",
    build="a.b:c",
    summary="a test",
    body="smpl",
    input_size=(64, 64),
    licence="MIT",
    outputs=("camera",),
)


def registry(*records: tuple[str, object]) -> Registry:
    found = Registry()
    found.add(Plugin("here", "a test", records))
    return found


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_shards_are_found_where_prepare_puts_them() -> None:
    write_people(Path("shards/here/test"), 2)
    assert find_shards(SPEC, "", registry()) == ("shards/here/test", "")


def test_a_folder_that_is_named_is_taken() -> None:
    write_people(Path("mine"), 2)
    assert find_shards(SPEC, "mine", registry()) == ("mine", "")


def test_shards_of_another_body_are_passed_over() -> None:
    write_people(Path("shards/here/test"), 2, kind="mano")
    with pytest.raises(MissingError, match="no shards of here/test"):
        find_shards(SPEC, "", registry(("dataset", HERE)))


def test_what_is_missing_is_told_with_the_command_that_makes_it() -> None:
    assert prepare_line(SPEC, registry(("dataset", HERE))).endswith("--split test --from DIR")
    generated = registry(("dataset", replace(HERE, needs_root=False)))
    line = "hps prepare here --split test --out shards/here/test"
    assert prepare_line(SPEC, generated) == line
    hands = replace(SPEC, name="here-hands/test@mano21-v1", body="mano")
    assert prepare_line(hands, generated).endswith("--body mano --out shards/here-hands/test")


def test_what_is_missing_of_a_test_set_without_a_data_set_names_no_command_that_fails() -> None:
    with pytest.raises(MissingError) as raised:
        find_shards(SPEC, "", registry())
    assert "hps prepare here" not in raised.value.fix
    assert "--out shards/here/test" in raised.value.fix


def test_training_people_are_found_or_made_where_prepare_puts_them() -> None:
    generated = registry(("dataset", replace(HERE, needs_root=False)))
    assert training_shards(SPEC, "", generated) == ""
    assert training_shards(SPEC, "mine", generated) == "mine"
    with pytest.raises(MissingError) as raised:
        training_shards(SPEC, "mean", generated)
    assert "hps prepare here --split train --out shards/here/train" in raised.value.fix
    write_people(Path("shards/here/train"), 2)
    assert training_shards(SPEC, "mean", generated) == "shards/here/train"


def test_the_first_weights_that_ship_are_the_default() -> None:
    with_file = Weights(tag="small", licence="CC0", file="package:weights.safetensors")
    without = Weights(tag="paper", licence="theirs")
    both = replace(MODEL, name="two", weights=(without, with_file))
    found = registry(("model", MODEL), ("model", both))
    assert shipped_checkpoint(found) == "two.small"
    with pytest.raises(MissingError, match="for mano"):
        shipped_checkpoint(found, "mano")


def test_results_get_a_folder_of_their_own() -> None:
    first = new_result_file(None, "runs/tiny/x")
    assert first.parts[:3] == ("runs", "eval", "runs-tiny-x")
    first.parent.mkdir(parents=True)
    assert new_result_file(None, "runs/tiny/x") != first
    assert new_result_file(Path("a.json"), "x") == Path("a.json")
    assert new_result_file(Path("folder"), "x") == Path("folder/result.json")


def test_devices_and_precisions_are_checked() -> None:
    assert best_device("cpu") == "cpu" and best_device() in ("cpu", "cuda:0")
    with pytest.raises(UsageError, match="tpu"):
        best_device("tpu")
    for name in ("cpu:3", "cuda:x"):
        with pytest.raises(UsageError, match=name):
            best_device(name)
    with pytest.raises(MissingError, match="GPU"):
        best_device("cuda:99")
    with pytest.raises(UsageError, match="fp8"):
        check_dtype("fp8")


def test_folders_named_by_the_same_second_are_numbered_and_nobody_shares_one(
    tmp_path: Path,
) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: dated_folder(tmp_path, "try-", make=True), range(24)))
    assert len(set(made)) == 24 and all(path.is_dir() for path in made)
    assert all(path.name.startswith("try-2") for path in made)
    free = dated_folder(tmp_path / "other")
    assert not free.exists()
