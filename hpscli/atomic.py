"""Writing a file whole or not at all."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path

from hpscli.errors import HpsError


def write_atomically(path: Path, content: bytes, fix: str = "Free some space; then again.") -> None:
    """Write a file so that a crash, a power cut or a full disk leaves the old one, or nothing."""
    part = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(part).chmod(0o666 & ~_umask())
        Path(part).replace(path)
    except OSError as error:
        raise HpsError(
            f"cannot write {path} ({len(content) / 1e6:.1f} MB): {error.strerror or error}.",
            f"What was there before is untouched. {fix}",
        ) from error
    finally:
        if part:
            with suppress(OSError):
                Path(part).unlink(missing_ok=True)
    if os.name == "posix":  # the rename itself must reach the disk
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _umask() -> int:
    """-> the mask for new files; the system tells it only by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
