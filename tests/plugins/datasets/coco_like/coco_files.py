"""Small label files in COCO's format."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

WIDTH, HEIGHT = 200, 100
FILES = {
    "coco": "annotations/person_keypoints_train2014.json",
    "coco-wholebody": "annotations/coco_wholebody_train_v1.0.json",
    "crowdpose": "crowdpose_train.json",
    "posetrack18": "posetrack_data/annotations/train/000001_bonn_train.json",
    "ai-challenger": "ai_challenger_keypoint_train_20170909/"
    "keypoint_train_annotations_20170909.json",
    "ochuman": "ochuman.json",
}
JOINTS = {"coco": 17, "coco-wholebody": 17, "crowdpose": 14, "posetrack18": 17}


def joints(count: int, visibility: float = 2) -> list[float]:
    points = np.stack(np.unravel_index(np.arange(count), (12, 12)), 1) * 6.0 + 20
    return np.concatenate([points, np.full((count, 1), visibility)], 1).ravel().tolist()


def annotation(name: str, number: int, image: int, **changes: Any) -> dict[str, Any]:
    entry = {
        "id": number,
        "image_id": image,
        "iscrowd": 0,
        "keypoints": joints(JOINTS[name]),
        "bbox": [10, 20, 40, 60],
    }
    return entry | changes


def write(
    root: Path, name: str, annotations: Sequence[Any], images: Sequence[Any] = (), file: str = ""
) -> Path:
    path = root / (file or FILES[name])
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = "images/train/000001_bonn_train/" if name == "posetrack18" else ""
    known = images or [
        {"id": i, "file_name": f"{folder}{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in (1, 2)
    ]
    path.write_text(json.dumps({"images": known, "annotations": list(annotations)}))
    return root


def write_openpose(root: Path, *shifts_px: float, confidence: float = 0.9) -> Path:
    """Detections that are the labels of `annotation`, moved."""
    slots = {0: 0, 2: 6, 3: 8, 4: 10, 5: 5, 6: 7, 7: 9, 9: 12, 10: 14, 11: 16, 12: 11}
    slots |= {13: 13, 14: 15}
    labels = np.reshape(joints(17), (17, 3))
    found = []
    for shift in shifts_px:
        points = np.zeros((25, 3))
        for slot, joint in slots.items():
            points[slot] = [labels[joint, 0] + shift, labels[joint, 1], confidence]
        found.append({"pose_keypoints_2d": points.ravel().tolist()})
    (root / "openpose").mkdir(parents=True, exist_ok=True)
    path = root / "openpose/1_keypoints.json"
    path.write_text(json.dumps({"people": found}))
    return root
