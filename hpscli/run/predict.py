"""People in an image: crop, predict, and put the answer back into the original image."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from hpscli.body.cameras import to_full_image
from hpscli.body.rotations import matrix_to_axis_angle
from hpscli.data.crops import compose, crop_affine, crop_pixels
from hpscli.data.placing import fast_place
from hpscli.data.preparation import FAST, Preparation
from hpscli.errors import InvalidData, UsageError
from hpscli.metrics.errors import require_finite
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Batch, Camera, Prediction
from hpscli.render.pictures import read_image
from hpscli.run.inference import Crop, Dtype, mesh_of, predict_batch, preparation_of
from hpscli.run.predicting.boxes import check_boxes

Floats = NDArray[np.float64]
Image = NDArray[np.uint8]
MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True, kw_only=True)
class Person:
    """One predicted person. Vertices and joints are in metres, camera axes, the body's own origin:
    add `camera.translation` to place them before the camera of the original image."""

    vertices: Floats  # (V,3)
    faces: NDArray[np.int32]  # (F,3)
    joints: dict[str, Floats]  # {set: (J,3)}
    parameters: dict[str, Floats]  # axis-angle, flat, as in shards; betas ...
    camera: Camera  # of the original image
    weak_camera: Floats  # (3,) in the crop
    affine: Floats  # (2,3) original image -> crop
    crop_size: tuple[int, int]  # (H, W) px
    box: Floats | None  # (4,) xywh px; None: the whole image
    score: float = 1.0
    hand: str = ""  # of hand models: left or right
    preparation: str = FAST  # how the crop was made
    joints2d: dict[str, Floats] = field(default_factory=dict)  # {set: (J,2)} px, original image


def predict_image(
    model: LoadedModel,
    image: Image | Path | str,
    boxes: ArrayLike | None = None,
    *,
    hand: str = "",
    focal_px: float | None = None,
    flip: bool = False,
    dtype: Dtype = "fp32",
    crop: Crop = "",
    batch: int = 16,
) -> list[Person]:
    """image (H,W,3) uint8 RGB or a file, boxes (N,4) xywh px [, score] or None -> N people.

    Without boxes the whole image is one person. `hand="left"` shows a right-hand model the mirror
    image and mirrors its answer. `crop`: the authors' image preparation or our own, see
    `preparation_of`.
    """
    pixels = read_image(image) if isinstance(image, Path | str) else np.asarray(image)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or pixels.dtype != np.uint8:
        raise InvalidData(f"an image is (H,W,3) uint8 RGB, not {pixels.shape} {pixels.dtype}.")
    rows = _boxes(boxes, pixels)
    hand = _hand(model, hand)
    preparation = preparation_of(model, crop, boxes=boxes is not None)
    size = (pixels.shape[0], pixels.shape[1])
    people: list[Person] = []
    for start in range(0, len(rows), batch):
        part = rows[start : start + batch]
        cut = [_cut(model, pixels, row, preparation, mirrored=hand == "left") for row in part]
        prediction = predict_batch(
            model,
            _as_batch(cut),
            flip=flip,
            dtype=dtype,
            shift=preparation is None or not preparation.reverses_columns,
        )
        for number, (row, (_, affine)) in enumerate(zip(part, cut, strict=True)):
            person = _person(model, prediction, number, row, affine, size, focal_px, hand)
            people.append(replace(person, preparation=preparation.name if preparation else FAST))
    return people


def _boxes(boxes: ArrayLike | None, image: Image) -> list[Floats | None]:
    if boxes is None:
        return [None]
    rows = np.asarray(boxes, np.float64)
    if rows.ndim != 2 or rows.shape[1] not in (4, 5):
        raise UsageError(f"boxes have shape {rows.shape}, expected (N,4) x,y,w,h or (N,5) + score.")
    check_boxes(rows, (image.shape[0], image.shape[1]), "the image")
    return list(rows)


def check_hand(hand: str) -> None:
    """Raise for a word that is no hand."""
    if hand not in ("", "left", "right"):
        raise UsageError(f"no hand '{hand}'.", "One of: left, right.")


def _hand(model: LoadedModel, hand: str) -> str:
    if model.body.kind != "mano":
        if hand:
            raise UsageError(
                f"--hand is for hand models; '{model.spec.name}' predicts {model.body.kind}.",
                "Leave --hand out, or name weights of a hand: --checkpoint NAME",
            )
        return ""
    check_hand(hand)
    return hand or "right"


def _cut(
    model: LoadedModel,
    image: Image,
    box: Floats | None,
    preparation: Preparation | None,
    *,
    mirrored: bool,
) -> tuple[NDArray[np.generic], Floats]:
    """-> the crop (3,h,w), uint8 by our warp or float32 as official, and its affine, not mirrored."""
    size, window = (image.shape[0], image.shape[1]), model.input_size
    if preparation is None:
        place = fast_place(model.spec.crop, box, size, window)
        affine = crop_affine(*place, window)
        shown = mirrored_affine(affine, window) if mirrored else affine
        return crop_pixels(image, shown, window).transpose(2, 0, 1), affine
    place = preparation.place(box, size, window)
    pixels = preparation.pixels(image, *place, window=window, flip=mirrored)
    return pixels, preparation.affine(*place, window)


def mirrored_affine(affine: Floats, window: tuple[int, int]) -> Floats:
    """affine (2,3) image -> crop -> the same crop mirrored, x -> W - x as in training."""
    return compose(affine, np.array([[-1.0, 0.0, window[1]], [0.0, 1.0, 0.0]]))


def _as_batch(cut: Sequence[tuple[NDArray[np.generic], Floats]]) -> Batch:
    return Batch(
        keys=tuple(str(number) for number in range(len(cut))),
        image=torch.from_numpy(np.stack([crop for crop, _ in cut])),
        targets={},
        present={},
        affine=torch.from_numpy(np.stack([affine for _, affine in cut]).astype(np.float32)),
        flipped=torch.zeros(len(cut), dtype=torch.bool),
    )


def _person(
    model: LoadedModel,
    prediction: Prediction,
    number: int,
    box: Floats | None,
    affine: Floats,
    size: tuple[int, int],
    focal_px: float | None,
    hand: str,
) -> Person:
    """Row `number` of a batch's prediction -> the person in the original image."""
    weak = prediction.camera[number].double().cpu().numpy()
    vertices = mesh_of(prediction)[number].double().cpu().numpy()
    require_finite("the prediction", np.concatenate([weak[None], vertices])[None], ["this image"])
    joints = {name: p[number].double().cpu().numpy() for name, p in prediction.joints.items()}
    parameters = {n: _flat(n, p[number : number + 1]) for n, p in prediction.parameters.items()}
    faces = np.asarray(model.body.faces, np.int32)
    if hand == "left":
        weak = weak * [1.0, -1.0, 1.0]
        vertices, faces = vertices * MIRROR, faces[:, ::-1].copy()
        joints = {name: points * MIRROR for name, points in joints.items()}
        parameters = {n: v if n == "betas" else _mirrored(v) for n, v in parameters.items()}
    camera = to_full_image(weak, affine, model.input_size, size, focal_px)
    return Person(
        vertices=vertices,
        faces=faces,
        joints=joints,
        parameters=parameters,
        camera=camera,
        weak_camera=weak,
        affine=affine,
        crop_size=model.input_size,
        box=None if box is None else box[:4],
        score=1.0 if box is None or len(box) < 5 else float(box[4]),
        hand=hand,
        joints2d={name: _pixels(points, camera) for name, points in joints.items()},
    )


def _flat(name: str, value: torch.Tensor) -> Floats:
    """One person's parameter -> flat: matrices (1,n,3,3) as axis-angle (3n,), the rest as it is."""
    if value.shape[-2:] == (3, 3):
        value = matrix_to_axis_angle(value)
    return np.asarray(value.double().cpu().numpy().reshape(-1), np.float64)


def _mirrored(vectors: Floats) -> Floats:
    """axis-angle (3n,) -> of the other hand: a mirror in x keeps x, turns y and z around."""
    return np.asarray((vectors.reshape(-1, 3) * [1.0, -1.0, -1.0]).reshape(-1), np.float64)


def _pixels(points: Floats, camera: Camera) -> Floats:
    image = (points + camera.translation) @ camera.intrinsics.T
    return np.asarray(image[:, :2] / image[:, 2:], np.float64)
