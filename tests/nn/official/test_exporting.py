"""Weights written back as their authors keep them: bit for bit, in their container."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from hpscli.errors import InvalidData, UsageError
from hpscli.hooks import Layout
from hpscli.nn.checkpoints import load_model
from hpscli.nn.files import read_info, read_tensors, save_checkpoint
from hpscli.nn.layouts import rows_at
from hpscli.nn.official.exporting import export_official, packed
from hpscli.nn.official.importing import import_file
from hpscli.nn.official.verifying import verify
from hpscli.nn.options import complete_options
from hpscli.nn.weights.store import side_file
from hpscli.registry import get_registry
from tests.nn.stick_family import authors_file, installed

LICENSED = {"body.v_template": torch.ones(5, 3)}


@pytest.fixture
def stick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed(monkeypatch):
        yield


def released(path: Path, state: Mapping[str, Tensor]) -> Path:
    """The authors' container, with an optimiser and a trainer's own tensor beside."""
    network = {f"module.{key}": value for key, value in state.items()}
    content = {"epoch": 12, "net": {**network, **LICENSED}, "optimizer": {"state": {}}}
    torch.save(content, path)
    return path


def written(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


def assert_same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    assert sorted(found) == sorted(wanted)
    for key, value in wanted.items():
        assert found[key].dtype == value.dtype, key
        assert torch.equal(found[key], value), key


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.float64])
def test_the_same_file_comes_back_when_the_unused_was_kept(
    stick: None, dtype: torch.dtype, tmp_path: Path
) -> None:
    state = {k: t.to(dtype) if t.is_floating_point() else t for k, t in authors_file().items()}
    name = import_file(released(tmp_path / "a.pth", state), keep_unused=True).name
    done = export_official(name, tmp_path / "back.pth")
    content = written(done.path)
    assert content["epoch"] == 3  # what the loaders want beside, not what was there
    assert_same(content["net"], {**{f"module.{k}": t for k, t in state.items()}, **LICENSED})
    assert not done.left_out and not done.derived


def test_without_keeping_the_used_tensors_come_back_and_the_others_are_named(
    stick: None, tmp_path: Path
) -> None:
    state = authors_file()
    name = import_file(released(tmp_path / "a.pth", state)).name
    done = export_official(name, tmp_path / "back.pth")
    del state["pooler.weight"]
    assert_same(written(done.path)["net"], {f"module.{k}": t for k, t in state.items()})
    assert done.left_out == {"pooler.weight": "left from another model"}
    assert any(line.startswith("omitted 1 tensor") for line in done.said)


def test_a_folded_tensor_of_changed_weights_is_derived_and_said(
    stick: None, tmp_path: Path
) -> None:
    path = import_file(released(tmp_path / "a.pth", authors_file())).path
    assert path is not None
    state = read_tensors(path)
    state["positions"] = state["positions"] + 1
    save_checkpoint(path, state, read_info(path))
    done = export_official(path, tmp_path / "back.pth")
    table = written(done.path)["net"]["module.pos"]
    assert torch.equal(table[1:], state["positions"]) and not table[0].any()
    assert done.derived == {"pos": "row 0 is added to the others"}


def test_a_file_of_the_authors_is_written_directly(stick: None, tmp_path: Path) -> None:
    state = authors_file()
    done = export_official(released(tmp_path / "a.pth", state), tmp_path / "back.pth")
    wanted = {**{f"module.{k}": t for k, t in state.items()}, **LICENSED}
    assert_same(written(done.path)["net"], wanted)


def test_what_was_written_is_recognised_again(stick: None, tmp_path: Path) -> None:
    name = import_file(released(tmp_path / "a.pth", authors_file())).name
    back = export_official(name, tmp_path / "back.pth").path
    image = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(load_model(back)(image).camera, load_model(name)(image).camera)


def test_the_file_is_in_the_form_that_every_torch_reads(stick: None, tmp_path: Path) -> None:
    name = import_file(released(tmp_path / "a.pth", authors_file())).name
    back = export_official(name, tmp_path / "back.pth").path
    assert not back.read_bytes().startswith(b"PK")


def test_counters_that_the_file_lacked_are_not_invented(stick: None, tmp_path: Path) -> None:
    state = {k: t for k, t in authors_file().items() if not k.endswith("num_batches_tracked")}
    name = import_file(released(tmp_path / "a.pth", state)).name
    content = written(export_official(name, tmp_path / "back.pth").path)
    assert not [key for key in content["net"] if key.endswith("num_batches_tracked")]


def test_a_file_that_is_there_is_replaced_only_by_force(stick: None, tmp_path: Path) -> None:
    name = import_file(released(tmp_path / "a.pth", authors_file())).name
    (tmp_path / "back.pth").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        export_official(name, tmp_path / "back.pth")
    export_official(name, tmp_path / "back.pth", force=True)


def test_an_unknown_layout_is_named_with_those_that_exist(stick: None, tmp_path: Path) -> None:
    name = import_file(released(tmp_path / "a.pth", authors_file())).name
    with pytest.raises(UsageError, match="no layout 'mine'. One of: official"):
        export_official(name, tmp_path / "back.pth", layout="mine")


def test_weights_that_no_row_has_a_place_for_are_not_dropped(stick: None, tmp_path: Path) -> None:
    path = import_file(released(tmp_path / "a.pth", authors_file())).path
    assert path is not None
    save_checkpoint(path, {**read_tensors(path), "new": torch.zeros(1)}, read_info(path))
    with pytest.raises(InvalidData, match="no place for 1 tensor of .*, new"):
        export_official(path, tmp_path / "back.pth")


@pytest.mark.parametrize(
    ("container", "places"),
    [
        ("", ["w"]),
        ("model/", ["model", "w"]),
        ("model.", ["model.w"]),
        ("a/b/module.", ["a", "b", "module.w"]),
    ],
)
def test_containers_are_entries_and_a_prefix(container: str, places: list[str]) -> None:
    layout = Layout(name="x", summary="x", guess="x:x", rows="x:x", container=container)
    content: Any = packed({"w": torch.ones(2)}, layout)
    for place in places:
        content = content[place]
    assert torch.equal(content, torch.ones(2))


SMALL = [
    (spec.name, preset, layout.name)
    for spec in get_registry().all("model")
    for preset in spec.presets
    for layout in spec.layouts
    if preset.endswith("tiny") and not layout.partial
]


@pytest.mark.parametrize(("model", "preset", "layout"), SMALL, ids=lambda value: str(value))
def test_every_family_reads_and_writes_the_files_of_its_authors(
    model: str, preset: str, layout: str, tmp_path: Path
) -> None:
    spec = get_registry().model(model)
    chosen = next(each for each in spec.layouts if each.name == layout)
    random = torch.Generator().manual_seed(1)
    state = {
        row.theirs: torch.tensor(7)
        if row.theirs.endswith("num_batches_tracked")
        else torch.randn(row.shape, generator=random).half()
        for row in rows_at(chosen.rows, complete_options(spec, preset, {}))
    }
    path = tmp_path / "released.pth"
    torch.save(packed(state, chosen), path)
    done = import_file(path, keep_unused=True)
    assert (done.name, done.preset, done.layout) == (f"{model}.released", preset, layout)
    assert verify(done.name).ok
    again = export_official(done.name, tmp_path / "back.pth")
    assert_same(_flat(written(again.path)), _flat(torch.load(path, weights_only=True)))


def _flat(content: Mapping[str, Any]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            found |= {f"{key}/{inner}": tensor for inner, tensor in _flat(value).items()}
        elif isinstance(value, Tensor):
            found[key] = value
    return found


def test_what_is_kept_lies_beside_the_checkpoint(stick: None, tmp_path: Path) -> None:
    done = import_file(released(tmp_path / "a.pth", authors_file()), keep_unused=True)
    assert done.path is not None
    kept = read_tensors(side_file(done.path))
    assert sorted(kept) == ["body.v_template", "pooler.weight", "pos"]
