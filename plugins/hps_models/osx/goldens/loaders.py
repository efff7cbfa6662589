"""OSX's loaders on its tiny data sets: patches, targets and masks of every sample, and the lists.

People are read as OSX reads them (data set `osx-json`); bodies are the surrogates of the README.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from hps_models.osx.geometry import JOINT_SET, PACKAGE_SET
from hps_models.osx.goldens import loader_targets as made
from hps_models.osx.goldens.bodies import surrogate_smplx
from hpscli.body.joints import conversion_index
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
MM_PER_M = 1000.0
IN_MILLIMETRES = ("Human36M", "MPI_INF_3DHP")
UNBELIEVED_LEGS = ("MPII", *IN_MILLIMETRES)


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
        for name in names:
            yield _checked(f"{group}/{place}/{name}", found, golden)


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
    patch = made.Patch(affine=affine, change=change, image_width=person.image_size_px[1])
    found: dict[str, Any] = {
        "img_stride16": pixels[:, ::PICTURE_STRIDE, ::PICTURE_STRIDE],
        "img_mean": pixels.mean(axis=(1, 2), dtype=np.float64),
        "bb2img_trans": back,
    }
    group = person.meta["set"]
    if group == "PW3D":
        return {**found, "smpl_mesh_cam": _smpl_mesh(person, bodies["smpl"])}
    if group == "EHF":
        found["smplx_mesh_cam"] = person.arrays["vertices.smplx"]
        return found | made.part_boxes(_boxes(person), patch, made.CELLS_EHF)
    if group == "AGORA" and test:
        return {**found, **_agora_test(person, affine)}
    return found | _labels(person, patch, bodies)


def _labels(person: Person, patch: made.Patch, bodies: Bodies) -> dict[str, Any]:
    group, arrays = person.meta["set"], person.arrays
    joints = next(name for name in arrays if name.startswith("keypoints2d.")).partition(".")[2]
    points, metres = arrays[f"keypoints2d.{joints}"], arrays.get(f"keypoints3d.{joints}")
    if metres is not None:
        metres = metres[:, :3] / (MM_PER_M if group in IN_MILLIMETRES else 1.0)
    found: dict[str, Any] = made.annotated(points, metres, joints, patch)
    found["is_3D"] = float(metres is not None)
    with_parts = group in ("MSCOCO", "UBody", "AGORA")
    found |= made.part_boxes(_boxes(person), patch) if with_parts else made.no_part_boxes()
    if group == "AGORA":
        return found | _agora_fit(person, found, patch)
    told = person.meta["osx"].get("smplx_param")
    if told is None:
        return found | made.unfitted()
    parameters = told.get("smplx_param", told)
    camera = person.meta["osx"].get("cam_param") or told["cam_param"]
    fit = fit_of(parameters, camera, bodies["smplx"])
    lens = np.array(camera["focal"]), np.array(camera["princpt"])
    found |= made.fitted(fit, lens, patch, legs_known=group not in UNBELIEVED_LEGS)
    return found | {"smplx_cam_trans": np.array(parameters["trans"])}


def fit_of(parameters: Mapping[str, Any], camera: Mapping[str, Any], body: Body) -> made.Fit:
    """NeuralAnnot's parameters and camera (t in millimetres) -> the body in the camera."""
    import cv2

    hands = [
        np.array(parameters[f"{part}_pose"])
        if f"{part}_pose" in parameters and parameters[f"{part}_valid"]
        else None
        for part in ("lhand", "rhand")
    ]
    known = "jaw_pose" in parameters and "expr" in parameters and bool(parameters["face_valid"])
    jaw, expression = (
        np.array(parameters[word]) if known else np.zeros(size)
        for word, size in (("jaw_pose", 3), ("expr", 10))
    )
    root = np.array(parameters["root_pose"], np.float64)
    rotation = np.array(camera["R"], np.float64) if "R" in camera else None
    if rotation is not None:
        root = cv2.Rodrigues(rotation @ cv2.Rodrigues(root)[0])[0].ravel()
    left, right = (np.zeros(45) if pose is None else pose for pose in hands)
    parts = (root, parameters["body_pose"], left, right, jaw)
    betas, moved = np.array(parameters["shape"]), np.array(parameters["trans"])
    joints = _joints(body, parts, betas, expression, moved)
    if rotation is not None and "t" in camera:
        away = np.array(camera["t"], np.float32) / np.float32(MM_PER_M)
        joints = joints - joints[0] + rotation.astype(np.float32) @ joints[0] + away
    masks = made.part_masks((hands[0] is not None, hands[1] is not None), known)
    return made.Fit(
        joints=joints,
        pose=np.concatenate([np.ravel(part) for part in parts]).reshape(-1, 3),
        betas=betas,
        expression=expression,
        pose_valid=masks[0],
        joint_valid=masks[1],
        expression_valid=known,
    )


def _joints(
    body: Body, parts: tuple[Any, ...], betas: Array, expression: Array, moved: Array
) -> Array:
    """Root, body, hands, jaw -> the 137 joints (137,3) metres, float32.

    The body is moved last, as officially: rounding at ten metres shows in the depth of hands.
    """
    names = ("global_orient", "body_pose", "left_hand_pose", "right_hand_pose", "jaw_pose")
    given = dict(zip(names, (np.ravel(part) for part in parts), strict=True))
    for side in ("left", "right"):
        given[f"{side}_hand_pose"] = given[f"{side}_hand_pose"] + np.asarray(
            body.hand_means[f"hands_mean{side[0]}"]
        )
    given |= {"betas": betas, "expression": expression}
    tensors = {
        name: torch.from_numpy(np.asarray(values, np.float32))[None]
        for name, values in given.items()
    }
    with torch.no_grad():
        turned = matrices(tensors)
        vertices, joints = body(turned)
        package = body.regress(vertices, PACKAGE_SET, joints=joints, parameters=turned)
    index = conversion_index(PACKAGE_SET, JOINT_SET).tolist()
    return np.asarray(package[0, index].numpy() + moved.astype(np.float32))


def _agora_fit(person: Person, found: Mapping[str, Any], patch: made.Patch) -> dict[str, Any]:
    """AGORA's own parameters: the root is in the world, so it and all joints of the fit are masked."""
    arrays = person.arrays
    hands = [f"extra.{side}_hand_pose_from_mean" for side in ("left", "right")]
    words = ("extra.world_root", "smplx.body_pose", *hands, "smplx.jaw_pose")
    pose = np.concatenate([arrays[word] for word in words]).reshape(-1, 3)
    pose_valid = np.ones(pose.size)
    pose_valid[:3] = 0
    betas = arrays["smplx.betas"]
    return {
        "smplx_joint_img": found["joint_img"],
        "smplx_joint_cam": found["joint_cam"],
        "smplx_joint_valid": np.zeros_like(found["joint_valid"]),
        "smplx_joint_trunc": np.zeros_like(found["joint_trunc"]),
        "smplx_pose": made.changed_pose(pose, patch),
        "smplx_pose_valid": pose_valid,
        "smplx_shape": betas * bool((np.abs(betas) <= made.FARTHEST_BETA).all()),
        "smplx_shape_valid": 1.0,
        "smplx_expr": arrays["smplx.expression"],
        "smplx_expr_valid": 1.0,
    }


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


def _boxes(person: Person) -> dict[str, Array | None]:
    return {part: person.arrays.get(f"extra.{part}_box") for part in made.PARTS}


def _checked(name: str, found: Mapping[str, Any], golden: Mapping[str, Any]) -> ArrayCheck:
    """One stored array against ours of the same name."""
    last = name.rpartition("/")[2]
    ours, stride = last.partition("__vstride")[::2]
    if ours not in found:
        raise InvalidData(f"{name}: the loader of this set returns no such array.")
    value = np.asarray(found[ours])
    if stride:
        value = value[:: int(stride)]
    if last.startswith("img_"):
        return compare(name, value, golden[name], WARP if "stride" in last else MEAN)
    if last == "smplx_pose":
        stored = _matrices(golden[name])
        return compare(f"{name}, as matrices", _matrices(value), stored, ROTATIONS)
    return compare(name, value, golden[name], FITTED.get(last, LABELS))


def _matrices(pose: Any) -> Array:
    from hpscli.body.rotations import axis_angle_to_matrix

    return axis_angle_to_matrix(torch.tensor(np.asarray(pose, np.float64)).reshape(-1, 3)).numpy()
