"""Which keys came before, exactly, in memory that does not grow with their number."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from uuid import uuid4

IN_MEMORY = 100_000  # keys in a set; more go to a table on disk
CACHE_KB = 16_000  # of that table's pages


class Keys:
    """All keys so far. A file in `folder` holds them when they are many; it is gone at the end."""

    def __init__(self, folder: Path, in_memory: int = IN_MEMORY) -> None:
        self.path = folder / f".keys.{uuid4().hex}.partial"
        self.in_memory = in_memory
        self.few: set[str] = set()
        self.many: sqlite3.Connection | None = None

    def __enter__(self) -> "Keys":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.many is not None:
            self.many.close()
            self.path.unlink(missing_ok=True)

    def take(self, key: str) -> bool:
        """Note a key -> whether it is new."""
        if self.many is None:
            if key in self.few:
                return False
            self.few.add(key)
            if len(self.few) > self.in_memory:
                self._move_to_disk()
            return True
        return self.many.execute("INSERT OR IGNORE INTO keys VALUES (?)", (key,)).rowcount == 1

    def take_all(self, keys: Sequence[str]) -> bool:
        """Note the keys of a shard, or none of them when one of them came before -> whether all are new."""
        if len(set(keys)) < len(keys) or any(key in self for key in keys):
            return False
        for key in keys:
            self.take(key)
        return True

    def __contains__(self, key: str) -> bool:
        if self.many is None:
            return key in self.few
        found = self.many.execute("SELECT 1 FROM keys WHERE key = ?", (key,)).fetchone()
        return found is not None

    def _move_to_disk(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        # one process reads and writes it, and a crash loses nothing: neither locks nor a journal
        self.many = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?nolock=1", uri=True, isolation_level=None
        )
        self.many.execute("PRAGMA journal_mode = OFF")
        self.many.execute("PRAGMA synchronous = OFF")
        self.many.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        self.many.execute("CREATE TABLE keys (key TEXT PRIMARY KEY) WITHOUT ROWID")
        self.many.execute("BEGIN")
        self.many.executemany("INSERT INTO keys VALUES (?)", ((key,) for key in sorted(self.few)))
        self.few = set()
