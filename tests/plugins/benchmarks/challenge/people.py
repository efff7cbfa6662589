"""Shards of synthetic people shaped as 3DPW: 60 sequences in three splits, 87 people, few frames."""

from pathlib import Path

import numpy as np

from hpscli.data.sample import encode_record
from hpscli.data.shards import ShardWriter, write_index
from tests.run.people import IMAGE_PX, common_arrays, parameters, picture

SEQUENCES = {"train": 24, "validation": 12, "test": 24}
PAIRS = 27  # sequences of two people: 60 + 27 = 87
FRAMES = 2


def write_threedpw(root: Path, *, frames: int = FRAMES) -> Path:
    """-> folder of three folders of shards; the first person's last frame has no 2D pose."""
    image = picture(0)  # everybody's: it is quick, and a model need not say the same of everybody
    number = 0
    for split, count in SEQUENCES.items():
        folder = root / split
        folder.mkdir(parents=True)
        writer = ShardWriter(folder, 0, 0)
        writer.body_source = "free"
        rows = 0
        for _ in range(count):
            for person in range(2 if number < PAIRS else 1):
                for frame in range(frames):
                    seed = 1000 * number + 10 * person + frame
                    arrays = {**common_arrays(), **parameters("smpl", seed)}
                    points = np.random.RandomState(seed).rand(18, 3).astype(np.float32) * IMAGE_PX
                    last = frame == frames - 1
                    arrays["keypoints2d.pw3d18"] = points * (0 if last and not number else 1)
                    arrays["smpl.betas"] = parameters("smpl", 1000 * number + 10 * person)[
                        "smpl.betas"
                    ]
                    arrays["box.size"] = np.array([30.0 + seed % 61], np.float32)
                    meta = {
                        "image_size_px": [IMAGE_PX, IMAGE_PX],
                        "gender": ("male", "female")[person],
                        "split": split,
                        "sequence": f"seq_{number:02d}",
                        "person": person,
                        "frame": frame,
                    }
                    key = f"seq_{number:02d}-{frame:05d}-{person}"
                    writer.add(key, "jpg", image, encode_record(arrays, meta), list(arrays))
                    rows += 1
            number += 1
        about = {"dataset": "3dpw", "split": split, "body": "smpl", "licence": "free"}
        write_index(folder, [writer.close(rows)], about)
    return root
