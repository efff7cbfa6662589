"""People -> Batch as one network's authors prepare pictures; the labels move along with them."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from hpscli.data.augmentations.changes import unchanged
from hpscli.data.batch import Packed, hand_of, make_batch, to_batch
from hpscli.data.crops import crop_box, in_authors_box, move_points
from hpscli.data.labels import Moves, move_labels
from hpscli.data.preparation import Place, Preparation, Window
from hpscli.data.sample import decode_image
from hpscli.errors import InvalidData
from hpscli.records import Batch, Sample


def prepared_batch(
    samples: Sequence[Sample],
    window: Window,
    joints: str,
    preparation: Preparation | None,
    *,
    crop_scale: float = 1.0,
    rotation_degrees: float = 0.0,
    seen: float = 1.0,
) -> Batch:
    """B samples -> Batch, unchanged but for left hands; image float32 and normalised when official.

    Without a preparation: our one warp, image uint8. A positive rotation turns the pictures counter-
    clockwise, with a preparation and without. `seen`: `crop_box`; a preparation knows it.
    """
    if preparation is None:
        changes = unchanged(len(samples))
        changes = replace(changes, rotation_degrees=changes.rotation_degrees - rotation_degrees)
        return make_batch(
            samples, window, joints, crop_scale=crop_scale, changes=changes, seen=seen
        )
    flip = np.array([hand_of(sample) == "left" for sample in samples])
    places = [
        crop_box(in_authors_box(sample, preparation.box), window, preparation.seen)
        for sample in samples
    ]
    boxes = [(center, width * crop_scale) for center, width in places]
    pixels = [
        _pixels(sample, box, window, preparation, bool(mirrored), rotation_degrees)
        for sample, box, mirrored in zip(samples, boxes, flip, strict=True)
    ]
    affines = np.stack(
        [
            preparation.affine(*box, window, rotation_degrees=rotation_degrees, flip=bool(mirrored))
            for box, mirrored in zip(boxes, flip, strict=True)
        ]
    )
    # a mirror image in x leaves the second row, which tells the rotation
    turned = np.rad2deg(np.arctan2(affines[:, 1, 0], affines[:, 1, 1]))
    moves = Moves(affines, turned if rotation_degrees else np.zeros(len(samples)), flip, window)
    labels = move_labels([sample.arrays for sample in samples], moves, joints)
    return to_batch(
        Packed(
            keys=tuple(sample.key for sample in samples),
            image=np.stack(pixels),
            colour=None,
            targets={name: values for name, (values, _) in labels.items()},
            present={name: present for name, (_, present) in labels.items()},
            affine=affines.astype(np.float32),
            flipped=flip,
            meta=tuple(sample.meta for sample in samples),
            broken={},
        )
    )


def _pixels(
    sample: Sample,
    box: Place,
    window: Window,
    preparation: Preparation,
    flip: bool,
    rotation_degrees: float,
) -> np.ndarray:
    """-> the network's input (3,h,w), cut from the picture as it is stored."""
    try:
        image = decode_image(sample.image)
    except InvalidData as error:
        raise InvalidData(f"sample '{sample.key}': {error.problem}", error.fix) from None
    stored = np.asarray(sample.arrays["image.affine"], np.float64)
    center = move_points(box[0][None], stored)[0]
    enlarged = abs(float(np.linalg.det(stored[:, :2]))) ** 0.5
    return preparation.pixels(
        image,
        center,
        box[1] * enlarged,
        window=window,
        rotation_degrees=rotation_degrees,
        flip=flip,
    )
