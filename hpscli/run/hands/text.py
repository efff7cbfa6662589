"""Two lists of hands of equal sizes as JSON -> arrays, in seconds.

A whole file has 210 MB of text. It is read in pieces: brackets and commas tell the shape, everything
between them is numbers.
"""

import warnings
from io import BytesIO
from typing import IO

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

PIECE = 8 << 20  # bytes of text
DIGITS = b"0123456789+-.eE \t\r\n"
SPACES = bytes.maketrans(b"[]", b"  ")
# What NumPy reads as a number and JSON does not (".5", "5.", "+5", "05"), once letters are kinds.
KINDS = bytes.maketrans(b"[],\t\r\nE12345678", b"      e99999999")
NO_JSON = (b" .", b". ", b"-.", b".e", b" +", b" 00", b" 09", b"-00", b"-09")
POINT, HAND_END, SIDE_END = b"[,,]", b"]", b"]],[["


def regular_hands(stream: IO[bytes]) -> tuple[Array, Array] | None:
    """Text of two lists of hands of equal sizes -> (N,J,3), (M,V,3); None when it is anything else."""
    numbers: list[Array] = []
    shape, rest = BytesIO(), b""
    while piece := stream.read(PIECE):
        rest += piece
        end = max(rest.rfind(b","), 0)
        if not _take(rest[:end], shape, numbers):
            return None
        rest = rest[end:]
    if not _take(rest, shape, numbers):
        return None
    text = shape.getvalue()
    sides = text[1:-1].replace(POINT, b"p").split(SIDE_END.replace(POINT, b"p"))
    if text[:2] != b"[[" or text[-2:] != b"]]" or len(sides) != 2:
        return None
    counts = [_counts(side) for side in (sides[0] + b"]]", b"[[" + sides[1])]
    if counts[0] is None or counts[1] is None:
        return None
    flat = np.concatenate(numbers)
    split = 3 * counts[0][0] * counts[0][1]
    if len(flat) != split + 3 * counts[1][0] * counts[1][1]:
        return None
    return flat[:split].reshape(*counts[0], 3), flat[split:].reshape(*counts[1], 3)


def _take(piece: bytes, shape: BytesIO, numbers: list[Array]) -> bool:
    """Text that ends between two numbers -> its brackets and commas, its numbers; False: neither."""
    marks = piece.translate(None, DIGITS)
    if marks.strip(b"[],"):
        return False
    kinds = piece.translate(KINDS)
    if any(letters in kinds for letters in NO_JSON):
        return False
    shape.write(marks)
    text = piece.translate(SPACES).strip(b" ,\t\r\n")
    if text:
        try:
            numbers.append(_numbers(text))
        except ValueError:
            return False
    return True


def _numbers(text: bytes) -> Array:
    """ "0.1, 0.2" -> the numbers; ValueError for anything else."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            found = np.fromstring(text.decode("ascii"), dtype=np.float64, sep=",")
        except DeprecationWarning as error:
            raise ValueError(str(error)) from None
    if len(found) != text.count(b",") + 1:
        raise ValueError("not one number between two commas")
    return found


def _counts(side: bytes) -> tuple[int, int] | None:
    """[[p,p],[p,p]] -> 2 hands of 2 points; None when the hands differ."""
    end = side.find(HAND_END)
    hand = side[1 : end + 1]
    points = hand.count(b"p")
    hands = side.count(HAND_END) - 1
    if not points or hand != b"[" + b",".join([b"p"] * points) + b"]":
        return None
    return (hands, points) if side == b"[" + b",".join([hand] * hands) + b"]" else None
