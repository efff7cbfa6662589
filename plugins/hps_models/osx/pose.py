"""What OSX says in its own way, turned into the records' way: rotations, camera, joints in the picture."""

import torch
from torch import Tensor

from hps_models.osx.geometry import (
    BODY_GRID,
    CELL_PX,
    DEPTH_EPSILON,
    FARTHEST,
    FOCAL_PX,
    HAND_GRID,
    PICTURE,
)
from hpscli.body.rotations import axis_angle_to_matrix, matrix_to_axis_angle, rotation6d_to_matrix

SMALLEST_CELLS = 1e-6  # of a hand's box, by which its joints are divided


def axis_angles(six: Tensor) -> Tensor:
    """Interleaved six numbers (B,6n) -> axis-angle (B,3n), float32."""
    rotations = rotation6d_to_matrix(six.float().reshape(six.shape[0], -1, 6), "interleaved")
    return matrix_to_axis_angle(rotations).flatten(1)


def unmirrored(axis_angle: Tensor) -> Tensor:
    """Rotations of a mirrored left hand, axis-angle (B,3n) -> those of the left hand (B,3n)."""
    sign = axis_angle.new_tensor([1.0, -1.0, -1.0])
    return (_by_joint(axis_angle) * sign).flatten(1)


def unmirrored_coordinates(coordinates: Tensor) -> Tensor:
    """Joints in the mirrored cut of a left hand (B,20,3) -> in the cut as it lies in the picture."""
    x = HAND_GRID[2] - 1 - coordinates[..., :1]
    return torch.cat([x, coordinates[..., 1:]], dim=2)


def translation(numbers: Tensor) -> Tensor:
    """The network's camera (B,3) -> where the body is (B,3) metres, before a lens of 5000 px."""
    numbers = numbers.float()
    return torch.cat([numbers[:, :2], FARTHEST * numbers[:, 2:].sigmoid()], dim=1)


def weak_camera(moved: Tensor) -> Tensor:
    """Translation (B,3) -> camera (B,3) of the records, exact for what lies in the plane of the origin.

    OSX projects (X + tx) / (Z + tz + 1e-4) * 5000 px from the middle of a picture 192 px wide, and crop
    units are 2 / 192 px: s = 2 * 5000 / (192 * (tz + 1e-4)) at Z = 0, with the same tx, ty.
    """
    scale = 2.0 * FOCAL_PX / (PICTURE[1] * (moved[:, 2:] + DEPTH_EPSILON))
    return torch.cat([scale, moved[:, :2]], dim=1)


def flat_hand(axis_angle: Tensor, mean: Tensor) -> Tensor:
    """Axis-angle (B,45) relative to the mean hand (45,) -> rotations (B,15,3,3) from the flat hand."""
    return axis_angle_to_matrix(_by_joint(axis_angle + mean))


def to_matrices(axis_angle: Tensor) -> Tensor:
    """Axis-angle (B,3n) -> rotations (B,n,3,3)."""
    return axis_angle_to_matrix(_by_joint(axis_angle))


def _by_joint(axis_angle: Tensor) -> Tensor:
    return axis_angle.reshape(axis_angle.shape[0], -1, 3)


def hand_to_body_cells(coordinates: Tensor, box: Tensor) -> Tensor:
    """Joints (B,20,3) in cells of a hand's cut, its box (B,4) -> x, y in cells of the body's map."""
    start, size = _in_cells(box)
    place = coordinates[..., :2] * (size / _hand_cells(size)) + start
    return torch.cat([place, coordinates[..., 2:]], dim=2)


def body_to_hand_cells(coordinates: Tensor, box: Tensor) -> Tensor:
    """Joints (B,J,2|3) in cells of the body's map, a hand's box (B,4) -> x, y in cells of its cut."""
    start, size = _in_cells(box)
    size = torch.where(size == 0, SMALLEST_CELLS, size)  # small networks start with such boxes
    place = (coordinates[..., :2] - start) * (_hand_cells(size) / size)
    if coordinates.shape[2] == 2:
        return place
    depth = coordinates[..., 2:] * (HAND_GRID[0] / BODY_GRID[0])
    return torch.cat([place, depth], dim=2)


def _in_cells(box: Tensor) -> tuple[Tensor, Tensor]:
    """Box (B,4) px of the encoder's picture -> start (B,1,2), size (B,1,2) in cells of the body's map."""
    corners = box[:, None] / CELL_PX
    return corners[..., :2], corners[..., 2:] - corners[..., :2]


def _hand_cells(like: Tensor) -> Tensor:
    return like.new_tensor([HAND_GRID[2], HAND_GRID[1]])


def project(points: Tensor, moved: Tensor) -> Tensor:
    """points (B,J,3) metres, translation (B,3) -> x, y (B,J,2) in cells of the body's map."""
    placed = points + moved[:, None]
    centre = points.new_tensor([PICTURE[1] / 2, PICTURE[0] / 2])
    pixels = placed[..., :2] / (placed[..., 2:] + DEPTH_EPSILON) * FOCAL_PX + centre
    return pixels / CELL_PX
