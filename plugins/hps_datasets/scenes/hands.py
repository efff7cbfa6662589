"""The fits of SMPLify-X, whose hands are coefficients of MANO's principal components."""

from typing import Any

import numpy as np

from hps_datasets.scenes.labels import flat
from hpscli.body.hand_means import from_components

COEFFICIENTS = 12  # num_pca_comps of PROX's and RICH's fits
SIDES = ("left", "right")


def smplx_arrays(fit: Any) -> dict[str, np.ndarray]:
    """The pickle of a fit of SMPLify-X -> named arrays, in the frame of the fit.

    Coefficients of hands are kept as `extra.left_hand_pca`, and unfolded where that is possible.
    """
    counts = {"global_orient": 3, "body_pose": 63, "betas": 10, "transl": 3}
    arrays = {f"smplx.{name}": flat(fit[name], count) for name, count in counts.items()}
    more = {"jaw_pose": 3, "leye_pose": 3, "reye_pose": 3, "expression": 10}
    for name in (name for name in more if name in fit):
        arrays[f"smplx.{name}"] = flat(fit[name], more[name])
    for side in SIDES:
        if f"{side}_hand_pose" not in fit:
            continue
        coefficients = flat(fit[f"{side}_hand_pose"], COEFFICIENTS)
        arrays[f"extra.{side}_hand_pca"] = coefficients
        rotations = from_components(coefficients, side)
        if rotations is not None:
            arrays[f"smplx.{side}_hand_pose"] = rotations
    return arrays
