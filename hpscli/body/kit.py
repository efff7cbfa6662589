"""One kind of body with everything that belongs to it: meshes, mesh levels, joint regressors.

A model that is built around a mesh takes its template, neighbours and regressors from a kit, and so
never asks whether the body is free, imported on this machine, or given by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

import numpy as np

from hpscli.body.hierarchy import KINDS, Hierarchy, load_hierarchy
from hpscli.body.layer import Body, load_body
from hpscli.body.parameters import mean_parameters
from hpscli.errors import UsageError

if TYPE_CHECKING:
    from hpscli.body.assets.given import GivenAssets

Array = np.ndarray[Any, np.dtype[Any]]


class BodyKit:
    """kind "smpl", "smplx" or "mano"; source "free", "imported" or "given"."""

    def __init__(
        self,
        kind: str,
        *,
        source: str = "",
        given: GivenAssets | None = None,
        body: Body | None = None,
    ) -> None:
        self.kind, self.given = kind, given
        self._wanted, self._body = source, body
        self._made: dict[tuple[str, str], Body] = {}  # of what was given, by gender and hand
        self._levels: Hierarchy | None = None

    @property
    def source(self) -> str:
        return self.body().source

    def body(self, gender: str = "neutral", hand: str = "right") -> Body:
        """-> the body of this gender or hand."""
        if self._body is not None:
            return self._body
        if self.given is not None and self.given.has_body(self.kind):
            if (gender, hand) not in self._made:
                self._made[gender, hand] = self.given.body(self.kind, gender=gender, hand=hand)
            return self._made[gender, hand]
        return load_body(self.kind, gender=gender, source=self._wanted, hand=hand)

    def around(self, body: Body) -> BodyKit:
        """-> the same kit, whose only body is this one, wherever it is moved to."""
        other = copy(self)
        other._body = body
        return other

    def hierarchy(self) -> Hierarchy:
        """-> the mesh levels: sizes, selection, up-sampling, neighbours."""
        if self._levels is None:
            if self.given is not None and self.given.has_hierarchy(self.kind):
                self._levels = self.given.hierarchy(self.kind)
            else:
                source = self.source if self.source in ("free", "imported") else ""
                self._levels = load_hierarchy(self.kind, source)
            if self._levels.sizes[0] != len(self.body().template):
                raise UsageError(
                    f"the mesh levels are of a mesh with {self._levels.sizes[0]} vertices, "
                    f"the body has {len(self.body().template)}.",
                    "Give body and sampling file of one mesh.",
                )
        return self._levels

    def topology(self) -> str:
        """-> the digest of the mesh levels, "" for a body without any."""
        return self.hierarchy().topology if self.kind in KINDS else ""

    def regressor(self, name: str) -> Array:
        """-> (J,V) of this name: h36m17, extra, j19, lsp14, kinematic."""
        return np.asarray(self.body().mesh_joints.matrix(name))

    def mean_parameters(self) -> dict[str, Array]:
        """-> pose6d interleaved, betas (10,), camera (3,): where regression starts."""
        if self.given is not None and (mean := self.given.mean_parameters()):
            return mean
        return mean_parameters(self.kind)

    def describe(self) -> Mapping[str, str]:
        """-> kind, gender, source, sha256 of the body."""
        return self.body().describe()


def body_kit(kind: str, source: str = "", given: Any = None) -> BodyKit:
    """-> a kit of the asset store or the free bodies, or of what is given.

    given: a kit, a Body, a file or folder, several of them, or arrays under their official names.
    """
    if given is None:
        return BodyKit(kind, source=source)
    if isinstance(given, BodyKit):
        if given.kind != kind:
            raise UsageError(f"the model needs a {kind} body, the one given is {given.kind}.")
        return given
    if isinstance(given, Body):
        if given.kind != kind:
            raise UsageError(f"the model needs a {kind} body, the one given is {given.kind}.")
        return BodyKit(kind, body=given)
    from hpscli.body.assets.given import read_given

    return BodyKit(kind, given=read_given(kind, given))
