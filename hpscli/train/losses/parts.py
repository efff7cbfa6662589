"""Labels of body parts (0 background, 1 + joint), rendered from the labelled SMPL in the crop.

PARE renders them the same way while it trains. Here every vertex, the middle of every triangle and a
place on each of its edges is one point; the nearest point of a pixel gives its label. A vertex
belongs to the joint that moves it most, a triangle to the first of its vertices' joints (as in
PARE's texture).
"""

from functools import lru_cache

import torch
from torch import Tensor

from hpscli.body.layer import Body
from hpscli.records import Batch
from hpscli.train.losses.placing import LEAST, fit_translation, labelled_bodies, placing_weights

FOCAL = 5000.0 / 112.0  # of SPIN's camera, in crop units (half a crop of 224 px)
UNKNOWN = -1
DEPTH_STEPS = 1_000_000  # a metre, in the number that depth and label share
LABELS = 32  # more than there are
FAR = 2**62
FINER = (
    3  # cells along a pixel; the middle one decides, so that outlines do not grow by half a pixel
)


def part_labels(batch: Batch, body: Body, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Batch, (height, width) of the maps -> labels (B,H,W) int64, and who has them (B,) bool.

    Who lacks SMPL parameters, or joints in 2D that place the body, has -1 everywhere.
    """
    count, device = len(batch), batch.image.device
    nobody = torch.full((count, *size), UNKNOWN, dtype=torch.long, device=device)
    found = labelled_bodies(batch, body)
    name = next((key for key in batch.targets if key.startswith("keypoints2d.")), "")
    if found is None or not name:
        return nobody, torch.zeros(count, dtype=torch.bool, device=device)
    joint_set = name.partition(".")[2]
    vertices, own, present = found
    with torch.no_grad():
        joints = body.regress(vertices, joint_set, joints=own)
        points, confidence = batch.targets[name][..., :2], batch.targets[name][..., 2]
        present = present & batch.present[name].bool() & ((confidence > 0).sum(dim=1) >= LEAST)
        placing = placing_weights(confidence, joint_set)
        moved = vertices + fit_translation(joints, points, placing, FOCAL)[:, None]
        labels = render_parts(moved, body, size)
    return torch.where(present[:, None, None], labels, nobody), present


def render_parts(vertices: Tensor, body: Body, size: tuple[int, int]) -> Tensor:
    """vertices (B,V,3) before the camera of the crop -> labels (B,H,W) int64."""
    corners, labels = _points(body)
    corners, labels = corners.to(vertices.device), labels.to(vertices.device)
    points = vertices[:, corners].mean(dim=2)
    height, width = FINER * size[0], FINER * size[1]
    flat = FOCAL * points[..., :2] / points[..., 2:]
    column = ((flat[..., 0] + 1) / 2 * width).floor().long()
    row = ((flat[..., 1] + 1) / 2 * height).floor().long()
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (points[..., 2] > 0)
    code = (points[..., 2].double() * DEPTH_STEPS).long() * LABELS + labels
    place = torch.where(inside, row * width + column, 0)
    code = torch.where(inside, code, FAR)
    nearest = torch.full((len(points), height * width), FAR, device=code.device)
    nearest.scatter_reduce_(1, place, code, "amin")
    found = torch.where(nearest == FAR, 0, nearest % LABELS)
    return found.reshape(-1, height, width)[:, FINER // 2 :: FINER, FINER // 2 :: FINER]


@lru_cache(maxsize=4)
def _points(body: Body) -> tuple[Tensor, Tensor]:
    """-> the vertices that each point is the middle of (P,3), and its label (P,)."""
    with torch.inference_mode(False):
        joint = body.get_buffer("weights").argmax(dim=1).cpu()
        faces = torch.from_numpy(body.faces).long()
        alone = torch.arange(len(joint))[:, None].expand(-1, 3)
        edges = [faces[:, [first, first, second]] for first, second in ((0, 1), (1, 2), (2, 0))]
        of_faces = joint[faces].amin(dim=1)
        corners = torch.cat([alone, faces, *edges])
        return corners, 1 + torch.cat([joint, of_faces.repeat(4)])
