"""Free people that carry the labels of a data set, and no others."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from hpscli.body.joints import joint_set
from hpscli.body.layer import COEFFICIENTS, PARAMETERS, Body, load_body, matrices
from hpscli.body.regressors import NATIVE
from hpscli.errors import HpsError
from hpscli.records import Sample
from hpscli.registry import get_registry, resolve
from hpscli.testing.standins.labels import Labels

Array = NDArray[np.float32]
DIFFERENT = 4  # people that are drawn; more are the same ones again under other keys
SIDE_PX = 112
GENERATED = "synthetic"


def people(labels: Labels, count: int) -> Iterator[Sample]:
    """-> `count` people with these labels."""
    for number in range(count):
        sample, points = _person(labels.body, number % DIFFERENT)
        arrays = dict(sample.arrays) if labels.everything else dict(_kept(sample, points, labels))
        meta = {
            **sample.meta,
            "dataset": labels.dataset,
            "split": labels.split,
            "image_path": f"stand-in/{number:06d}.jpg",
            "sequence": "stand-in",
            "person": number,
            "frame": 0,
        }
        yield Sample(key=f"standin-{number:06d}", image=sample.image, arrays=arrays, meta=meta)


def _kept(
    sample: Sample, points: Mapping[str, Array], labels: Labels
) -> Iterator[tuple[str, Array]]:
    """-> the arrays that people of such a data set have."""
    arrays = sample.arrays
    names = ["box.center", "box.size", "image.affine"]
    if labels.joints3d or labels.parameters:
        names.append("camera.intrinsics")
    if labels.parameters:
        names += [f"{labels.body}.{n}" for n in (*PARAMETERS[labels.body], "betas")]
        names += [f"{labels.body}.{n}" for n in COEFFICIENTS[labels.body] if n != "betas"]
        if labels.joints3d or labels.body == "smplx":  # SMPL fitted to 2D joints stands nowhere
            names.append(f"{labels.body}.transl")
    yield from ((name, arrays[name]) for name in names if name in arrays)
    for name in labels.joints3d:
        placed, known = _in_set(points, name)
        yield f"keypoints3d.{joint_set(name).name}", np.concatenate([placed, known], axis=1)
    for name in labels.joints2d:
        placed, known = _in_set(points, name)
        flat = placed @ np.asarray(arrays["camera.intrinsics"]).T
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = np.where(known > 0, flat[:, :2] / flat[:, 2:], 0)
        both = np.concatenate([pixels, known], axis=1).astype(np.float32)
        yield f"keypoints2d.{joint_set(name).name}", both


def _in_set(points: Mapping[str, Array], name: str) -> tuple[Array, Array]:
    """-> joints (J,3) metres of a set and 1 or 0 (J,1): what the mesh does not give is absent.

    A joint of another definition (OpenPose's hip, LSP's) stands at the plain one, if need be.
    """
    wanted = joint_set(name)
    if wanted.name in points:
        return points[wanted.name], np.ones((len(wanted), 1), np.float32)
    common = _common(points)
    placed = np.zeros((len(wanted), 3), np.float32)
    known = np.zeros((len(wanted), 1), np.float32)
    for joint, called in enumerate(wanted.common_names()):
        for other in (called, (called or "").partition("_openpose")[0].partition("_extra")[0]):
            if other in common and not known[joint]:
                placed[joint], known[joint] = common[other], 1.0
    return placed, known


def _common(points: Mapping[str, Array]) -> dict[str, Array]:
    """Joints by native set -> by their common names; the first set that has one gives it."""
    found: dict[str, Array] = {}
    for name, values in points.items():
        for called, place in zip(joint_set(name).common_names(), values, strict=True):
            if called is not None:
                found.setdefault(called, place)
    return found


@lru_cache(maxsize=32)
def _person(kind: str, number: int) -> tuple[Sample, dict[str, Array]]:
    """-> a generated person and all joints that its mesh gives, by native joint set."""
    sample = _generator(kind)(number)
    body = load_body(kind, source="free")
    flat = {
        name.partition(".")[2]: torch.from_numpy(np.array(values))[None]
        for name, values in sample.arrays.items()
        if name.startswith(f"{kind}.")
    }
    with torch.no_grad():
        parameters = matrices(flat)
        vertices, joints = body(parameters)
    return sample, dict(_native_sets(body, vertices, joints))


def _native_sets(
    body: Body, vertices: torch.Tensor, joints: torch.Tensor
) -> Iterator[tuple[str, Array]]:
    for name in NATIVE[body.kind]:
        try:
            points = body.regress(vertices, name, joints=joints)[0]
        except HpsError:  # of licensed regressors
            continue
        yield name, points.numpy()


@lru_cache(maxsize=8)
def _generator(kind: str) -> Any:
    spec = get_registry().dataset(GENERATED)
    options = {"body": kind, "count": DIFFERENT, "size_px": SIDE_PX}
    _, make = resolve(spec.parallel)(None, spec.splits[0], **options)
    return make
