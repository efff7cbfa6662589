"""Where shards lie: a folder, http(s)://, s3:// or whatever fsspec knows; remote shards are copied once.

A remote shard is downloaded whole into a cache named by its sha256 ($HPS_HOME/cache/shards), checked,
and then read like a local file: any web server will do, and the second epoch costs no network.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hpscli.errors import HpsError, InvalidData, MissingError

ATTEMPTS = 3
PAUSE_SECONDS = 0.5  # before the second attempt; doubled before the third
SILENCE_SECONDS = 60.0  # a server that sends nothing for so long is given up

T = TypeVar("T")


def is_remote(location: str | Path) -> bool:
    """Whether this is a URL and not a path."""
    return "://" in str(location)


def join(location: str | Path, name: str) -> str:
    """Folder or URL, and a file name in it -> the file's path or URL."""
    if is_remote(location):
        return f"{str(location).rstrip('/')}/{name}"
    return str(Path(location) / name)


def read_bytes(location: str | Path, name: str) -> bytes:
    """The bytes of a small file in a folder or below a URL; MissingError when it is not there."""
    where = join(location, name)
    if not is_remote(where):
        try:
            return Path(where).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise MissingError(f"no file {where}.") from None
    return _attempt(where, lambda: bytes(_filesystem(where).cat_file(where)))


def file_sizes(location: str | Path) -> dict[str, int]:
    """-> names and bytes of the files right below a URL; nothing there: {}."""
    where = str(location).rstrip("/")

    def ask() -> dict[str, int]:
        try:
            entries = _filesystem(where).ls(where, detail=True)
        except FileNotFoundError:
            return {}
        return {
            str(entry["name"]).rpartition("/")[2]: int(entry["size"] or 0)
            for entry in entries
            if entry["type"] == "file"
        }

    return _attempt(where, ask)


def send_file(path: Path, location: str | Path, name: str) -> None:
    """A local file -> the file of that name below a URL."""
    where = join(location, name)

    def send() -> None:
        system = _filesystem(where)
        try:
            system.put_file(str(path), where)
        except FileNotFoundError:  # where folders must be made first; buckets know none
            system.makedirs(str(location), exist_ok=True)
            system.put_file(str(path), where)

    _attempt(where, send, "write")


def remove_file(location: str | Path, name: str) -> None:
    """Remove a file below a URL."""
    where = join(location, name)
    _attempt(where, lambda: _filesystem(where).rm_file(where), "remove")


def cache_folder() -> Path:
    """-> where copies of remote shards are kept; deleting it loses nothing."""
    home = os.environ.get("HPS_HOME")
    if home:
        return Path(home) / "cache" / "shards"
    import platformdirs

    return Path(platformdirs.user_cache_dir("hps")) / "shards"


def local_copy(
    location: str | Path, name: str, size: int, sha256: str, cache: Path | None = None
) -> Path:
    """A shard -> its local path, downloading it when it is remote; its size is always checked."""
    if not is_remote(location):
        path = Path(location) / name
        if not path.is_file():
            raise MissingError(f"shard {path} is not there, but the index lists it.", _AGAIN)
        if path.stat().st_size != size:
            raise InvalidData(
                f"shard {path} is truncated or changed: {path.stat().st_size} bytes, expected {size}.",
                _AGAIN,
            )
        return path
    path = (cache or cache_folder()) / f"{sha256}.tar"
    if not (path.is_file() and path.stat().st_size == size):
        _attempt(join(location, name), lambda: _download(join(location, name), path, size, sha256))
    return path


_AGAIN = "Repeat the same `hps prepare`, or look closer: hps datasets audit SHARDS"


def _download(url: str, path: Path, size: int, sha256: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.partial")
    try:
        _filesystem(url).get_file(url, str(partial))
        with partial.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise InvalidData(
                f"{url} is not what its index says: {partial.stat().st_size} bytes of {size}, "
                f"sha256 {found[:12]}, expected {sha256[:12]}."
            )
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _attempt(url: str, fetch: Callable[[], T], verb: str = "read") -> T:
    """Try a transfer ATTEMPTS times; a file that is not there, and our own verdicts, end it at once."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return fetch()
        except FileNotFoundError:
            raise MissingError(f"{url} is not there (404).", "Check the address.") from None
        except InvalidData:
            if attempt == ATTEMPTS:
                raise
        except HpsError:
            raise
        except Exception as error:  # transport errors of any backend: aiohttp, botocore, OS ...
            if attempt == ATTEMPTS:
                reason = str(error) or type(error).__name__
                raise MissingError(
                    f"cannot {verb} {url}: {reason} ({ATTEMPTS} attempts).",
                    "Check the address and the network; then repeat the command.",
                ) from None
        time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def _filesystem(url: str):  # type: ignore[no-untyped-def]  # fsspec has no types
    """-> a fresh fsspec file system; never shared, so that forked workers do not inherit its loop."""
    import fsspec

    scheme, options = url.split("://", 1)[0], {}
    if scheme in ("http", "https"):
        import aiohttp

        options["client_kwargs"] = {
            "timeout": aiohttp.ClientTimeout(sock_connect=20.0, sock_read=SILENCE_SECONDS)
        }
    try:
        return fsspec.filesystem(scheme, skip_instance_cache=True, **options)
    except ImportError as error:
        extra = "Install it: pip install 'hps[s3]'" if scheme == "s3" else ""
        raise MissingError(
            f"{scheme}:// needs a package that is not here: {error}.", extra
        ) from None
    except ValueError:
        raise MissingError(
            f"nothing here can read {scheme}:// ({url}).", "Name a folder, s3://... or https://..."
        ) from None
