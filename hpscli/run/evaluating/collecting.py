"""What a model predicts about everybody, kept for rules that look at all at once and for files."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from fnmatch import fnmatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.hooks import ProtocolSpec
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Batch, Prediction, PredictionSet, Sample
from hpscli.run.evaluating.measuring import Samples, answered
from hpscli.run.evaluating.settings import Settings
from hpscli.run.evaluating.subject import checkpoint_of

SAVED = ("camera", "parameters.*", "joints.*")  # in a file of predictions; the mesh follows from it


class Collected:
    """Predictions, batch after batch; `keeps`: patterns of the arrays that are wanted."""

    def __init__(self, model: LoadedModel, keeps: Sequence[str]) -> None:
        self.model, self.keeps = model, tuple(keeps)
        self.parts: list[dict[str, NDArray[np.float32]]] = []
        self.keys: list[str] = []
        self.meta: list[Mapping[str, Any]] = []
        self.mirrored = False  # left hands, which are shown in the mirror, and so answered

    def add(self, batch: Batch, prediction: Prediction) -> None:
        """Keep a batch's prediction; of a model without parameters the mesh too, when it is saved."""
        bare = self.keeps == SAVED and not prediction.parameters
        keeps = (*self.keeps, "camera", *(("vertices",) if bare else ()))
        named = prediction.named_tensors()
        part = {n: v.float().cpu().numpy() for n, v in named.items() if wanted(n, keeps)}
        size = np.tile(np.asarray(self.model.input_size, np.float32), (len(batch), 1))
        self.parts.append({**part, "affine": batch.affine.cpu().numpy(), "crop_size_px": size})
        self.mirrored |= bool(batch.flipped.any())
        self.keys.extend(batch.keys)
        self.meta.extend(batch.meta)

    def predictions(self) -> PredictionSet:
        """-> everything that was kept; called once, for it gives the memory away as it goes."""
        names = list(self.parts[0]) if self.parts else []
        return PredictionSet(
            keys=tuple(self.keys),
            arrays={n: np.concatenate([part.pop(n) for part in self.parts]) for n in names},
            meta=tuple(self.meta),
            body=self.model.body.describe(),
            about={
                "model": self.model.spec.name,
                **checkpoint_of(self.model),
                **({"left_hands": "mirrored"} if self.mirrored else {}),
            },
        )


def collect(
    model: LoadedModel,
    people: Samples,
    protocol: ProtocolSpec,
    settings: Settings,
    keeps: Sequence[str],
    rank: int = 0,
    world: int = 1,
    advance: Callable[[int], None] = lambda count: None,
) -> PredictionSet:
    """-> what the model says about this process's people; `keeps`: patterns of the arrays wanted."""
    found = Collected(model, keeps)

    def finish(samples: list[Sample], batch: Batch, prediction: Prediction) -> int:
        found.add(batch, prediction)
        return len(batch)

    mesh = wanted("vertices", keeps)
    answers = answered(model, people, protocol, settings, finish, mesh, rank, world)
    with closing(answers):
        for count in answers:
            advance(count)
    return found.predictions()


def wanted(name: str, patterns: Sequence[str]) -> bool:
    """-> whether an array is among those that are wanted."""
    return any(fnmatch(name, pattern) for pattern in patterns)
