"""Bringing authors' checkpoints into the store: recognised, read once, kept as safetensors."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from hpscli.atomic import write_atomically
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from hpscli.nn.checkpoints import foreign_info, key_differences
from hpscli.nn.files import CheckpointInfo, file_sha256, is_ours, save_checkpoint
from hpscli.nn.layouts import Row, counted
from hpscli.nn.meta import meta_network
from hpscli.nn.official.digest import state_sha256
from hpscli.nn.weights.foreign import Recognised, open_foreign, recognise
from hpscli.nn.weights.store import (
    Stored,
    checked_name,
    released_as,
    side_file,
    stored,
    stored_path,
    tag_of,
)

SPACE = "Free some space, or choose another place with HPS_HOME; then again."


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of one file."""

    source: str
    status: str  # imported | replaced | present | recognised (only looked at) | refused
    name: str = ""  # in the store: "graphormer.h36m"
    path: Path | None = None
    preset: str = ""
    layout: str = ""
    sha256: str = ""  # of the source
    said: tuple[str, ...] = ()
    error: HpsError | None = None


def import_file(
    path: Path,
    *,
    name: str = "",
    keep_unused: bool = False,
    force: bool = False,
    dry_run: bool = False,
) -> Imported:
    """A foreign checkpoint -> what was recognised, and where it lies now.

    keep_unused: also keep the tensors that the model does not use, to write the same file again.
    dry_run: only recognise it.
    """
    _refuse_others(path)
    sha256 = file_sha256(path)
    if not force and not dry_run and (known := _known(sha256)):
        return Imported(
            source=str(path),
            status="present",
            name=known.name,
            path=known.path,
            preset=str(known.origin.get("preset", "")),
            layout=str(known.origin.get("layout", "")),
            sha256=sha256,
            said=(f"present as {known.name}, from {known.origin.get('file')} (same sha256)",),
        )
    found = recognise(open_foreign(path))
    state = found.state()
    _refuse_misfits(found, state)
    said = [*found.said(), *_warnings(state)]
    chosen = _name(found, path, name)
    result = Imported(
        source=str(path),
        status="recognised",
        name=chosen,
        preset=found.preset,
        layout=found.layout.name,
        sha256=sha256,
        said=tuple(said),
    )
    if dry_run:
        return result
    target = stored_path(chosen)
    before = _taken(target, sha256, force)
    kept = kept_tensors(found, keep_unused)
    info = _info(found, path, sha256, state, kept)
    if kept:
        write_atomically(side_file(target), save(kept, {"of": chosen}), SPACE)
        said.append(f"kept {counted(len(kept))} for export-official: {side_file(target).name}")
    else:
        side_file(target).unlink(missing_ok=True)
    save_checkpoint(target, state, info)
    status = "replaced" if before else "imported"
    return replace(result, status=status, path=target, said=tuple(said))


def _refuse_others(path: Path) -> None:
    """Raise for what is no foreign file."""
    if not path.is_file():
        raise MissingError(
            f"{path} is a folder." if path.is_dir() else f"there is no file {path}.",
            "Name the checkpoint files." if path.is_dir() else "Check the path.",
        )
    if is_ours(path):
        raise UsageError(
            f"{path} is a checkpoint of hps already: nothing to import.",
            f"Use it as it is: --checkpoint {path}",
        )


def _known(sha256: str) -> Stored | None:
    """-> the checkpoint of the store that was imported from the same file."""
    return next((entry for entry in stored() if entry.origin.get("sha256") == sha256), None)


def _refuse_misfits(found: Recognised, state: Mapping[str, Tensor]) -> None:
    """Raise when the plugin's layout and its network disagree: the plugin is wrong, not the file."""
    network = meta_network(found.spec, found.options)
    if wrong := key_differences(network.state_dict(), state):
        raise InvalidData(
            f"layout '{found.layout.name}' of model '{found.spec.name}' does not give what its "
            f"network has: {len(wrong)} tensors differ.\n{wrong[0]}",
            f"The plugin is wrong, not the file: hps plugins check {found.spec.name}",
        )


def _warnings(state: Mapping[str, Tensor]) -> list[str]:
    bad = not_finite(state)
    return [f"attention: NaN or infinity in {counted(len(bad))}, {bad[0]}"] if bad else []


def not_finite(state: Mapping[str, Tensor]) -> list[str]:
    """-> the tensors with NaN or infinity."""
    return [k for k, t in state.items() if t.is_floating_point() and not t.isfinite().all()]


def _name(found: Recognised, path: Path, name: str) -> str:
    if name:
        return checked_name(found.spec, name)
    return f"{found.spec.name}.{tag_of(found.spec, found.preset, path.name)}"


def _taken(target: Path, sha256: str, force: bool) -> bool:
    """-> True when an import is replaced; a name that another file has is refused."""
    entry = next((entry for entry in stored() if entry.path == target), None)
    if entry and not force and entry.origin.get("sha256") != sha256:
        raise UsageError(
            f"{entry.name} is here already, from {entry.origin.get('file', 'another file')} with "
            f"sha256 {str(entry.origin.get('sha256'))[:12]}...; this one has {sha256[:12]}...",
            "Give it another name: --name NAME, or replace what is there: --force",
        )
    return entry is not None


def kept_tensors(found: Recognised, keep_unused: bool) -> dict[str, Tensor]:
    """-> their tensors that the used ones do not give back, and on demand the unused ones."""
    kept = {}
    if keep_unused:
        kept = {key: found.tensors[key] for key in found.unused()}
    for row in found.rows:
        if row.ours and row.theirs in found.tensors:
            theirs = found.tensors[row.theirs]
            if not _comes_back(row, theirs):
                kept[row.theirs] = theirs
    return {key: tensor.contiguous().clone() for key, tensor in kept.items()}


def _comes_back(row: Row, theirs: Tensor) -> bool:
    """-> True when export gives this tensor back bit for bit."""
    if not row.read and theirs.dtype != torch.float64:
        return True
    ours = theirs.float() if theirs.is_floating_point() else theirs
    ours = row.read(ours) if row.read else ours
    again = row.write(ours) if row.write else ours
    return again.shape == theirs.shape and torch.equal(again.to(theirs.dtype), theirs)


def _info(
    found: Recognised,
    path: Path,
    sha256: str,
    state: Mapping[str, Tensor],
    kept: Mapping[str, Tensor],
) -> CheckpointInfo:
    """-> the description, with all that is needed to write the file again and to trust it."""
    info = foreign_info(found, sha256)
    weights = released_as(found.spec, found.preset, path.name)
    origin = {
        **info.origin,
        "preset": found.preset,
        "form": found.foreign.form,
        "place": found.foreign.place,
        "prefix": found.prefix,
        "bytes": path.stat().st_size,
        "weights_sha256": state_sha256(state),
        "kept": sorted(kept),
        **precision(found),
    }
    licence = weights.licence if weights else info.licence
    return replace(info, origin=origin, licence=licence)


def precision(found: Recognised) -> dict[str, Any]:
    """-> in which precision the file keeps its tensors, and which counters it lacks."""
    dtypes = {
        row.theirs: str(found.tensors[row.theirs].dtype).removeprefix("torch.")
        for row in found.rows
        if row.theirs in found.tensors and found.tensors[row.theirs].is_floating_point()
    }
    usual = Counter(dtypes.values()).most_common(1)[0][0] if dtypes else "float32"
    absent = [row.theirs for row in found.rows if row.ours and row.theirs not in found.tensors]
    return {
        "dtype": usual,
        "dtypes": {key: dtype for key, dtype in dtypes.items() if dtype != usual},
        "absent": absent,
        "bare": found.bare(),
    }
