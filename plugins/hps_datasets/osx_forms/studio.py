"""Human36M and MPI_INF_3DHP: joints in the world in millimetres, cameras, SMPL-X fits in the world."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from hps_datasets.osx_forms.annotations import (
    Array,
    Labels,
    Request,
    box_of,
    key_of,
    numbers,
    people_of,
    read_json,
    size_of,
)
from hps_datasets.osx_forms.fits import World, intrinsics, smplx_arrays, told_official
from hpscli.errors import HpsError
from hpscli.records import Person

SUBJECTS = {"train": (1, 5, 6, 7, 8), "test": (9, 11)}  # of Human3.6M
SAMPLING = {
    "train": 5,
    "test": 64,
}  # every n-th frame: IDEA-Research/OSX, data/Human36M/Human36M.py
FRONT_CAMERA = "4"  # the only one of the test
SAMPLING_3DHP = 3
MM_PER_M = 1000.0


def human36m(request: Request) -> Iterator[Person | HpsError]:
    """Subject by subject -> people with 17 joints in the camera."""
    for subject in SUBJECTS[request.split]:
        start = f"annotations/Human36M_subject{subject}"
        cameras = read_json(request.path(f"{start}_camera.json"))
        joints = read_json(request.path(f"{start}_joint_3d.json"))
        fits = read_json(request.path(f"{start}_SMPLX_NeuralAnnot.json"))

        def make(
            annotation: Labels,
            image: Labels,
            cameras: Any = cameras,
            joints: Any = joints,
            fits: Any = fits,
        ) -> Person | None:
            if image["frame_idx"] % SAMPLING[request.split]:
                return None
            number = str(image["cam_idx"])
            if request.split == "test" and number != FRONT_CAMERA:
                return None
            place = [str(image[word]) for word in ("action_idx", "subaction_idx", "frame_idx")]
            camera = cameras[number]
            camera = {**camera, "focal": camera["f"], "princpt": camera["c"]}
            fit = found(fits, place)
            if fit is None and request.official:
                return None
            labels = {"world": found(joints, place)}
            meta = {"set": "Human36M", "subject": image["subject"], "camera": number}
            meta |= {"action": place[0], "subaction": place[1], "frame": image["frame_idx"]}
            return _person(
                request,
                annotation,
                image,
                camera=camera,
                labels=labels,
                fit=fit,
                joints="osx_h36m17",
                image_name=f"images/{image['file_name']}",
                meta=meta,
            )

        yield from people_of(request.path(f"{start}_data.json"), make)


def mpi_inf_3dhp(request: Request) -> Iterator[Person | HpsError]:
    """The 1k pictures -> people with 17 joints in the camera."""
    start = "MPI-INF-3DHP"
    cameras = read_json(request.path(f"data/{start}_camera_1k.json"))
    joints = read_json(request.path(f"data/{start}_joint_3d.json"))
    fits = read_json(request.path(f"data/{start}_SMPLX_NeuralAnnot.json"))

    def make(annotation: Labels, image: Labels) -> Person | None:
        if image["frame_idx"] % SAMPLING_3DHP:
            return None
        place = [str(image[word]) for word in ("subject_idx", "seq_idx", "frame_idx")]
        camera = found(cameras, [*place[:2], str(image["cam_idx"])])
        fit = found(fits, place)
        if fit is None and request.official:
            return None
        subject, sequence, _ = place
        name = f"data/images_1k/S{subject}/Seq{sequence}/imageSequence/{image['file_name']}"
        meta = {"set": "MPI_INF_3DHP", "subject": image["subject_idx"]}
        meta |= {"sequence": sequence, "camera": str(image["cam_idx"]), "frame": image["frame_idx"]}
        return _person(
            request,
            annotation,
            image,
            camera=camera,
            labels={"world": found(joints, place)},
            fit=fit,
            joints="osx_mpi_inf_3dhp17",
            image_name=name,
            meta=meta,
            told={"img_id": annotation["image_id"]},
        )

    yield from people_of(request.path(f"data/{start}_1k.json"), make)


def found(table: Any, place: list[str]) -> Any:
    """Nested tables, names from outside in -> what lies there, or None."""
    for name in place:
        table = table.get(name) if isinstance(table, Mapping) else None
    return table


def _person(
    request: Request,
    annotation: Labels,
    image: Labels,
    *,
    camera: Labels,
    labels: Labels,
    fit: Any,
    joints: str,
    image_name: str,
    meta: dict[str, Any],
    told: Mapping[str, Any] | None = None,
) -> Person | None:
    size = size_of(image)
    box = box_of(request, annotation, "bbox", size)
    if box is None:
        return None
    world = World(numbers(camera, "R", 3, 3), numbers(camera, "t", 3) / MM_PER_M)
    arrays = _joints(camera, labels, joints, official=request.official)
    arrays["camera.intrinsics"] = intrinsics(camera)
    meta |= {"annotation": annotation["id"], "is_3d": True}
    if fit is not None:
        arrays |= smplx_arrays(fit, world=world)
        meta |= {"body_source": "imported", "gender": str(fit.get("gender", "neutral"))}
    if request.official:
        words = ("R", "t", "focal", "princpt")
        cam = {word: np.array(camera[word], np.float32) for word in words}
        meta |= told_official(cam_param=cam, smplx_param=fit, **(told or {}))
    return Person(
        key=key_of(meta["set"].lower(), annotation["id"]),
        image=request.folder + image_name,
        image_size_px=size,
        arrays=arrays,
        box=box,
        meta=meta,
    )


def _joints(camera: Labels, labels: Labels, joints: str, *, official: bool) -> dict[str, Array]:
    """World joints mm -> in the camera, metres, and in the picture; of OSX worked out in float32."""
    kind = np.float32 if official else np.float64
    world = numbers(labels, "world", 17, 3).astype(kind)
    rotation, moved = (
        numbers(camera, "R", 3, 3).astype(kind),
        numbers(camera, "t", 3).astype(kind),
    )
    placed = np.dot(rotation, world.T).T + moved
    focal, centre = (numbers(camera, word, 2).astype(kind) for word in ("focal", "princpt"))
    if not official and placed[:, 2].min() <= 0:
        raise ValueError("a joint lies behind the camera")
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = placed[:, :2] / placed[:, 2:] * focal + centre
    ones = np.ones((len(placed), 1))
    metres = placed.astype(np.float64) / MM_PER_M  # OSX's list has these times 1000: forms/osx.py
    return {
        f"keypoints2d.{joints}": np.concatenate([pixels, ones.astype(kind)], axis=1),
        f"keypoints3d.{joints}": np.concatenate([metres, ones], axis=1),
    }
