"""AMASS: motion captures as parameters of SMPL+H or SMPL-X, without pictures."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from hps_datasets.scenes.labels import flat
from hpscli.data.containers.archives import Archive, open_npz
from hpscli.errors import BAD_RECORD, InvalidData, MissingError, UsageError, in_words

SHAPES_ONLY = ("shape.npz", "_stagei.npz")  # endings of files that hold a subject and no motion
RATES = ("mocap_framerate", "mocap_frame_rate")  # of SMPL+H files, of SMPL-X files
ROOT, BODY = 3, 63  # numbers of the root's and of 21 joints' rotations, first in every file
SMPL_BODY = 69  # with SMPL's two hands, which lie straight here: fingers move in these files
BETAS = 10
BLOCK = 4096  # frames read at once


def amass(
    root: Path, split: str, *, fps: float
) -> tuple[int, Callable[[int], dict[str, np.ndarray]]]:
    """AMASS -> how many motions there are, and the function that reads one, sampled at `fps`."""
    if not fps > 0:
        raise UsageError(f"fps={fps} is no rate.", "hps prepare amass fps=5")
    files = sorted(path for path in root.rglob("*.npz") if not path.name.endswith(SHAPES_ONLY))
    if not files:
        raise MissingError(f"{root} holds no .npz.", "Unpack the archives of AMASS there.")
    return len(files), partial(motion, root, files, fps)


def motion(root: Path, files: list[Path], fps: float, number: int) -> dict[str, np.ndarray]:
    """One motion -> global_orient (N,3) in its own world, body_pose (N,69), betas (N,10)."""
    name = files[number].relative_to(root).as_posix()
    try:
        with open_npz(files[number]) as archive:
            return _read(archive, fps)
    except BAD_RECORD as error:
        raise InvalidData(f"{name}: {in_words(error)}.") from None


def _read(archive: Archive, fps: float) -> dict[str, np.ndarray]:
    shape = archive.header("poses").shape
    if len(shape) != 2 or shape[1] < ROOT + BODY:
        raise ValueError(f"poses have shape {shape}, expected (frames, 156 or 165)")
    key = next((key for key in RATES if key in archive), None)
    if key is None:
        raise ValueError(f"it has no {' and no '.join(RATES)}")
    rate = float(flat(archive[key], 1)[0])
    if not (np.isfinite(rate) and rate > 0):
        raise ValueError(f"{rate} frames a second")
    betas = np.asarray(archive["betas"]).reshape(-1)
    betas = flat(betas[:BETAS], BETAS)
    poses = np.concatenate(_sampled(archive, shape[0], max(1.0, rate / fps)) or [np.zeros((0, 66))])
    hands = np.zeros((len(poses), SMPL_BODY - BODY))
    return {
        "global_orient": poses[:, :ROOT],
        "body_pose": np.concatenate([poses[:, ROOT:], hands], axis=1),
        "betas": np.tile(betas, (len(poses), 1)),
    }


def _sampled(archive: Archive, frames: int, step: float) -> list[np.ndarray]:
    """-> every `step`-th frame (need not be whole) of the root and 21 joints, block by block."""
    chosen = np.arange(0, frames / step)
    chosen = np.floor(chosen * step + 1e-6).astype(np.int64)
    found, start = [], 0
    for block in archive.blocks(["poses"], BLOCK):
        rows = block["poses"]
        here = chosen[(chosen >= start) & (chosen < start + len(rows))] - start
        found.append(rows[here, : ROOT + BODY].astype(np.float64))
        start += len(rows)
    return found
