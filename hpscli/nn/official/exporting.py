"""Writing a model's weights back as its authors keep them."""

import io
from collections import OrderedDict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hpscli.atomic import write_atomically
from hpscli.errors import CheckFailed, InvalidData, UsageError
from hpscli.hooks import Layout, ModelSpec
from hpscli.nn.files import file_sha256, is_ours, read_info, read_tensors
from hpscli.nn.layouts import Row, counted, read_rows, write_rows
from hpscli.nn.official.counts import layout_named, rows_of, rows_of_authors
from hpscli.nn.official.importing import kept_tensors, precision
from hpscli.nn.options import complete_options, title
from hpscli.nn.weights.foreign import open_foreign, recognise
from hpscli.nn.weights.sources import find_checkpoint
from hpscli.nn.weights.store import side_file
from hpscli.registry import get_registry

State = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class Source:
    """Weights of ours with what is known of the file that they came from."""

    name: str
    spec: ModelSpec  # as registered
    options: Mapping[str, Any]  # complete
    state: State
    kept: State  # their tensors that ours do not give back
    origin: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What was written."""

    path: Path
    layout: str
    container: str
    tensors: int
    sha256: str
    left_out: Mapping[str, str]  # key -> why it is not in the file
    derived: Mapping[str, str]  # key -> how it was made, where it is not what the authors had
    said: tuple[str, ...]


def export_official(
    source: str | Path, out: Path, *, layout: str = "", force: bool = False
) -> Exported:
    """Checkpoint by name or file -> a file in the layout and container of the model's authors."""
    if out.exists() and not force:
        raise UsageError(f"{out} is there already.", "Replace it: --force")
    given = read_source(source)
    chosen, rows = _layout(given, layout)
    _refuse_homeless(given, chosen, rows)
    if given.origin.get("layout") != chosen.name:  # what was kept has its place elsewhere
        given = replace(given, kept={}, origin={})
    theirs, absent = write_rows(rows, given.state, given.kept)
    known = {row.theirs for row in rows}
    theirs |= {key: tensor for key, tensor in given.kept.items() if key not in known}
    theirs = _as_imported(theirs, given)
    _check(rows, theirs, given)
    buffer = io.BytesIO()
    # The older form is the one that every torch reads, also those of the authors' time.
    content = packed(theirs, chosen, given.origin.get("bare", ()))
    torch.save(content, buffer, _use_new_zipfile_serialization=False)
    write_atomically(out, buffer.getvalue())
    left_out = {row.theirs: row.why or "never used" for row in absent}
    derived = _derived(rows, theirs, given)
    return Exported(
        path=out,
        layout=chosen.name,
        container=chosen.container,
        tensors=len(theirs),
        sha256=file_sha256(out),
        left_out=left_out,
        derived=derived,
        said=tuple(_report(given, chosen, theirs, left_out, derived)),
    )


def read_source(source: str | Path) -> Source:
    """Name, run, file of ours or of authors -> its weights, options and origin."""
    path, name = find_checkpoint(source)
    if not is_ours(path):
        found = recognise(open_foreign(path))
        return Source(
            name=name,
            spec=get_registry().model(found.spec.name),
            options=found.options,
            state=found.state(),
            kept=kept_tensors(found, True),
            origin={"layout": found.layout.name, **precision(found)},
        )
    info = read_info(path)
    spec = get_registry().model(info.model)
    side = side_file(path)
    return Source(
        name=name,
        spec=spec,
        options=complete_options(spec, "", info.options),
        state=read_tensors(path),
        kept=read_tensors(side) if side.is_file() else {},
        origin=info.origin,
    )


def packed(
    theirs: Mapping[str, Tensor], layout: Layout, bare: Collection[str] = ()
) -> dict[str, Any]:
    """Tensors by the keys of the rows -> the content of the file, as its loaders expect it.

    bare: keys that lie beside the prefix.
    """
    *entries, prefix = layout.container.split("/")
    content: dict[str, Any] = OrderedDict(
        (key if key in bare else prefix + key, _alone(tensor.detach().contiguous()))
        for key, tensor in theirs.items()
    )
    for depth, entry in enumerate(reversed(entries), start=1):
        beside = layout.entries if depth == len(entries) else {}
        content = {**beside, entry: content}
    return content


def _alone(tensor: Tensor) -> Tensor:
    """-> the tensor without what else lies in its memory, which torch.save would write too."""
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def _layout(given: Source, name: str) -> tuple[Layout, tuple[Row, ...]]:
    """-> the layout that was asked for, that of the import, or that of the authors; its rows."""
    what = title(given.spec, given.options)
    name = name or str(given.origin.get("layout", ""))
    if name:
        layout = layout_named(given.spec, name)
        if rows := rows_of(layout, given.options):
            return layout, rows
        raise UsageError(f"{what} has no form in layout '{name}'.", "Leave --layout out.")
    found = rows_of_authors(given.spec, given.options)
    if found is None:
        raise UsageError(
            f"{what} has no layout of other programs.",
            "To share it: hps export --format safetensors",
        )
    return found


def _refuse_homeless(given: Source, layout: Layout, rows: tuple[Row, ...]) -> None:
    """Raise when the layout has no place for a tensor of ours."""
    places = {row.ours for row in rows}
    if homeless := [key for key in given.state if key not in places]:
        raise InvalidData(
            f"layout '{layout.name}' has no place for {counted(len(homeless))} of {given.name}, "
            f"{homeless[0]} ...",
            f"The weights or the plugin are of another version: hps models verify {given.name}",
        )


def _as_imported(theirs: State, given: Source) -> State:
    """-> tensors in the precision of the imported file, without counters that it lacked."""
    usual, others = given.origin.get("dtype", "float32"), given.origin.get("dtypes", {})
    absent = set(given.origin.get("absent", ()))
    return {
        key: tensor
        if tensor is given.kept.get(key) or not tensor.is_floating_point()
        else tensor.to(getattr(torch, others.get(key, usual)))
        for key, tensor in theirs.items()
        if key not in absent
    }


def _check(rows: tuple[Row, ...], theirs: State, given: Source) -> None:
    """Read back what is to be written: the model must come out as it went in."""
    again = read_rows(rows, theirs)
    wrong = [
        key
        for key, value in given.state.items()
        if not key.endswith("num_batches_tracked") and not _same(again.get(key), value)
    ]
    if wrong:
        raise CheckFailed(
            f"{given.name} does not come back from the layout: {len(wrong)} tensors differ, "
            f"{wrong[0]} ...",
            "Nothing was written. The weights changed since the import in a way that the layout "
            "cannot hold, or the plugin is wrong.",
        )


def _same(again: Tensor | None, value: Tensor) -> bool:
    if again is None or again.shape != value.shape:
        return False
    return bool(torch.allclose(again.double(), value.double(), rtol=1e-6, atol=0, equal_nan=True))


def _derived(rows: tuple[Row, ...], theirs: State, given: Source) -> dict[str, str]:
    """-> the tensors that were made from ours, not copied, and are not what the authors had."""
    inexact = set(given.origin.get("kept", given.kept))  # what an import found not to come back
    return {
        row.theirs: row.why
        for row in rows
        if row.ours and row.write and row.why and row.theirs in theirs
        if not given.origin or row.theirs in inexact
        if theirs[row.theirs] is not given.kept.get(row.theirs)
    }


def _report(
    given: Source,
    layout: Layout,
    theirs: State,
    left_out: Mapping[str, str],
    derived: Mapping[str, str],
) -> list[str]:
    where = f" in {layout.container}" if layout.container else ""
    lines = [
        f"wrote {title(given.spec, given.options)}: {layout.summary}; {len(theirs)} tensors{where}"
    ]
    for why in dict.fromkeys(left_out.values()):
        keys = [key for key, reason in left_out.items() if reason == why]
        lines.append(f"omitted {counted(len(keys))}, {keys[0]}{' ...' * (len(keys) > 1)}: {why}")
    lines += [f"derived {key}: {why}" for key, why in derived.items()]
    if given.origin.get("dtype", "float32") != "float32":
        lines.append(f"kept the precision of the imported file: {given.origin['dtype']}")
    if left_out:
        lines.append("advice: hps models import FILE --keep-unused keeps them for the way back")
    return lines
