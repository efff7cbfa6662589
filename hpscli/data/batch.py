"""Samples -> Batch: crops in one uint8 tensor, labels moved along; `ready` makes it a network's input."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from hpscli.data.augmentations.changes import Changes, unchanged
from hpscli.data.augmentations.painting import needs_own_colour, paint
from hpscli.data.crops import compose, crop_affines, crop_box, invert
from hpscli.data.labels import Moves, move_labels
from hpscli.errors import InvalidData
from hpscli.records import Batch, Sample

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Packed:
    """A batch in numpy, as workers make it; `broken` names rows whose picture cannot be decoded."""

    keys: tuple[str, ...]
    image: np.ndarray  # (B,3,H,W) uint8 RGB
    colour: np.ndarray | None  # (B,3) float32: what `ready` has still to multiply by
    targets: dict[str, np.ndarray]
    present: dict[str, np.ndarray]
    affine: np.ndarray
    flipped: np.ndarray
    meta: tuple[Mapping[str, Any], ...]
    broken: dict[int, str]


def pack(
    samples: Sequence[Sample],
    window: tuple[int, int],
    joints: str,
    *,
    crop_scale: float = 1.0,
    changes: Changes | None = None,
    image: np.ndarray | None = None,
    colour_later: bool = False,
    seen: float = 1.0,
) -> Packed:
    """B samples and their changes -> crops (written into `image` when given) and labels in numpy.

    colour_later: `ready` multiplies channels, on the device; but for people whose picture changes
    after its colours do, which get them here. The mirror image costs nothing as part of the warp.
    Left hands (arrays mano.*, meta hand = "left") are always mirrored, so that a hand model only ever
    sees right hands; other hands are never mirrored by chance. `seen`: `crop_box`.
    """
    changes = changes or unchanged(len(samples))
    hand = np.array([hand_of(sample) for sample in samples])
    flip = np.where(hand == "", changes.flip, hand == "left")
    places = [crop_box(sample, window, seen) for sample in samples]
    center, width = (np.array(numbers) for numbers in zip(*places, strict=True))
    affines = crop_affines(
        center + changes.shift * width[:, None],
        width * crop_scale * changes.scale,
        window,
        changes.rotation_degrees,
        flip,
    )
    own = np.array([s.arrays["image.affine"] for s in samples], np.float64)
    stored = compose(invert(own), affines)
    if image is None:
        image = np.zeros((len(samples), 3, *window), np.uint8)
    later = np.array(
        [colour_later and not needs_own_colour(changes, r) for r in range(len(samples))]
    )
    scratch = np.empty((*window, 3), np.uint8)
    broken = {}
    for row, sample in enumerate(samples):
        try:
            place = own[row], stored[row]
            paint(sample.image, place, changes, row, scratch, image[row], colour=not later[row])
        except InvalidData as error:
            broken[row] = error.problem
    moves = Moves(affines, changes.rotation_degrees, flip, window)
    labels = move_labels([sample.arrays for sample in samples], moves, joints)
    return Packed(
        keys=tuple(sample.key for sample in samples),
        image=image,
        colour=np.where(later[:, None], changes.colour, np.float32(1)) if later.any() else None,
        targets={name: values for name, (values, _) in labels.items()},
        present={name: present for name, (_, present) in labels.items()},
        affine=affines.astype(np.float32),
        flipped=flip,
        meta=tuple(sample.meta for sample in samples),
        broken=broken,
    )


def hand_of(sample: Sample) -> str:
    """-> left or right for a hand, "" for a body."""
    if not any(name.startswith("mano.") for name in sample.arrays):
        return ""
    return "left" if sample.meta.get("hand") == "left" else "right"


def to_batch(packed: Packed, image: "Tensor | None" = None) -> Batch:
    """Numpy -> torch, without copying; `image` when the pictures are in a tensor already."""
    import torch

    return Batch(
        keys=packed.keys,
        image=torch.from_numpy(packed.image) if image is None else image,
        targets={name: torch.from_numpy(_own(values)) for name, values in packed.targets.items()},
        present={name: torch.from_numpy(_own(values)) for name, values in packed.present.items()},
        affine=torch.from_numpy(packed.affine),
        flipped=torch.from_numpy(packed.flipped),
        colour=None if packed.colour is None else torch.from_numpy(packed.colour),
        meta=packed.meta,
    )


def _own(values: np.ndarray) -> np.ndarray:
    return values if values.flags.writeable else values.copy()


def make_batch(
    samples: Sequence[Sample],
    window: tuple[int, int],
    joints: str,
    *,
    crop_scale: float = 1.0,
    changes: Changes | None = None,
    seen: float = 1.0,
) -> Batch:
    """B samples -> Batch; a picture that cannot be decoded is an error that names its key."""
    packed = pack(samples, window, joints, crop_scale=crop_scale, changes=changes, seen=seen)
    for row, reason in packed.broken.items():
        raise InvalidData(f"sample '{packed.keys[row]}': {reason}", "hps datasets audit SHARDS")
    return to_batch(packed)


def ready(batch: Batch, mean: Sequence[float], std: Sequence[float]) -> Batch:
    """-> the batch with float32 pictures, (pixel / 255 - mean) / std, on the device where it lies.

    Colours that were left for the device are multiplied first, rounded and cut as bytes are.
    Pictures that are floats already, as an official preparation makes them, are left as they are.
    """
    import torch

    if batch.image.dtype != torch.uint8:
        return batch
    return replace(batch, image=normalised(batch.image, batch.colour, mean, std), colour=None)


def normalised(
    image: "Tensor", colour: "Tensor | None", mean: Sequence[float], std: Sequence[float]
) -> "Tensor":
    """image (B,3,H,W) uint8, factors (B,3) or None -> (B,3,H,W) float32, in one buffer."""
    import torch

    offset, scale = offset_and_scale(tuple(mean), tuple(std), str(image.device))
    pixels = torch.empty(image.shape, dtype=torch.float32, device=image.device)
    # On a CPU one picture at a time stays in the cache: nearly twice as fast.
    size = 1 if image.device.type == "cpu" else max(len(image), 1)
    for start in range(0, len(image), size):
        rows = slice(start, start + size)
        part = pixels[rows].copy_(image[rows])
        if colour is not None:  # the meaning of a factor: hpscli/data/augmentations/colours.py
            part.mul_(colour[rows].view(-1, 3, 1, 1)).round_().clamp_(max=255)
        part.sub_(offset).mul_(scale)
    return pixels


@lru_cache(maxsize=32)
def offset_and_scale(
    mean: tuple[float, ...], std: tuple[float, ...], device: str
) -> tuple["Tensor", "Tensor"]:
    """-> what is taken from pixels, and their factor, each (1,3,1,1): sent to a device once.

    A GPU has received both when this returns, so every stream of work there may use them; sending
    them with each batch would wait for the batch's own copy.
    """
    import torch

    with torch.inference_mode(False):  # whoever asks first: a training may be the next
        numbers = torch.tensor([mean, std], dtype=torch.float32).view(2, 1, 3, 1, 1) * 255
        offset, scale = numbers[0], 1.0 / numbers[1]
        return offset.to(device), scale.to(device)
