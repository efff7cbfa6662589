"""MPII: ours, and as mmhuman3d and SPIN make it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from hpscli.errors import HpsError
from hpscli.records import Person
from tests.plugins.datasets.labelled_2d.labelled_files import (
    joints_of,
    points,
)
from tests.plugins.datasets.reading import box_of, people_of, read


def cell(**fields: Any) -> np.ndarray:
    made = np.zeros((1, 1), [(name, object) for name in fields])
    made[0, 0] = tuple(fields.values())
    return made


def array_of(entries: Sequence[Mapping[str, Any]]) -> np.ndarray:
    names = list(entries[0])
    made = np.zeros((1, len(entries)), [(name, object) for name in names])
    for index, entry in enumerate(entries):
        made[0, index] = tuple(entry[name] for name in names)
    return made


def mpii_structure(path: Path, people: list[dict[int, tuple[Any, Any, Any]]]) -> None:
    """One training picture with these people: {joint: (x, y, is_visible)}; one picture to test on."""
    rects = [
        {
            "annopoints": cell(
                point=array_of(
                    [{"x": x, "y": y, "id": j, "is_visible": v} for j, (x, y, v) in each.items()]
                )
            )
            if each
            else np.empty((0, 0)),
            "scale": 0.5,
            "objpos": cell(x=60.0, y=50.0),
        }
        for each in people
    ]
    pictures = [
        {"image": cell(name="a.jpg"), "annorect": array_of(rects)},
        {"image": cell(name="b.jpg"), "annorect": np.empty((0, 0))},
    ]
    release = {"annolist": array_of(pictures), "img_train": np.array([[1, 0]])}
    savemat(path / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})


def test_mpii_keeps_truncated_people_and_their_visibility(tmp_path: Path) -> None:
    empty = np.empty((0, 0))
    joints = {0: (5.0, 6.0, 0), 1: (7.0, 9.0, 1), 2: (8.0, 3.0, "1"), 9: (4.0, 4.0, empty)}
    mpii_structure(tmp_path, [joints, {}])
    (person,) = people_of("mpii", tmp_path)
    assert (person.image, person.key) == ("images/a.jpg", "images_a-0")
    assert np.flatnonzero(joints_of(person)[:, 2]).tolist() == [0, 1, 2, 9]
    assert person.arrays["extra.visibility"][[0, 1, 2, 3, 9]].tolist() == [1, 2, 2, 0, 2]
    assert box_of(person).tolist() == [10, 0, 100, 100]
    assert people_of("mpii", tmp_path, least_joints=5) == []
    (moved,) = people_of("mpii", tmp_path, zero_based=True)
    assert joints_of(moved)[0].tolist() == [4, 5, 1] and joints_of(moved)[3].tolist() == [0, 0, 0]
    assert box_of(moved).tolist() == [9, -1, 100, 100]


def test_a_person_of_mpii_that_is_broken_does_not_cost_the_others(tmp_path: Path) -> None:
    mpii_structure(tmp_path, [{77: (1.0, 2.0, 1)}, {0: ("x", 1.0, 1)}, {0: (3.0, 4.0, 1)}])
    found = read("mpii", tmp_path)
    problems = [error.problem for error in found if isinstance(error, HpsError)]
    assert len(found) == 3 and isinstance(found[2], Person) and len(problems) == 2
    assert all("mpii_human_pose_v1_u12_1.mat annolist(1).annorect(" in text for text in problems)


def test_the_hourglass_file_is_read_as_reference_and_when_it_is_alone(tmp_path: Path) -> None:
    parts = points(16, 2)
    parts[1, 4] = 0  # no label
    with h5py.File(tmp_path / "train.h5", "w") as file:
        file["imgname"] = np.array([b"a.jpg", b"b.jpg"])
        file["part"], file["scale"] = parts, np.array([0.5, 0.4])
        file["center"] = np.array([[60.0, 50.0], [30.0, 20.0]])
    assert [len(people_of("mpii", tmp_path, reference=r)) for r in ("mmhuman3d", "spin", "")] == [
        1,
        1,
        2,
    ]
    assert joints_of(people_of("mpii", tmp_path)[1])[4].tolist() == [0, 0, 0]
    (tmp_path / "train.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + b"\1" * 99)
    with pytest.raises(HpsError, match=r"train\.h5 is no readable HDF5"):
        read("mpii", tmp_path, reference="spin")
