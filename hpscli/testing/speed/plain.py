"""The plain eager forms of what networks here do faster: switched on by a benchmark, never by a model.

Each form gives the same numbers to rounding. A form counts how often it is used, so that a benchmark
can tell what a network has no use for.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from weakref import WeakKeyDictionary

import torch
from torch import Tensor
from torch.nn import functional

from hpscli.body.hierarchy import Hierarchy
from hpscli.nn.remembered import Remembered


@dataclass
class Uses:
    """How often a form was used."""

    count: int = 0


@contextmanager
def explicit_attention() -> Iterator[Uses]:
    """Attention as products and a softmax whose table of weights is written out."""
    uses, fused = Uses(), functional.scaled_dot_product_attention

    def attention(
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attn_mask: Tensor | None = None,
        dropout_p: float = 0.0,
        is_causal: bool = False,
        **options: Any,
    ) -> Tensor:
        uses.count += 1
        scale = options.pop("scale", None)
        if is_causal or options.get("enable_gqa"):
            return fused(query, key, value, attn_mask, dropout_p, is_causal, scale=scale, **options)
        scores = (
            query @ key.transpose(-2, -1) * (query.shape[-1] ** -0.5 if scale is None else scale)
        )
        if attn_mask is not None and attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, float("-inf"))
        elif attn_mask is not None:
            scores = scores + attn_mask
        return functional.dropout(scores.softmax(dim=-1), dropout_p) @ value

    with patch.object(functional, "scaled_dot_product_attention", attention):
        yield uses


@contextmanager
def nothing_remembered() -> Iterator[Uses]:
    """What depends on parameters alone is computed for every image, every time."""
    uses = Uses()

    def compute_all(
        self: Remembered, compute: Callable[[int], tuple[Tensor, ...]], parameters: Any, batch: int
    ) -> tuple[Tensor, ...]:
        uses.count += 1
        return compute(batch)

    with patch.object(Remembered, "__call__", compute_all):
        yield uses


_matrices: WeakKeyDictionary[Hierarchy, dict[int, Tensor]] = WeakKeyDictionary()


@contextmanager
def sparse_products() -> Iterator[Uses]:
    """Meshes grow by sparse matrices, made once, one person after the other."""
    uses = Uses()

    def up(self: Hierarchy, vertices: Tensor, start: int | None = None, stop: int = 0) -> Tensor:
        uses.count += 1
        made = _matrices.setdefault(self, {})
        for level in range((self.levels - 1 if start is None else start) - 1, stop - 1, -1):
            if level not in made:
                made[level] = self.up_matrix(level)
            people = [torch.sparse.mm(made[level], person) for person in vertices.float()]
            vertices = torch.stack(people)
        return vertices

    with patch.object(Hierarchy, "up", up):
        yield uses


FORMS: dict[str, Callable[[], Any]] = {
    # what is done here -> the plain form that takes its place
    "fused attention": explicit_attention,
    "kept constants": nothing_remembered,
    "gathered upsampling": sparse_products,
}
