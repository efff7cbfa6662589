"""What a reading of the owners' files gave, in the entries of its files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from hpscli.records import Person


def owner_columns(people: Sequence[Person], root: Path) -> dict[str, np.ndarray]:
    """People of 3DPeople -> the entries of derived/people3d_owner_columns.npz."""
    return {
        "image_path": np.array([person.image for person in people]),
        "keypoints2d_people3d67": np.stack(
            [person.arrays["keypoints2d.people3d67"][:, :2] for person in people]
        ),
        "keypoints3d_rootrel": np.stack(
            [person.arrays["keypoints3d.people3d67"][:, :3] for person in people]
        ),
        "bbox_xywh": np.stack([np.asarray(person.box) for person in people]),
    }
