"""A pickle reader that cannot run anything: its own machine, with its own table of constructors.

Python's unpickler imports what a file names and calls it. This one never imports: a name is looked
up in a vocabulary of our functions, and a name outside it ends the reading. Python-2 strings are
latin1, as the official body files need.
"""

import codecs
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from hpscli.errors import InvalidData

Maker = Callable[..., Any]
MAX_OPERATIONS = 50_000_000  # each costs a byte of the file at least; stops a gigabyte of "["
MAX_KEY_DEPTH, MAX_KEY_LENGTH = 2, 16  # of tuples that are keys of a dictionary or in a set
DAMAGE = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RecursionError,
    struct.error,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Named:
    """A global that the file names, e.g. numpy.ndarray; it is only a name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@runtime_checkable
class Buildable(Protocol):
    """A stand-in that takes an object's state."""

    def build(self, state: Any) -> None: ...


class Refused(InvalidData):
    """The file names a global that is not in the vocabulary."""


def refusal(source: str, named: Named) -> Refused:
    """-> the error for a name that a file of numbers has no use for."""
    return Refused(
        f"{source} asks for {named}, which is not data: refused, and nothing was run.",
        "Such files need no such thing. Download the file again from its owner.",
    )


class PickleMachine:
    """Reads one pickle out of `data`, starting at `position`, which ends behind it."""

    def __init__(
        self,
        data: bytes,
        source: str,
        vocabulary: Mapping[tuple[str, str], Maker],
        *,
        unknown: Callable[[Named], Maker] | None = None,
        persistent: Callable[[Any], Any] | None = None,
        position: int = 0,
    ) -> None:
        self.data, self.source, self.position = data, source, position
        self.vocabulary, self.unknown, self.persistent = vocabulary, unknown, persistent
        self.stack: list[Any] = []
        self.marks: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def read(self) -> Any:
        """-> the object, made of plain containers and of what the vocabulary makes."""
        try:
            for _ in range(MAX_OPERATIONS):
                code = self.data[self.position]
                self.position += 1
                if code == ord("."):
                    return self.stack.pop()
                OPERATIONS[code](self)
            raise ValueError(f"more than {MAX_OPERATIONS} operations")
        except DAMAGE as error:
            raise InvalidData(
                f"{self.source} is not a readable pickle: byte {self.position} of "
                f"{len(self.data)} ({type(error).__name__}: {error}).",
                "The file is damaged or cut short: download it again.",
            ) from error

    def bytes(self, count: int) -> bytes:
        end = self.position + count
        if count < 0 or end > len(self.data):
            raise ValueError(f"{count} bytes announced, {len(self.data) - self.position} left")
        chunk = self.data[self.position : end]
        self.position = end
        return chunk

    def number(self, layout: str) -> int:
        return int(struct.unpack(layout, self.bytes(struct.calcsize(layout)))[0])

    def line(self) -> str:
        end = self.data.index(b"\n", self.position)
        text = self.data[self.position : end].decode("latin1")
        self.position = end + 1
        return text

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def pop_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def find(self, module: str, name: str) -> Named:
        """-> the name, if the vocabulary has it; this is where a hostile file ends."""
        named = Named(module, name)
        if (module, name) not in self.vocabulary:
            if self.unknown is None:
                raise refusal(self.source, named)
            self.unknown(named)  # it may refuse as well
        return named

    def make(self, named: Any, arguments: Any, keywords: Mapping[str, Any] | None = None) -> Any:
        """-> what our own constructor for this name makes of the arguments."""
        if not isinstance(named, Named) or not isinstance(arguments, tuple):
            raise ValueError(f"{type(named).__name__} is called, which is not a known name")
        maker = self.vocabulary.get((named.module, named.name))
        if maker is None:
            if self.unknown is None:
                raise ValueError(f"{named} is not known")
            maker = self.unknown(named)
        return maker(*arguments, **(keywords or {}))


def _reduce(machine: PickleMachine) -> None:
    arguments = machine.stack.pop()
    named = machine.stack.pop()
    if isinstance(named, Named) and named in RECONSTRUCTORS:
        # copyreg._reconstructor(class, base, state) makes an empty instance
        machine.push(machine.make(arguments[0], ()))
    else:
        machine.push(machine.make(named, arguments))


RECONSTRUCTORS = {Named(module, "_reconstructor") for module in ("copy_reg", "copyreg")}


def _build(machine: PickleMachine) -> None:
    state = machine.stack.pop()
    target = machine.stack[-1]
    if isinstance(target, Buildable):
        target.build(state)
    elif not isinstance(target, dict):  # the attributes of an OrderedDict are of no interest
        raise ValueError(f"a {type(target).__name__} cannot take a state")


def checked_keys(items: Sequence[Any], depth: int = 0) -> Sequence[Any]:
    """-> the same: the hash of tuples in tuples costs 2^depth steps, so deep ones are refused."""
    for item in items:
        if isinstance(item, tuple):
            if depth >= MAX_KEY_DEPTH or len(item) > MAX_KEY_LENGTH:
                raise ValueError("a key of tuples in tuples")
            checked_keys(item, depth + 1)
    return items


def _extend(machine: PickleMachine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if isinstance(target, set):
        target.update(checked_keys(items))
    else:
        target.extend(items)


def _set_items(machine: PickleMachine, items: list[Any]) -> None:
    target = machine.stack[-1]
    for key, value in zip(checked_keys(items[::2]), items[1::2], strict=True):
        target[key] = value


def _mark(machine: PickleMachine) -> None:
    machine.marks.append(machine.stack)
    machine.stack = []


def _pop(machine: PickleMachine) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _tuple(machine: PickleMachine, count: int) -> None:
    machine.stack[-count:] = [tuple(machine.stack[-count:])]


def _dict(machine: PickleMachine) -> None:
    items = machine.pop_mark()
    machine.push(dict(zip(checked_keys(items[::2]), items[1::2], strict=True)))


def _stack_global(machine: PickleMachine) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise ValueError("a global is named by two strings")
    machine.push(machine.find(module, name))


def _inst(machine: PickleMachine) -> None:
    named = machine.find(machine.line(), machine.line())
    machine.push(machine.make(named, tuple(machine.pop_mark())))


def _obj(machine: PickleMachine) -> None:
    named, *arguments = machine.pop_mark()
    machine.push(machine.make(named, tuple(arguments)))


def _new_object(machine: PickleMachine, with_keywords: bool = False) -> None:
    keywords = machine.stack.pop() if with_keywords else None
    arguments = machine.stack.pop()
    machine.push(machine.make(machine.stack.pop(), arguments, keywords))


def _persistent(machine: PickleMachine, key: Any) -> None:
    if machine.persistent is None:
        raise ValueError("it points outside itself")
    machine.push(machine.persistent(key))


def _integer_line(text: str) -> int | bool:
    if text in ("00", "01"):
        return text == "01"
    return int(text.rstrip("L"))


def _quoted(text: str) -> str:
    if len(text) < 2 or text[0] != text[-1] or text[0] not in "'\"":
        raise ValueError("a string without quotes")
    return codecs.escape_decode(text[1:-1].encode("latin1"))[0].decode("latin1")


def _long(machine: PickleMachine, layout: str) -> int:
    return int.from_bytes(machine.bytes(machine.number(layout)), "little", signed=True)


def _remember(machine: PickleMachine, key: int) -> None:
    machine.memo[key] = machine.stack[-1]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogatepass")


# One entry per operation of pickle protocols 0-5 (pickletools in the standard library describes
# them); left out on purpose: the extension registry and out-of-band buffers.
OPERATIONS: dict[int, Callable[[PickleMachine], None]] = {
    code[0]: operation
    for code, operation in {
        b"\x80": lambda m: m.bytes(1) and None,
        b"\x95": lambda m: m.bytes(8) and None,
        b"(": _mark,
        b"0": _pop,
        b"1": lambda m: m.pop_mark() and None,
        b"2": lambda m: m.push(m.stack[-1]),
        b"N": lambda m: m.push(None),
        b"\x88": lambda m: m.push(True),
        b"\x89": lambda m: m.push(False),
        b"I": lambda m: m.push(_integer_line(m.line())),
        b"L": lambda m: m.push(_integer_line(m.line())),
        b"J": lambda m: m.push(m.number("<i")),
        b"K": lambda m: m.push(m.number("<B")),
        b"M": lambda m: m.push(m.number("<H")),
        b"\x8a": lambda m: m.push(_long(m, "<B")),
        b"\x8b": lambda m: m.push(_long(m, "<i")),
        b"F": lambda m: m.push(float(m.line())),
        b"G": lambda m: m.push(struct.unpack(">d", m.bytes(8))[0]),
        b"S": lambda m: m.push(_quoted(m.line())),
        b"T": lambda m: m.push(m.bytes(m.number("<i")).decode("latin1")),
        b"U": lambda m: m.push(m.bytes(m.number("<B")).decode("latin1")),
        b"B": lambda m: m.push(m.bytes(m.number("<I"))),
        b"C": lambda m: m.push(m.bytes(m.number("<B"))),
        b"\x8e": lambda m: m.push(m.bytes(m.number("<Q"))),
        b"\x96": lambda m: m.push(m.bytes(m.number("<Q"))),
        b"V": lambda m: m.push(m.line().encode("latin1").decode("raw-unicode-escape")),
        b"X": lambda m: m.push(_text(m.bytes(m.number("<I")))),
        b"\x8c": lambda m: m.push(_text(m.bytes(m.number("<B")))),
        b"\x8d": lambda m: m.push(_text(m.bytes(m.number("<Q")))),
        b"]": lambda m: m.push([]),
        b"a": lambda m: _extend(m, [m.stack.pop()]),
        b"e": lambda m: _extend(m, m.pop_mark()),
        b"l": lambda m: m.push(m.pop_mark()),
        b")": lambda m: m.push(()),
        b"t": lambda m: m.push(tuple(m.pop_mark())),
        b"\x85": lambda m: _tuple(m, 1),
        b"\x86": lambda m: _tuple(m, 2),
        b"\x87": lambda m: _tuple(m, 3),
        b"}": lambda m: m.push({}),
        b"d": _dict,
        b"s": lambda m: _set_items(m, [m.stack.pop(-2), m.stack.pop()]),
        b"u": lambda m: _set_items(m, m.pop_mark()),
        b"\x8f": lambda m: m.push(set()),
        b"\x90": lambda m: _extend(m, m.pop_mark()),
        b"\x91": lambda m: m.push(frozenset(checked_keys(m.pop_mark()))),
        b"g": lambda m: m.push(m.memo[int(m.line())]),
        b"h": lambda m: m.push(m.memo[m.number("<B")]),
        b"j": lambda m: m.push(m.memo[m.number("<I")]),
        b"p": lambda m: _remember(m, int(m.line())),
        b"q": lambda m: _remember(m, m.number("<B")),
        b"r": lambda m: _remember(m, m.number("<I")),
        b"\x94": lambda m: _remember(m, len(m.memo)),
        b"c": lambda m: m.push(m.find(m.line(), m.line())),
        b"\x93": _stack_global,
        b"R": _reduce,
        b"b": _build,
        b"i": _inst,
        b"o": _obj,
        b"\x81": _new_object,
        b"\x92": lambda m: _new_object(m, True),
        b"P": lambda m: _persistent(m, m.line()),
        b"Q": lambda m: _persistent(m, m.stack.pop()),
    }.items()
}
