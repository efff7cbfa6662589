"""What the goldens of pre-parsed forms need beyond people."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.data.containers.archives import open_npz
from hpscli.data.forms.spin import BOX_UNIT
from hpscli.data.people import picture_bytes
from hpscli.data.preparation import HMR2
from hpscli.data.sample import decode_image
from hpscli.records import Person, Picture


def h36m_cameras(root: Path) -> Mapping[Any, Any]:
    """-> all cameras of the HumanData file of Human3.6M, by subject and camera."""
    with open_npz(root / "h36m_mosh_train.npz") as archive:
        cameras: Mapping[Any, Any] = archive["cam_param"]
    return cameras


def hmr2_items(people: Sequence[Person], root: Path) -> dict[str, Any]:
    """People -> what HMR 2.0's loader returns in evaluation: its crop, joints in the crop."""
    items = [_hmr2_item(person, root) for person in people]
    return {name: np.stack([item[name] for item in items]) for name in items[0]}


def _hmr2_item(person: Person, root: Path) -> dict[str, Any]:
    box = np.asarray(person.box, np.float64)
    picture = person.picture or Picture(path=person.image)
    pixels = decode_image(picture_bytes(root, picture))
    center, side = HMR2.place(box, pixels.shape[:2], HMR2.window)
    center = box[:2] + box[2:] / 2  # theirs stays float64
    crop = HMR2.pixels(pixels, center, side, window=HMR2.window)
    points = person.arrays["keypoints2d.hmr2_44"]
    placed = np.array(points)
    placed[:, :2] = (points[:, :2] - center) / side
    return {
        "img_mean": crop.mean(),
        "img_stride16": crop[:, ::16, ::16],
        "keypoints_2d": placed,
        "keypoints_3d": person.arrays["keypoints3d.hmr2_44"],
        "orig_keypoints_2d": points,
        "box_center": center,
        "box_size": side,
        "bbox_expand_factor": side / box[2:].max(),
        "img_size": np.array(pixels.shape[1::-1], np.float64),
        "_scale": box[2:] / BOX_UNIT,
    }
