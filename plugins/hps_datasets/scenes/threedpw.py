"""3DPW: one pickle for each sequence; the pose of every person in every frame, in the world."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hps_datasets.scenes.labels import GENDERS, mapping, numbers, text
from hpscli.body.placement import moved_translation, rest_pelvis, turned_root
from hpscli.data.containers.pickles import load_pickle
from hpscli.data.crops import AUTHORS_BOX
from hpscli.data.people import BOX_SCALE, image_size, inside, padded_box, square_box, stem_of
from hpscli.errors import BAD_RECORD, HpsError, InvalidData, LostFile, MissingError, in_words
from hpscli.records import Person

BETAS = 10  # some releases hold 300
METRO_SCALE = BOX_SCALE**2  # Pose2Mesh's boxes have a fifth of margin, METRO gives them another


@dataclass(frozen=True, kw_only=True)
class Actor:
    """One person of a sequence; F frames."""

    sequence: str
    number: int
    gender: str  # male | female
    poses: np.ndarray  # (F,72) axis-angle, root in the world
    betas: np.ndarray  # (10,)
    transl: np.ndarray  # (F,3) metres, world
    points: np.ndarray  # (F,18,3) px and confidence
    joints: np.ndarray  # (F,24,3) metres, world
    valid: np.ndarray  # (F,) bool: the camera's pose can be trusted
    cameras: np.ndarray  # (F,4,4) world -> camera, metres
    intrinsics: np.ndarray  # (3,3) px


def threedpw(root: Path, split: str, *, reference: str) -> Iterator[Person | HpsError]:
    """3DPW -> every person in every frame whose camera is valid; sequence, then person, then frame."""
    folder = root / "sequenceFiles" / split
    files = sorted(folder.glob("*.pkl"))
    if not files:
        raise MissingError(f"{folder} holds no .pkl.", "Unpack sequenceFiles.zip there.")
    for file in files:
        try:
            data = mapping(load_pickle(file), file.name)
            count = len(data["poses"])
        except HpsError as error:
            yield LostFile(error.problem, error.fix)
            continue
        except BAD_RECORD as error:
            yield LostFile(f"{file.name}: {in_words(error)}.")
            continue
        for number in range(count):
            try:
                actor = read_actor(data, number, reference)
            except BAD_RECORD as error:
                yield InvalidData(f"{file.name} person {number}: {in_words(error)}.")
                continue
            yield from _people(root, actor, split, reference)


def read_actor(data: Any, number: int, reference: str = "") -> Actor:
    """The content of a sequence's pickle -> one person of it.

    Converters look neither at the translation nor at the joints: without those, zero.
    """
    poses = numbers(data["poses"][number], -1, 72)
    frames = len(poses)
    if reference:
        unread = {"trans": np.zeros((frames, 3)), "jointPositions": np.zeros((frames, 72))}
        data = {**{word: {number: zero} for word, zero in unread.items()}, **data}
    return Actor(
        sequence=text(data["sequence"]),
        number=number,
        gender=GENDERS[text(data["genders"][number])],
        poses=poses,
        betas=numbers(numbers(data["betas"][number], -1)[:BETAS], BETAS),
        transl=numbers(data["trans"][number], frames, 3),
        points=numbers(data["poses2d"][number], frames, 3, 18).transpose(0, 2, 1),
        joints=numbers(data["jointPositions"][number], frames, 72).reshape(frames, 24, 3),
        valid=numbers(data["campose_valid"][number], frames) != 0,
        cameras=numbers(data["cam_poses"], frames, 4, 4),
        intrinsics=numbers(data["cam_intrinsics"], 3, 3),
    )


def _people(root: Path, actor: Actor, split: str, reference: str) -> Iterator[Person | HpsError]:
    """-> the person in each valid frame."""
    rotation, translation = actor.cameras[:, :3, :3], actor.cameras[:, :3, 3]
    roots = turned_root(actor.poses[:, :3], rotation)
    seen = np.einsum("fij,fkj->fki", rotation, actor.joints) + translation[:, None]
    pelvis = None if reference else rest_pelvis("smpl", actor.gender, actor.betas)
    stem = stem_of(actor.sequence)
    size = None if reference else _size(root, actor)
    for frame in np.flatnonzero(actor.valid).tolist():
        image = _image(actor, frame)
        box = _box(actor.points[frame], seen[frame], actor.intrinsics, reference)
        if box is None:
            yield InvalidData(
                f"{image} person {actor.number}: not a joint of it is in the picture."
            )
            continue
        arrays = {
            "smpl.global_orient": roots[frame],
            "smpl.body_pose": actor.poses[frame, 3:],
            "smpl.betas": actor.betas,
            "camera.intrinsics": actor.intrinsics,
            "camera.rotation": rotation[frame],
            "camera.translation": translation[frame],
        }
        if pelvis is not None:
            arrays["smpl.transl"] = moved_translation(
                actor.transl[frame], pelvis, rotation[frame], translation[frame]
            )
        if not reference:
            arrays["keypoints2d.pw3d18"] = actor.points[frame]
            arrays["keypoints3d.smpl24"] = np.hstack([seen[frame], np.ones((24, 1))])
        if size is not None:
            arrays |= metro_box(seen[frame], actor.intrinsics, size)
        yield Person(
            key=f"{stem}-{frame:05d}-{actor.number}",
            image=image,
            arrays=arrays,
            box=box,
            meta=_meta(actor, split, int(frame), reference),
        )


def _meta(actor: Actor, split: str, frame: int, reference: str) -> dict[str, Any]:
    meta: dict[str, Any] = {"gender": actor.gender, "body_source": "imported"}
    if reference:
        return {**meta, "human_data.gender": actor.gender[0]}
    where = {"split": split, "sequence": actor.sequence}
    return {**meta, **where, "person": actor.number, "frame": frame}


def _box(
    points: np.ndarray, joints: np.ndarray, intrinsics: np.ndarray, reference: str
) -> np.ndarray | None:
    """-> the box around the detected joints, or around the projected ones where none are."""
    found = points[points[:, 2] > 0, :2]
    if len(found) > (0 if reference else 1):  # a single point has no extent
        return padded_box(found)
    ahead = projected(joints, intrinsics)
    return padded_box(ahead) if len(ahead) > 1 else None


def projected(joints: np.ndarray, intrinsics: np.ndarray) -> np.ndarray:
    """Joints (24,3) in the camera -> those before it in px (N,2)."""
    ahead = joints[joints[:, 2] > 0] @ intrinsics.T
    return np.asarray(ahead[:, :2] / ahead[:, 2:])


@np.errstate(over="ignore", invalid="ignore")  # such joints are not inside
def metro_box(
    joints: np.ndarray, intrinsics: np.ndarray, size: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Joints in the camera, the picture's size -> the square that METRO cuts out, if any."""
    points = projected(joints, intrinsics)
    shown = points[((points >= 0) & (points < [size[1], size[0]])).all(axis=1)]
    if len(shown) < 2 or np.ptp(shown, axis=0).max() < 1:  # a single point has no extent
        return {}
    box = padded_box(shown, METRO_SCALE)
    return {f"{AUTHORS_BOX}metro": square_box(box[:2] + box[2:] / 2, box[2:].max())}


def _size(root: Path, actor: Actor) -> tuple[int, int] | None:
    """-> height and width of a sequence's pictures, which are all alike; None where none is there."""
    for frame in np.flatnonzero(actor.valid).tolist():
        try:
            return image_size(inside(root, _image(actor, frame)).read_bytes())
        except (OSError, InvalidData):  # said of each person when pictures are stored
            continue
    return None


def _image(actor: Actor, frame: int) -> str:
    return f"imageFiles/{actor.sequence}/image_{frame:05d}.jpg"
