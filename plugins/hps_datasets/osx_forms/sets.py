"""Which sets there are: their folders, splits and readers; and which of them a folder holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hpscli.errors import MissingError, UsageError, did_you_mean

HERE = "hps_datasets.osx_forms"


@dataclass(frozen=True, kw_only=True)
class OsxSet:
    """A set: other names of its folder, splits, reader, and a file or folder that only it has."""

    reader: str
    splits: tuple[str, ...]
    mark: str
    folders: tuple[str, ...] = ()


SETS: Mapping[str, OsxSet] = {
    "MSCOCO": OsxSet(
        reader=f"{HERE}.wholebody:mscoco",
        splits=("train", "validation"),
        mark="annotations/coco_wholebody_*_v1.0.json",
        folders=("coco",),
    ),
    "MPII": OsxSet(
        reader=f"{HERE}.single:mpii", splits=("train",), mark="data/annotations/MPII_*.json"
    ),
    "Human36M": OsxSet(
        reader=f"{HERE}.studio:human36m",
        splits=("train", "test"),
        mark="annotations/Human36M_subject*_data.json",
    ),
    "MPI_INF_3DHP": OsxSet(
        reader=f"{HERE}.studio:mpi_inf_3dhp", splits=("train",), mark="data/MPI-INF-3DHP_1k.json"
    ),
    "AGORA": OsxSet(
        reader=f"{HERE}.agora:agora",
        splits=("train", "validation", "test"),
        mark="data/AGORA_*.json",
    ),
    "EHF": OsxSet(reader=f"{HERE}.single:ehf", splits=("test",), mark="data/EHF.json"),
    "PW3D": OsxSet(
        reader=f"{HERE}.single:pw3d",
        splits=("train", "validation", "test"),
        mark="data/3DPW_*.json",
    ),
    "UBody": OsxSet(
        reader=f"{HERE}.wholebody:ubody",
        splits=("train", "test"),
        mark="annotations/*/keypoint_annotation.json",
    ),
}


def find_set(root: Path, name: str) -> tuple[str, str]:
    """Folder, the name of a set or "" -> the set, and its folder below with a slash, "" for itself."""
    if name:
        name = _known(name)
        return name, _folder(root, name) or ""
    places = {known: _folder(root, known) for known in SETS}
    here = [known for known, folder in places.items() if folder == ""]
    there = here or [known for known, folder in places.items() if folder]
    if len(there) == 1:
        return there[0], places[there[0]] or ""
    if not there:
        wanted = ", ".join(f"{entry.mark}" for entry in SETS.values())
        raise MissingError(f"{root} holds no set of OSX's.", f"One of these lies in it: {wanted}.")
    raise UsageError(f"{root} holds {', '.join(there)}.", f"Say which: set={there[0]}")


def _known(name: str) -> str:
    found = next((known for known in SETS if known.lower() == name.lower()), None)
    if found is None:
        fix = did_you_mean(name, SETS) or f"Sets: {', '.join(SETS)}"
        raise UsageError(f"OSX has no set '{name}'.", fix)
    return found


def _folder(root: Path, name: str) -> str | None:
    """-> where the set lies: "" in the folder itself, "MSCOCO/" below it, None nowhere."""
    about = SETS[name]
    for folder in ("", f"{name}/", *(f"{other}/" for other in about.folders)):
        if next((root / folder).glob(about.mark), None) is not None:
            return folder
    return None
