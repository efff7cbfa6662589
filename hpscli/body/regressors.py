"""Joint sets out of a mesh: rows of regressors, single vertices, landmarks on faces."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hpscli.body.joints import COMMON, conversion_index, joint_set
from hpscli.errors import InvalidData, MissingError, UsageError

Array = np.ndarray[Any, np.dtype[Any]]

# Vertex numbers of nose, eyes, ears (right, left), big toe, small toe, heel (left, right), finger
# tips (left then right, thumb to pinky): vertex_ids of the smplx package 0.1.28.
SMPL_VERTICES = (
    *(332, 6260, 2800, 4071, 583, 3216, 3226, 3387, 6617, 6624, 6787),
    *(2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905, 6016, 6133),
)
SMPLX_VERTICES = (
    *(9120, 9929, 9448, 616, 6, 5770, 5780, 8846, 8463, 8474, 8635),
    *(5361, 4933, 5058, 5169, 5286, 8079, 7669, 7794, 7905, 8022),
)
MANO_TIPS = (744, 320, 443, 554, 671)  # thumb to pinky, as the smplx package
METRO_TIPS = (745, 317, 445, 556, 673)  # as the one-hot rows of METRO's hand regressor
# SPIN: 49 joints out of the 54 (45 of the SMPL layer and 9 rows of J_regressor_extra).
SPIN_49 = (
    *(24, 12, 17, 19, 21, 16, 18, 20, 0, 2, 5, 8, 1, 4, 7),
    *(25, 26, 27, 28, 29, 30, 31, 32, 33, 34),
    *(8, 5, 45, 46, 4, 7, 21, 19, 17, 16, 18, 20, 47, 48, 49, 50, 51, 52, 53, 24, 26, 25, 28, 27),
)
OPENPOSE_COUNT = 25
# METRO's file of extra rows begins with five vertices of the face, then come the nine of SPIN's.
FACE_ROWS = ("nose", "right_eye", "left_eye", "right_ear", "left_ear")
NECK_CHAIN = (0, 3, 6, 9, 12)  # root to neck: the turn that moves the jaw line of SMPL-X
CONTOUR_LIMIT_DEGREES = 39  # table of jaw lines: 0..39 degrees, then -1..-39 (79 rows)

# The sets that a mesh gives directly, and, in this order, the ones that others are renamed from.
NATIVE = {
    "smpl": ("smpl24", "h36m17", "smpl45", "smpl54", "smpl49", "hmr2_44", "metro24"),
    "smplx": ("smplx55", "h36m17", "lsp14", "smplx127", "smplx144"),
    "mano": ("mano16", "mano21", "metro_hand21"),
}
# Official regressor files by body: the asset, and the set whose joints its rows must hold.
ASSETS = {
    ("smpl", "h36m17"): "regressor-h36m",
    ("smpl", "extra"): "regressor-extra",
    ("smpl", "j19"): "regressor-j19",
    ("smplx", "h36m17"): "regressor-h36m-smplx",
    ("smplx", "lsp14"): "regressor-j14-smplx",
}
FILES = {  # as their owners call them
    "regressor-h36m": "J_regressor_h36m_correct.npy",
    "regressor-extra": "J_regressor_extra.npy",
    "regressor-j19": "SMPL_to_J19.pkl",
    "regressor-h36m-smplx": "J_regressor_h36m_smplx.npy",
    "regressor-j14-smplx": "SMPLX_to_J14.pkl",
}


@lru_cache(maxsize=256)
def plan(kind: str, name: str) -> tuple[str, tuple[int, ...]]:
    """-> the native set that gives the set `name`, and which of its joints, in order."""
    target = joint_set(name).name
    for native in (target, *NATIVE[kind]):
        if native in NATIVE[kind]:
            index = conversion_index(native, target)
            if (index >= 0).all():
                return native, tuple(index.tolist())
    raise UsageError(
        f"the mesh of a {kind} body does not give the joint set '{target}'.",
        f"It gives {', '.join(NATIVE[kind])} and what these convert to. See: hps info joints {target}",
    )


def row_slots(row_names: Sequence[str], row_set: str) -> list[int]:
    """-> the common slot of every row, by the set its names belong to or by common names; -1: none."""
    by_name = {name: slot for slot, name in enumerate(joint_set(COMMON).joints)}
    if row_set:
        wanted = joint_set(row_set)
        by_name |= dict(zip(wanted.joints, wanted.slots, strict=True))
    return [by_name.get(name, -1) for name in row_names]


def wanted_slots(regressor: str) -> tuple[int, ...]:
    """-> the common slots of the rows of a regressor, in our order."""
    if regressor == "extra":
        return joint_set("smpl54").slots[45:]
    if regressor == "j19":
        return joint_set("hmr2_44").slots[OPENPOSE_COUNT:]
    return joint_set(regressor).slots


def landmarks(vertices: Tensor, corners: Tensor, weights: Tensor) -> Tensor:
    """vertices (B,V,3), corners (L,3) or (B,L,3) vertex numbers, weights alike -> points (B,L,3)."""
    if corners.ndim == 2:
        return torch.einsum("blcx,lc->blx", vertices[:, corners], weights)
    rows = torch.arange(len(vertices), device=vertices.device)[:, None, None]
    return torch.einsum("blcx,blc->blx", vertices[rows, corners], weights)


def contour_row(rotations: Tensor) -> Tensor:
    """rotations (B,55,3,3) -> which jaw line of SMPL-X's table is visible (B,), as the smplx package."""
    turn = rotations[:, NECK_CHAIN[0]]
    for joint in NECK_CHAIN[1:]:
        turn = turn @ rotations[:, joint]
    length = torch.sqrt(turn[:, 0, 0] ** 2 + turn[:, 1, 0] ** 2)
    degrees = -torch.atan2(-turn[:, 2, 0], length) * (180.0 / math.pi)
    row = degrees.clamp(max=CONTOUR_LIMIT_DEGREES).round().long()
    return torch.where(row < 0, CONTOUR_LIMIT_DEGREES - row.clamp(-CONTOUR_LIMIT_DEGREES), row)


def free_regressors(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """-> the regressors packed with the free SMPL body, by our names."""
    names = {"h36m17": "J_regressor_h36m", "extra": "J_regressor_extra"}
    return {ours: arrays[packed] for ours, packed in names.items() if packed in arrays}


class MeshJoints:
    """What one body needs to turn its mesh into joint sets; regressor files are read when asked for."""

    def __init__(
        self,
        kind: str,
        arrays: Mapping[str, Array],
        *,
        source: str = "",
        regressors: Mapping[str, Array] | None = None,
    ) -> None:
        self.kind, self.source = kind, source
        self._matrices = {"kinematic": np.asarray(arrays["J_regressor"]), **(regressors or {})}
        self._faces = np.asarray(arrays["f"]).astype(np.int64)
        self._landmarks = {k: np.asarray(v) for k, v in arrays.items() if "lmk" in k}
        self._tensors: dict[tuple[str, torch.device, torch.dtype], Tensor] = {}

    def points(
        self, vertices: Tensor, name: str, joints: Tensor | None, rotations: Tensor | None
    ) -> Tensor:
        """vertices (B,V,3) -> the joints of the set `name` (B,J,3)."""
        native, index = plan(self.kind, name)
        points = self._native(native, vertices, joints, rotations)
        return points if index == tuple(range(points.shape[1])) else points[:, list(index)]

    def _native(
        self, name: str, vertices: Tensor, joints: Tensor | None, rotations: Tensor | None
    ) -> Tensor:
        if name in ("h36m17", "lsp14", "metro24"):
            return self._times(name, vertices)
        own = self._times("kinematic", vertices) if joints is None else joints
        if name in ("smpl24", "smplx55", "mano16"):
            return own
        if name == "mano21":
            return torch.cat([own, vertices[:, list(MANO_TIPS)]], dim=1)
        if name == "metro_hand21":
            points = torch.cat([own, vertices[:, list(METRO_TIPS)]], dim=1)
            return points[:, conversion_index("mano21", name).tolist()]
        if self.kind == "smplx":
            points = torch.cat([own, vertices[:, list(SMPLX_VERTICES)]], dim=1)
            points = torch.cat([points, self._face(vertices)], dim=1)
            return (
                points
                if name == "smplx127"
                else torch.cat([points, self._contour(vertices, rotations)], dim=1)
            )
        return self._smpl(name, vertices, own)

    def _smpl(self, name: str, vertices: Tensor, own: Tensor) -> Tensor:
        smpl45 = torch.cat([own, vertices[:, list(SMPL_VERTICES)]], dim=1)
        if name == "smpl45":
            return smpl45
        if name == "hmr2_44" and (self.source == "imported" or "j19" in self._matrices):
            openpose = smpl45[:, list(SPIN_49[:OPENPOSE_COUNT])]  # none of the extra joints
            return torch.cat([openpose, self._times("j19", vertices)], dim=1)
        smpl54 = torch.cat([smpl45, self._times("extra", vertices)], dim=1)
        if name == "smpl54":
            return smpl54
        smpl49 = smpl54[:, list(SPIN_49)]
        return smpl49[:, : len(joint_set(name))]

    def _times(self, name: str, vertices: Tensor) -> Tensor:
        key = (name, vertices.device, vertices.dtype)
        tensor = self._tensors.get(key)
        if tensor is None:
            matrix = np.ascontiguousarray(self.matrix(name), dtype=np.float32)
            with torch.inference_mode(False):  # kept for later, where somebody may want gradients
                tensor = torch.from_numpy(matrix).to(vertices.device, vertices.dtype)
            if type(tensor) is Tensor:  # not one of those that only trace a program
                self._tensors[key] = tensor
        return torch.matmul(tensor, vertices)

    def matrix(self, name: str) -> Array:
        """-> the regressor (J,V) of this name: kinematic, h36m17, lsp14, extra, j19 or metro24."""
        if name not in self._matrices:
            self._matrices[name] = self._metro() if name == "metro24" else self._imported(name)
        return self._matrices[name]

    def _imported(self, name: str) -> Array:
        matrix, slots = self._rows(name)
        wanted = wanted_slots(name)
        missing = [slot for slot in wanted if slot not in slots]
        if missing:
            names = ", ".join(joint_set(COMMON).joints[slot] for slot in missing)
            raise InvalidData(
                f"the regressor '{ASSETS[self.kind, name]}' has no row for {names}.",
                "Import the official file again: hps assets import FILE",
            )
        return matrix[[slots.index(slot) for slot in wanted]]

    def _rows(self, name: str) -> tuple[Array, list[int]]:
        """-> all rows of a regressor, and their common slots."""
        if name == "extra" and "extra+14" in self._matrices:  # METRO's file, given by hand
            nine = joint_set("smpl54").joints[-9:]
            return self._matrices["extra+14"], row_slots([*FACE_ROWS, *nine], "smpl54")
        if name in self._matrices:
            return self._matrices[name], list(wanted_slots(name))
        if self.source != "imported" or (self.kind, name) not in ASSETS:
            file = FILES.get(ASSETS.get((self.kind, name), ""), "")
            raise MissingError(
                f"the {self.source or 'given'} {self.kind} body has no regressor '{name}'.",
                f"Give its file with the body: body=[..., '{file}']"
                if file and self.source == "given"
                else "Import the official bodies and regressors: hps assets list",
            )
        from hpscli.body.assets.files import read_asset

        arrays, meta = read_asset(ASSETS[self.kind, name])
        return arrays["regressor"], row_slots(meta["joints"], str(meta.get("set") or ""))

    def _metro(self) -> Array:
        """METRO's 24 joints: extra rows, else kinematic rows, else vertices; all from the posed mesh.

        Its file of extra rows has 14, with nose, eyes and ears; a file of 9 leaves these to vertices.
        """
        extra, extra_slots = self._rows("extra")
        kinematic, kinematic_slots = self._matrices["kinematic"], joint_set("smpl24").slots
        face_slots = joint_set("smpl45").slots[24:]
        rows = []
        for slot in joint_set("metro24").slots:
            if slot in extra_slots:
                rows.append(extra[extra_slots.index(slot)])
            elif slot in kinematic_slots:
                rows.append(kinematic[kinematic_slots.index(slot)])
            else:
                row = np.zeros(kinematic.shape[1])
                row[SMPL_VERTICES[face_slots.index(slot)]] = 1
                rows.append(row)
        return np.stack(rows)

    def _face(self, vertices: Tensor) -> Tensor:
        faces, weights = self._landmark("lmk_faces_idx"), self._landmark("lmk_bary_coords")
        return self._pick(vertices, faces, weights)

    def _contour(self, vertices: Tensor, rotations: Tensor | None) -> Tensor:
        faces = self._landmark("dynamic_lmk_faces_idx").astype(np.int64)
        weights = self._landmark("dynamic_lmk_bary_coords")
        if rotations is None:  # seen from the front
            return self._pick(vertices, faces[0], weights[0])
        row = contour_row(rotations)
        corners = torch.from_numpy(self._faces[faces]).to(row.device)[row]
        shares = torch.from_numpy(weights).to(row.device, vertices.dtype)[row]
        return landmarks(vertices, corners, shares)

    def _landmark(self, name: str) -> Array:
        if name not in self._landmarks:
            raise InvalidData(
                f"the body that is used has no face landmarks: '{name}' is missing.",
                "Give it with them, as its owner ships it: lmk_*, dynamic_lmk_*.",
            )
        return self._landmarks[name]

    def _pick(self, vertices: Tensor, faces: Array, weights: Array) -> Tensor:
        corners = torch.from_numpy(self._faces[faces.astype(np.int64)]).to(vertices.device)
        shares = torch.from_numpy(weights).to(vertices.device, vertices.dtype)
        return landmarks(vertices, corners, shares)
