"""Many pictures on one sheet, with captions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from hpscli.errors import UsageError
from hpscli.render.images import Image

PAPER = (250, 250, 251)
INK = (52, 56, 64)
FONT = cv2.FONT_HERSHEY_SIMPLEX
GAP_PX = 8


def contact_sheet(
    images: Sequence[Image],
    captions: Sequence[str] = (),
    columns: int = 0,
    *,
    tile_px: int = 0,
    title: str = "",
) -> Image:
    """Images of any sizes -> one sheet; each is fitted into its tile, with its caption below.

    `columns` 0 chooses a nearly square sheet; `tile_px` 0 takes the largest image as tile.
    """
    if not images:
        raise UsageError("a contact sheet needs at least one image.")
    if captions and len(captions) != len(images):
        raise UsageError(f"{len(captions)} captions for {len(images)} images.")
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    height = tile_px or max(image.shape[0] for image in images)
    width = tile_px or max(image.shape[1] for image in images)
    scale = min(max(width / 480, 0.36), 0.7)
    line = round(36 * scale) if captions else 0
    head = round(34 * 0.6) + GAP_PX if title else 0
    rows = math.ceil(len(images) / columns)
    sheet = np.full(
        (
            head + rows * (height + line + GAP_PX) + GAP_PX,
            columns * (width + GAP_PX) + GAP_PX,
            3,
        ),
        PAPER,
        np.uint8,
    )
    if title:
        _write(sheet, title, GAP_PX, head - 4, 0.55, sheet.shape[1] - 2 * GAP_PX)
    for number, image in enumerate(images):
        row, column = divmod(number, columns)
        top = head + GAP_PX + row * (height + line + GAP_PX)
        left = GAP_PX + column * (width + GAP_PX)
        picture = _fit(image, height, width)
        high, wide = picture.shape[:2]
        y, x = top + (height - high) // 2, left + (width - wide) // 2
        sheet[y : y + high, x : x + wide] = picture
        if captions:
            _write(sheet, captions[number], left, top + height + round(line * 0.68), scale, width)
    return sheet


def _fit(image: Image, height: int, width: int) -> Image:
    """-> the image as large as its tile allows; small ones grow."""
    scale = min(height / image.shape[0], width / image.shape[1])
    if scale == 1:
        return image
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized: Image = cv2.resize(image, size, interpolation=method)
    return resized


def _write(sheet: Image, text: str, left: int, base: int, scale: float, width: int) -> None:
    """Write one line, shortened with dots to the width; names of a set differ at their ends."""
    text = text.encode("ascii", "replace").decode()  # the font has no other letters
    shown, kept = text, len(text)
    while shown and cv2.getTextSize(shown, FONT, scale, 1)[0][0] > width:
        kept -= 1
        if kept < 1:
            return
        head = kept // 3
        shown = f"{text[:head]}..{text[len(text) - (kept - head) :]}"
    cv2.putText(sheet, shown, (left, base), FONT, scale, INK, 1, cv2.LINE_AA)
