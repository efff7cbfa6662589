"""Human3.6M as its owner ships it: joints in CDF, silhouettes in HDF5, videos or their frames."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hps_datasets.studio.cameras import StudioCamera, h36m_cameras, placed
from hps_datasets.studio.cdf import read_pose
from hps_datasets.studio.labels import MM_PER_M, option_folder, rooted, spin_joints, sure
from hps_datasets.studio.masks import MaskBoxes, open_masks
from hps_datasets.studio.mosh import Fits, read_fits
from hps_datasets.studio.takes import POSES, SIZES_PX, Frames, Take, takes
from hpscli.data.crops import AUTHORS_BOX
from hpscli.data.people import padded_box, scaled_box, square_box, stem_of
from hpscli.errors import HpsError, InvalidData, LostFile, MissingError, UsageError
from hpscli.records import Person

# of 32 joints: pelvis, left leg, right leg, spine, thorax, neck, head, left arm, right arm
JOINTS = [11, 6, 7, 8, 1, 2, 3, 12, 24, 14, 15, 17, 18, 19, 25, 26, 27]
ROOT = 0
MASK_MARGIN = 0.9  # silhouettes are wider than the person; as mmhuman3d and SPIN
WORLD_POSES = "MyPoseFeatures/D3_Positions"  # with them the camera's place is measured
MASKS = "MySegmentsMat/ground_truth_bs"
MASKS_OF_SPIN = "MySegmentsMat/ground_truth_bb"  # the same files by the name that SPIN reads
SET = "h36m17_lfirst"


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the people of one recording are made of."""

    take: Take
    points_px: np.ndarray  # (frames, 17, 2)
    points: np.ndarray  # (frames, 17, 3) metres in the camera's frame
    frames: Frames
    camera: StudioCamera | None
    fits: Fits | None
    reference: str
    validation: bool


def h36m(
    root: Path, split: str, *, reference: str, every: int, mosh: str
) -> Iterator[Person | HpsError]:
    """Human3.6M -> people of every `every`-th frame, with SMPL where folder `mosh` has it."""
    if every < 1:
        raise UsageError(f"every={every} is no number of frames.", "For example: every=5")
    metadata = root / "metadata.xml"
    cameras = h36m_cameras(metadata, reference) if metadata.is_file() else {}
    folder = option_folder(root, mosh) if mosh else None
    if folder is not None and not folder.is_dir():
        raise MissingError(f"there is no folder {mosh} with MoSh's files.", "mosh=DIR, or none")
    for take in takes(root, split, reference):
        if isinstance(take, HpsError):
            yield take
            continue
        camera = cameras.get((take.subject, take.camera))
        try:
            fits = read_fits(folder, take) if folder else None
            if folder and fits is None and reference:
                continue  # official code skips a recording without its MoSh file
            reading = _read(root, take, camera, fits, reference, split)
            yield from _people(root, reading, every)
        except (InvalidData, MissingError) as error:
            yield LostFile(f"{take.label}: {error.problem}")


def _read(
    root: Path,
    take: Take,
    camera: StudioCamera | None,
    fits: Fits | None,
    reference: str,
    split: str,
) -> Reading:
    frames = Frames(root, take)
    if not frames.kind and not reference:
        raise InvalidData(f"neither its video {frames.video} nor frames of it are there.")
    flat = read_pose(root / take.file("MyPoseFeatures/D2_Positions", ".cdf"), 2)
    points = read_pose(root / take.file(POSES, ".cdf"), 3)
    if min(flat.shape[1], points.shape[1]) <= max(JOINTS):
        raise InvalidData(f"{flat.shape[1]} and {points.shape[1]} joints, expected 32.")
    world = root / take.file(WORLD_POSES, ".cdf")
    if camera is not None and world.is_file() and not reference:
        there = read_pose(world, 3)
        if there.shape == points.shape and np.isfinite(there).all() and np.isfinite(points).all():
            both = (there / MM_PER_M).reshape(-1, 3), (points / MM_PER_M).reshape(-1, 3)
            camera = placed(camera, *both)
    return Reading(
        take=take,
        points_px=flat[:, JOINTS],
        points=points[:, JOINTS] / MM_PER_M,
        frames=frames,
        camera=camera,
        fits=fits,
        reference=reference,
        validation=split != "train",
    )


def _people(root: Path, reading: Reading, every: int) -> Iterator[Person | HpsError]:
    """-> the people of a recording; a frame that cannot be read is an error in its place."""
    take = reading.take
    count = min(len(reading.points_px), len(reading.points))
    if len(reading.points_px) != len(reading.points):
        yield InvalidData(
            f"{take.label}: {len(reading.points_px)} frames in 2D, {len(reading.points)} in 3D; "
            f"the first {count} are read."
        )
    path = next(
        (p for f in (MASKS, MASKS_OF_SPIN) if (p := root / take.file(f, ".mat")).is_file()),
        root / take.file(MASKS, ".mat"),
    )
    with open_masks(path) as masks:
        for frame in range(0, count, every):
            try:
                yield _person(reading, masks, frame)
            except InvalidData as error:
                yield InvalidData(f"{take.label} frame {frame}: {error.problem}")


def _person(reading: Reading, masks: MaskBoxes, frame: int) -> Person:
    take, spin = reading.take, reading.reference == "spin"
    flat = sure(reading.points_px[frame])
    points = reading.points[frame]
    solid = sure(rooted(points, ROOT) if reading.reference else points)
    mask = masks.box(frame)
    box = padded_box(flat[:, :2]) if mask is None else scaled_box(mask, MASK_MARGIN)
    joints = {f"keypoints2d.{SET}": flat, f"keypoints3d.{SET}": solid}
    if mask is not None and not reading.reference:
        joints[f"{AUTHORS_BOX}metro"] = square_box(mask[:2] + mask[2:] / 2, mask[2:].max())
    if spin:
        joints = {"keypoints3d.spin_gt24": spin_joints(solid)}
        if not reading.validation:
            joints["keypoints2d.spin_gt24"] = spin_joints(flat)
    body = reading.fits.arrays(frame) if reading.fits else {}
    meta = {
        "subject": take.subject,
        "action": take.action,
        "sequence": take.name,
        "camera": take.camera,
        "frame": frame,
        **({"root_relative": True} if reading.reference else {}),
        **({"gender": "neutral", "body_source": "imported"} if body else {}),
    }
    image = take.image(frame)
    return Person(
        key=stem_of(f"{take.label}_{frame + 1:06d}.jpg"),
        image=take.spin_image(frame) if spin else image,
        # SPIN's script for validation takes one frame before it begins to count
        picture=reading.frames.picture(frame, late=int(spin and reading.validation)),
        image_size_px=SIZES_PX[take.camera],
        arrays={**joints, **body, **(reading.camera.arrays() if reading.camera else {})},
        meta=meta,
        box=box,
    )
