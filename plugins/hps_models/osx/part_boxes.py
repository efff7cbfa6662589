"""Boxes of hands and face that OSX learns to find, in cells of the 12x16 map.

OSX's own sets say which parts have a box, and a part without one teaches nothing there (SPEC 6.5). Other
people are not asked for boxes: who has none at all, is given those around the seen joints.
"""

import torch
from torch import Tensor

from hps_models.osx.cells import to_cells
from hps_models.osx.geometry import FACE, LEFT_HAND, RIGHT_HAND
from hpscli.data.labels import PART_BOXES
from hpscli.records import Batch

BOX_PARTS = (LEFT_HAND, RIGHT_HAND, FACE)
OSX_SETS = frozenset(  # metadata `set` of the readers `osx-json` and `ubody`
    ("Human36M", "MPI_INF_3DHP", "MPII", "MSCOCO", "UBody", "AGORA", "EHF", "PW3D")
)
BOX_GROWTH = 1.2  # of the extent of a part's 2D joints: AGORA's converter, SPEC 7.1
BOX_JOINTS = 2  # fewer seen joints have no extent


def part_boxes(batch: Batch, image: Tensor, seen: Tensor) -> dict[str, Tensor]:
    """Batch, joints (B,137,3) in cells, which are seen (B,137,1) -> box_centres, _sizes, boxes_valid."""
    nothing = image.new_zeros(len(batch), 4)
    ends = torch.stack([batch.targets.get(name, nothing) for name in PART_BOXES], dim=1)
    valid = torch.stack(
        [batch.present.get(name, nothing[:, 0]).to(image.dtype) for name in PART_BOXES], dim=1
    )
    low, high = to_cells(ends[..., :2]), to_cells(ends[..., 2:])
    told = {
        "box_centres": (low + high) / 2 * valid[:, :, None],
        "box_sizes": (high - low) * valid[:, :, None],
        "boxes_valid": valid,
    }
    listed = torch.tensor(
        [person.get("set") in OSX_SETS for person in batch.meta], dtype=torch.bool
    )
    listed = listed if len(listed) else torch.zeros(len(batch), dtype=torch.bool)
    own = (valid > 0).any(dim=1) | listed.to(valid.device)
    around = extents(image, seen)
    return {
        name: torch.where(own.view(-1, *[1] * (values.ndim - 1)), values, around[name])
        for name, values in told.items()
    }


def extents(image: Tensor, seen: Tensor) -> dict[str, Tensor]:
    """Joints (B,137,3) in cells and which are seen (B,137,1) -> boxes around each part's, enlarged."""
    centres, sizes, valid = [], [], []
    far = image.new_full((), float("inf"))
    for part in BOX_PARTS:
        here = seen[:, part] > 0
        low = torch.where(here, image[:, part, :2], far).amin(dim=1)
        high = torch.where(here, image[:, part, :2], -far).amax(dim=1)
        enough = (here.sum(dim=(1, 2)) >= BOX_JOINTS).to(image.dtype)
        low, high = (
            torch.where(enough[:, None] > 0, end, end.new_zeros(())) for end in (low, high)
        )
        centres.append((low + high) / 2)
        sizes.append((high - low) * BOX_GROWTH)
        valid.append(enough)
    return {
        "box_centres": torch.stack(centres, dim=1),
        "box_sizes": torch.stack(sizes, dim=1),
        "boxes_valid": torch.stack(valid, dim=1),
    }
