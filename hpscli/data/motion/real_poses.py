"""Poses that people were captured in, for an adversary: a folder of poses, or an imported asset."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hpscli.body.assets.files import have_asset, read_asset
from hpscli.body.assets.sources import asset_records
from hpscli.data.motion.poses import INDEX, count_poses, read_poses
from hpscli.errors import InvalidData, MissingError

ROOT, BODY, BETAS = 3, 69, 10  # numbers: the root's rotation, 23 joints of SMPL, its shape


@dataclass(frozen=True)
class RealPoses:
    """body_pose (N,69) axis-angle, betas (N,10), float32."""

    body_pose: np.ndarray
    betas: np.ndarray

    def __len__(self) -> int:
        return len(self.body_pose)


def is_asset(where: str) -> bool:
    """-> whether this names an asset of poses, and not a folder."""
    return where in asset_records() and where.startswith("poses-")


def check_real_poses(where: str, prepare: str = "") -> int:
    """Folder or asset -> how many poses, 0 for an asset; raise when there are none, with what to type."""
    if is_asset(where):
        if not have_asset(where):
            raise MissingError(
                f"the adversary has no real poses: asset '{where}' was not imported.",
                f"hps assets import {asset_records()[where].to_import}\nor train without: "
                "adversary.weight=0",
            )
        return 0
    if not (Path(where) / INDEX).is_file():
        raise MissingError(
            f"the adversary has no real poses: {where} has no {INDEX}.",
            f"Make them: hps prepare {prepare or 'amass --from DIR'} --out {where}\n"
            "or train without: adversary.weight=0",
        )
    return count_poses(where)


def real_poses(where: str) -> RealPoses:
    """Folder of `hps prepare amass`, or an asset "poses-*" -> all its poses."""
    if is_asset(where):
        arrays, _ = read_asset(where)
        body = np.asarray(arrays["poses"], np.float32)[:, ROOT:]
        hands = np.zeros((len(body), BODY - body.shape[1]), np.float32)  # SMPL's own lie straight
        return _checked(where, {**arrays, "body_pose": np.concatenate([body, hands], axis=1)})
    return _checked(where, read_poses(where, ("body_pose", "betas")))


def _checked(where: str, arrays: Mapping[str, np.ndarray]) -> RealPoses:
    body, betas = (np.asarray(arrays[name], np.float32) for name in ("body_pose", "betas"))
    if body.shape != (len(body), BODY) or betas.shape[1:] != (BETAS,) or len(body) != len(betas):
        raise InvalidData(
            f"{where} holds body_pose {body.shape} and betas {betas.shape}; "
            f"an adversary wants (N,{BODY}) and (N,{BETAS}).",
            "Make it again: hps prepare amass --from DIR --out DIR",
        )
    if not len(body):
        raise InvalidData(f"{where} holds no pose.", "Make it: hps prepare amass --from DIR")
    return RealPoses(body, betas)
