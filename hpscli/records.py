"""The records that flow through the pipe: Sample -> Batch -> Prediction.

Frames and units, everywhere: metres; pixels of the original image, origin at the centre of the
top-left pixel; camera frame x right, y down, z forward; rotations of the root in the camera frame.
Absent is absent (missing key or None), never zero.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One person in one image, as stored in shards.

    `arrays` (names, shapes and units: shards/README.md), for example
      keypoints2d.coco17 (17,3) px, px, confidence    keypoints3d.smpl24 (24,4) m, m, m, confidence
      smpl.global_orient (3,)  smpl.body_pose (69,)  smpl.betas (10,)  smpl.transl (3,)   axis-angle
      camera.intrinsics (3,3) px    box.center (2,) px    box.size (1,) px, side of the square crop
      image.affine (2,3) original image -> stored image
    `meta` is JSON: image_path, image_size_px [height, width], dataset, split, gender, hand, ...
    """

    key: str
    image: bytes  # JPEG, PNG or WebP
    arrays: Mapping[str, np.ndarray]
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Where a person's picture is: a file, bytes inside a file, or a frame of a video.

    `path` is below the data set's folder, with slashes. `offset` >= 0: `length` bytes from there, in
    `encoding` ("" as they are, or "base64"). `frame` >= 0: that frame of a video, counted from 0.
    `turns`: quarter turns clockwise after which the labels fit. `folder`: another folder that the
    user named, seen from the data set's; `path` is then below it.
    """

    path: str
    offset: int = -1
    length: int = 0
    encoding: str = ""
    frame: int = -1
    turns: int = 0
    folder: str = ""


@dataclass(frozen=True, kw_only=True)
class Person:
    """One person as a data set's files describe them, before any picture is opened.

    `image`: the picture's name in the data set, a path with slashes; keys are made from it.
    `arrays`, `meta`: as in Sample, of any float type; no box and no affine among them.
    `box` (4,) x, y, width, height px, margin included; None: 1.2 times the box around the 2D joints,
    without any the whole picture.
    """

    image: str
    arrays: Mapping[str, np.ndarray]
    meta: Mapping[str, Any] = field(default_factory=dict)
    box: np.ndarray | None = None
    picture: Picture | None = None  # None: the file `image`
    image_size_px: tuple[int, int] | None = None  # height, width, where the labels say so
    key: str = ""  # "": made from `image` and the person's number in a run of the same image


@dataclass(frozen=True, kw_only=True)
class Batch:
    """People cropped for a model: image (B,3,H,W) uint8 RGB, or normalised float after `ready`.

    `targets` (B,...) float32 by the names of `Sample.arrays`; in them keypoints2d (confidence last) and
    boxes of hands and face are in crop units (-1..1) and everything else is as in the sample.
    `present` (B,) bool says which samples carry a target; rows that do not are zero.
    `affine` (B,2,3) maps original pixels to crop pixels, `flipped` (B,) tells mirrored crops.
    `colour` (B,3): factors of red, green, blue that `ready` has still to apply; None: none.
    """

    keys: tuple[str, ...]
    image: Tensor
    targets: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    affine: Tensor
    flipped: Tensor
    colour: Tensor | None = None
    meta: tuple[Mapping[str, Any], ...] = ()

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device | str) -> Batch:
        """-> the same batch on `device`."""
        return self.each_tensor(lambda tensor: tensor.to(device, non_blocking=True))

    def each_tensor(self, change: Callable[[Tensor], Tensor]) -> Batch:
        """-> the same batch with every tensor changed."""
        return replace(
            self,
            image=change(self.image),
            targets={name: change(tensor) for name, tensor in self.targets.items()},
            present={name: change(tensor) for name, tensor in self.present.items()},
            affine=change(self.affine),
            flipped=change(self.flipped),
            colour=None if self.colour is None else change(self.colour),
        )


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a model says about B people; what it does not say is None or empty.

    camera (B,3) weak perspective in the crop: u = s * (x + tx), v = s * (y + ty), crop units -1..1
    vertices (B,V,3) metres, camera axes, the body's own origin (not the camera's)
    joints {set name: (B,J,3)} metres, same frame as vertices
    parameters: rotations as matrices: global_orient (B,3,3), body_pose (B,23,3,3), betas (B,10), ...
    levels: mesh levels, coarse to fine; extras: whatever the model's own losses need
    raw: the network's own outputs under its authors' names; for looking at, never stored or moved
    """

    camera: Tensor
    vertices: Tensor | None = None
    joints: Mapping[str, Tensor] = field(default_factory=dict)
    parameters: Mapping[str, Tensor] = field(default_factory=dict)
    levels: tuple[Tensor, ...] = ()
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    raw: Mapping[str, Tensor] = field(default_factory=dict)

    def named_tensors(self) -> dict[str, Tensor]:
        """-> every tensor but `raw` by a flat name: camera, vertices, joints.smpl24, ..."""
        named = {"camera": self.camera}
        if self.vertices is not None:
            named["vertices"] = self.vertices
        for group in ("joints", "parameters", "extras"):
            named.update({f"{group}.{k}": v for k, v in getattr(self, group).items()})
        named.update({f"levels.{i}": v for i, v in enumerate(self.levels)})
        return named

    @classmethod
    def from_named_tensors(cls, named: Mapping[str, Tensor]) -> Prediction:
        """-> the prediction whose `named_tensors()` these are."""
        groups: dict[str, dict[str, Tensor]] = {"joints": {}, "parameters": {}, "extras": {}}
        levels: dict[int, Tensor] = {}
        for name, value in named.items():
            group, _, rest = name.partition(".")
            if group in groups:
                groups[group][rest] = value
            elif group == "levels":
                levels[int(rest)] = value
        return cls(
            camera=named["camera"],
            vertices=named.get("vertices"),
            levels=tuple(levels[i] for i in sorted(levels)),
            **groups,
        )


@dataclass(frozen=True, kw_only=True)
class PredictionSet:
    """What was predicted about N people, by a model of ours or by somebody else's program.

    arrays (N,...) float, by the names of `Prediction.named_tensors`: vertices, joints.SET, camera,
      parameters.NAME (rotations as matrices); and beside them
      affine (N,2,3) original picture -> crop    crop_size_px (N,2) height, width of the crop
      joints2d.SET (N,J,2) px of the original picture    score (N,)
    keys: of the people in shards; empty when the file only says an order or an image
    meta: per person, as in samples; of detections at least image_path (name of the picture)
    """

    keys: tuple[str, ...]
    arrays: Mapping[str, np.ndarray]
    meta: tuple[Mapping[str, Any], ...] = ()
    body: Mapping[str, Any] = field(default_factory=dict)  # kind, gender, source, as Body.describe
    about: Mapping[str, Any] = field(
        default_factory=dict
    )  # model, checkpoint, sha256, epoch, step; or of a file: format, file, sha256

    def __len__(self) -> int:
        return len(self.keys) or len(next(iter(self.arrays.values()), ()))


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a check of a leaderboard's file says: a violation, or a doubt."""

    problem: str  # "pred.json holds 2 hands, the evaluation list has 3960"
    fix: str = ""  # what to do about it
    place: str = ""  # member of the archive, row
    error: bool = True  # False: the server takes it, and it may cost points all the same


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera of the original image: intrinsics (3,3) px, and the person's translation."""

    intrinsics: np.ndarray  # (3,3) px
    translation: np.ndarray  # (3,) metres: add to vertices to place them in front of the camera
    focal_assumed: bool  # True: nobody measured this focal length
