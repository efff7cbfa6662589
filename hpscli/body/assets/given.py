"""Bodies and matrices that somebody hands over, instead of installing them for all programs.

They come as files (whatever `hps assets import` knows), or as arrays under their official names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.assets.loading import EXPRESSIONS
from hpscli.body.hierarchy import Hierarchy
from hpscli.body.layer import Body
from hpscli.body.official.found import Found, Piece
from hpscli.body.official.recognise import recognise
from hpscli.body.official.records import Sparse
from hpscli.body.official.sampling import join_adjacency, recognise_sampling
from hpscli.body.regressors import FACE_ROWS, row_slots, wanted_slots
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError, did_you_mean

Array = np.ndarray[Any, np.dtype[Any]]

KINDS = ("smpl", "smplx", "mano")
BODY_ARRAYS = (
    "v_template",
    "shapedirs",
    "posedirs",
    "J_regressor",
    "weights",
    "kintree_table",
    "f",
)
SAMPLING = ("A", "U", "D")  # neighbours, up, down: lists of matrices, fine to coarse
ADJACENCY = {"adjmat_indices": "index", "adjmat_values": "value"}  # ends of names
BODY_EXTRAS = ("hands_", "lmk_", "dynamic_lmk_")  # beginnings of what some bodies have besides
# Official name of a regressor -> our name, by kind of body.
REGRESSORS = {
    "J_regressor_h36m": "h36m17",
    "J_regressor_h36m_correct": "h36m17",
    "J_regressor_h36m_smplx": "h36m17",
    "J_regressor_extra": "extra",
    "SMPL_to_J19": "j19",
    "SMPLX_to_J14": "lsp14",
}
ASSETS = {  # asset id -> our name of the regressor in it
    "regressor-h36m": "h36m17",
    "regressor-h36m-smplx": "h36m17",
    "regressor-extra": "extra",
    "regressor-j19": "j19",
    "regressor-j14-smplx": "lsp14",
}


@dataclass
class GivenAssets:
    """What was given: assets by id (arrays, meta), and regressors by our names."""

    assets: dict[str, tuple[Mapping[str, Array], Mapping[str, Any]]] = field(default_factory=dict)
    regressors: dict[str, Array] = field(default_factory=dict)

    def add(self, found: Found) -> None:
        self.assets[found.id] = (found.arrays, found.meta)
        if found.id in ASSETS:
            name = ASSETS[found.id]
            slots = row_slots(found.meta["joints"], str(found.meta.get("set") or ""))
            self._add_regressor(name, found.arrays["regressor"], slots)

    def _add_regressor(self, name: str, rows: Array, slots: list[int]) -> None:
        wanted = wanted_slots(name)
        if missing := [slot for slot in wanted if slot not in slots]:
            raise InvalidData(f"the regressor '{name}' that was given lacks {len(missing)} joints.")
        self.regressors[name] = rows[[slots.index(slot) for slot in wanted]]
        if len(rows) > len(wanted):
            self.regressors[f"{name}+{len(rows)}"] = rows

    def has_body(self, kind: str) -> bool:
        return any(name.startswith(f"{kind}-") for name in self.assets)

    def body(self, kind: str, *, gender: str, hand: str) -> Body:
        """-> the body of this gender or hand, else the only one there is."""
        ids = [name for name in self.assets if name.startswith(f"{kind}-")]
        wanted = f"{kind}-{hand if kind == 'mano' else gender}"
        chosen = wanted if wanted in ids else ids[0]
        arrays, meta = self.assets[chosen]
        columns = np.asarray(arrays["shapedirs"]).shape[-1]
        betas = int(meta.get("betas") or (columns - EXPRESSIONS if kind == "smplx" else columns))
        return Body(
            kind,
            arrays,
            gender="neutral" if kind == "mano" else chosen.split("-")[1],
            source="given",
            hand=chosen.split("-")[1] if kind == "mano" else "",
            betas=betas,
            expressions=min(columns - betas, EXPRESSIONS),
            regressors=self.regressors,
        )

    def has_hierarchy(self, kind: str) -> bool:
        return f"sampling-{kind}" in self.assets

    def hierarchy(self, kind: str) -> Hierarchy:
        """-> the mesh levels; the coarsest neighbours from their own file when that was given."""
        arrays = dict(self.assets[f"sampling-{kind}"][0])
        coarsest = sum(key.startswith("D_") for key in arrays)
        if f"adjacency-{kind}" in self.assets:
            own = self.assets[f"adjacency-{kind}"][0]
            arrays[f"adj_norm_{coarsest}_index"] = own["index"]
            arrays[f"adj_norm_{coarsest}_value"] = own["value"]
        return Hierarchy(kind, arrays, source="given")

    def mean_parameters(self) -> dict[str, Array] | None:
        """-> pose6d, betas, camera when they were given."""
        if "mean-params" not in self.assets:
            return None
        return {name: np.asarray(value) for name, value in self.assets["mean-params"][0].items()}


def read_given(kind: str, given: Any) -> GivenAssets:
    """Files, or arrays by official names (values may be files too) -> what is in them."""
    assets = GivenAssets()
    if isinstance(given, str | Path):
        _add_files(assets, [Path(given)])
    elif isinstance(given, Mapping):
        _add_arrays(assets, kind, given)
    elif isinstance(given, Iterable):
        items = list(given)
        _add_files(assets, [Path(item) for item in items if isinstance(item, str | Path)])
        for item in items:
            if isinstance(item, Mapping):
                _add_arrays(assets, kind, item)
    else:
        raise UsageError(
            f"body={type(given).__name__} is not a body.",
            "Give a file, a folder, a list of files, arrays by official names, or a Body.",
        )
    _check_use(assets, kind)
    return assets


def _check_use(assets: GivenAssets, kind: str) -> None:
    """Raise when what was given would not be used, and another body would take its place."""
    if not assets.assets and not assets.regressors:
        raise InvalidData(
            "what was given as body holds no body and no matrix of one.",
            "Give files that `hps assets import` takes, or arrays by official names.",
        )
    bodies = sorted({name.split("-")[0] for name in assets.assets} & set(KINDS))
    if bodies and kind not in bodies:
        raise UsageError(
            f"the model needs a {kind} body, the one given is {', '.join(bodies)}.",
            f"Give a file of {kind.upper()}.",
        )


def _add_arrays(assets: GivenAssets, kind: str, given: Mapping[str, Any]) -> None:
    """Arrays by official names; a value may be a file, or a dictionary of the same kind."""
    _add_files(assets, [Path(v) for v in given.values() if isinstance(v, str | Path)])
    own: dict[str, Array] = {}
    pieces: list[Piece] = []
    if set(given) >= set(SAMPLING):
        _add_sampling(assets, {name: given[name] for name in SAMPLING})
    for name, value in given.items():
        if isinstance(value, str | Path) or name in SAMPLING:
            continue
        if isinstance(value, Mapping):
            _add_arrays(assets, kind, value)
        elif name in BODY_ARRAYS or name.startswith(BODY_EXTRAS):
            own[name] = np.asarray(value)
        elif name in REGRESSORS:
            _add_named_regressor(assets, name, np.asarray(value))
        elif part := next((part for end, part in ADJACENCY.items() if name.endswith(end)), ""):
            pieces.append(Piece(kind="adjacency", part=part, value=np.asarray(value)))
        else:
            known = [*BODY_ARRAYS, *REGRESSORS, *SAMPLING]
            raise UsageError(
                f"body has an entry '{name}', which is no official name.",
                did_you_mean(name, known) or f"Known: {', '.join(known)}, or files.",
            )
    _join_adjacency(assets, pieces)
    if own:
        if missing := [name for name in BODY_ARRAYS if name not in own]:
            raise InvalidData(f"the body that was given has no {', '.join(missing)}.")
        word = "right" if kind == "mano" else "neutral"
        assets.assets[f"{kind}-{word}"] = (own, {})


def _add_sampling(assets: GivenAssets, matrices: Mapping[str, Any]) -> None:
    """A, U, D: lists of sparse (scipy) or dense matrices, as in mesh_downsampling.npz."""
    triplets = {name: [_triplets(matrix) for matrix in value] for name, value in matrices.items()}
    found = recognise_sampling(triplets, "the given matrices")
    if not isinstance(found, Found):
        raise InvalidData("the matrices A, U, D that were given are of no mesh that is known here.")
    assets.add(found)


def _triplets(matrix: Any) -> Sparse:
    if not hasattr(matrix, "tocoo"):
        dense = np.asarray(matrix)
        row, column = np.nonzero(dense)
        shape = (dense.shape[0], dense.shape[1])
        return Sparse(row, column, dense[row, column], shape)
    entries = matrix.tocoo()
    return Sparse(entries.row, entries.col, entries.data, tuple(entries.shape))


def _join_adjacency(assets: GivenAssets, pieces: list[Piece]) -> None:
    for index in [piece for piece in pieces if piece.part == "index"]:
        if found := join_adjacency([index, *(p for p in pieces if p.part == "value")]):
            assets.add(found)


def _add_named_regressor(assets: GivenAssets, name: str, array: Array) -> None:
    """Rows in the order of the official file; the 14 of METRO's extra file begin with the face."""
    from hpscli.body.joints import joint_set
    from hpscli.body.official.regressors import SMPL_JOINTS_OF_54

    ours = REGRESSORS[name]
    slots = list(wanted_slots(ours))
    if ours == "extra" and len(array) == len(slots) + len(FACE_ROWS):
        extra = joint_set("smpl54").joints[SMPL_JOINTS_OF_54:]
        slots = row_slots([*FACE_ROWS, *extra], "smpl54")
    if len(array) != len(slots):
        raise InvalidData(f"{name} has {len(array)} rows, expected {len(slots)}.")
    assets._add_regressor(ours, array, slots)


def _add_files(assets: GivenAssets, paths: list[Path]) -> None:
    """Everything that is recognised in files and folders; a single unknown file is an error."""
    from hpscli.body.official.archives import members
    from hpscli.body.official.content import describe, read_content

    pieces: list[Piece] = []
    for path in paths:
        if not path.exists():
            raise MissingError(f"there is no file or folder {path}.", "Check the path.")
        alone = path.is_file()
        for file in [path] if alone else sorted(p for p in path.rglob("*") if p.is_file()):
            try:
                for member in members(file):
                    content = read_content(member)
                    result = recognise(content, member.name)
                    if isinstance(result, Found):
                        assets.add(result)
                    elif isinstance(result, Piece):
                        pieces.append(result)
                    elif result is None and alone:
                        raise InvalidData(f"{file} is not known: {describe(content)}.")
            except HpsError:
                if alone:
                    raise
    _join_adjacency(assets, pieces)
