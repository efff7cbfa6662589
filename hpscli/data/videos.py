"""Frames of videos, decoded once and in order: a reader stays open where it stopped."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.errors import InvalidData, MissingError


class VideoReader:
    """The frames of one video, by number; going forward costs no second decoding."""

    def __init__(self, path: Path) -> None:
        try:
            import av
        except ImportError:
            raise MissingError(
                f"{path.name} is a video; reading it needs PyAV.", "pip install av"
            ) from None
        self.path = path
        try:
            self.container: Any = av.open(str(path))
            self.stream: Any = self.container.streams.video[0]
        except (OSError, IndexError, ValueError) as error:
            raise InvalidData(f"{path.name} is no video: {error}.") from None
        self.stream.thread_type = "NONE"
        self.frames: Iterator[Any] = self.container.decode(self.stream)
        self.next = 0  # number of the frame that comes next
        self.last: tuple[int, np.ndarray] | None = None

    def read(self, number: int) -> np.ndarray:
        """Frame number, from 0 -> (H,W,3) uint8 RGB."""
        if self.last is not None and self.last[0] == number:
            return self.last[1]
        if number < self.next:
            self.container.seek(0)
            self.frames, self.next = self.container.decode(self.stream), 0
        try:
            for frame in self.frames:
                self.next += 1
                if self.next > number:
                    self.last = number, frame.to_ndarray(format="rgb24")
                    return self.last[1]
        except (OSError, ValueError) as error:
            raise InvalidData(f"{self.path.name} frame {self.next}: {error}.") from None
        raise InvalidData(f"{self.path.name} has {self.next} frames, none with number {number}.")


@lru_cache(maxsize=2)
def _reader(path: Path) -> VideoReader:
    return VideoReader(path)


def read_frame(path: Path, number: int) -> np.ndarray:
    """Video and frame number, from 0 -> (H,W,3) uint8 RGB."""
    if not path.is_file():
        raise InvalidData(f"there is no video {path.name}.")
    return _reader(path).read(number)
