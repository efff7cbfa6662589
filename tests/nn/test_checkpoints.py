"""Checkpoints: one safe file that builds its model again, whatever happens around it."""

import dataclasses
import json
import pickle
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from hpscli.atomic import write_atomically
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from hpscli.nn.checkpoints import build_model, initialise, load_model, save_checkpoint
from hpscli.nn.files import SCHEMA, CheckpointInfo, read_info, read_tensors

SMALL = {"backbone": "tiny", "head": "direct", "hidden": 8, "dropout": 0.0}


def info(**changes: object) -> CheckpointInfo:
    values: dict[str, object] = {
        "model": "hmr",
        "options": {**SMALL, "iterations": 3},
        "input_size": (64, 48),
        "body": {"kind": "smpl", "gender": "neutral", "source": "free", "sha256": "0"},
        "step": 12,
        "epoch": 3,
        "metrics": {"mpjpe": 123.4},
    }
    return CheckpointInfo(**{**values, **changes})  # type: ignore[arg-type]


def small(seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return build_model("hmr", options=SMALL)[0]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "small.safetensors"
    save_checkpoint(path, small(), info())
    return path


@pytest.fixture
def room() -> Callable[[int], AbstractContextManager[None]]:
    """-> a context in which the system refuses to let a file grow beyond so many bytes."""

    @contextmanager
    def limited(count: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limited


def test_a_checkpoint_builds_the_same_model_again(checkpoint: Path) -> None:
    loaded = load_model(checkpoint)
    image = torch.rand(2, 3, 64, 48)
    assert torch.equal(loaded.module(image).camera, small().eval()(image).camera)
    assert loaded.input_size == (64, 48)
    assert loaded.body.source == "free"
    assert not loaded.module.training


def test_the_description_survives_unchanged(checkpoint: Path) -> None:
    assert read_info(checkpoint) == info()


def test_a_description_with_fields_of_a_later_version_is_read(tmp_path: Path) -> None:
    path = tmp_path / "later.safetensors"
    document = {"schema": SCHEMA, **dataclasses.asdict(info()), "mood": "good"}
    save_file({"a": torch.zeros(1)}, path, metadata={"hps": json.dumps(document)})
    assert read_info(path) == info()


def test_another_schema_is_refused_with_the_version_that_wrote_it(tmp_path: Path) -> None:
    path = tmp_path / "old.safetensors"
    save_file(
        {"a": torch.zeros(1)},
        path,
        metadata={"hps": json.dumps({"schema": "hps/checkpoint/9", "version": "7.0"})},
    )
    with pytest.raises(InvalidData, match=r"hps/checkpoint/9.*hps 7\.0"):
        read_info(path)


def test_a_checkpoint_of_another_model_names_both_and_the_keys(checkpoint: Path) -> None:
    module, spec, _ = build_model("hmr", preset="resnet18")
    spec = dataclasses.replace(spec, name="other")
    with pytest.raises(InvalidData) as raised:
        initialise(module, spec, checkpoint)
    text = str(raised.value)
    assert "(model 'hmr') does not fit model 'other'" in text
    assert "missing     backbone.conv1.weight (64, 3, 7, 7)" in text
    assert raised.value.exit_code == 5


def test_a_checkpoint_whose_options_changed_names_the_shapes(checkpoint: Path) -> None:
    module, spec, _ = build_model("hmr", options={**SMALL, "hidden": 9})
    with pytest.raises(
        InvalidData, match=r"shape       regressor.fc1.weight \(8, 2048\), here \(9, 2048\)"
    ):
        initialise(module, spec, checkpoint)


def test_a_cut_file_is_refused(checkpoint: Path) -> None:
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(InvalidData, match="not a whole safetensors file"):
        load_model(checkpoint)


def test_weights_without_a_description_are_not_a_model(tmp_path: Path) -> None:
    path = tmp_path / "bare.safetensors"
    save_file(small().state_dict(), path)
    with pytest.raises(InvalidData, match="is of no layout that a model here reads: 79 tensors"):
        load_model(path)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("open('broken-in', 'w')",)


@pytest.mark.parametrize("name", ["evil.pt", "evil.safetensors"])
def test_a_hostile_pickle_is_refused_and_does_nothing(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(pickle.dumps({"model": Hostile()}, protocol=2))
    module, spec, _ = build_model("hmr", options=SMALL)
    with pytest.raises(InvalidData):
        load_model(tmp_path / name)
    with pytest.raises(InvalidData):
        initialise(module, spec, tmp_path / name)
    assert not (tmp_path / "broken-in").exists()


def test_a_full_disk_leaves_the_old_checkpoint_and_no_rubbish(
    checkpoint: Path, room: Callable[[int], AbstractContextManager[None]]
) -> None:
    before = checkpoint.read_bytes()
    with room(len(before) // 2), pytest.raises(HpsError) as raised:
        save_checkpoint(checkpoint, small(1), info(step=13))
    assert f"cannot write {checkpoint} (" in raised.value.problem
    assert "File too large" in raised.value.problem
    assert "What was there before is untouched" in raised.value.fix
    assert checkpoint.read_bytes() == before
    assert [path.name for path in checkpoint.parent.iterdir()] == [checkpoint.name]


def test_a_folder_that_cannot_be_made_is_an_error_of_the_user(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(HpsError, match="cannot write"):
        write_atomically(tmp_path / "file" / "x.safetensors", b"x")


def test_tied_weights_are_stored(tmp_path: Path) -> None:
    module = torch.nn.Linear(3, 3)
    module.twin = module.weight  # type: ignore[assignment]
    save_checkpoint(tmp_path / "tied.safetensors", module, info())
    assert set(read_tensors(tmp_path / "tied.safetensors")) == {"weight", "bias", "twin"}


def test_a_bare_backbone_starts_the_backbone_only(tmp_path: Path) -> None:
    donor, _, _ = build_model("hmr", options={**SMALL, "backbone": "resnet18"})
    state = {k[9:]: v for k, v in donor.state_dict().items() if k.startswith("backbone.")}
    state["fc.weight"] = torch.zeros(1000, 512)  # the classifier of ImageNet
    torch.save(state, tmp_path / "resnet18.pth")
    torch.manual_seed(5)
    module, spec, _ = build_model("hmr", options={**SMALL, "backbone": "resnet18"})
    said = initialise(module, spec, tmp_path / "resnet18.pth")
    assert "120 tensors from" in said and "a classifier" in said
    assert torch.equal(module.state_dict()["backbone.conv1.weight"], state["conv1.weight"])


def test_an_unknown_option_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="no option 'bakbone'.*Did you mean 'backbone'"):
        build_model("hmr", options={"bakbone": "resnet18"})


def test_an_option_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(UsageError, match=r"model\.options\.hidden = 'many' is not of type int"):
        build_model("hmr", options={"hidden": "many"})


def test_an_unknown_preset_is_named_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="no preset 'tinny'.*Did you mean 'tiny'"):
        build_model("hmr", preset="tinny")


def test_a_file_that_is_not_there_is_missing() -> None:
    with pytest.raises(MissingError, match="no such file, run folder or model"):
        load_model("nowhere/last.safetensors")
