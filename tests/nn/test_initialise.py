"""Starting a training from weights of others: what fits is taken, and all of it is said."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from hpscli.errors import InvalidData
from hpscli.nn.checkpoints import build_model, initialise
from hpscli.nn.layouts import rows_at
from hpscli.nn.official.importing import import_file
from hpscli.nn.options import complete_options
from hpscli.registry import get_registry
from tests.nn.stick_family import authors_file, installed


@pytest.fixture(autouse=True)
def stick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed(monkeypatch):
        yield


def test_a_whole_file_is_taken_and_reported(tmp_path: Path) -> None:
    torch.save({"net": authors_file()}, tmp_path / "a.bin")
    module, spec, _ = build_model("stick")
    said = initialise(module, spec, tmp_path / "a.bin").splitlines()
    assert said[0] == f"12 tensors from {tmp_path / 'a.bin'}"
    assert said[1].startswith("recognised stick, preset plain: Stick's file")
    assert torch.equal(module.state_dict()["head.weight"], authors_file()["fc.weight"])


def test_an_imported_checkpoint_is_taken_by_its_name(tmp_path: Path) -> None:
    torch.save(authors_file(), tmp_path / "a.bin")
    import_file(tmp_path / "a.bin")
    module, spec, _ = build_model("stick")
    assert initialise(module, spec, "stick.a") == "all 12 tensors of stick.a"


def test_a_part_is_taken_and_the_rest_starts_at_random(tmp_path: Path) -> None:
    part = {k: t for k, t in authors_file().items() if k.startswith("trunk.")}
    torch.save(part, tmp_path / "a.bin")
    module, spec, _ = build_model("stick")
    before = module.state_dict()["head.weight"].clone()
    said = initialise(module, spec, tmp_path / "a.bin")
    assert said.startswith(f"7 tensors from {tmp_path / 'a.bin'}; 5 tensors start at random")
    assert torch.equal(module.state_dict()["head.weight"], before)
    assert torch.equal(module.state_dict()["stem.weight"], part["trunk.conv.weight"])


def test_a_file_of_another_preset_names_both(tmp_path: Path) -> None:
    torch.save(authors_file(width=12), tmp_path / "a.bin")
    module, spec, _ = build_model("stick")
    with pytest.raises(InvalidData) as raised:
        initialise(module, spec, tmp_path / "a.bin")
    assert "Stick's file (stick, preset wide), which does not fit this model" in str(raised.value)
    assert "shape       stem.weight (12, 3, 3, 3), here (8, 3, 3, 3)" in str(raised.value)


def test_vertices_of_the_official_mesh_are_no_start_for_another(tmp_path: Path) -> None:
    spec = get_registry().model("graphormer")
    rows = rows_at(spec.layouts[0].rows, complete_options(spec, "tiny", {}))
    torch.save({row.theirs: torch.zeros(row.shape) for row in rows}, tmp_path / "a.bin")
    module, adapted, _ = build_model("graphormer", preset="tiny")
    with pytest.raises(InvalidData, match="trained on the vertices of the official smpl mesh"):
        initialise(module, adapted, tmp_path / "a.bin", body_source="free")


def test_a_file_of_another_model_is_called_by_its_model(tmp_path: Path) -> None:
    torch.save(authors_file(), tmp_path / "a.bin")
    module, spec, _ = build_model("hmr", preset="tiny")
    with pytest.raises(InvalidData, match=r"is of stick, preset plain; this training is of model"):
        initialise(module, spec, tmp_path / "a.bin")
