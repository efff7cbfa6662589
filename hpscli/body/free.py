"""The free bodies: SMPL, SMPL-X and MANO in structure, CC0 in licence, inside this package.

They share no geometry, shape space or vertex order with the licensed bodies: numbers made with one
are never compared with numbers made with the other.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np

from hpscli.errors import unknown_name

Array = np.ndarray[Any, np.dtype[Any]]

FREE_KINDS = ("smpl", "smplx", "mano")


def free_arrays(kind: str) -> dict[str, Array]:
    """-> every array of the free body of this kind, named as in official files.

    `posedirs` is left out: it is all zeros (no pose correctives), and 61 MB of them for SMPL-X.
    """
    if kind not in FREE_KINDS:
        raise unknown_name("free body", kind, FREE_KINDS, "hps info formats")
    return _read(f"free_{kind}.npz", skip=("posedirs", "licence", "bs_style", "bs_type"))


def free_hierarchy(kind: str) -> dict[str, Array]:
    """-> the arrays of the free mesh levels of "smpl" or "mano"."""
    if kind not in ("smpl", "mano"):
        raise unknown_name("free mesh hierarchy", kind, ("smpl", "mano"), "hps info formats")
    return _read(f"hierarchy_{kind}.npz")


def free_poses() -> dict[str, Array]:
    """-> poses (2000,24,3) float32 axis-angle, mode (2000,), mode_names, mean_pose_6d, ...

    Poses drawn from a hand-made prior, upright, facing +z, without self-hits. No motion capture.
    """
    arrays = _read("free_poses.npz")
    arrays["poses"] = arrays["poses"].astype(np.float32)
    return arrays


@lru_cache(maxsize=8)
def free_sha256(kind: str) -> str:
    """-> the sha256 of the packaged file of this free body."""
    return hashlib.sha256(_bytes(f"free_{kind}.npz")).hexdigest()


def _bytes(name: str) -> bytes:
    return files("hpscli.body").joinpath("data", name).read_bytes()


def _read(name: str, skip: tuple[str, ...] = ()) -> dict[str, Array]:
    with np.load(BytesIO(_bytes(name)), allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files if key not in skip}
