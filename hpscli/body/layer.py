"""The body layer: SMPL, SMPL-X and MANO behind one interface, posed by the smplx package.

The only file that imports smplx (its code has a non-commercial research licence). Hands are
relative to the flat hand; every rotation is a matrix; nothing here is saved in checkpoints.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from copy import copy
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from hpscli.body.assets.loading import Make, choose_make, read_make
from hpscli.body.kinematics import Kinematics
from hpscli.body.parameters import (
    COEFFICIENTS,
    PARAMETERS,
    check_names,
    check_rotations,
    complete,
    matrices,
    mean_parameters,
)
from hpscli.body.regressors import MeshJoints
from hpscli.errors import InvalidData, MissingError

__all__ = [
    "COEFFICIENTS",
    "PARAMETERS",
    "Body",
    "BodyOutput",
    "complete",
    "load_body",
    "matrices",
    "mean_parameters",
]

Array = np.ndarray[Any, np.dtype[Any]]

JOINT_SETS = {"smpl": "smpl24", "smplx": "smplx55", "mano": "mano16"}


class BodyOutput(NamedTuple):
    """vertices (B,V,3) and joints (B,J,3), metres."""

    vertices: Tensor
    joints: Tensor


class Body(nn.Module):
    """A body of one kind and gender. `arrays` have the names and shapes of the official files.

    `betas` and `expressions` say which columns of shapedirs are which: betas first.
    """

    parents: Array
    faces: Array

    def __init__(
        self,
        kind: str,
        arrays: Mapping[str, Array],
        *,
        gender: str = "neutral",
        source: str = "",
        sha256: str = "",
        hand: str = "",
        betas: int = 10,
        expressions: int = 0,
        regressors: Mapping[str, Array] | None = None,
    ) -> None:
        super().__init__()
        self.kind, self.gender, self.source, self.sha256 = kind, gender, source, sha256
        self.hand = hand
        self.joint_set = JOINT_SETS[kind]
        self.faces = np.asarray(arrays["f"]).astype(np.int32)
        self.parents = np.asarray(arrays["kintree_table"])[0].astype(np.int64)
        self.parents[0] = -1  # official files store 2**32 - 1
        self.betas, self.expressions = betas, expressions
        self.hand_means = {
            k: np.asarray(v) for k, v in arrays.items() if k.startswith("hands_mean")
        }
        self._register(_tensors(kind, arrays, betas, expressions))
        self.tree = Kinematics(self.parents)
        self.mesh_joints = MeshJoints(kind, arrays, source=source, regressors=regressors)

    def _register(self, tensors: Mapping[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            self.register_buffer(name, tensor, persistent=False)

    @property
    def template(self) -> Tensor:
        """-> the mean body at rest (V,3) metres."""
        return self.get_buffer("v_template")

    def twin(self) -> Body:
        """-> another body with the same tensors; moving one to a device leaves the other."""
        other = copy(self)
        other._buffers = dict(self._buffers)
        other._modules = dict(self._modules)
        other.tree = copy(self.tree)
        other.tree._buffers = dict(self.tree._buffers)
        return other

    def forward(self, parameters: Mapping[str, Tensor]) -> BodyOutput:
        """Rotation matrices and coefficients by name -> vertices (B,V,3), joints (B,J,3) metres.

        What is absent is at rest: identity, zero. `transl` (B,3) moves everything.
        """
        rotations, shape, columns, translation = self._unpack(parameters)
        with _full_precision(rotations):
            vertices, joints = _skinning()(
                shape,
                rotations,
                self.get_buffer("v_template"),
                columns(self.get_buffer("shapedirs")),
                self.get_buffer("posedirs"),
                self.get_buffer("J_regressor"),
                self.parents,
                self.get_buffer("weights"),
                pose2rot=False,
            )
        if translation is not None:
            vertices, joints = vertices + translation, joints + translation
        return BodyOutput(vertices, joints)

    def kinematics(self, parameters: Mapping[str, Tensor]) -> Tensor:
        """As forward, but only the joints (B,J,3) and without making a mesh: for training."""
        rotations, shape, columns, translation = self._unpack(parameters)
        with _full_precision(rotations):
            moved = torch.einsum("bs,jxs->bjx", shape, columns(self.get_buffer("joint_dirs")))
            joints: Tensor = self.tree(rotations, self.get_buffer("joint_template") + moved)
        return joints if translation is None else joints + translation

    def regress(
        self,
        vertices: Tensor,
        joint_set_name: str,
        *,
        joints: Tensor | None = None,
        parameters: Mapping[str, Tensor] | None = None,
    ) -> Tensor:
        """vertices (B,V,3) -> the joints of a set (B,J,3), by regressors, vertices and landmarks.

        `joints`: the body's own (B,J,3), if known; else they are regressed from the posed mesh,
        which is close, not equal. `parameters` turn the jaw line of SMPL-X with the head.
        """
        rotations = None if parameters is None else self._unpack(parameters)[0]
        return self.mesh_joints.points(vertices, joint_set_name, joints, rotations)

    def describe(self) -> dict[str, str]:
        """-> kind, gender, source and sha256: what a result says about its body."""
        return {
            "kind": self.kind,
            "gender": self.gender,
            "source": self.source,
            "sha256": self.sha256,
        }

    def _unpack(
        self, parameters: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor, Callable[[Tensor], Tensor], Tensor | None]:
        """-> rotations (B,J,3,3), shape (B,S), the columns of directions in use, transl (B,1,3)."""
        check_names(self.kind, parameters)
        like = self.get_buffer("v_template")
        batch = next(iter(parameters.values())).shape[0]
        parts = []
        for name, count in PARAMETERS[self.kind].items():
            if name in parameters:
                check_rotations(name, parameters[name], count)
                part = parameters[name].to(like.dtype).reshape(batch, count, 3, 3)
            else:
                identity = torch.eye(3, dtype=like.dtype, device=like.device)
                part = identity.expand(batch, count, 3, 3)
            parts.append(part)
        given = {
            name: parameters[name].to(like.dtype)
            for name in COEFFICIENTS[self.kind]
            if name in parameters
        }
        shape, columns = self._shape(given, batch, like)
        translation = parameters.get("transl")
        if translation is not None:
            translation = translation.to(like.dtype)[:, None]
        return torch.cat(parts, dim=1), shape, columns, translation

    def _shape(
        self, given: Mapping[str, Tensor], batch: int, like: Tensor
    ) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
        """Only the columns that somebody asked for take part, so that betas may be 10 or 11."""
        starts = {"betas": (0, self.betas), "expression": (self.betas, self.expressions)}
        parts, slices = [], []
        for name, value in given.items():
            start, most = starts[name]
            if value.ndim != 2 or value.shape[1] > most:
                raise InvalidData(
                    f"parameters['{name}'] has shape {tuple(value.shape)}; this {self.kind} body "
                    f"({self.source or 'given'}) takes (B, up to {most}).",
                    "Cut the coefficients, or import a body file that has more.",
                )
            parts.append(value)
            slices.append(slice(start, start + value.shape[1]))
        if not parts:
            return like.new_zeros(batch, 1), lambda directions: directions[..., :1]
        if len(parts) == 1:
            return parts[0], lambda directions: directions[..., slices[0]]
        return torch.cat(parts, dim=1), lambda directions: torch.cat(
            [directions[..., part] for part in slices], dim=-1
        )


def _tensors(
    kind: str, arrays: Mapping[str, Array], betas: int, expressions: int
) -> dict[str, Tensor]:
    """Official arrays -> the buffers of a Body, float32; joints at rest are worked out in float64."""
    template = np.asarray(arrays["v_template"], dtype=np.float64)
    directions = np.asarray(arrays["shapedirs"], dtype=np.float64)[..., : betas + expressions]
    regressor = np.asarray(arrays["J_regressor"], dtype=np.float64)
    features = 9 * (len(regressor) - 1)
    correctives = arrays.get("posedirs")
    if correctives is None or not np.any(correctives):
        # Zeros of one vertex broadcast over all: no memory, no time.
        posedirs = np.zeros((features, 3))
    elif correctives.ndim == 3:
        posedirs = np.asarray(correctives).reshape(-1, features).T
    else:
        posedirs = np.asarray(correctives)
    values = {
        "v_template": template,
        "shapedirs": directions,
        "posedirs": posedirs,
        "J_regressor": regressor,
        "weights": np.asarray(arrays["weights"]),
        "joint_template": regressor @ template,
        "joint_dirs": np.einsum("jv,vxs->jxs", regressor, directions, optimize=True),
    }
    return {
        name: torch.from_numpy(np.ascontiguousarray(value, dtype=np.float32))
        for name, value in values.items()
    }


@lru_cache(maxsize=1)
def _skinning() -> Callable[..., tuple[Tensor, Tensor]]:
    """-> the linear blend skinning of the smplx package."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from smplx.lbs import lbs
    except ImportError as error:
        raise MissingError(
            f"the package smplx cannot be imported ({error}).", "pip install smplx"
        ) from error
    function: Callable[..., tuple[Tensor, Tensor]] = lbs
    return function


def _full_precision(like: Tensor) -> AbstractContextManager[Any]:
    """Meshes in bfloat16 are wrong by millimetres: leave mixed precision here."""
    device = like.device.type
    if device != "meta" and torch.is_autocast_enabled(device):
        return torch.autocast(device, enabled=False)
    return nullcontext()


def load_body(
    kind: str,
    *,
    gender: str = "neutral",
    source: str = "",
    age: str = "adult",
    hand: str = "right",
) -> Body:
    """-> a new Body that shares its arrays with all others of its make, which are read once.

    source: "imported", "free", or "" for the imported one if it is there, else the free one. The
    free body serves every gender and calls itself neutral.
    """
    return _first(choose_make(kind, gender=gender, source=source, age=age, hand=hand)).twin()


@lru_cache(maxsize=8)
def _first(make: Make) -> Body:
    arrays, about = read_make(make)
    with torch.device("cpu"):  # it is kept: who asks first may be building on another device
        return Body(make.kind, arrays, **about)
