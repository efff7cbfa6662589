"""OSX's loaders on its tiny data sets: patches, targets and masks of every sample, and the lists.

People are read as OSX reads them (data set `osx-json`); bodies are the surrogates of the README.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hps_models.osx.geometry import BODY_GRID
from hps_models.osx.goldens import loader_targets as made
from hps_models.osx.goldens.bodies import surrogate_smplx
from hpscli.body.kit import body_kit
from hpscli.body.layer import Body, matrices
from hpscli.data.official_crops import osx
from hpscli.data.people import picture_bytes
from hpscli.data.sample import decode_image
from hpscli.errors import InvalidData
from hpscli.records import Person, Picture
from hpscli.testing.data_goldens import read_people
from hpscli.testing.goldens import ArrayCheck, ReplayOptions, compare, locate, read_golden
from hpscli.testing.surrogates import surrogate_body

Array = made.Array
CHANGES = {  # README of the goldens: datasets.npz
    "aug0": osx.Change(scale=0.9, rotation_degrees=20.0, colour=(0.9, 1.1, 1.0)),
    "aug1": osx.Change(scale=1.15, rotation_degrees=-35.0, colour=(1.1, 0.95, 1.0), flip=True),
    "test": osx.UNCHANGED,
}
SPLITS = {"AGORA/val": ("AGORA", "validation")}  # OSX's names of splits, where ours differ
INTERVAL = 10  # README: of UBody, also of its test
EXACT, LABELS, ROTATIONS = 1e-4, 1e-4, 1e-5
# Of a body ten metres away float32 knows a micrometre: 5e-5 cells of the 0.3 m of a hand's depth, and
# hand and wrist are rounded each.
FITTED = {"smplx_joint_img": 2e-4}
WARP = 1 / 255  # README: other versions of OpenCV differ by about one grey level
MEAN = 0.05 / 255
PICTURE_STRIDE = 16
CELLS_EHF = np.array([BODY_GRID[1] / BODY_GRID[2], 1.0])  # its own copy takes the height for both


def replay_loaders(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/datasets.npz: every array of every sample."""
    golden = read_golden(folder, "goldens/datasets.npz")
    bodies = Bodies(options)
    samples: dict[tuple[str, str], list[str]] = {}
    for name in golden:
        group, split, number, change, rest = name.split("/", 4)
        samples.setdefault((f"{group}/{split}", f"{number}/{change}"), []).append(rest)
    lists = {group: people_of(folder, group) for group, _ in samples}
    for (group, place), names in samples.items():
        number, change = place.split("/")
        if change not in CHANGES or not int(number) < len(lists[group]):
            raise InvalidData(f"{golden.path} has a sample {group}/{place}, which is unknown.")
        person = lists[group][int(number)]
        found = loaded(folder / "fixtures", person, CHANGES[change], bodies, test=change == "test")
        stored = {name.rpartition("/")[2]: golden[f"{group}/{place}/{name}"] for name in names}
        for name, value in made.learnt(stored, found).items():
            yield checked(f"{group}/{place}/{name}", found, value)


def replay_lists(folder: Path, options: ReplayOptions) -> Iterator[ArrayCheck]:
    """goldens/datasets_index.json: how many samples there are, and the boxes of the first."""
    stored = json.loads(locate(folder, "goldens/datasets_index.json").read_text(encoding="utf-8"))
    for group, about in stored.items():
        people = people_of(folder, group)
        yield compare(f"{group} len", len(people), about["len"], 0.0)
        if "bboxes" in about:
            boxes = np.array([person.box for person in people[: len(about["bboxes"])]])
            yield compare(f"{group} bboxes", boxes, about["bboxes"], EXACT, "px")


def people_of(folder: Path, group: str) -> list[Person]:
    """Reference folder, "MSCOCO/train" -> the people of OSX's list."""
    name, split = SPLITS.get(group, tuple(group.split("/")))
    options = {"reference": "osx", "set": name, "interval": INTERVAL}
    return read_people("osx-json", folder / "fixtures", split, options)


class Bodies:
    """The surrogates, made when they are asked for."""

    def __init__(self, options: ReplayOptions) -> None:
        self.options = options
        self.made: dict[str, Body] = {}

    def __getitem__(self, kind: str) -> Body:
        """-> the surrogate of this kind."""
        if kind not in self.made:
            seed = self.options.get("smpl_seed", 7)
            arrays = (
                surrogate_smplx(self.options) if kind == "smplx" else surrogate_body(kind, seed)
            )
            self.made[kind] = body_kit(kind, given=arrays).body()
        return self.made[kind]


def loaded(
    root: Path, person: Person, change: osx.Change, bodies: Bodies, *, test: bool
) -> dict[str, Any]:
    """A person -> what OSX's loader returns: {name without targets/ or meta/: array}."""
    picture = decode_image(picture_bytes(root, person.picture or Picture(path=person.image)))
    assert person.box is not None and person.image_size_px is not None
    affine, back = osx.patch_affines(person.box, change, image_width=picture.shape[1])
    pixels = osx.network_input(osx.patch(picture, person.box, change))
    found: dict[str, Any] = {
        "img_stride16": pixels[:, ::PICTURE_STRIDE, ::PICTURE_STRIDE],
        "img_mean": pixels.mean(axis=(1, 2), dtype=np.float64),
        "bb2img_trans": back,
    }
    group = person.meta["set"]
    if group == "PW3D":
        return {**found, "smpl_mesh_cam": _smpl_mesh(person, bodies["smpl"])}
    if group == "AGORA" and test:
        return {**found, **_agora_test(person, affine)}
    width = person.image_size_px[1]
    targets = made.targets_of(person, affine, change, bodies["smplx"], width)
    found |= made.named(targets)
    if group == "EHF":
        found["smplx_mesh_cam"] = person.arrays["vertices.smplx"]
        for part in made.PARTS:
            for name in (f"{part}_bbox_center", f"{part}_bbox_size"):
                found[name] = found[name] * CELLS_EHF
    if (fit := person.meta.get("osx", {}).get("smplx_param")) is not None:
        found["smplx_cam_trans"] = np.array(fit.get("smplx_param", fit)["trans"])
    return found


def _agora_test(person: Person, affine: Array) -> dict[str, Any]:
    """-> the mesh, zero where the test keeps it secret, and the way from the patch to 4K pixels."""
    last = np.array([[0.0, 0.0, 1.0]], np.float32)
    patch, crop = (
        np.concatenate([np.asarray(part, np.float32), last])
        for part in (affine, person.arrays["extra.crop_affine"])
    )
    mesh = person.arrays.get("vertices.smplx")
    return {
        "smplx_mesh_cam": np.zeros((10475, 3)) if mesh is None else mesh,
        "bb2img_trans": np.linalg.inv(patch @ crop)[:2],
    }


def _smpl_mesh(person: Person, body: Body) -> Array:
    given = {
        name: torch.from_numpy(np.asarray(person.arrays[f"smpl.{name}"], np.float32))[None]
        for name in ("global_orient", "body_pose", "betas", "transl")
    }
    with torch.no_grad():
        return np.asarray(body(matrices(given))[0][0].double())


def checked(name: str, found: Mapping[str, Any], stored: Array) -> ArrayCheck:
    """One stored array against ours of the same name."""
    last = name.rpartition("/")[2]
    ours, stride = last.partition("__vstride")[::2]
    if ours not in found:
        raise InvalidData(f"{name}: the loader of this set returns no such array.")
    value = np.asarray(found[ours])
    if stride:
        value = value[:: int(stride)]
    if last.startswith("img_"):
        return compare(name, value, stored, WARP if "stride" in last else MEAN)
    if last == "smplx_pose":
        turned = _matrices(stored)
        return compare(f"{name}, as matrices", _matrices(value), turned, ROTATIONS)
    return compare(name, value, stored, FITTED.get(last, LABELS))


def _matrices(pose: Any) -> Array:
    from hpscli.body.rotations import axis_angle_to_matrix

    return axis_angle_to_matrix(torch.tensor(np.asarray(pose, np.float64)).reshape(-1, 3)).numpy()
