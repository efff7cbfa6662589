"""Motion captures -> files of poses, for priors that look at no picture; format `hps/poses/1`.

    index.json            how many, which files, licence, how it was made; written last
    000000.safetensors    arrays over N poses, named by the data set: body_pose (N,69), betas (N,10) ...

A file holds whole motions, in order, and is closed when it has `FILE_POSES`; its header says which.
A run that was killed goes on after the last file that is whole.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from hpscli import __version__
from hpscli.atomic import write_atomically
from hpscli.data.sample import decode_record, encode_record
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from hpscli.hooks import DatasetSpec
from hpscli.registry import get_registry, resolve

SCHEMA = "hps/poses/1"
INDEX = "index.json"
FILE_POSES = 100_000  # 34 MB of SMPL poses: what a run holds in memory

Arrays = Mapping[str, np.ndarray]


@dataclass
class PoseReport:
    """What a preparation did."""

    out: Path
    poses: int = 0
    motions: int = 0  # that were read, those of earlier runs among them
    resumed: int = 0  # motions that an earlier run had read
    bad: list[dict[str, Any]] = field(default_factory=list)  # motion, problem
    files: list[dict[str, Any]] = field(default_factory=list)
    already_complete: bool = False


def open_motions(
    spec: DatasetSpec, root: Path, split: str, options: Mapping[str, Any]
) -> tuple[int, Callable[[int], Arrays]]:
    """-> how many motions there are, and the function that reads one."""
    get_registry()  # development plugins (HPS_PLUGINS) become importable
    count, read = resolve(spec.poses)(root, split, **options)
    return int(count), read


def prepare_poses(
    spec: DatasetSpec,
    root: Path,
    split: str,
    out: Path,
    *,
    options: Mapping[str, Any],
    limit: int = 0,
    force: bool = False,
    write: bool = True,
    file_poses: int = FILE_POSES,
    advance: Callable[[int], None] = lambda count: None,
) -> PoseReport:
    """A data set of motions -> a folder of poses; with `write` False all is read, nothing kept."""
    count, read = open_motions(spec, root, split, options)
    count = min(count, limit) if limit else count
    made = {"dataset": spec.name, "split": split, "options": dict(options), "limit": limit}
    made |= {"program": f"hps {__version__}", "file_poses": file_poses}
    report = PoseReport(out)
    if write:
        if force:
            _clear(out)
        _resume(report, made)
        report.resumed = report.motions
        advance(report.resumed)
        if (out / INDEX).is_file():
            report.already_complete = True
            return report
    part = _Part(report.motions)
    for number in range(report.motions, count):
        _add(part, read, number)
        advance(1)
        if part.poses >= file_poses or number + 1 == count:
            _close(report, part, number + 1, made, write)
            part = _Part(number + 1)
    if not report.poses:
        raise _empty(report, spec, root)
    if write:
        _write_index(report, spec, made)
    return report


def read_poses(folder: Path | str, names: Iterable[str] = ()) -> dict[str, np.ndarray]:
    """A folder of poses -> its arrays over all poses; only `names`, where some are given."""
    folder, wanted = Path(folder), set(names)
    index = _read_json(folder / INDEX)
    parts: dict[str, list[np.ndarray]] = {}
    try:
        for entry in index["files"]:
            arrays, _ = decode_record((folder / str(entry["file"])).read_bytes())
            for name in wanted or set(arrays):
                parts.setdefault(name, []).append(arrays[name])
    except OSError as error:
        raise MissingError(
            f"{folder}: {error.filename} cannot be read: {error.strerror}."
        ) from None
    except (KeyError, TypeError) as error:
        raise InvalidData(f"{folder / INDEX} does not fit its files: no {error}.") from None
    return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def count_poses(folder: Path | str) -> int:
    """A folder of poses -> how many it says that it holds."""
    path = Path(folder) / INDEX
    index = _read_json(path)
    if not isinstance(index, dict) or index.get("schema") != SCHEMA:
        raise InvalidData(f"{path} does not list poses.", "Make it: hps prepare amass --from DIR")
    return int(index["poses"])


class _Part:
    """The motions of the file that is being filled."""

    def __init__(self, first: int) -> None:
        self.first, self.poses = first, 0
        self.arrays: list[Arrays] = []
        self.bad: list[dict[str, Any]] = []


def _add(part: _Part, read: Callable[[int], Arrays], number: int) -> None:
    """Read one motion into the part; one that is broken is noted there."""
    try:
        arrays = {k: np.asarray(v, np.float32) for k, v in read(number).items()}
        lengths = {len(array) for array in arrays.values()}
        if len(lengths) != 1:
            raise InvalidData(f"motion {number}: arrays of {sorted(lengths)} poses.")
        for name, array in arrays.items():
            if not np.isfinite(array).all():
                raise InvalidData(f"motion {number}: {name} has numbers that are not finite.")
    except HpsError as error:
        part.bad.append({"motion": number, "problem": error.problem.rstrip(".")})
        return
    part.poses += lengths.pop()
    part.arrays.append(arrays)


def _close(report: PoseReport, part: _Part, end: int, made: Mapping[str, Any], write: bool) -> None:
    """Count a part and write its file, the header last of all that a later run needs."""
    names = list(part.arrays[0]) if part.arrays else []
    arrays = {name: np.concatenate([motion[name] for motion in part.arrays]) for name in names}
    about = {
        "schema": SCHEMA,
        "made_by": made,
        "motions": [part.first, end],
        "poses": part.poses,
        "bad": part.bad,
    }
    report.poses, report.motions = report.poses + part.poses, end
    report.bad += part.bad
    if not write:
        return
    content, file = encode_record(arrays, about), f"{len(report.files):06d}.safetensors"
    write_atomically(report.out / file, content)
    report.files.append(_listing(file, content, part.poses))


def _listing(file: str, content: bytes, poses: int) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"file": file, "poses": poses, "bytes": len(content), "sha256": digest}


def _resume(report: PoseReport, made: Mapping[str, Any]) -> None:
    """Count the files of an earlier run, from the first on without a gap."""
    same = json.loads(json.dumps(made))
    while (path := report.out / f"{len(report.files):06d}.safetensors").is_file():
        content = path.read_bytes()
        try:
            _, about = decode_record(content)
            (first, end), before = about["motions"], about["made_by"]
        except (InvalidData, KeyError, TypeError, ValueError):
            return  # broken: made again
        if before != same:
            raise UsageError(
                f"{report.out} holds poses that were made otherwise.",
                "Choose another --out, or replace them: --force",
            )
        if first != report.motions:
            return
        report.poses, report.motions = report.poses + about["poses"], end
        report.bad += about["bad"]
        report.files.append(_listing(path.name, content, about["poses"]))


def _write_index(report: PoseReport, spec: DatasetSpec, made: Mapping[str, Any]) -> None:
    document = {
        "schema": SCHEMA,
        "dataset": spec.name,
        "split": made["split"],
        "licence": spec.licence,
        "poses": report.poses,
        "motions": report.motions - len(report.bad),
        "files": report.files,
        "bad": {"count": len(report.bad), "records": report.bad},
        "made_by": made,
    }
    write_atomically(report.out / INDEX, json.dumps(document, indent=1).encode() + b"\n")


def _empty(report: PoseReport, spec: DatasetSpec, root: Path) -> InvalidData:
    """-> the error for a data set without a single pose; files of none are removed."""
    _clear(report.out)
    if not report.bad:
        return InvalidData(
            f"'{spec.name}' is empty: no motion in {root}.", "Is it the right folder?"
        )
    first = report.bad[0]["problem"]
    return InvalidData(f"all {len(report.bad)} motions are bad; the first: {first}.")


def _clear(out: Path) -> None:
    for path in (*out.glob("[0-9]" * 6 + ".safetensors"), out / INDEX):
        path.unlink(missing_ok=True)


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise MissingError(
            f"{path} cannot be read: {error.strerror}.", "Make it: hps prepare amass --from DIR"
        ) from None
    except ValueError as error:
        raise InvalidData(f"{path} is no JSON: {error}.") from None
