"""SMPL parameters that MoSh gave Human3.6M: one pickle a recording, in the camera's frame."""

from pathlib import Path

import numpy as np
import torch

from hps_datasets.studio.takes import CAMERAS, Take
from hpscli.body.official.pickles import safe_load_pickle
from hpscli.body.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from hpscli.errors import BAD_RECORD, InvalidData

SAMPLING = 5  # the files hold every fifth frame
HALF_TURN = np.diag([1.0, -1.0, -1.0])  # about x: the bodies lie upside down in their own frame
BETAS = 10


class Fits:
    """The bodies of one recording."""

    def __init__(self, poses: np.ndarray, betas: np.ndarray) -> None:
        self.poses, self.betas = poses, betas

    def arrays(self, frame: int) -> dict[str, np.ndarray]:
        """-> the parameters of a frame; nothing for frames that MoSh left out."""
        row, rest = divmod(frame, SAMPLING)
        if rest or row >= len(self.poses):
            return {}
        pose = self.poses[row]
        return {
            "smpl.global_orient": pose[:3],
            "smpl.body_pose": pose[3:],
            "smpl.betas": self.betas,
        }


def read_fits(folder: Path, take: Take) -> Fits | None:
    """The folder of MoSh's files and a recording -> its bodies; None without a file."""
    name = f"{take.name}_cam{CAMERAS.index(take.camera)}_aligned.pkl"
    path = folder / take.subject / name
    if not path.is_file():
        return None
    content = safe_load_pickle(path)
    try:
        poses = np.array(content["new_poses"], np.float64).reshape(-1, 72)
        betas = np.array(content["betas"], np.float64).ravel()[:BETAS]
        if len(betas) != BETAS or not (np.isfinite(poses).all() and np.isfinite(betas).all()):
            raise ValueError(f"{len(betas)} betas, or numbers that are not finite")
    except BAD_RECORD as error:
        raise InvalidData(f"{path}: no new_poses (frames, 72) and betas ({error}).") from None
    roots = axis_angle_to_matrix(torch.from_numpy(poses[:, :3])) @ torch.from_numpy(HALF_TURN)
    poses[:, :3] = matrix_to_axis_angle(roots).numpy()
    return Fits(poses, betas)
