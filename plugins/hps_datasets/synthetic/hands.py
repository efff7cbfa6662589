"""A hand-made prior of finger poses, relative to the flat hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rng = np.random.Generator

GESTURES = {"relaxed": 0.30, "open": 0.17, "fist": 0.13, "point": 0.10, "pinch": 0.10, "free": 0.20}
# order of the bodies: index, middle, pinky, ring, thumb; three joints each
INDEX, MIDDLE, PINKY, RING, THUMB = range(5)
BEND = np.array([1.25, 1.55, 1.0])  # largest flexion of knuckle, middle and end joint
THUMB_BEND = np.array([0.65, 0.75, 0.75])
THUMB_AXIS = np.array([0.46, -0.81, -0.35])  # across the palm; this thumb stands 45 degrees off
SPREAD = np.array([0.7, 0.05, -1.3, -0.5])  # which way each finger moves when the hand opens


def sample_fingers(rng: Rng, calm: bool = False) -> tuple[str, Array]:
    """-> gesture, axis-angle (15,3) of a right hand; `calm` keeps to hands of people at ease."""
    names, chances = list(GESTURES), np.array(list(GESTURES.values()))
    if calm:
        chances = chances * [3.0, 1.0, 0.6, 0.4, 0.3, 0.4]
    gesture = str(rng.choice(names, p=chances / chances.sum()))
    curl = np.clip(_curls(rng, gesture), -0.08, 1.0)
    pose = np.zeros((5, 3, 3))
    flexion = curl[:4, None] * BEND * (1 + rng.normal(0, 0.10, (4, 3)))
    pose[:4, :, 2] = flexion  # towards the palm, which faces -y while the fingers point to -x
    wide = rng.normal(0.06, 0.09) + (0.12 if gesture == "open" else 0.0)
    pose[:4, 0, 1] = (SPREAD * wide + rng.normal(0, 0.04, 4)) * (1 - np.maximum(curl[:4], 0))
    pose[THUMB] = THUMB_AXIS * (curl[THUMB] * THUMB_BEND)[:, None]
    pose[THUMB, 0] += rng.normal(0, [0.10, 0.12, 0.12])
    return gesture, pose.reshape(15, 3)


def _curls(rng: Rng, gesture: str) -> Array:
    """-> how far each finger is bent, 0 straight .. 1 in the palm."""
    noise = rng.normal(0, 0.07, 5)
    if gesture == "open":
        return noise * 0.6
    if gesture == "fist":
        return 0.92 + noise
    if gesture == "point":
        bent = np.full(5, 0.88)
        bent[INDEX] = 0.04
        bent[MIDDLE] = rng.choice([0.04, 0.88])  # one finger or two
        bent[THUMB] = rng.choice([0.0, 0.8])
        return bent + noise
    if gesture == "pinch":
        bent = np.full(5, rng.uniform(0.1, 0.7))
        bent[INDEX], bent[THUMB] = 0.5, 0.75
        return bent + noise
    if gesture == "free":
        return np.clip(rng.uniform(-0.05, 1.0) + rng.normal(0, 0.3, 5), -0.05, 1.0)
    relaxed: Array = rng.uniform(0.10, 0.38) + noise + np.array([-0.04, 0, 0.08, 0.04, 0])
    return relaxed
