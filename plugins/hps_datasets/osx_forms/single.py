"""Sets of one file: MPII, PW3D, EHF."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from hps_datasets.osx_forms.annotations import (
    Array,
    Labels,
    Request,
    box_of,
    corners,
    key_of,
    numbers,
    people_of,
    size_of,
)
from hps_datasets.osx_forms.fits import Fits, intrinsics, smpl_arrays, smplx_arrays, told_official
from hpscli.data.containers.ply import ply_vertices
from hpscli.data.people import inside
from hpscli.errors import HpsError
from hpscli.records import Person

EHF_BOXES = {"lhand": "lefthand_bbox", "rhand": "righthand_bbox", "face": "face_bbox"}
# EHF's camera in the world of its meshes: IDEA-Research/OSX, data/EHF/EHF.py
EHF_ROTATION = (-2.98747896, 0.01172457, -0.05704687)


def mpii(request: Request) -> Iterator[Person | HpsError]:
    """MPII -> people with 16 joints; SMPL-X where somebody fitted it."""
    fits = Fits(request.path("data/annotations/MPII_train_SMPLX_NeuralAnnot.json"))

    def make(annotation: Labels, image: Labels) -> Person | None:
        size = size_of(image)
        box = box_of(request, annotation, "bbox", size)
        if box is None:
            return None
        points = numbers(annotation, "keypoints", 16, 3)
        visibility = points[:, 2].copy()
        if not request.official:
            points[:, 2] = visibility > 0
            points[points[:, 2] == 0] = 0
        arrays = {"keypoints2d.osx_mpii16": points, "extra.visibility": visibility}
        number = annotation["id"]
        meta: dict[str, Any] = {"set": "MPII", "annotation": number, "is_3d": False}
        fit = fits.get(str(number))
        if fit is not None:
            arrays |= smplx_arrays(fit["smplx_param"])
            arrays["camera.intrinsics"] = intrinsics(fit["cam_param"])
            gender = str(fit["smplx_param"].get("gender", "neutral"))
            meta |= {"body_source": "imported", "gender": gender}
        if request.official:
            meta |= told_official(smplx_param=fit)
        return Person(
            key=key_of("mpii", number),
            image=f"{request.folder}data/{image['file_name']}",
            image_size_px=size,
            arrays=arrays,
            box=box,
            meta=meta,
        )

    yield from people_of(request.path("data/annotations/train.json"), make)


def pw3d(request: Request) -> Iterator[Person | HpsError]:
    """3DPW in Moon's JSON -> people with SMPL in the camera, and its lens."""

    def make(annotation: Labels, image: Labels) -> Person | None:
        size = size_of(image)
        box = box_of(request, annotation, "bbox", size)
        if box is None:
            return None
        fit, camera, number = annotation["smpl_param"], image["cam_param"], annotation["id"]
        arrays = {**smpl_arrays(fit), "camera.intrinsics": intrinsics(camera)}
        meta: dict[str, Any] = {"set": "PW3D", "annotation": number, "is_3d": True}
        meta |= {"body_source": "imported", "gender": str(fit.get("gender", "neutral"))}
        meta["sequence"] = image["sequence"]
        if request.official:
            cam = {word: np.array(value, np.float32) for word, value in camera.items()}
            meta |= told_official(cam_param=cam, smpl_param=fit, ann_id=number)
        return Person(
            key=key_of("pw3d", request.split, number),
            image=f"{request.folder}data/imageFiles/{image['sequence']}/{image['file_name']}",
            image_size_px=size,
            arrays=arrays,
            box=box,
            meta=meta,
        )

    yield from people_of(request.path(f"data/3DPW_{request.split}.json"), make)


def ehf(request: Request) -> Iterator[Person | HpsError]:
    """EHF -> people with boxes of hands and face, and the aligned mesh of SMPL-X."""

    def make(annotation: Labels, image: Labels) -> Person | None:
        size = size_of(image)
        box = box_of(request, annotation, "body_bbox", size)
        if box is None:
            return None
        arrays: dict[str, Array] = {}
        for part, word in EHF_BOXES.items():
            arrays[f"extra.{part}_box"] = corners(numbers(annotation, word, 4))
        name = str(image["file_name"])
        mesh = f"{request.folder}data/{name.split('_')[0]}_align.ply"
        path = inside(request.root, mesh)
        if path.is_file() or not request.official:
            vertices = ply_vertices(path)
            arrays["vertices.smplx"] = vertices if request.official else _turned(vertices)
        meta: dict[str, Any] = {"set": "EHF", "annotation": annotation["id"], "is_3d": True}
        meta |= {"root_relative": True, "body_source": "imported", "gender": "neutral"}
        if request.official:
            meta |= told_official(mesh_gt_path=mesh)
        return Person(
            key=key_of("ehf", annotation["id"]),
            image=f"{request.folder}data/{name}",
            image_size_px=size,
            arrays=arrays,
            box=box,
            meta=meta,
        )

    yield from people_of(request.path("data/EHF.json"), make)


def _turned(vertices: Array) -> Array:
    """Vertices of the world -> turned into the camera; where it stands is not in these files."""
    import cv2

    rotation, _ = cv2.Rodrigues(np.array(EHF_ROTATION))
    return np.asarray(vertices @ rotation.T)
