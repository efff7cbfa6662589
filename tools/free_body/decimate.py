"""Removes vertices one by one onto a neighbour until an exact count is left."""

import heapq
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.errors import CheckFailed
from tools.free_body.surfaces import border_edges, edges_of, take_half, whole_again

Array = NDArray[Any]
Entry = tuple[float, int, int, int, int]  # cost, removed, kept, and the state of both

LENGTH_WEIGHT = 2.5e-3  # cost per squared length and area: keeps the triangles even
SKIN_WEIGHT = 2e-6  # cost per squared difference of skinning weights and area
WORST_TURN = 0.3  # cosine (72 degrees) that a normal may turn in one step
RETRY = 200  # collapses after which refused ones are tried again
SLIVER = 0.13  # twice the area over the longest edge squared


@dataclass(frozen=True)
class Settings:
    """What a collapse costs and how thin a triangle may get."""

    length_weight: float = LENGTH_WEIGHT
    skin_weight: float = SKIN_WEIGHT
    worst_turn: float = WORST_TURN
    sliver: float = SLIVER


def quadrics(points: Array, faces: Array) -> tuple[Array, Array]:
    """points (K,V,3), faces (F,3) -> area-weighted plane quadrics (V,K,4,4), vertex areas (V,)."""
    corner = points[:, faces]
    normal = np.cross(corner[:, :, 1] - corner[:, :, 0], corner[:, :, 2] - corner[:, :, 0])
    length = np.linalg.norm(normal, axis=2)
    normal = normal / np.maximum(length, 1e-20)[..., None]
    plane = np.concatenate([normal, -(normal * corner[:, :, 0]).sum(2, keepdims=True)], 2)
    each = np.einsum("kf,kfi,kfj->fkij", length / 6, plane, plane)
    total = np.zeros((points.shape[1], len(points), 4, 4))
    area = np.zeros(points.shape[1])
    for column in range(3):
        np.add.at(total, faces[:, column], each)
        np.add.at(area, faces[:, column], length[0] / 6)
    return total, area


def heap_again(heap: list[Entry], entries: list[Entry]) -> None:
    """Put entries back onto the heap."""
    for entry in entries:
        heapq.heappush(heap, entry)


class Decimator:
    """Half-edge collapses on a mesh whose border lines keep their vertices on the line.

    A removed vertex goes onto a kept one, so every attribute of the result is plain indexing.
    `line` (V,) numbers the border line a vertex lies on, 0 for none: a vertex on a line only
    moves along it, and no edge may join two line vertices across the surface.
    """

    def __init__(
        self,
        points: Array,
        faces: Array,
        line: Array,
        *,
        weights: Array | None = None,
        extra: tuple[Array, Array] | None = None,
        settings: Settings | None = None,
    ) -> None:
        self.settings = settings or Settings()
        self.points = np.ascontiguousarray(np.swapaxes(points, 0, 1))  # (V,K,3)
        self.homogeneous = np.concatenate([self.points, np.ones_like(self.points[..., :1])], 2)
        self.quadric, self.area = extra or quadrics(points, faces)
        self.quadric, self.area = self.quadric.copy(), self.area.copy()
        count = points.shape[1]
        self.weights = np.zeros((count, 1)) if weights is None else weights
        self.line = line.tolist()
        self.locked = [False] * count
        self.faces: list[tuple[int, ...]] = [tuple(face) for face in faces.tolist()]
        self.around: list[set[int]] = [set() for _ in range(count)]
        self.near: list[set[int]] = [set() for _ in range(count)]
        for index, (a, b, c) in enumerate(faces.tolist()):
            for vertex in (a, b, c):
                self.around[vertex].add(index)
            self.near[a] |= {b, c}
            self.near[b] |= {a, c}
            self.near[c] |= {a, b}
        self.border: list[set[int]] = [set() for _ in range(count)]
        for a, b in border_edges(faces).tolist():
            self.border[a].add(b)
            self.border[b].add(a)
        self.alive = np.ones(count, bool)
        self.stamp = [0] * count
        self.heap: list[Entry] = []
        edges = edges_of(faces)
        self._push(np.concatenate([edges, edges[:, ::-1]]))

    def _push(self, pairs: Array) -> None:
        """pairs (N,2) of (removed, kept) -> onto the heap with their costs."""
        gone, kept = pairs[:, 0], pairs[:, 1]
        place = self.homogeneous[kept]
        total = self.quadric[gone] + self.quadric[kept]
        shape = np.einsum("nki,nkij,nkj->n", place, total, place)
        length = ((self.points[gone, 0] - self.points[kept, 0]) ** 2).sum(1)
        skin = ((self.weights[gone] - self.weights[kept]) ** 2).sum(1)
        rest = self.settings.length_weight * length + self.settings.skin_weight * skin
        cost = np.maximum(shape, 0) + rest * self.area[gone]
        for value, a, b in zip(cost.tolist(), gone.tolist(), kept.tolist(), strict=True):
            heapq.heappush(self.heap, (value, a, b, self.stamp[a], self.stamp[b]))

    def _allowed(self, gone: int, kept: int) -> bool:
        if self.locked[gone] or kept not in self.near[gone]:
            return False
        shared = self.near[gone] & self.near[kept]
        along = kept in self.border[gone]
        if len(shared) != (1 if along else 2):
            return False
        if self.line[gone] and not along:
            return False
        if along and self.line[gone] and len(self.border[gone] | self.border[kept]) < 4:
            return False  # the line would close up on itself
        if self.line[kept]:
            arriving = self.near[gone] - self.near[kept] - {kept}
            if any(self.line[v] and v not in self.border[gone] for v in arriving):
                return False
            if not self.line[gone] and any(self.line[v] for v in arriving):
                return False
        return self._shape_holds(gone, kept)

    def _shape_holds(self, gone: int, kept: int) -> bool:
        """-> no normal turns too far in any shape, no triangle becomes a sliver in the first."""
        rest = [f for f in self.around[gone] if f not in self.around[kept]]
        if not rest:
            return False
        corner = np.array([self.faces[f] for f in rest])
        old = self.points[corner]  # (n,3,K,3)
        new = self.points[np.where(corner == gone, kept, corner)]
        before = np.cross(old[:, 1] - old[:, 0], old[:, 2] - old[:, 0])
        after = np.cross(new[:, 1] - new[:, 0], new[:, 2] - new[:, 0])
        lengths = np.sqrt((before**2).sum(2)), np.sqrt((after**2).sum(2))
        if ((before * after).sum(2) <= self.settings.worst_turn * lengths[0] * lengths[1]).any():
            return False
        sides = np.stack([new[:, i, 0] - new[:, i - 1, 0] for i in range(3)], 1)
        quality = lengths[1][:, 0] / (sides**2).sum(2).max(1)
        return bool((quality > self.settings.sliver).all())

    def _collapse(self, gone: int, kept: int) -> None:
        for index in list(self.around[gone]):
            face = self.faces[index]
            if kept in face:
                for vertex in face:
                    self.around[vertex].discard(index)
                self.faces[index] = ()
            else:
                self.faces[index] = tuple(kept if vertex == gone else vertex for vertex in face)
                self.around[kept].add(index)
        for vertex in self.near[gone]:
            self.near[vertex].discard(gone)
            if vertex != kept:
                self.near[vertex].add(kept)
                self.near[kept].add(vertex)
        for vertex in self.border[gone]:
            self.border[vertex].discard(gone)
            if vertex != kept:
                self.border[vertex].add(kept)
                self.border[kept].add(vertex)
        self.alive[gone] = False
        self.quadric[kept] += self.quadric[gone]
        self.area[kept] += self.area[gone]
        self.stamp[kept] += 1
        self.stamp[gone] += 1
        ring = np.array(sorted(self.near[kept]))
        same = np.full(len(ring), kept)
        self._push(np.concatenate([np.stack([ring, same], 1), np.stack([same, ring], 1)]))

    def run(self, excess: int, *, side_worth: int = 1, only_line: int = 0) -> None:
        """Remove vertices worth `excess`; one off the line counts `side_worth` (2 on a half mesh).

        With `only_line`, vertices of that line go and no others.
        """
        worthless: list[Entry] = []
        blocked: list[Entry] = []
        since_retry = 0
        while excess > 0:
            if blocked and (not self.heap or since_retry >= RETRY):
                # What was refused may be possible since its surroundings changed.
                stuck = not self.heap and since_retry == 0
                heap_again(self.heap, [] if stuck else blocked)
                blocked, since_retry = [], 0
            if not self.heap:
                raise CheckFailed(
                    f"decimation got stuck with {excess} vertices too many.",
                    "Allow thinner triangles (Settings.sliver) or larger turns.",
                )
            entry = heapq.heappop(self.heap)
            _, gone, kept, stamp_gone, stamp_kept = entry
            if stamp_gone != self.stamp[gone] or stamp_kept != self.stamp[kept]:
                continue
            worth = 1 if self.line[gone] else side_worth
            if worth > excess or (only_line and self.line[gone] != only_line):
                worthless.append(entry)
            elif self._allowed(gone, kept):
                self._collapse(gone, kept)
                excess -= worth
                since_retry += 1
            else:
                blocked.append(entry)
        heap_again(self.heap, worthless + blocked)

    def keep(self, vertices: Array) -> None:
        """From now on these vertices are not removed."""
        for vertex in vertices.tolist():
            self.locked[vertex] = True

    def result(self) -> tuple[Array, Array]:
        """-> (kept vertices (A,) ascending, faces (F,3) with the original numbers)."""
        faces = np.array([face for face in self.faces if face])
        return np.flatnonzero(self.alive), faces


def thin_skin(
    shapes: Array, faces: Array, weights: Array, mirror: Array, count: int, rim: int = 0
) -> tuple[Array, Array, Array]:
    """shapes (5,N,3) -> kept vertices (count,), faces, mirror; side rims shrink to `rim` each."""
    half = take_half(faces, mirror, shapes[0, :, 0])
    quadric, area = quadrics(shapes, faces)
    line = half.on_line.astype(int)
    hole = np.unique(border_edges(half.faces))
    hole = hole[~half.on_line[hole]]
    line[hole] = 2
    thin = Decimator(
        shapes[:, half.kept],
        half.faces,
        line,
        weights=weights[half.kept],
        extra=(quadric[half.kept], area[half.kept]),
    )
    total = len(np.unique(faces))
    if len(hole):
        thin.run(len(hole) - rim, only_line=2)
        thin.keep(hole)
        total -= 2 * (len(hole) - rim)
    thin.run(total - count, side_worth=2)
    return whole_again(half, *thin.result(), mirror)
