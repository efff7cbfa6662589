"""Stand-ins for the objects that body files pickle, and how they become arrays."""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from hpscli.body.official.machine import Named

MAX_DEPTH = 200  # of containers in containers; body files have three
MAX_ELEMENTS = 1 << 25  # of one evaluated array; the largest official one has 15 million
NUMBER_TYPE = re.compile(r"[<>=|]?[biufcSUO]\d{0,7}")  # no structures, dates or raw memory


@dataclass(frozen=True)
class Sparse:
    """A sparse matrix as triplets: row (N,), column (N,), value (N,)."""

    row: np.ndarray
    column: np.ndarray
    value: np.ndarray
    shape: tuple[int, int]

    def dense(self) -> np.ndarray:
        """-> (rows, columns); entries that are named twice are added, as SciPy does."""
        if math.prod(self.shape) > MAX_ELEMENTS:
            raise ValueError(f"a matrix of {self.shape} is too large")
        out = np.zeros(self.shape, self.value.dtype)
        np.add.at(out, (self.row, self.column), self.value)
        return out


@dataclass(frozen=True)
class Unread:
    """A chumpy expression that is more than a re-ordering; official files never need its value."""

    name: str


class ArrayRecord:
    """An ndarray on its way: (version, shape, dtype, fortran order, bytes or list)."""

    state: tuple[Any, ...] | None = None

    def build(self, state: Any) -> None:
        self.state = tuple(state)

    def resolve(self, resolver: "Resolver") -> np.ndarray:
        if self.state is None:
            return np.zeros(0)
        shape, dtype, fortran, content = self.state[-4:]
        kind = resolver.value(dtype)
        if not isinstance(kind, np.dtype):
            raise ValueError("an array without a number type")
        shape = tuple(int(n) for n in shape)
        order: Literal["C", "F"] = "F" if fortran else "C"
        if kind.hasobject:
            if len(content) != math.prod(shape):
                raise ValueError(f"{len(content)} objects for a shape of {shape}")
            flat = np.empty(len(content), object)
            for index, item in enumerate(content):
                flat[index] = resolver.value(item)
            return flat.reshape(shape, order=order)
        if not isinstance(content, str | bytes | bytearray):  # bytes(n) are n bytes
            raise ValueError(f"numbers of an array are {type(content).__name__}")
        raw = content.encode("latin1") if isinstance(content, str) else bytes(content)
        if len(raw) != math.prod(shape) * kind.itemsize:
            raise ValueError(f"{len(raw)} bytes for {shape} of {kind}")
        return np.frombuffer(raw, kind).reshape(shape, order=order)


class DtypeRecord:
    """A dtype on its way: code, and byte order from the state."""

    def __init__(self, code: Any, *flags: Any) -> None:
        if not isinstance(code, str) or not NUMBER_TYPE.fullmatch(code):
            raise ValueError(f"the number type {code!r} is not read")
        self.code, self.byte_order = ("O" if "O" in code else code), "="

    def build(self, state: Any) -> None:
        if state[3] is not None or state[2] is not None:
            raise ValueError("structured arrays are not read")
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError(f"the byte order {state[1]!r} is not known")
        self.byte_order = state[1]

    def resolve(self, resolver: "Resolver") -> np.dtype[Any]:
        kind = np.dtype(self.code)
        return kind.newbyteorder(">") if self.byte_order == ">" else kind


class ScalarRecord:
    """numpy scalar: dtype and bytes."""

    def __init__(self, dtype: Any, content: Any = b"") -> None:
        self.dtype, self.content = dtype, content

    def resolve(self, resolver: "Resolver") -> Any:
        record = ArrayRecord()
        record.build((1, (1,), self.dtype, False, self.content))
        return record.resolve(resolver)[0]


class SparseRecord:
    """A SciPy matrix on its way; its state is a dictionary. `outer`: the axis that is compressed."""

    def __init__(self, outer: int) -> None:
        self.outer = outer
        self.state: dict[str, Any] = {}

    def build(self, state: Any) -> None:
        self.state = dict(state)

    def resolve(self, resolver: "Resolver") -> Sparse:
        state = {str(key): resolver.value(item) for key, item in self.state.items()}
        rows, columns = (int(n) for n in (state.get("_shape") or state["shape"]))
        if "indptr" in state:
            pointers, indices = np.asarray(state["indptr"], np.int64), np.asarray(state["indices"])
            counts = np.diff(pointers)
            if len(counts) != (rows, columns)[self.outer] or (counts < 0).any():
                raise ValueError("index pointers of a sparse matrix do not fit its shape")
            if pointers[0] != 0 or pointers[-1] != len(indices):  # else they may ask for any memory
                raise ValueError("index pointers of a sparse matrix do not fit its entries")
            pair = [np.repeat(np.arange(len(counts)), counts), indices]
            row, column = pair if self.outer == 0 else pair[::-1]
        else:
            row, column = state["coords"] if "coords" in state else (state["row"], state["col"])
        value = np.asarray(state["data"])
        row, column = np.asarray(row, np.int64), np.asarray(column, np.int64)
        if not len(row) == len(column) == len(value):
            raise ValueError("parts of a sparse matrix have different lengths")
        if len(row) and not (
            0 <= row.min() <= row.max() < rows and 0 <= column.min() <= column.max() < columns
        ):
            raise ValueError("a sparse matrix points outside itself")
        return Sparse(row, column, value, (rows, columns))


class ChumpyRecord:
    """A chumpy object: what it remembers, never what it does."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.state: dict[str, Any] = {}

    def build(self, state: Any) -> None:
        self.state = dict(state)

    def resolve(self, resolver: "Resolver") -> Any:
        evaluate = CHUMPY.get(self.name)
        if evaluate is None:
            return Unread(f"chumpy.{self.name}")
        values = {key: resolver.value(item) for key, item in self.state.items()}
        return evaluate(values)


def _concatenate(state: dict[str, Any]) -> Any:
    parts = [np.asarray(state[name]) for name in state["dterms"]]
    if sum(part.size for part in parts) > MAX_ELEMENTS:
        raise ValueError("an array that grows without end")
    return np.concatenate(parts, axis=int(state.get("axis", 0)))


def _select(state: dict[str, Any]) -> np.ndarray:
    chosen: np.ndarray = np.asarray(state["a"]).ravel()[np.asarray(state["idxs"], np.int64)]
    return chosen.reshape(state["preferred_shape"]) if "preferred_shape" in state else chosen


# Classes of chumpy that only hold or re-order numbers; formulas from reading its reordering.py.
CHUMPY: dict[str, Callable[[dict[str, Any]], Any]] = {
    "ch.Ch": lambda state: np.asarray(state["x"]),
    "reordering.Select": _select,
    "reordering.Reshape": lambda state: np.asarray(state["a"]).reshape(state["newshape"]),
    "reordering.transpose": lambda state: np.transpose(np.asarray(state["a"]), state.get("axes")),
    "reordering.Concatenate": _concatenate,
}


class Resolver:
    """Turns the records of a pickle into arrays; each object once, however often it is named."""

    def __init__(self) -> None:
        self.done: dict[int, Any] = {}
        self.kept: list[Any] = []  # ids stay valid only while their objects live
        self.depth = 0

    def value(self, item: Any) -> Any:
        if item is None or isinstance(item, bool | int | float | str | bytes | Named):
            return item
        if id(item) in self.done:
            return self.done[id(item)]
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ValueError(f"nested more than {MAX_DEPTH} deep")
        self.kept.append(item)
        self.done[id(item)] = None  # a record inside itself has no value
        result = self._resolve(item)
        self.done[id(item)] = result
        self.depth -= 1
        return result

    def _resolve(self, item: Any) -> Any:
        if hasattr(item, "resolve"):
            return item.resolve(self)
        if isinstance(item, dict):
            self.done[id(item)] = item
            for key in list(item):
                item[key] = self.value(item[key])
            return item
        if isinstance(item, list):
            self.done[id(item)] = item
            item[:] = [self.value(element) for element in item]
            return item
        if isinstance(item, tuple | set | frozenset):
            return type(item)(self.value(element) for element in item)
        return item
