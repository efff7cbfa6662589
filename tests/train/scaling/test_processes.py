"""What the processes of a job exchange."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from hpscli.train.scaling.processes import Processes


def test_running_statistics_of_any_layout_become_those_of_the_first_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    module, first = nn.Module(), iter([torch.ones(3), torch.arange(6.0).reshape(3, 2)])
    module.register_buffer("plain", torch.zeros(3))
    module.register_buffer("turned", torch.zeros(2, 3).T)

    def receive(tensor: torch.Tensor, source: int) -> None:
        assert tensor.is_contiguous(), "NCCL: Tensors must be contiguous"
        tensor.copy_(next(first))

    monkeypatch.setattr("torch.distributed.broadcast", receive)
    Processes(SimpleNamespace(num_processes=2), Path()).same_buffers(module)
    assert module.get_buffer("plain").tolist() == [1, 1, 1]
    assert module.get_buffer("turned").tolist() == [[0, 1], [2, 3], [4, 5]]
