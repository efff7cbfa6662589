"""Plain tars, written front to back: fixed times, owners and modes, and the sha256 of what was written.

A second thread writes and hashes, while this one reads what comes next: both wait for the system most
of the time, and hashing costs about as much as the disk.
"""

import hashlib
import os
import tarfile
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

BLOCK = 512  # tar's unit
PORTION = 1 << 19  # bytes handed over at once
AHEAD = 8  # portions that may wait

# where numbers lie in a header, and how: POSIX.1-1988, section 10.1.1 (ustar)
SIZE, CHECKSUM = slice(124, 136), slice(148, 156)
LONGEST_NAME = 100


def _blank() -> bytes:
    entry = tarfile.TarInfo("")
    entry.mode, entry.mtime = 0o644, 0  # owner 0, no names: see TarInfo
    return entry.tobuf(tarfile.USTAR_FORMAT)


BLANK = _blank()


def header(name: str, size: int) -> bytes:
    """-> the 512 bytes before a member, as `tarfile` makes them."""
    text = name.encode("ascii")
    if len(text) > LONGEST_NAME or size >= 8**11:
        raise ValueError(f"tar member {name} of {size} bytes")
    block = bytearray(BLANK)
    block[: len(text)] = text
    block[SIZE] = b"%011o\0" % size
    block[CHECKSUM] = b" " * 8
    block[CHECKSUM] = b"%06o\0 " % sum(block)
    return bytes(block)


class TarWriter:
    """An open tar; `position` is how many bytes it has or will have."""

    def __init__(self, path: Path) -> None:
        self.stream = path.open("wb")
        self.position = 0
        self._digest = hashlib.sha256()
        self._portion: list[bytes] = []
        self._portion_bytes = 0
        self._thread = ThreadPoolExecutor(1)
        self._pending: deque[Future[None]] = deque()

    def add(self, name: str, data: bytes) -> tuple[int, int]:
        """Append a member -> offset and length of its data."""
        self._append(header(name, len(data)))
        start = self.position
        self._append(data)
        self._append(b"\0" * (-len(data) % BLOCK))
        return start, len(data)

    def close(self) -> str:
        """Write the end, and wait until all is on disk -> sha256."""
        self._append(b"\0" * (2 * BLOCK))
        self._append(b"\0" * (-self.position % tarfile.RECORDSIZE))
        self._hand_over()
        while self._pending:
            self._pending.popleft().result()
        self._thread.shutdown()
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        return self._digest.hexdigest()

    def abandon(self) -> None:
        """Stop writing; the file is left as it is."""
        self._thread.shutdown(wait=True, cancel_futures=True)
        with suppress(OSError):  # a full disk: what led here says so
            self.stream.close()

    def _append(self, data: bytes) -> None:
        self.position += len(data)
        self._portion.append(data)
        self._portion_bytes += len(data)
        if self._portion_bytes >= PORTION:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the portion to the thread; what went wrong there with an earlier one comes up here."""
        if len(self._pending) >= AHEAD:
            self._pending.popleft().result()
        self._pending.append(self._thread.submit(self._write, self._portion))
        self._portion, self._portion_bytes = [], 0

    def _write(self, portion: list[bytes]) -> None:
        for data in portion:
            self.stream.write(data)
            self._digest.update(data)
