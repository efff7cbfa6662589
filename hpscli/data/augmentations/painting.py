"""From a stored picture to the crop of a training batch: decode, change, warp, change, put in place."""

import numpy as np

from hpscli.data.augmentations.changes import Changes
from hpscli.data.augmentations.colours import multiplied, multiply
from hpscli.data.augmentations.pictures import apply_after, apply_before, blurred
from hpscli.data.crops import crop_pixels, warp
from hpscli.data.sample import decode_bgr


def needs_own_colour(changes: Changes, row: int) -> bool:
    """-> whether something is painted over the colours of this picture after they changed."""
    x0, _, x1, _ = changes.erase[row]
    after = changes.after[row]
    paints = after is not None and after.paints
    return changes.before[row] is not None or paints or bool(x1 > x0)


def paint(
    encoded: bytes,
    place: tuple[np.ndarray, np.ndarray],
    changes: Changes,
    row: int,
    scratch: np.ndarray,
    out: np.ndarray,
    *,
    colour: bool = True,
) -> None:
    """Encoded picture -> out (3,H,W) uint8 RGB, with what happens to person `row` of a batch.

    place: affines (2,3) of the picture, original -> stored px, and stored -> window px.
    Without changes of the whole picture the decoder may give a smaller one, and one warp does all.
    colour: multiply the channels here; else somebody else does. scratch: (H,W,3) uint8 to use.
    """
    import cv2

    window = (out.shape[1], out.shape[2])
    factors = changes.colour[row] if colour else np.ones(3, np.float32)
    before, after = changes.before[row], changes.after[row]
    if before is None:
        crop = warp(encoded, place[1], window, scratch)
    else:  # colours change first, as published: an object that is pasted keeps its own
        picture = apply_before(multiplied(decode_bgr(encoded), factors), before, place[0])
        crop, factors = crop_pixels(picture, place[1], window, scratch), np.ones(3, np.float32)
    crop = blurred(crop, after)
    if after is not None and after.paints:
        crop = multiplied(crop, factors) if (factors != 1).any() else crop
        crop, factors = apply_after(crop, after), np.ones(3, np.float32)
    cv2.split(crop, [out[2], out[1], out[0]])  # written in place, five times as fast as one by one
    for channel in range(3):
        if factors[channel] != 1.0:
            multiply(out[channel], factors[channel], out[channel])
    _erase(changes, row, out)


def _erase(changes: Changes, row: int, out: np.ndarray) -> None:
    x0, y0, x1, y1 = changes.erase[row]
    if x1 > x0:
        height, width = out.shape[1:]
        rows, columns = (
            slice(int(y0 * height), int(y1 * height)),
            slice(int(x0 * width), int(x1 * width)),
        )
        out[:, rows, columns] = changes.erase_colour[row][:, None, None]
