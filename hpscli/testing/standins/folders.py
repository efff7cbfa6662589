"""Stand-ins on disk: shards by kind of labels and a folder of poses, each made once."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hpscli.atomic import write_atomically
from hpscli.data.sample import encode_record
from hpscli.data.shards import INDEX, ShardWriter, write_index
from hpscli.testing.standins.labels import Labels
from hpscli.testing.standins.people import DIFFERENT, people

PEOPLE = 48  # of each kind: enough for a mix that takes a tenth of them
POSES = 64
NOTE = "made-up people that stand in for a data set; not to learn from"
POSES_SCHEMA = "hps/poses/1"


class Standins:
    """Gives folders; several processes may share one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def shards(self, labels: Labels) -> Path:
        """-> the shard folder of people with these labels."""
        name = hashlib.sha256(repr(labels).encode()).hexdigest()[:12]
        return self._once(f"{labels.body}-{name}", lambda place: _write_shards(place, labels))

    def poses(self) -> Path:
        """-> a folder of poses as `hps prepare amass` makes it."""
        return self._once("poses", _write_poses)

    def _once(self, name: str, write: Callable[[Path], None]) -> Path:
        """Made beside its place and renamed, so that nobody sees half of it."""
        place = self.folder / name
        if not (place / INDEX).is_file():
            draft = self.folder / f".{name}.{os.getpid()}"
            draft.mkdir(parents=True)
            write(draft)
            try:
                draft.rename(place)
            except OSError:  # another process was faster
                shutil.rmtree(draft)
        return place


def _write_shards(place: Path, labels: Labels) -> None:
    writer = ShardWriter(place, 0, 0)
    writer.body_source = "free"
    for sample in people(labels, PEOPLE):
        record = encode_record(sample.arrays, sample.meta)
        writer.add(sample.key, "jpg", sample.image, record, sorted(sample.arrays))
    about = {"dataset": labels.dataset, "split": labels.split, "body": labels.body}
    write_index(place, [writer.close(PEOPLE)], {**about, "licence": f"CC0-1.0; {NOTE}"})


def _write_poses(place: Path) -> None:
    whole = Labels(body="smpl", everything=True, parameters=True)
    drawn = [sample.arrays for sample in people(whole, DIFFERENT)]
    random = np.random.default_rng(0)
    arrays = {}
    for name in ("global_orient", "body_pose", "betas"):
        rows = np.stack([drawn[n % DIFFERENT][f"smpl.{name}"] for n in range(POSES)])
        arrays[name] = (rows + random.normal(0, 0.05, rows.shape)).astype(np.float32)
    content, file = encode_record(arrays, {"schema": POSES_SCHEMA}), "000000.safetensors"
    write_atomically(place / file, content)
    document = {
        "schema": POSES_SCHEMA,
        "dataset": "stand-in",
        "split": "train",
        "licence": f"CC0-1.0; {NOTE}",
        "poses": POSES,
        "motions": 1,
        "files": [{"file": file, "poses": POSES, "bytes": len(content)}],
    }
    write_atomically(place / INDEX, json.dumps(document, indent=1).encode())
