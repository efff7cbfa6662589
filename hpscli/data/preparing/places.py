"""Where shards are written: a folder, or a URL to which each file is sent when it is whole."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from hpscli.data.remote import (
    cache_folder,
    file_sizes,
    is_remote,
    read_bytes,
    remove_file,
    send_file,
)
from hpscli.data.shards import INDEX, PARTIAL, PLAN
from hpscli.errors import MissingError


class Folder:
    """Files are made where they stay."""

    def __init__(self, path: Path) -> None:
        self.location: str | Path = path
        self.work = path
        path.mkdir(parents=True, exist_ok=True)

    def size(self, name: str) -> int:
        """-> bytes of a file, -1 when it is not there."""
        try:
            return (self.work / name).stat().st_size
        except OSError:
            return -1

    def read(self, name: str) -> bytes | None:
        """-> a small file, or nothing when it is not there."""
        try:
            return (self.work / name).read_bytes()
        except FileNotFoundError:
            return None

    def names(self) -> list[str]:
        """-> the files there."""
        return [path.name for path in self.work.iterdir() if path.is_file()]

    def keep(self, *names: str) -> None:
        """Files in `work` are whole; here they already lie where they belong."""

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that is not there is removed already."""
        for name in names:
            (self.work / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Nothing is open."""


class Store:
    """Files are made in a temporary folder and sent, one after the other, to a URL of fsspec."""

    def __init__(self, url: str) -> None:
        self.location: str | Path = url.rstrip("/")
        top = cache_folder().parent / "preparing"  # not /tmp, which may be memory
        top.mkdir(parents=True, exist_ok=True)
        self._temporary = tempfile.TemporaryDirectory(dir=top)
        self.work = Path(self._temporary.name)
        self._sizes: dict[str, int] = file_sizes(url)

    def size(self, name: str) -> int:
        """-> bytes of a file, -1 when it is not there."""
        return self._sizes.get(name, -1)

    def read(self, name: str) -> bytes | None:
        """-> a small file, or nothing when it is not there."""
        if name not in self._sizes:
            return None
        try:
            return read_bytes(self.location, name)
        except MissingError:
            return None

    def names(self) -> list[str]:
        """-> the files there."""
        return list(self._sizes)

    def keep(self, *names: str) -> None:
        """Send whole files from `work`, in this order, and forget them here."""
        for name in names:
            path = self.work / name
            if path.is_file():
                send_file(path, self.location, name)
                self._sizes[name] = path.stat().st_size
                path.unlink()

    def remove(self, names: Iterable[str]) -> None:
        """Remove files; one that is not there is removed already."""
        for name in names:
            if self._sizes.pop(name, -1) >= 0:
                remove_file(self.location, name)

    def close(self) -> None:
        """Remove the temporary folder."""
        self._temporary.cleanup()


Place = Folder | Store


def place_of(out: str | Path) -> Place:
    """Folder or URL -> the place."""
    return Store(str(out)) if is_remote(out) else Folder(Path(out))


def clear(place: Place) -> None:
    """Remove the shards in a place, and nothing else that lies there."""
    place.remove(name for name in place.names() if _ours(name))


def _ours(name: str) -> bool:
    stem, _, kind = name.partition(".")
    if name in (INDEX, PLAN) or (name.startswith(".") and name.endswith(PARTIAL)):
        return True
    return len(stem) == 6 and stem.isdigit() and kind in ("tar", "json")


def numbers_of_tables(place: Place) -> list[int]:
    """-> the numbers of the tables there, sorted."""
    stems = (name.removesuffix(".json") for name in place.names() if name.endswith(".json"))
    return sorted(int(stem) for stem in stems if len(stem) == 6 and stem.isdigit())
