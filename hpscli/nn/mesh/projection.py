"""Weak perspective of the mesh networks: u = s * (x + tx), v = s * (y + ty), crop units -1..1."""

from torch import Tensor

from hpscli.body.cameras import project_weak


def project_all(points: dict[str, Tensor], camera: Tensor) -> dict[str, Tensor]:
    """{name: (B,J,3) metres}, camera (B,3) = s, tx, ty -> {name: (B,J,2) crop units}.

    The points are those that the network gives: their origin is its own, and nothing is centred.
    """
    return {name: project_weak(value, camera) for name, value in points.items()}
