"""Frames of videos by number, decoded in order: a reader stays open where it stopped.

Frames are counted as they come out of the decoder, from 0; that is also OpenCV's count, and the pixels
are OpenCV's (tests/data/containers/test_videos.py compares them). Only far jumps seek, to the keyframe before, and
only where time stamps tell which frame that is; elsewhere frames in between are decoded.
"""

import sys
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.errors import InvalidData, MissingError

FAR = 32  # frames: going further ahead looks for a keyframe instead of decoding all between
OPEN_VIDEOS = 4  # kept open by one process: people of different videos may alternate
MAX_PIXELS = 1 << 26  # 8192 x 8192: more is a damaged header
# Containers that hold their frames themselves; playlists name other files or addresses.
FORMATS = "mov,mp4,avi,matroska,webm,mpeg,mpegts,asf,flv,ogg"


@dataclass(frozen=True)
class Keyframes:
    """Where decoding of a video can begin."""

    numbers: dict[int, int]  # time stamp -> number of the frame
    stamps: list[int]  # of keyframes
    starts: list[int]  # their frame numbers, ascending


class VideoReader:
    """The frames of one video, by number; going forward costs no second decoding."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.last: tuple[int, np.ndarray] | None = None
        self.end: int | None = None  # how many frames there are, once known
        self.broken: dict[int, tuple[int, str]] = {}  # start -> first bad frame after it, why
        self.keyframes: Keyframes | None = None
        self.indexed = False
        self.container: Any = None
        self.stream: Any = None
        self.frames: Iterator[Any]
        self.numbers: dict[int, int]  # of time stamps; empty: frames are counted
        self.next: int  # number of the frame that comes next
        self._restart()

    def read(self, number: int) -> np.ndarray:
        """Frame number, from 0 -> (H,W,3) uint8 RGB."""
        if self.last is not None and self.last[0] == number:
            return self.last[1]
        if self.end is not None and number >= self.end:
            raise self._absent(number)
        if self.broken:
            first, reason = self.broken.get(self._start_of(number), (number + 1, ""))
            if number >= first:
                raise InvalidData(reason)
        if number < self.next or number > self.next + FAR:
            self._jump(number)
        return self._forward(number)

    def _forward(self, number: int) -> np.ndarray:
        import av

        try:
            for frame in self.frames:
                if frame.is_corrupt and not self.numbers:
                    raise ValueError("it is damaged, and what follows cannot be counted")
                here = self.numbers.get(frame.pts, -1) if self.numbers else self.next
                self.next = max(self.next, here + 1)
                if here >= number:
                    break
            else:
                self.end = self.next
                raise self._absent(number)
            if here == number and not frame.is_corrupt:
                self.last = number, frame.to_ndarray(format="rgb24")
                return self.last[1]
        except (av.FFmpegError, OSError, ValueError, MemoryError) as error:
            first = self.next
            reason = f"{self.path.name} frame {first} cannot be decoded: {_said(error)}."
            self.frames, self.next = iter(()), sys.maxsize  # the next read begins anew
            self.broken[self._start_of(first)] = first, reason
            raise InvalidData(reason) from None
        raise self._absent(number)

    def _absent(self, number: int) -> InvalidData:
        if self.end is None:
            return InvalidData(f"{self.path.name} frame {number} cannot be decoded.")
        return InvalidData(f"{self.path.name} has {self.end} frames, none with number {number}.")

    def _jump(self, number: int) -> None:
        """Go to the last keyframe that is not after `number`, unless forward is as near."""
        import av

        start = self._start_of(number)
        if self.next <= number and start <= self.next:
            return
        if start and self.keyframes is not None:
            stamp = self.keyframes.stamps[self.keyframes.starts.index(start)]
            try:
                self.container.seek(stamp, stream=self.stream)
            except (av.FFmpegError, OSError, ValueError):
                self._restart()
                return
            self.frames = self.container.decode(self.stream)
            self.numbers, self.next = self.keyframes.numbers, start
            return
        self._restart()

    def _start_of(self, number: int) -> int:
        """-> the frame from which `number` can be decoded; 0 when nothing better is known."""
        if not self.indexed:
            self.keyframes, self.indexed = find_keyframes(self.path), True
        if self.keyframes is None:
            return 0
        return self.keyframes.starts[max(bisect_right(self.keyframes.starts, number) - 1, 0)]

    def close(self) -> None:
        """Close the file; the garbage collector alone would be late, for decoders form circles."""
        self.frames = iter(())
        self.container.close()

    def _restart(self) -> None:
        if self.container is not None:
            self.close()
        self.container, self.stream = open_video(self.path)
        self.frames = self.container.decode(self.stream)
        self.numbers, self.next = {}, 0


def open_video(path: Path) -> tuple[Any, Any]:
    """-> container and stream of the first video in a file, decoded on one thread."""
    try:
        import av
    except ImportError:
        raise MissingError(
            f"{path.name} is a video; reading it needs PyAV.", "pip install av"
        ) from None
    allowed = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
    try:
        container = av.open(str(path), options=allowed)
        stream = container.streams.video[0]
        size = stream.codec_context.width * stream.codec_context.height
    except (av.FFmpegError, OSError, LookupError, ValueError, AttributeError) as error:
        raise InvalidData(f"{path.name} is no video: {_said(error)}.") from None
    if not 0 < size <= MAX_PIXELS:
        raise InvalidData(f"{path.name} is no video: its pictures would have {size} pixels.")
    stream.thread_type = "NONE"
    return container, stream


def find_keyframes(path: Path) -> Keyframes | None:
    """-> where decoding can begin, from the packets alone; None when time stamps do not tell."""
    import av

    container, stream = open_video(path)
    announced = int(stream.frames)
    stamps: list[int] = []
    keys: list[int] = []
    if container.format.name == "avi" and stream.codec_context.has_b_frames:
        container.close()
        return None  # AVI stamps packets as they are decoded, not as they are shown
    # cut short: what came before is good
    with closing(container), suppress(av.FFmpegError, OSError, ValueError):
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard or not (packet.is_keyframe or keys):
                continue  # the end, what an edit list hides, what nothing can decode
            if packet.pts is None:
                return None
            stamps.append(packet.pts)
            if packet.is_keyframe:
                keys.append(packet.pts)
    numbers = {stamp: number for number, stamp in enumerate(sorted(stamps))}
    if not keys or not len(numbers) == len(stamps) == (announced or len(stamps)):
        return None  # frames are lost, or several share a stamp: which one it is nobody knows
    keys.sort()
    return Keyframes(numbers, keys, [numbers[stamp] for stamp in keys])


def frame_count(path: Path) -> int:
    """-> how many frames a video announces, or how many packets it holds where it does not say."""
    container, stream = open_video(path)
    announced = int(stream.frames)
    container.close()
    if announced > 0:
        return announced
    keyframes = find_keyframes(path)
    return len(keyframes.numbers) if keyframes is not None else 0


def _said(error: BaseException) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(str(text).split()).rstrip(".")


_open: dict[tuple[Path, int, int], VideoReader] = {}  # the one used last comes last


def read_frame(path: Path, number: int) -> np.ndarray:
    """Video and frame number, from 0 -> (H,W,3) uint8 RGB."""
    try:
        about = path.stat()
    except (OSError, ValueError):
        raise InvalidData(f"there is no video {path.name}.") from None
    key = path, about.st_mtime_ns, about.st_size
    reader = _open.pop(key, None) or VideoReader(path)
    _open[key] = reader
    while len(_open) > OPEN_VIDEOS:
        _open.pop(next(iter(_open))).close()
    return reader.read(number)
