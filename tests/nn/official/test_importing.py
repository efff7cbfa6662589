"""Authors' checkpoints as people have them: whole, wrapped, halved, cut, hostile, of others."""

import pickle
import shutil
import sys
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.nn.checkpoints import load_model
from hpscli.nn.files import read_info, read_tensors
from hpscli.nn.official.importing import import_file
from hpscli.nn.weights.store import model_folder, stored
from tests.nn.stick_family import authors_file, installed


@pytest.fixture(autouse=True)
def stick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with installed(monkeypatch):
        yield


def saved(path: Path, content: Any, **how: Any) -> Path:
    torch.save(content, path, **how)
    return path


def test_a_released_file_gets_the_tag_of_its_name(tmp_path: Path) -> None:
    path = saved(tmp_path / "stick_h36m_state_dict.bin", authors_file())
    done = import_file(path)
    assert (done.status, done.name, done.preset) == ("imported", "stick.h36m", "plain")
    assert done.path == model_folder() / "stick.h36m.safetensors"
    info = read_info(done.path)
    assert info.licence == "research only"
    assert info.origin["sha256"] == done.sha256
    assert info.origin["file"] == path.name
    assert info.origin["layout"] == "official"


def test_the_import_says_what_was_recognised_dropped_and_changed(tmp_path: Path) -> None:
    said = import_file(saved(tmp_path / "a.bin", authors_file())).said
    assert said[0] == "recognised stick, preset plain: Stick's file; 12 tensors used (torch)"
    assert "dropped 1 tensor, pooler.weight (16 numbers): left from another model" in said
    assert "changed pos: row 0 is added to the others" in said


def test_an_imported_model_predicts_what_its_file_predicts(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.bin", authors_file())
    name = import_file(path).name
    image = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(load_model(name)(image).camera, load_model(path)(image).camera)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("stick_3dpw_state_dict.bin", "stick.3dpw"),
        ("My Stick (2).pth.tar", "stick.my-stick-2"),
        ("model_checkpoint.pt", "stick.model"),
        ("STICK.bin", "stick.stick"),
    ],
)
def test_other_files_are_called_by_what_is_special_in_their_name(
    file: str, name: str, tmp_path: Path
) -> None:
    assert import_file(saved(tmp_path / file, authors_file()), dry_run=True).name == name


def test_a_released_name_on_another_preset_is_not_believed(tmp_path: Path) -> None:
    path = saved(tmp_path / "stick_h36m_state_dict.bin", authors_file(width=12))
    done = import_file(path)
    assert (done.preset, read_info(stored("stick")[0].path).licence) != ("plain", "research only")
    assert done.preset == "wide"


def test_the_same_file_is_stored_once(tmp_path: Path) -> None:
    first = import_file(saved(tmp_path / "a.bin", authors_file()))
    shutil.copy(tmp_path / "a.bin", tmp_path / "b.bin")
    again = import_file(tmp_path / "b.bin")
    assert (again.status, again.name) == ("present", first.name)
    assert len(stored()) == 1
    assert import_file(tmp_path / "a.bin", force=True).status == "replaced"


def test_another_file_of_the_same_name_is_refused_until_forced(tmp_path: Path) -> None:
    import_file(saved(tmp_path / "a.bin", authors_file(0)))
    (tmp_path / "other").mkdir()
    other = saved(tmp_path / "other" / "a.bin", authors_file(1))
    with pytest.raises(UsageError, match=r"stick\.a is here already, from a\.bin.*--name NAME"):
        import_file(other)
    assert import_file(other, name="b").name == "stick.b"
    assert import_file(other, force=True).status == "replaced"


@pytest.mark.parametrize("name", ["x.h36m", "a b", "Ä", "../x"])
def test_a_name_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--name"):
        import_file(saved(tmp_path / "a.bin", authors_file()), name=name)
    assert not stored()


def test_a_dry_run_stores_nothing(tmp_path: Path) -> None:
    done = import_file(saved(tmp_path / "a.bin", authors_file()), dry_run=True)
    assert (done.status, stored()) == ("recognised", [])


Wrap = Callable[[dict[str, Tensor]], Any]


def prefixed(prefix: str) -> Wrap:
    return lambda state: {prefix + key: value for key, value in state.items()}


CONTAINERS: dict[str, Wrap] = {
    "bare": lambda state: state,
    "ordered": OrderedDict,
    "module.": prefixed("module."),
    "model.": prefixed("model."),
    "module.model.": prefixed("module.model."),
    "backbone.": prefixed("backbone."),
    "unknown wrapper": prefixed("my.own.wrapper."),
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model": lambda state: {"model": state, "total_step_count": 12},
    "network/module.": lambda state: {"network": prefixed("module.")(state), "epoch": 1},
    "optimizer": lambda state: {
        "model": state,
        "optimizer": {
            "state": {i: {"exp_avg": t, "exp_avg_sq": t} for i, t in enumerate(state.values())},
            "param_groups": [{"lr": 1e-4}],
        },
    },
    "parameters": lambda state: {
        key: nn.Parameter(value) if value.is_floating_point() else value
        for key, value in state.items()
    },
    "licensed body beside it": lambda state: {**state, "body.v_template": torch.zeros(6890, 3)},
}


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("container", CONTAINERS)
def test_weights_are_found_in_every_container(container: str, zipped: bool, tmp_path: Path) -> None:
    content = CONTAINERS[container](authors_file())
    path = saved(tmp_path / "a.bin", content, _use_new_zipfile_serialization=zipped)
    done = import_file(path)
    assert (done.status, done.preset) == ("imported", "plain")
    assert torch.equal(read_tensors(done.path or path)["head.weight"], authors_file()["fc.weight"])


def test_baggage_is_named(tmp_path: Path) -> None:
    done = import_file(saved(tmp_path / "a.bin", CONTAINERS["optimizer"](authors_file())))
    assert "dropped entries of the file: optimizer" in done.said
    assert "(torch, entry 'model')" in done.said[0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_widened_and_said(dtype: torch.dtype, tmp_path: Path) -> None:
    state = {k: t.to(dtype) if t.is_floating_point() else t for k, t in authors_file().items()}
    done = import_file(saved(tmp_path / "a.bin", state))
    assert f"widened to float32 from {str(dtype)[6:]}" in done.said
    stem = read_tensors(stored()[0].path)["stem.weight"]
    assert stem.dtype == torch.float32
    assert torch.equal(stem.to(dtype), state["trunk.conv.weight"])


def test_a_safetensors_file_of_others_is_read(tmp_path: Path) -> None:
    save_file(authors_file(), tmp_path / "a.safetensors")
    assert "(safetensors)" in import_file(tmp_path / "a.safetensors").said[0]


class Settings:
    """A configuration object, as yacs and omegaconf leave them in checkpoints."""

    def __init__(self) -> None:
        self.lr = 0.1


def test_objects_of_unknown_classes_beside_the_weights_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"state_dict": authors_file(), "hyper_parameters": Settings(), "callbacks": {}}
    with monkeypatch.context() as patch:  # the package is there when the file is written only
        for name in ("yacs", "yacs.config"):
            module = ModuleType(name)
            module.Settings = Settings  # type: ignore[attr-defined]
            patch.setitem(sys.modules, name, module)
        patch.setattr(Settings, "__module__", "yacs.config")
        path = saved(tmp_path / "a.ckpt", content)
    done = import_file(path)
    assert done.preset == "plain"
    assert "dropped entries of the file: hyper_parameters, callbacks" in done.said


def test_a_whole_pickled_network_is_refused_with_what_to_do(tmp_path: Path) -> None:
    for content in (nn.Linear(2, 2), {"model": nn.Linear(2, 2), "epoch": 3}):
        with pytest.raises(InvalidData, match=r"a whole pickled network.*state_dict\(\)"):
            import_file(saved(tmp_path / "a.pth", content))


@pytest.mark.parametrize(
    ("content", "says"),
    [({}, "is an empty dictionary"), ({"epoch": 3, "loss": 0.1}, "no tensors, only epoch, loss")],
)
def test_a_file_without_weights_is_refused(content: Any, says: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match=says):
        import_file(saved(tmp_path / "a.pth", content))


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return eval, ("open('broken-in', 'w')",)


def test_a_hostile_file_is_refused_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    saved(tmp_path / "evil.pth", {"state_dict": authors_file(), "extra": Hostile()})
    (tmp_path / "evil.pkl").write_bytes(pickle.dumps(Hostile(), protocol=2))
    for name in ("evil.pth", "evil.pkl"):
        with pytest.raises(InvalidData):
            import_file(tmp_path / name)
    assert not (tmp_path / "broken-in").exists()
    assert not stored()


def test_half_a_file_is_named_with_what_is_missing(tmp_path: Path) -> None:
    state = authors_file()
    half = {key: state[key] for key in list(state)[: len(state) // 2]}
    with pytest.raises(InvalidData) as raised:
        import_file(saved(tmp_path / "a.bin", half))
    text = str(raised.value)
    assert "Nearest is stick" in text
    assert "missing     fc.weight (13, 8)" in text


def test_a_cut_download_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.bin", authors_file())
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(InvalidData, match="damaged"):
        import_file(path)


def test_another_width_is_another_preset_or_plain_options(tmp_path: Path) -> None:
    assert import_file(saved(tmp_path / "a.bin", authors_file(width=12))).preset == "wide"
    done = import_file(saved(tmp_path / "b.bin", authors_file(width=9)))
    assert (done.preset, done.said[0][:30]) == ("", "recognised stick, width=9: Sti")


def test_a_variant_without_a_part_is_told_from_the_whole(tmp_path: Path) -> None:
    assert import_file(saved(tmp_path / "a.bin", authors_file(decoder=False))).preset == "bare"


def test_a_misshapen_tensor_is_named_with_both_shapes(tmp_path: Path) -> None:
    state = {**authors_file(), "fc.weight": torch.zeros(14, 8)}
    with pytest.raises(InvalidData, match=r"shape +fc\.weight \(14, 8\), expected \(13, 8\)"):
        import_file(saved(tmp_path / "a.bin", state))


def test_a_tensor_too_many_is_named(tmp_path: Path) -> None:
    state = {**authors_file(), "face.weight": torch.zeros(3)}
    with pytest.raises(InvalidData, match=r"1 differ\.\nleft over   face\.weight"):
        import_file(saved(tmp_path / "a.bin", state))


def test_a_file_of_no_known_family_lists_those_that_are(tmp_path: Path) -> None:
    state = {"encoder.0.alpha": torch.zeros(3), "encoder.0.beta": torch.zeros(3)}
    with pytest.raises(InvalidData, match=r"2 tensors, encoder\.0\.alpha.*stick"):
        import_file(saved(tmp_path / "a.bin", state))


def test_a_part_of_a_model_is_sent_to_training(tmp_path: Path) -> None:
    state = {key: t for key, t in authors_file().items() if key.startswith("trunk.")}
    with pytest.raises(InvalidData, match=r"a part of model 'stick' only.*--init"):
        import_file(saved(tmp_path / "a.bin", state))


def test_nan_in_the_weights_is_said(tmp_path: Path) -> None:
    state = authors_file()
    state["fc.bias"][3] = torch.nan
    done = import_file(saved(tmp_path / "a.bin", state))
    assert "attention: NaN or infinity in 1 tensor, head.bias" in done.said


def test_what_is_no_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="there is no file"):
        import_file(tmp_path / "nothing.bin")
    with pytest.raises(MissingError, match="is a folder"):
        import_file(tmp_path)
    done = import_file(saved(tmp_path / "a.bin", authors_file()))
    assert done.path is not None
    with pytest.raises(UsageError, match="a checkpoint of hps already"):
        import_file(done.path)
