"""Which asset a file is, told by what it holds: keys, shapes and values, never by its name."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from hpscli.body.official.bodies import recognise_body
from hpscli.body.official.found import Found, Piece, Unneeded
from hpscli.body.official.poses import recognise_poses
from hpscli.body.official.records import Sparse
from hpscli.body.official.regressors import recognise_regressor
from hpscli.body.official.sampling import recognise_sampling

Result = Found | Unneeded | Piece

ACCEPTED = (
    "Accepted: SMPL, SMPL-X and MANO models (.pkl, .npz, or the .zip as downloaded), J_regressor files,\n"
    "mesh and MANO downsampling, adjacency .pt files, smpl_mean_params, SMPL_to_J19, SMPLX_to_J14,\n"
    "MANO_SMPLX_vertex_ids, SMPL-X__FLAME_vertex_ids, AGORA's body vertices, kid templates, cmu_mosh,\n"
    "AMASS. See: hps assets list"
)
VERTICES = {6890: "smpl", 10475: "smplx"}
AGORA_COUNT, FACE_COUNT, HAND_COUNT = 4010, 5023, 778  # metrics of AGORA, FLAME, MANO
MEAN_KEYS = {"pose", "shape", "cam"}
KID_TALLEST_METRES = 1.6  # of a template; above it, the file is no child's
ORTHONORMAL = 1e-3


def recognise(content: Any, name: str, gender: str = "") -> Result | None:
    """-> what this content is, or None when nobody knows it; `name` is only for messages."""
    if isinstance(content, Mapping):
        return _first(
            content,
            lambda c: recognise_sampling(c, name),
            lambda c: recognise_body(c, name, gender),
            _mean_params,
            _hand_vertices,
            lambda c: recognise_poses(c, name),
        )
    if isinstance(content, Sparse):
        content = content.dense()
    if isinstance(content, list):
        content = np.asarray(content) if _is_numbers(content) else None
    if isinstance(content, np.ndarray):
        return _first(
            content, recognise_regressor, _kid, _vertex_list, _adjacency_piece, _triangles
        )
    return None


def _first(content: Any, *attempts: Callable[[Any], Result | None]) -> Result | None:
    for attempt in attempts:
        result = attempt(content)
        if result is not None:
            return result
    return None


def _is_numbers(values: list[Any]) -> bool:
    return bool(values) and all(isinstance(v, int | float) for v in values)


def _mean_params(content: Mapping[str, Any]) -> Found | None:
    """pose 24 x 6D, in one of two layouts; which one, the orthonormal columns tell."""
    if not set(content) >= MEAN_KEYS:
        return None
    pose, shape, camera = (np.asarray(content[k]).reshape(-1) for k in ("pose", "shape", "cam"))
    if (pose.size, shape.size, camera.size) != (144, 10, 3) or pose.dtype.kind != "f":
        return None
    interleaved = pose.reshape(24, 3, 2)
    concatenated = pose.reshape(24, 2, 3).transpose(0, 2, 1)
    off = [_not_orthonormal(columns) for columns in (interleaved, concatenated)]
    if min(off) > ORTHONORMAL:
        return None
    layout = "interleaved" if off[0] <= off[1] else "concatenated"
    columns = interleaved if layout == "interleaved" else concatenated
    arrays = {
        "pose6d": columns.reshape(144).astype(np.float32),
        "betas": shape.astype(np.float32),
        "camera": camera.astype(np.float32),
    }
    return Found(
        id="mean-params",
        arrays=arrays,
        meta={"kind": "smpl", "layout_in_file": layout},
        note=f"6D layout of the file: {layout}",
    )


def _not_orthonormal(columns: np.ndarray) -> float:
    products = np.einsum("jki,jkl->jil", columns, columns)
    return float(np.abs(products - np.eye(2)).max())


def _hand_vertices(content: Mapping[str, Any]) -> Found | None:
    if not {"left_hand", "right_hand"} <= set(content):
        return None
    left, right = (np.asarray(content[k]).reshape(-1) for k in ("left_hand", "right_hand"))
    if not (left.size == right.size == HAND_COUNT and _is_index(left) and _is_index(right)):
        return None
    return Found(
        id="hand-vertices-smplx",
        arrays={"left": left.astype(np.int64), "right": right.astype(np.int64)},
        meta={"kind": "smplx"},
    )


def _kid(array: np.ndarray) -> Found | None:
    kind = VERTICES.get(len(array)) if array.ndim == 2 and array.shape[1] == 3 else None
    if kind is None or array.dtype.kind != "f" or not np.isfinite(array).all():
        return None
    tall = float(np.ptp(array, axis=0).max())
    if tall > KID_TALLEST_METRES:
        return None
    return Found(
        id=f"kid-{kind}",
        arrays={"v_template": array.astype(np.float32)},
        meta={"kind": kind, "age": "kid", "largest_extent_metres": round(tall, 3)},
    )


def _vertex_list(array: np.ndarray) -> Found | None:
    if array.ndim != 1 or not _is_index(array):
        return None
    index = {"index": array.astype(np.int64)}
    if array.size == FACE_COUNT and array.max() < 10475:
        return Found(id="face-vertices-smplx", arrays=index, meta={"kind": "smplx"})
    if array.size == AGORA_COUNT and array.max() < 10475:
        # The SMPL-X list reaches 9027; SMPL has 6890 vertices.
        kind = "smplx" if array.max() >= 6890 else "smpl"
        return Found(id=f"agora-vertices-{kind}", arrays=index, meta={"kind": kind})
    return None


def _adjacency_piece(array: np.ndarray) -> Piece | None:
    if array.ndim == 2 and array.shape[0] == 2 and array.dtype.kind == "i" and array.size:
        return Piece(kind="adjacency", part="index", value=array)
    if array.ndim == 1 and array.dtype.kind == "f" and array.size and (array > 0).all():
        return Piece(kind="adjacency", part="value", value=array)
    if array.shape == (2,) and array.dtype.kind == "i" and array[0] == array[1] > 1:
        return Piece(kind="adjacency", part="shape", value=array)
    return None


def _triangles(array: np.ndarray) -> Unneeded | None:
    if array.ndim == 2 and array.shape[1] in (2, 3) and array.dtype.kind in "iu":
        return Unneeded("triangles or edges of a mesh: not needed, they follow from other files")
    return None


def _is_index(array: np.ndarray) -> bool:
    """-> True for distinct vertex numbers."""
    whole = array.dtype.kind in "iu" and array.size > 0 and int(array.min()) >= 0
    return whole and np.unique(array).size == array.size
