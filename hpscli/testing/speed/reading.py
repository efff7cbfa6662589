"""How fast people are read for training: our stream beside METRO's way, on the same pictures.

METRO's way is written out plainly here, after its released reading code: a line of a TSV file, base64,
the whole picture decoded, the box cut into float64, turned, resized, multiplied and normalised, labels
one person at a time. It gives the very numbers of that code (microsoft/MeshTransformer). Times are
processor seconds of one process, and the sides take turns: what else a machine does falls on both.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.data.crops import compose, crop_affine, invert
from hpscli.data.evalset import EvalSet
from hpscli.data.official_crops.labels import spin_points, turned_labels
from hpscli.data.official_crops.metro import metro
from hpscli.data.official_crops.metro_draws import draw_metro, draw_metro_masks
from hpscli.data.people import Layout, square_box
from hpscli.data.prepare import prepare
from hpscli.hooks import DatasetSpec
from hpscli.records import Person
from hpscli.testing.speed.preparing import BOX, write_pictures

SIDE_PX = 1000  # of a picture of Human3.6M
PEOPLE = 96
WINDOW, BATCH, JOINTS = (224, 224), 32, "metro24"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
QUERIES = (14, 431, 0.3)  # METRO's masked joints and vertices, and how many at most
# people a second of METRO's released reading code on one free core, 7.6 ms each; what is checked is the
# ratio to METRO's way in turns beside ours, for a time of another machine or hour says little
OFFICIAL = 130.0
NEEDED = {"originals": 2.0, "crops": 8.0}  # times METRO's way
ROUNDS = 5  # turns of each kind; ratios are the median over turns


@dataclass(frozen=True)
class Rates:
    """People a processor second, by what was done; turns of one number belong together."""

    turns: Mapping[str, tuple[float, ...]]

    def best(self, kind: str) -> float:
        """-> people a second, of the best turn."""
        return max(self.turns[kind])

    def times(self, kind: str, other: str) -> float:
        """-> how many times as fast as another, in the median turn."""
        pairs = zip(self.turns[kind], self.turns[other], strict=True)
        return median(one / two for one, two in pairs)

    def short(self) -> list[str]:
        """-> what is not as many times as fast as METRO's way as it has to be, in words."""
        return [
            f"{kind} {self.times(kind, 'metro'):.2f} of {least:g}"
            for kind, least in NEEDED.items()
            if self.times(kind, "metro") < least
        ]


def people(root: Path, split: str, *, count: int) -> Iterator[Person]:
    """Folder of pictures -> `count` people in the middle of them, labelled as METRO needs it."""
    names = sorted(path.name for path in root.glob("*.jpg"))
    joints = len(joint_set(JOINTS).joints)
    middle = np.full(2, SIDE_PX / 2)
    for number in range(count):
        draw = np.random.default_rng(number)
        side = BOX * SIDE_PX * draw.uniform(0.8, 1.2)
        seen = np.ones((joints, 1))
        yield Person(
            key=f"p{number}",
            image=names[number % len(names)],
            arrays={
                f"keypoints2d.{JOINTS}": np.hstack(
                    [middle + draw.uniform(-0.4, 0.4, (joints, 2)) * side, seen]
                ),
                f"keypoints3d.{JOINTS}": np.hstack([draw.uniform(-0.8, 0.8, (joints, 3)), seen]),
                "smpl.global_orient": draw.normal(size=3),
                "smpl.body_pose": draw.normal(size=69) * 0.3,
                "smpl.betas": draw.normal(size=10),
            },
            box=square_box(middle, side),
        )


SPEC = DatasetSpec(
    name="bench-reading",
    people="hpscli.testing.speed.reading:people",
    splits=("train",),
    summary="Generated pictures with labels of bodies",
    licence="CC0-1.0",
    access="generated",
    homepage="docs/explanation/speed.md",
    options={"count": 0},
)


def make_people(folder: Path, count: int = PEOPLE) -> None:
    """Write the same people as shards of whole pictures, shards of crops, and METRO's files."""
    write_pictures(folder / "pictures", SIDE_PX, SIDE_PX)
    for kind in ("full", "crop"):
        prepare(
            SPEC,
            folder / "pictures",
            "train",
            folder / kind,
            options={"count": count},
            layout=Layout(kind=kind),
        )
    write_tsv(EvalSet(folder / "full"), folder / "tsv")


def write_tsv(people: EvalSet, folder: Path) -> None:
    """People with whole pictures -> train.img.tsv, .label.tsv, .hw.tsv, each with its .lineidx."""
    folder.mkdir()
    rows: dict[str, list[str]] = {"img": [], "label": [], "hw": []}
    for person in people:
        height, width = person.meta["image_size_px"]
        rows["img"].append(base64.b64encode(person.image).decode())
        rows["label"].append(json.dumps([_annotation(person.arrays)]))
        rows["hw"].append(json.dumps([{"height": height, "width": width}]))
    for name, values in rows.items():
        lines = [f"{people.key(n)}\t{value}\n" for n, value in enumerate(values)]
        starts = np.cumsum([0, *(len(line) for line in lines[:-1])])
        (folder / f"train.{name}.tsv").write_text("".join(lines))
        (folder / f"train.{name}.lineidx").write_text("".join(f"{start}\n" for start in starts))


def _annotation(arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    pose = np.concatenate([arrays["smpl.global_orient"], arrays["smpl.body_pose"]])
    return {
        "center": arrays["box.center"].tolist(),
        "scale": float(arrays["box.size"][0]) / 200,  # the field's unit of boxes
        "has_2d_joints": 1,
        "has_3d_joints": 1,
        "has_smpl": 1,
        "2d_joints": [arrays[f"keypoints2d.{JOINTS}"].tolist()],
        "3d_joints": [arrays[f"keypoints3d.{JOINTS}"].tolist()],
        "pose": pose.tolist(),
        "betas": arrays["smpl.betas"].tolist(),
    }


class MetroFiles:
    """The TSV files of one training set, read line by line as METRO does."""

    def __init__(self, folder: Path) -> None:
        self.starts, self.files = {}, {}
        for name in ("img", "label", "hw"):
            text = (folder / f"train.{name}.lineidx").read_text()
            self.starts[name] = [int(line) for line in text.split()]
            self.files[name] = (folder / f"train.{name}.tsv").open()
        self.random = np.random.RandomState(88)  # METRO's own seed
        self.mirror = joint_set(JOINTS).mirror
        self.root = joint_set(JOINTS).joints.index("Pelvis")

    def __len__(self) -> int:
        return len(self.starts["img"])

    def close(self) -> None:
        """Close the files."""
        for file in self.files.values():
            file.close()

    def _row(self, name: str, index: int) -> list[str]:
        self.files[name].seek(self.starts[name][index])
        return [word.strip() for word in self.files[name].readline().split("\t")]

    def read(self, index: int) -> dict[str, Any]:
        """Number of a person -> its crop (3,224,224) float32, normalised, and its labels."""
        import cv2

        encoded = base64.b64decode(self._row("img", index)[-1])
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR)
        image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        key = self._row("hw", index)[0]
        (labels,) = json.loads(self._row("label", index)[1])
        change = draw_metro(self.random)
        center, size_px = labels["center"], 200 * labels["scale"] * change.scale
        turned: dict[str, Any] = {
            "rotation_degrees": change.rotation_degrees,
            "flip": change.flip,
        }
        picture = metro(image, center, size_px, channel_noise=change.channel_noise, **turned)
        points = np.asarray(labels["2d_joints"][0])
        points = spin_points(points, center, size_px, mirror=self.mirror, **turned)
        joints = np.asarray(labels["3d_joints"][0])
        joints[:, :3] -= joints[self.root, :3]
        joints, pose = turned_labels(
            joints, np.asarray(labels["pose"]), mirror3d=self.mirror, flip_first=False, **turned
        )
        masks = draw_metro_masks(self.random, *QUERIES)
        betas = np.asarray(labels["betas"], np.float32)
        found = {"key": key, "image": picture, "2d": points, "3d": joints}
        return {**found, "pose": pose, "betas": betas, "masks": masks}


def bare(people: EvalSet) -> Callable[[], int]:
    """-> a turn of the yardstick: decode one stored picture and warp it once to the window."""
    import cv2

    pictures = [np.frombuffer(sample.image, np.uint8) for sample in people]
    first = people[0].arrays
    center, size = first["box.center"], float(first["box.size"][0])
    whole = crop_affine(center, size, WINDOW, rotation_degrees=10.0)
    affine = compose(invert(first["image.affine"]), whole)

    def endless() -> Iterator[int]:
        while True:
            for picture in pictures:
                image = cv2.imdecode(picture, cv2.IMREAD_COLOR)
                cv2.warpAffine(image, affine, (WINDOW[1], WINDOW[0]), flags=cv2.INTER_LINEAR)
                yield 1

    turns = endless()
    return lambda: next(turns)


def batches(location: str | Path, workers: int = 0, joints: str = "smpl24") -> Any:
    """Shards -> batches of the training stream with flip, rotation, scale and channel noise."""
    from hpscli.data.streaming.stream import TrainingStream
    from hpscli.recipe import Augment, Member

    return iter(
        TrainingStream(
            {"bench": Member(shards=str(location))},
            size=WINDOW,
            joints=joints,
            augment=Augment(),
            batch=BATCH,
            workers=workers,
        )
    )


def normalised_turn(location: Path) -> Callable[[], int]:
    """-> a turn of ours: one batch, and normalised here as METRO's is."""
    from hpscli.data.batch import ready

    source = batches(location, joints=JOINTS)
    return lambda: len(ready(next(source), MEAN, STD))


def _bytes_turn(location: Path) -> Callable[[], int]:
    """-> a turn of ours without what a GPU does itself: nothing is normalised."""
    source = batches(location, joints=JOINTS)
    return lambda: len(next(source))


def beside_metro(folder: Path, seconds: float, advance: Callable[[int], None]) -> Rates:
    """What `make_people` wrote -> rates of both ways, and of what any way must do."""
    files = MetroFiles(folder / "tsv")
    numbers = iter(range(10**9))

    def metro_turn() -> int:
        files.read(next(numbers) % len(files))
        return 1

    kinds = {
        "metro": metro_turn,
        "originals": normalised_turn(folder / "full"),
        "crops": normalised_turn(folder / "crop"),
        "bytes": _bytes_turn(folder / "crop"),
        "bare originals": bare(EvalSet(folder / "full")),
        "bare crops": bare(EvalSet(folder / "crop")),
    }
    turns: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(ROUNDS):
        for kind, turn in kinds.items():
            turns[kind].append(rate(turn, seconds, time.process_time))
            advance(1)
    files.close()
    return Rates({kind: tuple(values) for kind, values in turns.items()})


def one_core() -> None:
    """Let OpenCV and PyTorch use one core of this process."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def rate(turn: Callable[[], int], seconds: float, clock: Callable[[], float]) -> float:
    """-> people a second, after one turn that does not count."""
    turn()
    done, start = 0, clock()
    while clock() - start < seconds:
        done += turn()
    return done / (clock() - start)
