"""Pickled body files as plain arrays: no chumpy, no SciPy, and nothing in them is ever run.

What may appear: NumPy arrays and scalars, SciPy sparse matrices (read into `Sparse`), chumpy arrays
and their re-orderings (evaluated), and plain containers. Everything else is refused by name.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from hpscli.body.official.machine import DAMAGE, RECONSTRUCTORS, Maker, PickleMachine, checked_keys
from hpscli.body.official.records import (
    ArrayRecord,
    ChumpyRecord,
    DtypeRecord,
    Resolver,
    ScalarRecord,
    SparseRecord,
)
from hpscli.errors import InvalidData, MissingError

MAX_FILE_BYTES = 4 << 30  # SMPL-X as a pickle has 0.55 GB


def safe_load_pickle(path: Path | str) -> Any:
    """-> the content of a pickle as plain Python and NumPy objects, without running any of it."""
    path = Path(path)
    if not path.is_file():
        raise MissingError(f"there is no file {path}.", "Check the path.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidData(f"{path} has {path.stat().st_size} bytes; no body file is so large.")
    return safe_loads(path.read_bytes(), str(path))


def safe_loads(data: bytes, source: str) -> Any:
    """-> the same from bytes; `source` is what errors call them."""
    value = PickleMachine(data, source, vocabulary()).read()
    try:
        return Resolver().value(value)
    except DAMAGE as error:
        raise InvalidData(
            f"{source} holds an array that does not fit together ({error}).",
            "The file is damaged: download it again.",
        ) from error


def _from_buffer(content: Any, dtype: Any, shape: Any, order: str = "C", *rest: Any) -> ArrayRecord:
    record = ArrayRecord()
    record.build((1, shape, dtype, order == "F", content))
    return record


def _encode(text: str, encoding: str = "utf-8") -> bytes:
    if encoding not in ("latin1", "latin-1", "utf-8"):
        raise ValueError(f"the encoding {encoding} is not read")
    return text.encode(encoding)


def _empty_bytes(*arguments: Any) -> bytes:
    if not arguments:
        return b""
    if isinstance(arguments[0], str):
        return _encode(arguments[0], *arguments[1:])
    if isinstance(arguments[0], bytes):
        return arguments[0]
    raise ValueError("bytes are made from text or bytes only")


def _mapping(*arguments: Any) -> dict[Any, Any]:
    """OrderedDict(pairs) and defaultdict(factory): the factory is not kept."""
    pairs = arguments[0] if arguments and isinstance(arguments[0], list | dict) else ()
    if isinstance(pairs, list):
        checked_keys([key for key, _ in pairs])
    return dict(pairs)


def _collection(kind: Callable[[Iterable[Any]], Any]) -> Maker:
    return lambda items=(): kind(checked_keys(items) if kind in (set, frozenset) else items)


def _sparse(outer: int) -> Maker:
    return lambda *arguments: SparseRecord(outer)


def _not_called(*arguments: Any) -> Any:
    raise ValueError("a type is called that is only ever named")


class Vocabulary(dict[tuple[str, str], Maker]):
    """(module, name) -> our constructor; every class below chumpy is a ChumpyRecord."""

    def __contains__(self, key: object) -> bool:
        return super().__contains__(key) or (isinstance(key, tuple) and _is_chumpy(key[0]))

    def get(self, key: Any, default: Any = None) -> Any:
        if not super().__contains__(key) and _is_chumpy(key[0]):
            name = ".".join([*key[0].split(".")[1:], key[1]])
            return lambda *arguments, **keywords: ChumpyRecord(name)
        return super().get(key, default)


def _is_chumpy(module: object) -> bool:
    return isinstance(module, str) and module.split(".")[0] == "chumpy"


def vocabulary() -> Vocabulary:
    """-> everything that a body file may name, under the module names of all releases.

    Scans of the official files list: numpy's _reconstruct, ndarray, dtype; scipy's csc_matrix (SMPL,
    MANO) and coo_matrix (SMPL+H); chumpy.ch.Ch and chumpy.reordering.Select; __builtin__.set; and, in
    SMPL 1.1, copy_reg._reconstructor with __builtin__.object.
    """
    table: dict[tuple[str, str], Maker] = {
        ("numpy", "dtype"): DtypeRecord,
        ("numpy", "ndarray"): _not_called,
        ("numpy", "matrix"): _not_called,
        ("numpy.matrixlib.defmatrix", "matrix"): _not_called,
        ("collections", "OrderedDict"): _mapping,
        ("collections", "defaultdict"): _mapping,
        ("_codecs", "encode"): _encode,
    }
    for core in ("numpy.core", "numpy._core"):
        table[f"{core}.multiarray", "_reconstruct"] = lambda *arguments: ArrayRecord()
        table[f"{core}.multiarray", "scalar"] = ScalarRecord
        table[f"{core}.numeric", "_frombuffer"] = _from_buffer
    for form, outer in (("csc", 1), ("csr", 0), ("coo", 0)):
        for module in (f"scipy.sparse.{form}", f"scipy.sparse._{form}", "scipy.sparse"):
            for suffix in ("matrix", "array"):
                table[module, f"{form}_{suffix}"] = _sparse(outer)
    for builtins in ("builtins", "__builtin__"):
        for kind in (set, frozenset, list, tuple):
            table[builtins, kind.__name__] = _collection(kind)
        table[builtins, "dict"] = _mapping
        table[builtins, "object"] = _not_called
        table[builtins, "bytes"] = _empty_bytes
        table[builtins, "bytearray"] = _empty_bytes
    table.update({(named.module, named.name): _not_called for named in RECONSTRUCTORS})
    return Vocabulary(table)
