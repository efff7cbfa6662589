"""Pickles that a server with an old NumPy can read, and what a pickle asks for before it is read.

NumPy 2 calls its own module `numpy._core`; pickles that say so cannot be loaded by NumPy before
1.26. Here they say `numpy.core`, which every NumPy understands, in protocol 2.
"""

import pickle
import pickletools
from dataclasses import dataclass
from typing import Any

NEW, OLD = "numpy._core", "numpy.core"
PROTOCOL = 2
DAMAGE = (ValueError, IndexError, KeyError, EOFError, UnicodeDecodeError, OverflowError)


@dataclass(frozen=True)
class Inspected:
    """What a pickle says of itself: protocol, the names that it asks for, where it is damaged."""

    protocol: int = 0
    names: tuple[str, ...] = ()  # "numpy.core.multiarray _reconstruct", each once
    damage: str = ""

    @property
    def modules(self) -> tuple[str, ...]:
        """-> the modules, each once."""
        return tuple(dict.fromkeys(name.partition(" ")[0] for name in self.names))


def numpy1_pickle(value: Any) -> bytes:
    """Plain containers and NumPy arrays -> a pickle for NumPy 1 and 2, of protocol 2."""
    data = pickle.dumps(value, protocol=PROTOCOL)
    places = [
        position
        for operation, argument, position in pickletools.genops(data)
        if operation.name == "GLOBAL" and str(argument).startswith(f"{NEW}.") and position
    ]
    pieces, start = [], 0
    for place in places:  # "c", module, newline, name, newline
        pieces += [data[start : place + 1], OLD.encode()]
        start = place + 1 + len(NEW)
    return b"".join([*pieces, data[start:]])


def inspect_pickle(data: bytes) -> Inspected:
    """-> what a pickle asks for; its operations are only listed, none is carried out."""
    protocol, names, texts = 0, dict[str, None](), list[str]()
    memo: dict[int, str] = {}
    try:
        for operation, argument, _ in pickletools.genops(data):
            code = operation.name
            if code == "PROTO":
                protocol = int(argument or 0)
            elif code in ("GLOBAL", "INST"):
                names[str(argument)] = None
            elif code == "STACK_GLOBAL":
                names[" ".join(texts[-2:])] = None
            elif code in ("MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"):
                place = len(memo) if code == "MEMOIZE" else int(argument or 0)
                memo[place] = texts[-1] if texts else ""
            elif code in ("BINGET", "LONG_BINGET", "GET"):
                texts.append(memo.get(int(argument or 0), ""))
            elif isinstance(argument, str):
                texts.append(argument[:200])
    except DAMAGE as error:
        return Inspected(protocol, tuple(names), " ".join(str(error).split()) or "cut short")
    return Inspected(protocol, tuple(names))
