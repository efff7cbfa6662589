"""InstaVariety and VLOG: clips in TFRecord files, with 14 joints, 5 points of the face and 6 of the feet."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from hps_datasets.labelled_2d.labels import box_around
from hps_datasets.labelled_2d.tfrecords import Place, Value, example, records
from hpscli.data.forms.human_data import in_annotated_slots
from hpscli.data.people import image_size, padded_box, stem_of
from hpscli.errors import HpsError, InvalidData, LostFile, MissingError, in_words
from hpscli.records import Person, Picture

JOINTS, FACE, FEET = 14, 5, 6
PREFIXES = {  # of the authors' machines, before the names of pictures
    "insta_variety": "/data2/Data/instagram_download/frames_raw/",
    "vlog": "/scratch1/storage/git_repos/",
}
OURS = "instavariety25"


def insta_variety(root: Path, split: str, *, reference: str) -> Iterator[Person | HpsError]:
    """InstaVariety -> a person for every picture of every clip."""
    return clips(root, split, reference, PREFIXES["insta_variety"])


def vlog(root: Path, split: str, *, reference: str) -> Iterator[Person | HpsError]:
    """VLOG -> a person for every picture of every clip."""
    return clips(root, split, reference, PREFIXES["vlog"])


def clips(root: Path, split: str, reference: str, prefix: str) -> Iterator[Person | HpsError]:
    """A folder of TFRecord files -> people; a clip that is broken comes out as its complaint."""
    paths = sorted((root / split).glob("*.tfrecord"))
    if not paths:
        raise MissingError(f"{root}/{split} holds no .tfrecord files.")
    for shard, path in enumerate(paths):
        number = -1
        try:
            for number, (start, data) in enumerate(records(path)):
                try:
                    frames = list(clip_frames(example(data, start), data, start))
                except (KeyError, TypeError, ValueError, IndexError, HpsError) as error:
                    yield InvalidData(f"{path.name} clip {number}: {in_words(error)}.")
                    continue
                for index, (name, joints, (offset, length)) in enumerate(frames):
                    image = name.replace(prefix, "images/")
                    person = (
                        _as_reference(image, joints) if reference else clip_person(image, joints)
                    )
                    if person is not None:
                        yield replace(
                            person,
                            key=f"{stem_of(image)}-{shard}-{number}-{index}",
                            picture=Picture(
                                path=f"{split}/{path.name}", offset=offset, length=length
                            ),
                        )
        except HpsError as error:
            yield LostFile(error.problem, error.fix)


def clip_frames(
    clip: Mapping[str, Value], data: bytes, start: int
) -> Iterator[tuple[str, np.ndarray, Place]]:
    """A clip, its record and where that begins -> name, joints (25,3) and place of each picture."""
    count = int(clip["meta/N"][0])  # type: ignore[arg-type]
    names, pictures = places(clip, "image/filenames"), places(clip, "image/encoded")
    if not 0 <= count <= min(len(names), len(pictures)):
        raise ValueError(f"{count} pictures, but {len(names)} names and {len(pictures)} pictures")
    body = floats(clip, "image/xys", count, 2, JOINTS)
    seen = floats(clip, "image/visibilities", count, 1, JOINTS)
    face = floats(clip, "image/face_pts", count, 3, FACE)
    feet = floats(clip, "image/toe_pts", count, 3, FEET)
    joints = np.concatenate([np.concatenate([body, seen], axis=1), face, feet], axis=2)
    for index in range(count):
        points = joints[index].T.copy()
        first, length = pictures[index]
        if "image/phis" in clip:  # prepared clips: -1..1 over the picture's height
            height, _ = image_size(data[first - start : first - start + length], f"picture {index}")
            points[:, :2] = (points[:, :2] + 1) / 2 * height
        first, size = names[index]
        name = data[first - start : first - start + size].decode("utf-8")
        yield name, points, pictures[index]


def places(clip: Mapping[str, Value], name: str) -> list[Place]:
    """-> where the items of a list of bytes lie."""
    value = clip[name]
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list of bytes")
    return value


def floats(clip: Mapping[str, Value], name: str, count: int, *shape: int) -> np.ndarray:
    """-> (count, *shape) numbers; the feet, which older clips lack, are zero then."""
    value = clip.get(name, [])
    if len(value) == 0 and name == "image/toe_pts":
        return np.zeros((count, *shape))
    if isinstance(value, list) or len(value) < count * int(np.prod(shape)):
        raise ValueError(f"{name} has {len(value)} numbers for {count} pictures")
    with np.errstate(invalid="ignore"):  # signalling NaN in broken files
        rows = np.asarray(value, np.float64)[: count * int(np.prod(shape))]
    return rows.reshape(count, *shape)


def clip_person(image: str, joints: np.ndarray) -> Person | None:
    """A picture's joints -> a person, the box around all that have confidence; None without any."""
    known = (joints[:, 2] > 0) & np.isfinite(joints).all(1)
    if not known.any():
        return None
    points = np.where(known[:, None], joints, 0.0)
    points[:, 2] = points[:, 2].clip(0, 1)
    arrays = {f"keypoints2d.{OURS}": points}
    return Person(image=image, arrays=arrays, box=box_around(points))


def _as_reference(image: str, joints: np.ndarray) -> Person | None:
    """As hmr-benchmarks: other slots, and a box around joints whose confidence is exactly 1.

    Without such a joint its converter ends, so such a picture is left out.
    """
    certain = joints[joints[:, 2] == 1, :2]
    if not len(certain):
        return None
    return Person(image=image, arrays=in_annotated_slots(joints, OURS), box=padded_box(certain))
