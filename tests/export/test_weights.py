"""Weights as safetensors are read back and compared tensor by tensor."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from hpscli.export.weights import check_weights


def test_stored_weights_equal_the_model(tmp_path: Path) -> None:
    module = nn.Linear(3, 2)
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    found = check_weights(tmp_path / "w.safetensors", module)
    assert [d.output for d in found] == ["weight", "bias"]
    assert all(d.ok for d in found)


def test_a_changed_a_missing_and_a_misshapen_tensor_are_found(tmp_path: Path) -> None:
    module = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    state = {k: v.clone() for k, v in module.state_dict().items()}
    state["0.bias"] += 1e-6
    del state["0.weight"]
    state["1.weight"] = torch.zeros(1, 3)
    save_file(state, tmp_path / "w.safetensors")
    verdicts = {d.output: d.ok for d in check_weights(tmp_path / "w.safetensors", module)}
    assert verdicts == {"0.weight": False, "0.bias": False, "1.weight": False, "1.bias": True}
