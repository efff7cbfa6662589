"""People as AGORA has them, made of the free body: crowds in pictures, and what a model says of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from hpscli.body.cameras import to_full_image, to_weak
from hpscli.body.layer import Body, load_body
from hpscli.body.parameters import COEFFICIENTS, PARAMETERS
from hpscli.body.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from hpscli.data.sample import encode_record
from hpscli.data.shards import ShardWriter, write_index
from hpscli.records import Camera, PredictionSet, Sample

SMALL = (720, 1280)  # height, width px of the pictures
FOCAL_PX = 1000.0
CROP = (256, 192)  # height, width px
JOINTS = {"smplx": "agora127", "smpl": "smpl45"}


@dataclass
class Crowd:
    """True people and what was predicted about them, in the same order."""

    body: Body
    samples: list[Sample]
    predictions: PredictionSet


def crowd(
    kind: str,
    pictures: list[int],
    seed: int = 0,
    noise: float = 0.05,
    occlusion: float = 20.0,
) -> Crowd:
    """How many people each picture has -> people who stand side by side, predictions near them."""
    body, draw = load_body(kind, source="free"), np.random.default_rng(seed)
    names = [
        f"images/validation/ag_validationset_bfh_{place:05d}_1280x720.png"
        for place, count in enumerate(pictures)
        for _ in range(count)
    ]
    slots = [slot for count in pictures for slot in range(count)]
    truth = _parameters(kind, len(names), draw, 0.15)
    said = {k: v + noise * draw.standard_normal(v.shape) for k, v in truth.items()}
    said["global_orient"] = truth["global_orient"] + 0.02
    meshes, points = _posed(body, truth)
    samples, rows = [], []
    for row, (name, slot) in enumerate(zip(names, slots, strict=True)):
        moved = np.array([-4.0 + 1.6 * slot, 0.2, 9.0])
        flat = _project(points[row] + moved)
        meta = {
            "image_path": name,
            "image_size_px": list(SMALL),
            "dataset": "agora",
            "split": "validation",
            "gender": "neutral",
            "kid": False,
            "occlusion": occlusion,
            "is_valid": True,
        }
        samples.append(_sample(kind, f"p{row:04d}", truth, row, points[row] + moved, flat, meta))
        rows.append(_cropped(flat, moved))
    arrays: dict[str, Any] = {
        f"parameters.{name}": _matrices(name, values, kind) for name, values in said.items()
    }
    arrays |= {name: np.stack([row[name] for row in rows]).astype(np.float32) for name in rows[0]}
    predictions = PredictionSet(
        keys=tuple(sample.key for sample in samples),
        arrays=arrays,
        meta=tuple(sample.meta for sample in samples),
        body=body.describe(),
        about={"model": "noise"},
    )
    return Crowd(body, samples, predictions)


def _parameters(kind: str, count: int, draw: Any, size: float) -> dict[str, Any]:
    """-> axis-angles and coefficients (N,...) of people who face the camera."""
    found = {
        name: size * draw.standard_normal((count, 3 * joints))
        for name, joints in PARAMETERS[kind].items()
    }
    found |= {name: draw.standard_normal((count, n)) for name, n in COEFFICIENTS[kind].items()}
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # y up -> the camera's y down
    turned = upright @ axis_angle_to_matrix(torch.from_numpy(found["global_orient"]).float())
    found["global_orient"] = matrix_to_axis_angle(turned).double().numpy()
    return found


def _matrices(name: str, values: Any, kind: str) -> Any:
    if name not in PARAMETERS[kind]:
        return values.astype(np.float32)
    vectors = torch.from_numpy(values.reshape(len(values), -1, 3)).float()
    turned = axis_angle_to_matrix(vectors).numpy()
    return turned[:, 0] if turned.shape[1] == 1 else turned


def _posed(body: Body, parameters: dict[str, Any]) -> tuple[Any, Any]:
    """-> vertices (N,V,3), joints (N,J,3) as float64."""
    given = {k: torch.from_numpy(_matrices(k, v, body.kind)) for k, v in parameters.items()}
    with torch.no_grad():
        mesh, own = body(given)
        points = body.regress(mesh, JOINTS[body.kind], joints=own)
    return mesh.double().numpy(), points.double().numpy()


def _project(points: Any) -> Any:
    centre = np.array([SMALL[1] / 2, SMALL[0] / 2])
    return points[:, :2] / points[:, 2:] * FOCAL_PX + centre


def _sample(
    kind: str, key: str, truth: dict[str, Any], row: int, points: Any, flat: Any, meta: Any
) -> Sample:
    seen = np.ones((len(points), 1))
    arrays = {
        f"keypoints2d.{JOINTS[kind]}": np.hstack([flat, seen]),
        f"keypoints3d.{JOINTS[kind]}": np.hstack([points, seen]),
        **{f"{kind}.{name}": values[row] for name, values in truth.items()},
        "box.center": (flat.min(0) + flat.max(0)) / 2,
        "box.size": np.array([1.2 * np.ptp(flat, axis=0).max()]),
    }
    arrays = {name: np.asarray(value, np.float32) for name, value in arrays.items()}
    return Sample(key=key, image=b"", arrays=arrays, meta=meta)


def _cropped(flat: Any, moved: Any) -> dict[str, Any]:
    """-> camera, affine, crop_size_px with which the body lands where it is."""
    low, high = flat.min(0), flat.max(0)
    scale = CROP[0] / (1.2 * (high - low)[1])
    shift = np.array(CROP[::-1]) / 2 - scale * (low + high) / 2
    affine = np.hstack([np.eye(2) * scale, shift[:, None]])
    intrinsics = np.array([[FOCAL_PX, 0, SMALL[1] / 2], [0, FOCAL_PX, SMALL[0] / 2], [0, 0, 1]])
    camera = Camera(intrinsics=intrinsics, translation=moved, focal_assumed=False)
    weak = to_weak(camera, affine, CROP)
    assert np.isfinite(to_full_image(weak, affine, CROP, SMALL).translation).all()
    return {"camera": weak, "affine": affine, "crop_size_px": np.array(CROP)}


def write_shards(folder: Path, people: Crowd) -> Path:
    """The people with a picture of noise each -> shards as of agora/validation."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = ShardWriter(folder, 0, 0)
    writer.body_source = "free"
    write_picture(folder / "noise.jpg")
    image = (folder / "noise.jpg").read_bytes()
    (folder / "noise.jpg").unlink()
    for sample in people.samples:
        arrays = {**sample.arrays, "image.affine": np.eye(2, 3, dtype=np.float32)}
        record = encode_record(arrays, dict(sample.meta))
        writer.add(sample.key, "jpg", image, record, list(arrays))
    tables = [writer.close(len(people.samples))]
    about = {"dataset": "agora", "split": "validation", "body": people.body.kind, "licence": "free"}
    write_index(folder, tables, about)
    return folder


def write_picture(path: Path) -> None:
    """A picture of noise, as large as AGORA's small ones."""
    noise = np.random.RandomState(0).randint(0, 255, (18, 32, 3), np.uint8)
    cv2.imwrite(str(path), cv2.resize(noise, SMALL[::-1], interpolation=cv2.INTER_CUBIC))
