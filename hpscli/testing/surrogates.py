"""Surrogate bodies: random arrays with the structure of SMPL, SMPL-X and MANO.

Goldens were made with them in place of licensed files. Draw order and factors are those of the
references (hmr 8, fastmetro 8.1, metro_graphormer 9, osx goldens): template, shape, pose, joint
regressor, weights from one RandomState, faces from the next seed.
"""

from typing import Any

import numpy as np

# parent of each joint; -1 (stored as 2**32 - 1 in official files) for the root
SMPL_PARENTS = (-1, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9, 12, 13, 14, 16, 17, 18, 19, 20, 21)
MANO_PARENTS = (-1, 0, 1, 2, 0, 4, 5, 0, 7, 8, 0, 10, 11, 0, 13, 14)


def _smplx_parents() -> tuple[int, ...]:
    """22 body joints as in SMPL, jaw and eyes on the head (15), 15 joints on each wrist (20, 21)."""
    hands = [
        wrist if i % 3 == 0 else first + i - 1
        for wrist, first in ((20, 25), (21, 40))
        for i in range(15)
    ]
    return (*SMPL_PARENTS[:22], 15, 15, 15, *hands)


SIZES = {
    # kind: vertices, faces, parents, seed, betas (SMPL-X: 10 betas and 10 expressions)
    "smpl": (6890, 13776, SMPL_PARENTS, 7, 10),
    "mano": (778, 1538, MANO_PARENTS, 9, 10),
    "smplx": (10475, 20908, _smplx_parents(), 11, 20),
}


def surrogate_body(kind: str, seed: int | None = None) -> dict[str, Any]:
    """Kind of body -> arrays under the names of the official files, float64; faces: seed + 1."""
    vertices, faces, parents, default, betas = SIZES[kind]
    seed = default if seed is None else seed
    draw, joints = np.random.RandomState(seed), len(parents)
    template = draw.standard_normal((vertices, 3)) * 0.3
    shape = draw.standard_normal((vertices, 3, betas)) * 0.01
    # drawn as (pose features, vertices * 3), the layout in which smplx keeps them
    pose = draw.standard_normal(((joints - 1) * 9, vertices * 3)) * 0.001
    regressor = row_mean(draw, (joints, vertices))
    weights = row_mean(draw, (vertices, joints))
    triangles = np.random.RandomState(seed + 1).randint(0, vertices, (faces, 3))
    arrays = {
        "v_template": template,
        "shapedirs": shape,
        "posedirs": pose.T.reshape(vertices, 3, (joints - 1) * 9),
        "J_regressor": regressor,
        "weights": weights,
        "kintree_table": np.stack([np.array(parents), np.arange(joints)]).astype(np.int64),
        "f": triangles.astype(np.uint32),
    }
    return arrays | _hands(kind)


def surrogate_regressor(joints: int, vertices: int, seed: int) -> Any:
    """-> (joints, vertices) float32 whose rows sum to one, as J_regressor_extra (seed 13) is."""
    return row_mean(np.random.RandomState(seed), (joints, vertices)).astype(np.float32)


def surrogate_mean_parameters(
    layout: str = "interleaved", *, pose_seed: int = 15, shape_seed: int = 16
) -> dict[str, Any]:
    """-> pose6d (144,), betas (10,), camera (3,) float32 near the identity of the 6D layout."""
    identity = [1, 0, 0, 1, 0, 0] if layout == "interleaved" else [1, 0, 0, 0, 1, 0]
    noise = np.random.RandomState(pose_seed).standard_normal(144)
    shape = np.random.RandomState(shape_seed).standard_normal(10)
    values = {
        "pose6d": np.tile(identity, 24) + 0.1 * noise,
        "betas": 0.1 * shape,
        "camera": np.array([0.9, 0.0, 0.0]),
    }
    return {name: value.astype(np.float32) for name, value in values.items()}


def row_mean(draw: np.random.RandomState, shape: tuple[int, int]) -> Any:
    """Random positive (rows, columns) whose rows sum to one."""
    positive = np.abs(draw.standard_normal(shape))
    return positive / positive.sum(axis=1, keepdims=True)


def _hands(kind: str) -> dict[str, Any]:
    """Flat hands: zero mean, identity components, as the surrogates of the references have."""
    if kind == "mano":
        return {"hands_mean": np.zeros(45), "hands_components": np.eye(45)}
    if kind == "smplx":
        return {
            "hands_meanl": np.zeros(45),
            "hands_meanr": np.zeros(45),
            "hands_componentsl": np.eye(45),
            "hands_componentsr": np.eye(45),
        }
    return {}
