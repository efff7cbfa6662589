"""A model as a function of tensors only: what graphs of other programs can hold."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from hpscli.body.layer import Body
from hpscli.body.parameters import complete
from hpscli.errors import CheckFailed
from hpscli.records import Prediction

SEED = 5  # of the images that a check runs on
TOLERANCE = 1e-4  # of the largest number of an output (at least of 1); float32 on both sides


@dataclass(frozen=True)
class Difference:
    """How far an exported output is from ours."""

    output: str
    worst: float
    tolerance: float

    @property
    def ok(self) -> bool:
        """NaN is never ok."""
        return self.worst <= self.tolerance


class Graph(nn.Module):
    """image (B,3,H,W) -> tensors in the order of `names`: camera, parameters.betas, vertices, ..."""

    def __init__(self, model: nn.Module, example: Tensor, body: Body | None = None) -> None:
        super().__init__()
        self.model = model.eval()
        self.body = body
        with torch.no_grad():
            self.names = [n for n in self._named(example) if not n.startswith("extras.")]

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """image (B,3,H,W) -> one tensor for each of `names`."""
        named = self._named(image)
        return tuple(named[name] for name in self.names)

    def _named(self, image: Tensor) -> dict[str, Tensor]:
        prediction: Prediction = self.model(image)
        if self.body is not None:
            prediction = complete(prediction, self.body, vertices=True)
        return prediction.named_tensors()


def example_image(size: tuple[int, int], batch: int) -> Tensor:
    """-> random images (B,3,H,W) as they look after normalisation; always the same."""
    return torch.randn(batch, 3, *size, generator=torch.Generator().manual_seed(SEED))


def differences(
    names: Sequence[str], ours: Sequence[Tensor], theirs: Sequence[np.ndarray]
) -> list[Difference]:
    """Outputs of both -> the largest difference of each."""
    if not len(names) == len(ours) == len(theirs):
        raise CheckFailed(f"the exported graph has {len(theirs)} outputs, not {len(ours)}.")
    found = []
    for name, expected, given in zip(names, ours, theirs, strict=True):
        reference = expected.detach().numpy()
        if reference.shape != given.shape:
            raise CheckFailed(
                f"exported output '{name}' has shape {given.shape}, not {reference.shape}."
            )
        worst = float(np.abs(reference - given).max())
        scale = max(1.0, float(np.abs(reference).max()))
        found.append(Difference(name, worst, TOLERANCE * scale))
    return found


def worst_of(runs: Sequence[Sequence[Difference]]) -> list[Difference]:
    """The differences of several runs -> for each output the worst one."""
    return [max(outputs, key=_excess) for outputs in zip(*runs, strict=True)]


def _excess(difference: Difference) -> float:
    share = difference.worst / difference.tolerance
    return share if share == share else float("inf")
