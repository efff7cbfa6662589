"""Mesh levels of a body: which vertices stay, how a coarse mesh becomes a fine one, who is whose neighbour.

Levels are counted from the full mesh (0) to the coarsest. Imported levels belong to official
checkpoints; the free ones fit the free body only.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hpscli.body.free import free_hierarchy
from hpscli.errors import UsageError, unknown_name

Array = np.ndarray[Any, np.dtype[Any]]

KINDS = ("smpl", "mano")
# Topology of METRO's sampling files (mesh_downsampling.npz, mano_downsampling.npz): the weights of
# METRO, Mesh Graphormer and FastMETRO belong to these vertices.
OFFICIAL_TOPOLOGY = {"smpl": "7735716d28b69f6f", "mano": "8fd346366db6e207"}


class Hierarchy(nn.Module):
    """The levels of one mesh. Nothing in it is saved in checkpoints.

    faces[k] (F,3) numpy, or None when the source has none; sizes[k] vertices of level k.
    """

    def __init__(self, kind: str, arrays: Mapping[str, Array], *, source: str) -> None:
        super().__init__()
        self.kind, self.source = kind, source
        levels = 1 + sum(key.startswith("D_") for key in arrays)
        sizes = [int(arrays["U_0_shape"][0])]
        self.faces: list[Array | None] = [_faces(arrays, 0)]
        for fine in range(levels - 1):
            kept = np.asarray(arrays[f"D_{fine}_index"]).reshape(-1).astype(np.int64)
            sizes.append(len(kept))
            self.faces.append(_faces(arrays, fine + 1))
            index, weight = _table(arrays, fine)
            self._keep(f"down_{fine}", torch.from_numpy(kept))
            self._keep(f"up_index_{fine}", torch.from_numpy(index))
            self._keep(f"up_weight_{fine}", torch.from_numpy(weight))
        self.sizes = tuple(sizes)
        for level in range(levels):
            if f"adj_norm_{level}_index" in arrays:
                for part, dtype in (("index", np.int64), ("value", np.float32)):
                    array = np.array(arrays[f"adj_norm_{level}_{part}"], dtype=dtype)
                    self._keep(f"adjacency_{part}_{level}", torch.from_numpy(array))

    def _keep(self, name: str, tensor: Tensor) -> None:
        # NCCL sends whole blocks of memory between processes only
        self.register_buffer(name, tensor.contiguous(), persistent=False)

    @property
    def levels(self) -> int:
        return len(self.sizes)

    @property
    def topology(self) -> str:
        """-> a digest of which vertices stay and who neighbours whom: of one mesh, always the same."""
        digest = hashlib.sha256(repr(self.sizes).encode())
        for level in range(self.levels - 1):
            digest.update(self.get_buffer(f"down_{level}").cpu().numpy().astype("<i8").tobytes())
        index = self.adjacency(self.levels - 1).indices().cpu().numpy()
        digest.update(index.astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def down(self, vertices: Tensor, start: int = 0, stop: int | None = None) -> Tensor:
        """vertices (B,V_start,C) -> the ones that stay at the coarser level `stop` (B,V_stop,C)."""
        for level in range(start, self.levels - 1 if stop is None else stop):
            vertices = vertices.index_select(-2, self.get_buffer(f"down_{level}"))
        return vertices

    def up(self, vertices: Tensor, start: int | None = None, stop: int = 0) -> Tensor:
        """vertices (B,V_start,C) of a coarse level -> the finer level `stop` (B,V_stop,C)."""
        top = self.levels - 1 if start is None else start
        for level in range(top - 1, stop - 1, -1):
            index = self.get_buffer(f"up_index_{level}").unbind(dim=1)
            weight = self.get_buffer(f"up_weight_{level}").to(vertices.dtype)[..., None].unbind(1)
            finer = vertices.index_select(-2, index[0]) * weight[0]
            for corner in range(1, len(index)):  # three times faster than one gather and a sum
                chosen = vertices.index_select(-2, index[corner])
                finer = torch.addcmul(finer, chosen, weight[corner])
            vertices = finer
        return vertices

    def up_matrix(self, level: int) -> Tensor:
        """-> sparse (V_level, V_level+1): the matrix that `up` multiplies by, one level."""
        index, weight = self.get_buffer(f"up_index_{level}"), self.get_buffer(f"up_weight_{level}")
        rows = torch.arange(len(index), device=index.device)[:, None].expand_as(index)
        size, values = (self.sizes[level], self.sizes[level + 1]), weight.reshape(-1)
        entries = torch.stack([rows.reshape(-1), index.reshape(-1)])
        return torch.sparse_coo_tensor(entries, values, size, check_invariants=True).coalesce()

    def adjacency(self, level: int) -> Tensor:
        """-> D^-1 (A + I) of a level, sparse (V,V), rows sum to 1."""
        if f"adjacency_index_{level}" not in self._buffers:
            raise UsageError(
                f"the {self.source} {self.kind} hierarchy has no adjacency of level {level}.",
                f"Levels are 0 .. {self.levels - 1}.",
            )
        index = self.get_buffer(f"adjacency_index_{level}")
        value = self.get_buffer(f"adjacency_value_{level}")
        size = (self.sizes[level], self.sizes[level])
        return torch.sparse_coo_tensor(index, value, size, check_invariants=True).coalesce()

    def down_index(self, level: int) -> Tensor:
        """-> (V_level,) which vertices of the full mesh the level keeps."""
        return self.down(
            torch.arange(self.sizes[0])[:, None].to(self.get_buffer("down_0")), 0, level
        )[:, 0]


def load_hierarchy(kind: str, source: str = "") -> Hierarchy:
    """-> the mesh levels of "smpl" (6890, 1723, 431) or "mano" (778, 195).

    source: "imported", "free", or "" for the imported one if it is there, else the free one.
    """
    if kind not in KINDS:
        raise unknown_name("mesh hierarchy", kind, KINDS, " or ".join(KINDS))
    if source not in ("", "free", "imported"):
        raise unknown_name("body source", source, ("free", "imported"), "free or imported")
    if source != "free":
        from hpscli.body.assets.files import have_asset, missing_asset

        if have_asset(f"sampling-{kind}"):
            return Hierarchy(kind, _imported(kind), source="imported")
        if source == "imported":
            raise missing_asset(f"sampling-{kind}")
    return Hierarchy(kind, _free(kind), source="free")


@lru_cache(maxsize=2)
def _free(kind: str) -> dict[str, Array]:
    arrays = free_hierarchy(kind)
    size = int(arrays["U_0_shape"][0])
    index, value = normalised_adjacency(arrays["edges_0"], size)
    return arrays | {"adj_norm_0_index": index, "adj_norm_0_value": value}


def _imported(kind: str) -> dict[str, Array]:
    """The sampling file; the coarsest adjacency from its own official file when that is here."""
    from hpscli.body.assets.files import have_asset, read_asset

    arrays = dict(read_asset(f"sampling-{kind}")[0])
    coarsest = sum(key.startswith("D_") for key in arrays)
    if have_asset(f"adjacency-{kind}"):
        own = read_asset(f"adjacency-{kind}")[0]
        arrays[f"adj_norm_{coarsest}_index"] = own["index"]
        arrays[f"adj_norm_{coarsest}_value"] = own["value"]
    return arrays


def normalised_adjacency(edges: Array, size: int) -> tuple[Array, Array]:
    """edges (E,2), each in one direction or both -> index (2,N), value (N,) of D^-1 (A + I)."""
    edges = np.asarray(edges, dtype=np.int64)
    own = np.repeat(np.arange(size)[:, None], 2, axis=1)
    pairs = np.unique(np.concatenate([edges, edges[:, ::-1], own]), axis=0)
    index = np.ascontiguousarray(pairs.T)
    degree = np.bincount(index[0], minlength=size)
    return index, (1.0 / degree[index[0]]).astype(np.float32)


def _faces(arrays: Mapping[str, Array], level: int) -> Array | None:
    found = arrays.get(f"faces_{level}")
    return None if found is None else np.asarray(found).astype(np.int32)


def _table(arrays: Mapping[str, Array], fine: int) -> tuple[Array, Array]:
    """Entries of the up-sampling matrix -> index, weight (V,K): K coarse vertices for each fine one.

    Plain gathers, unlike sparse products, can be exported, and broadcast between processes.
    """
    row = np.asarray(arrays[f"U_{fine}_row"]).astype(np.int64)
    order = np.argsort(row, kind="stable")
    size = int(arrays[f"U_{fine}_shape"][0])
    count = np.bincount(row, minlength=size)
    position = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    index = np.zeros((size, int(count.max())), dtype=np.int64)
    weight = np.zeros(index.shape, dtype=np.float32)
    index[row[order], position] = np.asarray(arrays[f"U_{fine}_col"])[order]
    weight[row[order], position] = np.asarray(arrays[f"U_{fine}_val"])[order]
    return index, weight
