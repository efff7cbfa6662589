"""SMPLer-X's NUMBER.npz, one for each person of a test set: SMPL-X parameters, perhaps the picture."""

from pathlib import Path
from typing import Any

from hps_benchmarks.outputs.parts import entry
from hps_benchmarks.outputs.smplx_people import NUMBERS, numbered, people
from hpscli.data.containers.archives import load_npz, open_npz
from hpscli.errors import HpsError
from hpscli.records import PredictionSet


def recognise(folder: Path) -> bool:
    """-> whether the first NUMBER.npz holds the parameters of a person."""
    files = numbered(folder, ".npz")
    if not files:
        return False
    try:
        with open_npz(files[0]) as archive:
            return set(NUMBERS) <= set(archive)
    except HpsError:
        return False


def read(folder: Path) -> PredictionSet:
    """A folder -> people in the order of the test list."""
    rows, meta = [], []
    for file in numbered(folder, ".npz"):
        stored = load_npz(file)
        rows.append({name: entry(stored, name, str(file)) for name in NUMBERS})
        said: dict[str, Any] = {"annotation_id": int(file.stem)}
        if "img_path" in stored:
            said["image_path"] = str(stored["img_path"])
        meta.append(said)
    return people(rows, meta, "SMPLer-X", str(folder))
