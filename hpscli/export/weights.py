"""Weights as safetensors: reading them back tensor by tensor."""

from pathlib import Path

from safetensors import safe_open
from torch import nn

from hpscli.export.graph import Difference


def check_weights(path: Path, module: nn.Module) -> list[Difference]:
    """Read the file back -> the difference of each tensor, which must be none."""
    found = []
    with safe_open(path, framework="pt") as stream:
        stored = set(stream.keys())
        for name, value in module.state_dict().items():
            worst = float("inf")
            if name in stored:
                tensor = stream.get_tensor(name)
                if tensor.shape == value.shape and tensor.dtype == value.dtype:
                    worst = float((tensor.double() - value.cpu().double()).abs().max())
            found.append(Difference(name, worst, 0.0))
    return found
