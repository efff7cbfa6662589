"""How other code names the tensors of a model: one row for each tensor of its files."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from hpscli.nn.meta import without_random_numbers
from hpscli.registry import resolve

ROWS_KEPT = 16  # sets of rows; a large network has some thousand rows
_ROWS: dict[tuple[str, str], tuple["Row", ...]] = {}
Repair = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Row:
    """One tensor of an official file, and which of ours it becomes."""

    theirs: str
    shape: tuple[int, ...]
    ours: str = ""  # "": the model does not use it, `why` says why
    parameter: bool = True  # False: a buffer, which no count of parameters includes
    why: str = ""  # it is not used, or what `read` changes
    read: Repair | None = None  # their tensor -> ours
    write: Repair | None = None  # our tensor -> theirs
    required: bool | None = None  # None: when it is used

    @property
    def needed(self) -> bool:
        return bool(self.ours) if self.required is None else self.required


@dataclass(frozen=True)
class Differences:
    """What keeps a file from being of a layout."""

    missing: tuple[Row, ...]
    misshaped: tuple[tuple[Row, tuple[int, ...]], ...]
    extra: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.missing) + len(self.misshaped) + len(self.extra)

    def lines(self) -> list[str]:
        """-> one line for each difference: what is missing, of another shape, left over."""
        lines = [f"missing     {row.theirs} {row.shape}" for row in self.missing]
        lines += [
            f"shape       {row.theirs} {shape}, expected {row.shape}"
            for row, shape in self.misshaped
        ]
        return lines + [f"left over   {key}" for key in self.extra]


def rows_from_module(
    module: nn.Module, rename: Callable[[str], str], *, counters: bool = True
) -> list[Row]:
    """Module (on the meta device), our key -> their key: one row for each of its tensors.

    counters: whether the file has the batch norms' `num_batches_tracked`, as all since 2018 do.
    """
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    return [
        Row(rename(key), tuple(tensor.shape), key, key in parameters)
        for key, tensor in module.state_dict().items()
        if counters or not key.endswith("num_batches_tracked")
    ]


def rows_at(target: str, options: Mapping[str, Any]) -> tuple[Row, ...]:
    """Target of a layout's rows, complete options -> its rows; asked twice, built once."""
    key = (target, repr(sorted(options.items())))
    if key not in _ROWS:
        while len(_ROWS) >= ROWS_KEPT:
            del _ROWS[next(iter(_ROWS))]
        _ROWS[key] = tuple(resolve(target)(dict(options)))
    return _ROWS[key]


def on_meta(build: Callable[[], nn.Module]) -> nn.Module:
    """-> the module built without memory for its numbers."""
    with without_random_numbers(), torch.device("meta"):
        return build()


def renamed(key: str, table: Sequence[tuple[str, str]]) -> str:
    """Key, ((old, new), ...) -> the key with the first matching beginning replaced."""
    for old, new in table:
        if key.startswith(old):
            return new + key[len(old) :]
    return key


def differences(
    rows: Iterable[Row], shapes: Mapping[str, tuple[int, ...]], *, ignored: Callable[[str], bool]
) -> Differences:
    """Rows of a layout, shapes of a file -> what is missing, of another shape, left over."""
    rows = list(rows)
    counters = [row for row in rows if row.theirs.endswith("num_batches_tracked")]
    optional = {row.theirs for row in counters}  # nothing depends on them in eval mode
    known = {row.theirs: row for row in rows}
    return Differences(
        missing=tuple(
            row
            for row in rows
            if row.needed and row.theirs not in shapes and row.theirs not in optional
        ),
        misshaped=tuple(
            (known[key], shape)
            for key, shape in shapes.items()
            if key in known and known[key].ours and tuple(shape) != known[key].shape
        ),
        extra=tuple(key for key in shapes if key not in known and not ignored(key)),
    )


def read_rows(rows: Iterable[Row], theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Their tensors -> our state dict, float32 where they are numbers of any precision."""
    ours = {}
    for row in rows:
        if not row.ours:
            continue
        if row.theirs not in theirs:  # a counter, or what a partial file leaves out
            if row.theirs.endswith("num_batches_tracked"):
                ours[row.ours] = torch.zeros((), dtype=torch.int64)
            continue
        tensor = theirs[row.theirs]
        tensor = tensor.float() if tensor.is_floating_point() else tensor
        ours[row.ours] = row.read(tensor) if row.read else tensor
    return ours


def write_rows(
    rows: Iterable[Row], ours: Mapping[str, Tensor], kept: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], list[Row]]:
    """Our state dict (and tensors kept from the import) -> their state dict, rows left out.

    A tensor that was kept comes back itself while ours is still what was made of it.
    """
    theirs: dict[str, Tensor] = {}
    absent = []
    for row in rows:
        if row.ours and row.ours in ours:
            theirs[row.theirs] = _written(row, ours[row.ours], kept.get(row.theirs))
        elif row.theirs in kept:
            theirs[row.theirs] = kept[row.theirs]
        else:
            absent.append(row)
    return theirs, absent


def _written(row: Row, tensor: Tensor, kept: Tensor | None) -> Tensor:
    if kept is not None:
        made = kept.float() if kept.is_floating_point() else kept
        made = row.read(made) if row.read else made
        if made.shape == tensor.shape and torch.equal(made, tensor):
            return kept
    return row.write(tensor) if row.write else tensor


def counted(count: int) -> str:
    """-> "1 tensor", "2 tensors"."""
    return f"{count} tensor{'s' * (count != 1)}"


def official_parameters(rows: Iterable[Row]) -> int:
    """-> the number of parameters as the authors count them, never-used ones included."""
    return sum(torch.Size(row.shape).numel() for row in rows if row.parameter)


def used_parameters(rows: Iterable[Row]) -> int:
    """-> the number of parameters that the model computes with."""
    return sum(torch.Size(row.shape).numel() for row in rows if row.parameter and row.ours)


def describe(rows: Iterable[Row]) -> dict[str, Any]:
    """-> official_params and used_params."""
    rows = list(rows)
    return {"official_params": official_parameters(rows), "used_params": used_parameters(rows)}
