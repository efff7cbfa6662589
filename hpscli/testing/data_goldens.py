"""Replaying official converters on tiny downloads: a data set is read `as reference`, and compared.

One function for all data sets: it reads the fixture with the reader that users have, writes people in
the form of the golden, and compares every array in the precision of the reader.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.forms.human_data import human_data
from hpscli.data.forms.spin import spin_arrays
from hpscli.errors import HpsError
from hpscli.records import Person
from hpscli.registry import get_registry, resolve
from hpscli.testing.expected import SKIPPED
from hpscli.testing.goldens import ArrayCheck, ReplayOptions

POINTS = 1e-4  # px and metres of key points, boxes; reference/datasets/expected/README.md
ROTATIONS = 1e-5  # of matrices, for axis-angle near pi may turn its sign
FORMS = {"human_data": human_data, "spin": spin_arrays}
ROTATION_ENTRIES = ("_pose", "global_orient", "pose")


def replay(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """A reference folder -> a verdict on every array of the golden."""
    values = dict(options.case)
    stored = np.load(folder / "expected" / values.pop("file"), allow_pickle=False)
    form, boxes = values.pop("form", "human_data"), values.pop("boxes", POINTS)
    root = folder / "fixtures" / values.pop("fixture")
    people = read_people(values.pop("dataset"), root, values.pop("split"), values)
    found = FORMS[form](people)
    for name in stored.files:
        if name not in SKIPPED:
            tolerance = boxes if name in ("bbox_xywh", "center", "scale") else POINTS
            yield compare(name, found.get(name), stored[name], tolerance)


def read_people(dataset: str, root: Path, split: str, options: dict[str, Any]) -> list[Person]:
    """-> all people of a data set that can be read."""
    spec = get_registry().dataset(dataset)
    records = resolve(spec.people)(root, split, **{**spec.options, **options})
    return [record for record in records if not isinstance(record, HpsError)]


def compare(name: str, found: Any, stored: np.ndarray, tolerance: float) -> ArrayCheck:
    """One stored array against ours: text exactly, rotations as matrices, numbers within."""
    if found is None:
        return _verdict(name, float("inf"), 0.0, "we have no such entry")
    found = np.asarray(found)
    if found.shape != stored.shape:
        return _verdict(name, float("inf"), 0.0, f"shape {found.shape}, stored {stored.shape}")
    if stored.dtype.kind in "USb":
        different = int((found.astype(stored.dtype) != stored).sum())
        return _verdict(name, float(different), 0.0, f"{different} differ" if different else "")
    if name.endswith(ROTATION_ENTRIES) and stored.shape[-1] % 3 == 0:
        both = [_matrices(array) for array in (found, stored)]
        return _verdict(name, _worst(*both), ROTATIONS)
    return _verdict(name, _worst(found, stored), tolerance)


def _matrices(array: np.ndarray) -> np.ndarray:
    """Axis-angle (..., 3n) -> rotation matrices, flat."""
    import torch

    turned = torch.from_numpy(np.asarray(array, np.float64).reshape(-1, 3))
    return axis_angle_to_matrix(turned).numpy()


def _worst(found: np.ndarray, stored: np.ndarray) -> float:
    difference = np.abs(found.astype(np.float64) - stored.astype(np.float64))
    both_absent = np.isnan(found.astype(np.float64)) & np.isnan(stored.astype(np.float64))
    return float(np.where(both_absent, 0, difference).max(initial=0.0))


def _verdict(name: str, worst: float, tolerance: float, note: str = "") -> ArrayCheck:
    return ArrayCheck(
        name=name,
        worst=worst,
        tolerance=tolerance,
        unit="",
        ok=bool(worst <= tolerance),
        note=note,
    )
