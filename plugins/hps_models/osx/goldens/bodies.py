"""The surrogate SMPL-X that the goldens of OSX were made with: arrays under their official names."""

from typing import Any

import numpy as np

from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.surrogates import surrogate_body

FACES, FACE_LANDMARKS = 20908, 51
CONTOUR = (79, 17)  # jaw lines by the head's turn, points of each
HAND_NUMBERS, MEAN_SCALE = 45, 0.2


def surrogate_smplx(
    options: ReplayOptions, *, mean_hands_seed: int | None = None
) -> dict[str, Any]:
    """-> arrays of SMPL-X with landmarks; hands are flat unless their means have a seed."""
    arrays = surrogate_body("smplx", options.get("body_seed", 11))
    arrays |= _landmarks(np.random.RandomState(options.get("landmark_seed", 13)))
    if mean_hands_seed is not None:
        draw = np.random.RandomState(mean_hands_seed)
        for name in ("hands_meanl", "hands_meanr"):
            arrays[name] = MEAN_SCALE * draw.standard_normal(HAND_NUMBERS)
    return arrays


def _landmarks(draw: np.random.RandomState) -> dict[str, Any]:
    """-> faces and barycentric weights of the landmarks, drawn in the order of the README."""
    faces = draw.randint(0, FACES, FACE_LANDMARKS)
    weights = draw.rand(FACE_LANDMARKS, 3)
    contour_faces = draw.randint(0, FACES, CONTOUR)
    contour_weights = draw.rand(*CONTOUR, 3)
    return {
        "lmk_faces_idx": faces,
        "lmk_bary_coords": weights / weights.sum(axis=-1, keepdims=True),
        "dynamic_lmk_faces_idx": contour_faces,
        "dynamic_lmk_bary_coords": contour_weights / contour_weights.sum(axis=-1, keepdims=True),
    }
