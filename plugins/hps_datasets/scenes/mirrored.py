"""Labels for a picture that was mirrored or resized after they were made."""

from collections.abc import Mapping

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.data.turning import MIRROR_PARTNERS, mirror_pose, pose_order

Arrays = Mapping[str, np.ndarray]


def mirrored_labels(arrays: Arrays, width_px: int) -> dict[str, np.ndarray]:
    """Labels of a picture -> those of the picture mirrored left to right, left and right exchanged.

    What has no mirror image (the face's expression) goes to `extra`; other `extra` arrays stay.
    """
    found: dict[str, np.ndarray] = {}
    for name, array in arrays.items():
        group, _, part = name.partition(".")
        if group == "keypoints2d":
            points = array[list(joint_set(part).mirror)]
            found[name] = np.stack([width_px - 1 - points[:, 0], *points[:, 1:].T], axis=1)
        elif name == "camera.intrinsics":
            found[name] = array.copy()
            found[name][0, 2] = width_px - 1 - array[0, 2]
        elif part == "expression":
            found["extra.expression"] = array
        elif part == "transl":
            found[name] = array * np.array([-1, 1, 1])
        elif part.endswith(("_pose", "global_orient")):
            pose = mirror_pose(array[None], pose_order(name))[0]
            found[MIRROR_PARTNERS.get(name, name)] = pose
        else:
            found[name] = array
    return found


def resized_labels(arrays: Arrays, across: float, down: float) -> dict[str, np.ndarray]:
    """Labels of a picture -> those of a copy whose width is `across` and height `down` times as large."""
    if across == down == 1:
        return dict(arrays)
    found = dict(arrays)
    for name, array in arrays.items():
        if name.startswith("keypoints2d."):
            points = (array[:, :2] + 0.5) * [across, down] - 0.5
            found[name] = np.concatenate([points, array[:, 2:]], axis=1)
        elif name == "camera.intrinsics":
            scale = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])
            found[name] = scale @ array
    return found
