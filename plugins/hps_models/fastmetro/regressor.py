"""SMPL parameters out of a mesh: three dense blocks, then matrices that are made rotations.

A matrix M = U S V^T becomes R = U V^T, and all of R changes sign where its determinant is -1. This is
the authors' rule; the nearest rotation would change the sign of one singular vector only.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

JOINTS, BETAS = 24, 10
ITERATIONS = 8  # of Newton's method: 200 000 random matrices needed 6
TINY = 1e-30  # below every squared length in use; a matrix of zeros must not divide by zero


class Block(nn.Module):
    """Linear, batch norm, ReLU; or two of them around a shortcut when the width stays."""

    def __init__(self, before: int, after: int, *, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        layers: list[nn.Module] = [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
        if residual:
            layers += [nn.Linear(after, after), nn.BatchNorm1d(after)]
        self.fc_block = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        """features (B,before) -> (B,after)."""
        inner: Tensor = self.fc_block(features)
        return functional.relu(features + inner) if self.residual else inner


class ParameterRegressor(nn.Module):
    """mesh (B,V,3) -> 216 numbers of 24 matrices, row by row, then 10 betas."""

    def __init__(self, vertices: int, hidden: int) -> None:
        super().__init__()
        self.regressor = nn.Sequential(
            Block(3 * vertices, hidden, residual=False),
            Block(hidden, hidden, residual=True),
            Block(hidden, hidden, residual=True),
            nn.Linear(hidden, 9 * JOINTS + BETAS),
        )

    def forward(self, vertices: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """vertices (B,V,3) -> the 226 numbers, rotations (B,24,3,3), betas (B,10)."""
        numbers: Tensor = self.regressor(vertices.flatten(1))
        matrices, betas = numbers[:, : 9 * JOINTS], numbers[:, 9 * JOINTS :]
        matrices = matrices.float().reshape(-1, JOINTS, 3, 3)
        return numbers, rotations_of(matrices), betas


def rotations_of(matrices: Tensor) -> Tensor:
    """matrices (...,3,3) -> rotations (...,3,3) by the authors' rule.

    Exported graphs have no singular value decomposition and take `rotations_by_iteration`.
    """
    if torch.compiler.is_exporting():
        return rotations_by_iteration(matrices)
    left, _, right = torch.linalg.svd(matrices)
    return _made_proper(left @ right)


def rotations_by_iteration(matrices: Tensor) -> Tensor:
    """matrices (...,3,3) -> the same as `rotations_of`, by products and quotients alone.

    Newton's method for U V^T: X <- (g X + X^-T / g) / 2, where g balances the lengths of X and X^-T.
    """
    x = matrices / (matrices.square().sum(dim=(-2, -1), keepdim=True) + TINY).sqrt()
    for _ in range(ITERATIONS):
        cofactors = _cofactors(x)
        inverse = cofactors / _determinant(x, cofactors)
        lengths = [(y.square().sum(dim=(-2, -1), keepdim=True) + TINY).sqrt() for y in (x, inverse)]
        balance = (lengths[1] / lengths[0]).sqrt()
        x = 0.5 * (balance * x + inverse / balance)
    return _made_proper(x)


def _made_proper(orthogonal: Tensor) -> Tensor:
    """Orthogonal (...,3,3) -> all of it times its determinant, 1 or -1, which has no gradient."""
    fixed = orthogonal.detach()
    determinant = _determinant(fixed, _cofactors(fixed))
    return torch.where(determinant < 0, -orthogonal, orthogonal)


def _cofactors(x: Tensor) -> Tensor:
    """(...,3,3) -> det(X) X^-T: row i is the cross product of the two rows after it."""
    rows = x.unbind(dim=-2)
    crossed = [_cross(rows[(i + 1) % 3], rows[(i + 2) % 3]) for i in range(3)]
    return torch.stack(crossed, dim=-2)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    """(...,3), (...,3) -> their cross product, in operations that every exported graph has."""
    a0, a1, a2 = a.unbind(dim=-1)
    b0, b1, b2 = b.unbind(dim=-1)
    return torch.stack([a1 * b2 - a2 * b1, a2 * b0 - a0 * b2, a0 * b1 - a1 * b0], dim=-1)


def _determinant(x: Tensor, cofactors: Tensor) -> Tensor:
    """X (...,3,3) and its cofactors -> the determinant (...,1,1)."""
    return (x[..., :1, :] * cofactors[..., :1, :]).sum(dim=-1, keepdim=True)
