"""Tables of pandas in pickles as plain columns, whichever release wrote them, and without pandas.

Seen in files of pandas 0.25, 1.0 to 1.5, 2.2 and 3.1: a manager of blocks, each the values of some
columns with their places. Up to 1.2 its state is a tuple, later its arguments; pandas 3 keeps text in
arrays of its own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hpscli.body.official.machine import Maker, Named
from hpscli.body.official.records import Resolver

MAX_CELLS = 1 << 26  # of one table
STATE_ENTRY = "0.14.1"  # of the tuple in which managers up to 1.2 keep axes and blocks


@dataclass(frozen=True)
class Frame:
    """A table: columns by name, in their order, each a list with one value a row."""

    columns: Mapping[str, list[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))


class IndexRecord:
    """Labels of rows or columns: the name of its class, and data or a range."""

    def __init__(self, kind: Any, state: Any) -> None:
        self.state = dict(state)

    def resolve(self, resolver: Resolver) -> Sequence[Any]:
        if "data" in self.state:
            return _listed(resolver.value(self.state["data"]))
        start, stop, step = (int(self.state[name]) for name in ("start", "stop", "step"))
        return range(start, stop, step)


class ExtensionRecord:
    """An array of pandas' own: text (the type, then the values)."""

    def __init__(self, kind: Any, checksum: Any = None, state: Any = None) -> None:
        self.state = state

    def build(self, state: Any) -> None:
        self.state = state

    def resolve(self, resolver: Resolver) -> np.ndarray:
        parts = [resolver.value(item) for item in self.state or ()]
        arrays = [part for part in parts if isinstance(part, np.ndarray)]
        if len(arrays) != 1:
            raise ValueError("an array of pandas without values")
        return arrays[0]


@dataclass(eq=False)
class BlockRecord:
    """Values (columns, rows) or (rows,), and the places of the columns in the table."""

    values: Any
    places: Any

    def resolve(self, resolver: Resolver) -> tuple[np.ndarray, Sequence[int]]:
        values, places = resolver.value(self.values), resolver.value(self.places)
        if isinstance(places, slice):
            start, stop, step = places.start or 0, places.stop, places.step or 1
            places = range(int(start), int(stop), int(step))
        if not isinstance(values, np.ndarray) or values.ndim not in (1, 2):
            raise ValueError("a block of a table without values")
        return values if values.ndim == 2 else values[None], places


class ManagerRecord:
    """What holds the blocks of a table: from its arguments, or from the state of older releases."""

    def __init__(self, blocks: Any = (), axes: Any = (), *rest: Any) -> None:
        self.blocks = blocks if isinstance(blocks, list | tuple) else [blocks]
        self.axes = axes if isinstance(axes, list | tuple) else [axes]

    def build(self, state: Any) -> None:
        parts = state[3][STATE_ENTRY]
        self.axes = parts["axes"]
        self.blocks = [BlockRecord(part["values"], part["mgr_locs"]) for part in parts["blocks"]]


class FrameRecord:
    """A DataFrame or a Series on its way; only its manager counts."""

    def __init__(self, *arguments: Any) -> None:
        self.manager: ManagerRecord | None = None
        self.state: Mapping[str, Any] = {}

    def build(self, state: Any) -> None:
        self.state = state
        manager = state["_mgr"] if "_mgr" in state else state["_data"]
        if not isinstance(manager, ManagerRecord):
            raise ValueError("a table without blocks")
        self.manager = manager

    def parts(self, resolver: Resolver) -> tuple[list[Sequence[Any]], list[Any]]:
        """-> labels of each axis, and the resolved blocks."""
        if self.manager is None:
            raise ValueError("a table without content")
        axes = [resolver.value(axis) for axis in self.manager.axes]
        if not all(isinstance(axis, list | range) for axis in axes):
            raise ValueError("a table whose axes are no index")
        return axes, [resolver.value(block) for block in self.manager.blocks]

    def resolve(self, resolver: Resolver) -> Frame:
        (labels, rows), blocks = self.parts(resolver)
        if len(labels) * len(rows) > MAX_CELLS:
            raise ValueError(f"a table of {len(labels)} columns and {len(rows)} rows")
        if sum(len(values) for values, _ in blocks) != len(labels):
            raise ValueError(f"blocks that do not fit {len(labels)} labels")
        found: dict[int, list[Any]] = {}
        for values, places in blocks:
            if values.shape[1] != len(rows):
                raise ValueError(f"{values.shape[1]} values in a table of {len(rows)} rows")
            for place, column in zip(places, values, strict=True):
                found[int(place)] = column.tolist()
        if len(found) != len(labels) or not all(0 <= place < len(labels) for place in found):
            raise ValueError(f"{len(found)} columns in a table with {len(labels)} labels")
        return Frame({str(label): found[place] for place, label in enumerate(labels)})


class SeriesRecord(FrameRecord):
    """A Series becomes the list of its values; the places of its block are rows."""

    def resolve(self, resolver: Resolver) -> Any:
        _, blocks = self.parts(resolver)
        (values, _places), *others = blocks
        if others or len(values) != 1:
            raise ValueError("a column with more than one block")
        return values[0].tolist()


class PartialName(Named):
    """functools.partial(new_block, ndim=2), with which pandas 1.3 makes blocks: still only a name."""

    def build(self, state: Any) -> None:
        """The number of dimensions shows in the values."""


def frame_names() -> dict[tuple[str, str], Maker]:
    """-> what pickled tables name, under the modules of all releases."""
    names: dict[tuple[str, str], Maker] = {
        ("pandas._libs.internals", "_unpickle_block"): _block,
        ("pandas.core.internals.blocks", "new_block"): _block,
        ("pandas._libs.arrays", "__pyx_unpickle_NDArrayBacked"): ExtensionRecord,
        ("functools", "partial"): _partial,
        ("builtins", "slice"): slice,
        ("__builtin__", "slice"): slice,
    }
    for module in ("pandas", "pandas.core.frame"):
        names[module, "DataFrame"] = FrameRecord
    for module in ("pandas", "pandas.core.series"):
        names[module, "Series"] = SeriesRecord
    for module in ("pandas.core.internals", "pandas.core.internals.managers"):
        names[module, "BlockManager"] = ManagerRecord
        names[module, "SingleBlockManager"] = ManagerRecord
    for module in ("pandas.core.indexes.base", "pandas.indexes.base"):
        names[module, "_new_Index"] = IndexRecord
    kinds = [("base", "Index"), ("range", "RangeIndex")]
    kinds += [("numeric", f"{kind}Index") for kind in ("Int64", "UInt64", "Float64")]
    for module, kind in kinds:
        for package in ("pandas.core.indexes.", "pandas.indexes."):
            names[package + module, kind] = _only_named
        names["pandas", kind] = _only_named
    for module in ("pandas", "pandas.core.arrays.string_"):
        names[module, "StringDtype"] = _text_type
    for module in ("pandas.arrays", "pandas.core.arrays.string_"):
        names[module, "StringArray"] = ExtensionRecord
        names[module, "StringArrayNumpySemantics"] = ExtensionRecord
    return names


def _block(values: Any, places: Any, *dimensions: Any) -> BlockRecord:
    return BlockRecord(values, places)


def _partial(named: Any, *arguments: Any) -> PartialName:
    if not isinstance(named, Named) or named.name != "new_block":
        raise ValueError(f"functools.partial of {named}")
    return PartialName(named.module, named.name)


def _text_type(*arguments: Any) -> str:
    return "text"


def _only_named(*arguments: Any) -> Any:
    raise ValueError("an index is called that is only ever named")


def _listed(values: Any) -> list[Any]:
    if not isinstance(values, np.ndarray) or values.ndim != 1:
        raise ValueError("an index without values")
    return list(values.tolist())
