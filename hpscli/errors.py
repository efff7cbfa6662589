"""Errors that a user can cause; each says what happened and what to type next.

HpsError            exit 1
├─ UsageError       exit 2    wrong flag, name, recipe key
├─ MissingError     exit 3    an asset, data, checkpoint or optional package is not there
├─ CheckFailed      exit 4    a check said no
├─ InvalidData      exit 5    corrupt shard, wrong shapes, hostile file
└─ Interrupted      exit 130  stopped by the user, state saved
"""

from collections.abc import Iterable
from difflib import get_close_matches

# What reading a record of somebody else's file may raise, whose entries may be anything.
BAD_RECORD = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)
LONGEST_WORDS = 160  # letters of a library's message: some quote the whole file


# How torch and CUDA say that there is too little memory, where no class of its own does.
NO_MEMORY = ("out of memory", "can't allocate memory", "ALLOC_FAILED")


class HpsError(Exception):
    """A problem in one sentence, and the next thing to type; shown without a traceback."""

    exit_code = 1

    def __init__(self, problem: str, fix: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.fix = fix

    def __str__(self) -> str:
        return f"{self.problem} {self.fix}".strip()

    def __reduce__(self) -> tuple[type["HpsError"], tuple[str, str]]:
        return type(self), (self.problem, self.fix)


class UsageError(HpsError):
    exit_code = 2


class MissingError(HpsError):
    exit_code = 3


class CheckFailed(HpsError):
    exit_code = 4


class InvalidData(HpsError):
    exit_code = 5


class LostFile(InvalidData):
    """A file of many people that cannot be read; readers yield it, for nobody knows how many are lost."""


class Interrupted(HpsError):
    exit_code = 130


def in_words(error: BaseException) -> str:
    """An exception of Python or a library -> one short line without a full stop at its end."""
    text = " ".join(str(error).split())[:LONGEST_WORDS].rstrip(".")
    if isinstance(error, KeyError):
        return f"there is no entry {text}"
    return text or type(error).__name__


def lacks_memory(error: BaseException) -> bool:
    """-> whether the memory of the machine or of a GPU was too small; torch need not be imported."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """-> "Did you mean 'x'?", or "" when nothing known is near."""
    near = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"Did you mean '{near[0]}'?" if near else ""


def unknown_name(kind: str, name: str, known: Iterable[str], list_command: str) -> UsageError:
    """-> the error for a name that nobody registered, with the nearest known one."""
    return UsageError(
        f"no {kind} named '{name}'.", did_you_mean(name, known) or f"See: {list_command}"
    )
