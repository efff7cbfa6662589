"""The mesh that losses are measured on: body, levels, regressor, surface, kept for each body."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch import Tensor

from hpscli.body.hierarchy import Hierarchy
from hpscli.body.kit import BodyKit, body_kit
from hpscli.body.layer import Body
from hpscli.errors import UsageError
from hpscli.nn.mesh.surface import face_edges, graph_edges, graph_triangles
from hpscli.nn.mesh.target import (
    TARGETS,
    MeshTarget,
    joint_regressor,
    joints_from_mesh,
    tokens_of,
)

KEPT = 4  # bodies whose levels are kept


@dataclass(frozen=True, kw_only=True, eq=False)
class MeshSpace:
    """One body on one device with everything that turns its parameters into labels of its levels."""

    target: MeshTarget
    body: Body
    hierarchy: Hierarchy
    regressor: Tensor  # (J,V) joints of target.mesh_set out of the fine mesh

    def joints(self, vertices: Tensor) -> Tensor:
        """Fine vertices (B,V,3) -> joints of target.mesh_set (B,J,3)."""
        return joints_from_mesh(self.regressor, vertices)

    def tokens(self, joints: Tensor) -> Tensor:
        """joints of mesh_set (B,J,3) -> those that are joint tokens (B,J2,3)."""
        return tokens_of(self.target, joints)

    def root(self, joints: Tensor) -> Tensor:
        """joints of mesh_set (B,J,3) -> the root (B,1,3)."""
        return joints[:, self.target.root : self.target.root + 1]

    @property
    def smooth_level(self) -> int:
        """-> the level, counted coarse to fine, whose surface is kept smooth: the second."""
        return 1

    @cached_property
    def edges(self) -> Tensor:
        """-> (E,2): of the graph of the middle level; of the hand every edge of every face."""
        with torch.inference_mode(False):  # kept for later, where somebody may want gradients
            found = face_edges(self.body.faces) if self._is_fine else graph_edges(self._graph)
            return found.to(self.regressor.device)

    @cached_property
    def faces(self) -> Tensor:
        """-> (F,3): triangles of the graph of the middle level; the faces of the hand."""
        with torch.inference_mode(False):
            if self._is_fine:
                return torch.from_numpy(self.body.faces).long().to(self.regressor.device)
            return graph_triangles(graph_edges(self._graph)).to(self.regressor.device)

    @property
    def _is_fine(self) -> bool:
        return self.smooth_level == self.hierarchy.levels - 1

    @property
    def _graph(self) -> Tensor:
        return self.hierarchy.adjacency(self.hierarchy.levels - 1 - self.smooth_level)


def mesh_space(given: Body | BodyKit) -> MeshSpace:
    """The body of a training, or a kit -> its mesh, on the body's device."""
    body = given.body() if isinstance(given, BodyKit) else given
    with torch.inference_mode(False):  # kept for later, where somebody may want gradients
        return _space(given, body.template.device)


@lru_cache(maxsize=KEPT)
def _space(given: Body | BodyKit, device: torch.device) -> MeshSpace:
    kit = given if isinstance(given, BodyKit) else body_kit(given.kind, given=given)
    target = next((one for one in TARGETS.values() if one.kind == kit.kind), None)
    if target is None:
        raise UsageError(
            f"mesh networks have no losses for a {kit.kind} body.",
            f"They learn {' or '.join(one.kind for one in TARGETS.values())}.",
        )
    body = kit.body()
    return MeshSpace(
        target=target,
        body=body if body.template.device == device else body.twin().to(device),
        hierarchy=deepcopy(kit.hierarchy()).to(device),
        regressor=joint_regressor(target, kit).to(device),
    )
