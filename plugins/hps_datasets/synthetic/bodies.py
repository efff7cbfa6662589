"""The free bodies, posed one at a time in numpy: skinning, normals, joints in every useful set.

Whatever runs over all vertices is an einsum, not a matrix product: BLAS rounds differently with
another number of threads, and the same person must give the same bytes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.body.free import free_arrays
from hpscli.body.joints import conversion_index
from hpscli.body.regressors import MANO_TIPS, SMPL_VERTICES, SMPLX_VERTICES
from hpscli.render.shading import vertex_normals

Array = NDArray[Any]

# joint sets that samples carry, in 3D and in 2D: the body's own first
JOINT_SETS = {
    "smpl": ("smpl24", "h36m17", "coco17"),
    "mano": ("mano21", "freihand21"),
    "smplx": ("smplx55", "smplx144"),
}
MIRROR = np.array([-1.0, 1.0, 1.0], np.float32)


class FreeBody:
    """A free body ready to be posed. A left hand is the right one in a mirror."""

    def __init__(self, kind: str, hand: str = "right") -> None:
        data = free_arrays(kind)
        left = kind == "mano" and hand == "left"
        mirror = MIRROR if left else np.ones(3, np.float32)
        faces = np.asarray(data["f"], np.int32)
        self.kind = kind
        self.faces = faces[:, ::-1].copy() if left else faces
        self.parents = [int(p) for p in data["kintree_table"][0].astype(np.int32)]
        self.template = (data["v_template"] * mirror).astype(np.float32)
        directions = (data["shapedirs"] * mirror[:, None]).astype(np.float32)
        self.directions = directions.reshape(-1, directions.shape[-1])
        regressor = data["J_regressor"].astype(np.float32)
        self.rest_joints = np.einsum("jv,vx->jx", regressor, self.template)
        self.joint_directions = np.einsum("jv,vxs->jxs", regressor, directions)
        self.weights = np.ascontiguousarray(data["weights"].T.astype(np.float32))  # (J,V)
        self.normals = vertex_normals(self.template, self.faces).astype(np.float32)
        self._data = {k: data[k] for k in data if k.startswith(("J_regressor_", "lmk", "dynamic"))}

    def pose(self, rotations: Array, shape: Array) -> tuple[Array, Array, Array]:
        """rotations (J,3,3), shape (S,) -> vertices (V,3) metres, normals (V,3), joints (J,3).

        Normals are those of the mean shape carried along by the bones: a fine approximation, and
        ten times cheaper than new ones.
        """
        count = len(shape)
        rest = self.rest_joints + self.joint_directions[:, :, :count] @ shape
        shaped = self.template + np.einsum("vs,s->v", self.directions[:, :count], shape).reshape(
            -1, 3
        )
        joints, transforms = self.chain(rotations, rest)
        rows = np.ascontiguousarray(transforms.reshape(len(rest), 12).T, np.float32)
        blend = np.einsum("rj,jv->rv", rows, self.weights)  # (12,V)
        vertices, normals = np.empty_like(shaped), np.empty_like(shaped)
        for row in range(3):
            one, two, three, shift = blend[4 * row : 4 * row + 4]
            vertices[:, row] = (
                one * shaped[:, 0] + two * shaped[:, 1] + three * shaped[:, 2] + shift
            )
            normals[:, row] = (
                one * self.normals[:, 0] + two * self.normals[:, 1] + three * self.normals[:, 2]
            )
        return vertices, normals, joints.astype(np.float32)

    def chain(self, rotations: Array, rest: Array) -> tuple[Array, Array]:
        """-> posed joints (J,3) and the transforms (J,3,4) that carry rest points to posed ones."""
        turned = np.empty((len(rest), 3, 3))
        joints = np.empty((len(rest), 3))
        turned[0], joints[0] = rotations[0], rest[0]
        for joint in range(1, len(rest)):
            parent = self.parents[joint]
            turned[joint] = turned[parent] @ rotations[joint]
            joints[joint] = joints[parent] + turned[parent] @ (rest[joint] - rest[parent])
        shift = joints - np.einsum("jab,jb->ja", turned, rest)
        return joints, np.concatenate([turned, shift[:, :, None]], axis=2)

    def joint_sets(self, vertices: Array, joints: Array) -> dict[str, Array]:
        """Posed mesh and joints -> {set: (J,3)} for every set of JOINT_SETS."""
        if self.kind == "mano":
            full = np.concatenate([joints, vertices[list(MANO_TIPS)]])
            return {"mano21": full, "freihand21": full[conversion_index("mano21", "freihand21")]}
        if self.kind == "smpl":
            extra = np.einsum("jv,vx->jx", self._data["J_regressor_extra"], vertices)
            full = np.concatenate([joints, vertices[list(SMPL_VERTICES)], extra])
            return {
                "smpl24": joints,
                "h36m17": np.einsum("jv,vx->jx", self._data["J_regressor_h36m"], vertices),
                "coco17": full[conversion_index("smpl54", "coco17")],
            }
        marks = self._landmarks(vertices)
        full = np.concatenate([joints, vertices[list(SMPLX_VERTICES)], marks])
        return {"smplx55": joints, "smplx144": full}

    def _landmarks(self, vertices: Array) -> Array:
        """-> 51 face landmarks and the 17 of the jaw line, which the free body keeps in one place."""
        data = self._data
        corner = np.concatenate([data["lmk_faces_idx"], data["dynamic_lmk_faces_idx"][0]])
        weights = np.concatenate([data["lmk_bary_coords"], data["dynamic_lmk_bary_coords"][0]])
        marks: Array = np.einsum("lcx,lc->lx", vertices[self.faces[corner]], weights)
        return marks


@lru_cache(maxsize=6)
def free_body(kind: str, hand: str = "right") -> FreeBody:
    """-> the body of this kind, made once per process."""
    return FreeBody(kind, hand)
