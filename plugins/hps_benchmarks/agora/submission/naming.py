"""How a person of our shards is called and measured in AGORA's files: name, number, 4K pixels."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hpscli.errors import InvalidData

Array = NDArray[Any]

HEIGHT_4K_PX, WIDTH_4K_PX = 2160, 3840
FROM_4K = "from_4k"  # meta: affine (2,3) from the 4K picture to the one that is shown
# What the small pictures' names, and OSX's names of crops, have more than those of the 4K pictures.
ADDED = re.compile(r"(_1280x720|_(?:ann_id|pid)_\d+)$")
CROPPED = re.compile(r"_(?:ann_id|pid)_\d+$")


def picture_stem(image_path: str) -> str:
    """ "images/test/ag_x_00001_1280x720.png" -> "ag_x_00001", as the 4K picture is called."""
    return ADDED.sub("", PurePosixPath(image_path).stem)


def file_names(stems: Sequence[str]) -> list[str]:
    """Pictures of N people -> names of their files; people of a picture count from 0 as they come.

    OSX starts from 0 again for every person of the validation pictures, so that its files overwrite
    one another.
    """
    seen: dict[str, int] = {}
    names = []
    for stem in stems:
        number = seen.get(stem, 0)
        seen[stem] = number + 1
        names.append(f"{stem}_personId_{number}.pkl")
    return names


def to_4k(points_px: Array, meta: Mapping[str, Any]) -> Array:
    """points (...,2) px of the shown picture -> px of the picture of 3840 x 2160."""
    if FROM_4K in meta:
        affine = np.asarray(meta[FROM_4K], np.float64)
        return np.asarray((points_px - affine[:, 2]) @ np.linalg.inv(affine[:, :2]).T)
    path = str(meta.get("image_path", ""))
    if CROPPED.search(PurePosixPath(path).stem):
        raise InvalidData(
            f"{path} is a crop, and nothing says where in its picture it lies.",
            "Prepare the people from whole pictures.",
        )
    size = meta.get("image_size_px")
    if not size:
        raise InvalidData(
            f"nothing says how large the picture {path or 'of a prediction'} is.",
            "AGORA wants pixels of the 4K picture: meta needs image_size_px.",
        )
    return np.asarray(points_px * (HEIGHT_4K_PX / float(size[0])))
