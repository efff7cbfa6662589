"""Cells of the body's heat map, 12x16x16: what OSX locates joints and boxes in."""

from torch import Tensor

from hps_models.osx.geometry import BODY_GRID, BODY_SIZE, JOINTS, LEFT_HAND, PART_SIZE


def to_cells(points: Tensor) -> Tensor:
    """Points (...,2) in crop units -> (...,2) in cells."""
    return (points + 1) / 2 * points.new_tensor([BODY_GRID[2], BODY_GRID[1]])


def depth_cells(metres: Tensor) -> Tensor:
    """Joints (B,137,3) metres from their part's root -> depth (B,137,1) in cells, 8 at the root."""
    size = metres.new_full((JOINTS, 1), PART_SIZE)
    size[: LEFT_HAND.start] = BODY_SIZE
    return (metres[..., 2:] / (size / 2) + 1) / 2 * BODY_GRID[0]


def inside(cells: Tensor) -> Tensor:
    """Joints (B,J,3) in cells -> (B,J,1): 1 inside the body's volume."""
    end = cells.new_tensor([BODY_GRID[2], BODY_GRID[1], BODY_GRID[0]])
    return ((cells >= 0) & (cells < end)).all(dim=2, keepdim=True).to(cells.dtype)
