"""Foreign checkpoints give up their tensors in every format, and never get to run anything."""

import collections
import io
import os
import pickle
import sys
import types
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpscli.body.official.machine import Named
from hpscli.errors import InvalidData, MissingError
from hpscli.nn.weights import torch_files
from hpscli.nn.weights.torch_files import Placeholder, load_torch_file

STATE = {
    "conv.weight": torch.arange(24.0).reshape(2, 3, 4),
    "half": torch.arange(3, dtype=torch.float16),
    "brain": torch.arange(3, dtype=torch.bfloat16),
    "double": torch.linspace(0, 1, 3, dtype=torch.float64),
    "count": torch.tensor(7),
    "mask": torch.tensor([True, False]),
    "bytes": torch.arange(3, dtype=torch.uint8),
    "empty": torch.zeros(0, 5),
    "turned": torch.arange(6.0).reshape(2, 3).T,
    "part": torch.arange(10.0)[3:7],
    "repeated": torch.ones(1).expand(4),
    "parameter": torch.nn.Parameter(torch.ones(2)),
}
FORMATS = {"zip": True, "legacy": False}


def make_class(module: str, name: str, base: type = object) -> type:
    """-> a class that lives in a module which only this test has."""
    parts = module.split(".")
    for end in range(1, len(parts) + 1):
        sys.modules.setdefault(".".join(parts[:end]), types.ModuleType(".".join(parts[:end])))
    kind = type(name, (base,), {"__module__": module, "__qualname__": name})
    setattr(sys.modules[module], name, kind)
    return kind


@pytest.fixture(autouse=True)
def no_strangers_left(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("yacs", "omegaconf", "pytorch_lightning"):
            del sys.modules[name]


def save(content: Any, path: Path, form: str) -> Path:
    torch.save(content, path, _use_new_zipfile_serialization=FORMATS[form])
    return path


def forget(*packages: str) -> None:
    """After saving, the classes are gone, as on the machine of somebody who only loads."""
    for name in list(sys.modules):
        if name.split(".")[0] in packages:
            del sys.modules[name]


def assert_same(read: dict[str, Any], state: dict[str, torch.Tensor]) -> None:
    assert list(read) == list(state)
    for name, tensor in state.items():
        assert read[name].dtype == tensor.dtype, name
        assert torch.equal(read[name].detach(), tensor.detach()), name


@pytest.mark.parametrize("form", FORMATS)
def test_plain_files_load(form: str, tmp_path: Path) -> None:
    read = load_torch_file(save({"state_dict": STATE, "epoch": 3}, tmp_path / "a.pth", form))
    assert read["epoch"] == 3
    assert_same(read["state_dict"], STATE)


@pytest.mark.parametrize("form", FORMATS)
def test_our_reader_gives_the_same_tensors_as_torch(form: str, tmp_path: Path) -> None:
    path = save(STATE, tmp_path / "a.pth", form)
    assert_same(torch_files._read_restricted(path), STATE)


@pytest.mark.parametrize("form", FORMATS)
def test_tensors_that_share_numbers_still_do(form: str, tmp_path: Path) -> None:
    whole = torch.arange(6.0)
    path = save({"whole": whole, "end": whole[4:]}, tmp_path / "a.pth", form)
    read = torch_files._read_restricted(path)
    read["whole"][5] = 99
    assert read["end"].tolist() == [4, 99]


@pytest.mark.parametrize("form", FORMATS)
def test_a_checkpoint_of_lightning_loads_without_lightning_or_yacs(
    form: str, tmp_path: Path
) -> None:
    node = make_class("yacs.config", "CfgNode", dict)
    callback = make_class("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    config = node(SOLVER=node(LR=5e-5, STEPS=[1, 2]))
    config.__dict__["__frozen__"] = True
    content = {
        "state_dict": collections.OrderedDict(STATE),
        "hyper_parameters": config,
        "callbacks": {callback: {"best": np.float64(46.5), "path": "a.ckpt"}},
        "epoch": 5,
    }
    path = save(content, tmp_path / "pare.ckpt", form)
    forget("yacs", "pytorch_lightning")
    read = load_torch_file(path)
    assert_same(read["state_dict"], STATE)
    assert isinstance(read["hyper_parameters"], Placeholder)
    assert read["hyper_parameters"].name == "yacs.config.CfgNode"
    assert read["hyper_parameters"]["SOLVER"]["LR"] == 5e-5
    ((key, value),) = read["callbacks"].items()
    assert key == Named("pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
    assert value == {"best": 46.5, "path": "a.ckpt"}
    assert "yacs" not in sys.modules


def test_a_configuration_that_points_to_its_parent_loads(tmp_path: Path) -> None:
    """omegaconf's nodes hold their parents, and types as values."""
    config_class = make_class("omegaconf.dictconfig", "DictConfig")
    node_class = make_class("omegaconf.nodes", "AnyNode")
    config, node = config_class(), node_class()
    node.__dict__.update(_parent=config, _val=1e-5, ref_type=Any)
    config.__dict__.update(_content={"LR": node}, _metadata=collections.defaultdict(dict), kind=int)
    path = save({"cfg": config, "state_dict": STATE}, tmp_path / "hmr2.ckpt", "zip")
    forget("omegaconf")
    read = load_torch_file(path)
    assert_same(read["state_dict"], STATE)
    inner = read["cfg"].state["_content"]["LR"]
    assert inner.state["_val"] == 1e-5
    assert inner.state["_parent"] is read["cfg"]
    assert str(read["cfg"].state["kind"]) == "__builtin__.long"


class Runs:
    """An object whose pickle calls something."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, __import__, open])
def test_a_hostile_file_is_refused_by_name_and_nothing_runs(
    function: Any, form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = save({"state_dict": STATE, "x": Runs(function, "canary")}, tmp_path / "a.pth", form)
    with pytest.raises(InvalidData, match=function.__name__) as caught:
        load_torch_file(path)
    assert "refused" in caught.value.problem
    assert caught.value.exit_code == 5
    assert not (tmp_path / "canary").exists()


def test_a_stranger_that_would_run_code_only_leaves_a_placeholder(tmp_path: Path) -> None:
    stranger = make_class("yacs.config", "launch")
    stranger.__new__ = lambda cls, *a: pytest.fail("it was called")  # type: ignore[method-assign,assignment]
    path = save({"x": Runs(stranger, "now"), "w": torch.ones(1)}, tmp_path / "a.pth", "zip")
    read = load_torch_file(path)
    assert read["x"].name == "yacs.config.launch"
    assert read["x"].arguments == ("now",)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("kept", [0.2, 0.6, 0.98])
def test_a_cut_file_is_named_as_damaged(form: str, kept: float, tmp_path: Path) -> None:
    path = save({"w": torch.arange(1000.0)}, tmp_path / "a.pth", form)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(InvalidData, match=r"a\.pth"):
        load_torch_file(path)


def rewritten(path: Path, change: dict[str, bytes]) -> Path:
    """The same archive with other members."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content |= {f"{path.stem}/{name}": data for name, data in change.items()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def pickled_tensor(size: tuple[int, ...], stride: tuple[int, ...], offset: int = 0) -> bytes:
    """-> data.pkl of {"w": a tensor of this claim on storage 0, "x": a stranger}."""
    make_class("yacs.config", "CfgNode", dict)
    out = io.BytesIO()

    class Pickler(pickle.Pickler):
        def persistent_id(self, item: object) -> tuple[object, ...] | None:
            stored = ("storage", torch.FloatStorage, "0", "cpu", 4)
            return stored if isinstance(item, Storage) else None

    pickler = Pickler(out, 2)
    tensor = Runs(torch._utils._rebuild_tensor_v2, Storage(), offset, size, stride, False, {})
    pickler.dump({"w": tensor, "x": sys.modules["yacs.config"].CfgNode()})
    return out.getvalue()


class Storage:
    """Stands for a torch storage while pickling."""


@pytest.mark.parametrize(
    ("size", "stride", "offset"),
    [
        ((5,), (1,), 0),
        ((2,), (1,), 3),
        ((2, 2), (100, 1), 0),
        ((10**12,), (0,), 0),
        ((2,), (-1,), 2),
    ],
)
def test_a_tensor_that_reaches_outside_its_numbers_is_damaged(
    size: tuple[int, ...], stride: tuple[int, ...], offset: int, tmp_path: Path
) -> None:
    path = save({"w": torch.zeros(4)}, tmp_path / "a.pth", "zip")
    rewritten(path, {"data.pkl": pickled_tensor(size, stride, offset)})
    with pytest.raises(InvalidData, match="damaged"):
        load_torch_file(path)


def test_a_tensor_that_fits_its_numbers_loads_from_the_same_archive(tmp_path: Path) -> None:
    path = save({"w": torch.arange(4.0)}, tmp_path / "a.pth", "zip")
    rewritten(path, {"data.pkl": pickled_tensor((2, 2), (1, 2))})
    assert load_torch_file(path)["w"].tolist() == [[0, 2], [1, 3]]


def test_a_compressed_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickled_tensor((4,), (1,)))
        archive.writestr("a/data/0", b"\x00" * (1 << 24))
    with pytest.raises(InvalidData, match="grow"):
        load_torch_file(path)


def test_numbers_of_the_other_byte_order_are_refused(tmp_path: Path) -> None:
    path = save({"w": torch.zeros(4)}, tmp_path / "a.pth", "zip")
    rewritten(path, {"byteorder": b"big", "data.pkl": pickled_tensor((4,), (1,))})
    with pytest.raises(InvalidData, match="byte order"):
        load_torch_file(path)


@pytest.mark.parametrize("content", [torch.ones(2), [1, 2], 5])
def test_a_file_without_a_dictionary_is_said_so(content: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="not a dictionary of weights"):
        load_torch_file(save(content, tmp_path / "a.pth", "zip"))


def test_a_whole_model_is_not_a_dictionary_of_weights(tmp_path: Path) -> None:
    path = save(torch.nn.Linear(2, 2), tmp_path / "a.pth", "zip")
    with pytest.raises(
        InvalidData, match=r"a whole pickled network \(torch.nn.modules.linear.Linear\)"
    ):
        load_torch_file(path)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x80\x02N."])
def test_a_file_of_another_kind_is_invalid(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.pth").write_bytes(content)
    with pytest.raises(InvalidData, match=r"a\.pth"):
        load_torch_file(tmp_path / "a.pth")


def test_an_empty_file_is_said_to_be_empty(tmp_path: Path) -> None:
    (tmp_path / "a.pth").touch()
    with pytest.raises(InvalidData, match=r"a\.pth is empty"):
        load_torch_file(tmp_path / "a.pth")


def test_files_of_bodies_are_sent_to_their_own_command(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", v_template=np.zeros(3))
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"v_template": np.zeros(3)}, protocol=2))
    torch.save(torch.zeros(3), tmp_path / "a.pt")
    for name in ("a.npz", "a.pkl", "a.pt"):
        with pytest.raises(InvalidData) as raised:
            load_torch_file(tmp_path / name)
        assert "damaged" not in raised.value.problem
        assert "hps assets import FILE" in raised.value.fix


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError):
        load_torch_file(tmp_path / "a.pth")


def test_the_real_adjacency_files_are_no_dictionaries_but_read_the_same(reference: Path) -> None:
    for name in ("smpl_431_adjmat_values.pt", "mano_195_adjmat_indices.pt"):
        path = reference / "metro_graphormer" / "assets" / name
        assert torch.equal(torch_files._read_restricted(path), torch.load(path, weights_only=True))
