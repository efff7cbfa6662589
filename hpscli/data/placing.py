"""How large our own warp shows people: as the authors of the network do, whose weights expect it."""

import numpy as np

from hpscli.data.preparation import Place, Window, crop_window, preparation


def seen_by(target: str) -> float:
    """ModelSpec.crop -> the part of the window's columns that the network looks at."""
    authors = preparation(target)
    return 1.0 if authors is None else authors.seen


def fast_place(
    target: str, box: np.ndarray | None, image_size: tuple[int, int], window: Window
) -> Place:
    """ModelSpec.crop, box (4,) xywh px or None -> centre and width of our own warp's crop.

    A tight box is placed as the authors do, in whose proportions and margin the model was trained;
    elsewhere, and for a whole picture, as any other.
    """
    authors = None if box is None else preparation(target)
    if authors is None or authors.window[0] * window[1] != authors.window[1] * window[0]:
        return crop_window(box, image_size, window)
    return authors.place(box, image_size, window)
