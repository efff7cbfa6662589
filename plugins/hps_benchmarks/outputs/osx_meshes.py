"""OSX's mesh_origin/ID.npy of EHF: the mesh of each person, metres, in front of its camera."""

from pathlib import Path

import numpy as np

from hps_benchmarks.outputs.smplx_people import numbered
from hpscli.data.containers.archives import load_npz, open_npz
from hpscli.errors import HpsError, InvalidData
from hpscli.records import PredictionSet

MESH = (10475, 3)


def recognise(folder: Path) -> bool:
    """-> whether the first ID.npy of a folder is a mesh of SMPL-X."""
    files = _files(folder)
    if not files:
        return False
    try:
        with open_npz(files[0]) as archive:
            return archive.header("").shape == MESH
    except HpsError:
        return False


def read(folder: Path) -> PredictionSet:
    """A folder -> meshes (N,10475,3) in the order of their numbers."""
    meshes = []
    for file in _files(folder):
        mesh = np.asarray(load_npz(file)[""], np.float64)
        if mesh.shape != MESH:
            raise InvalidData(f"{file} has the shape {mesh.shape}, expected {MESH}.")
        meshes.append(mesh.astype(np.float32))
    return PredictionSet(
        keys=(),
        arrays={"vertices": np.stack(meshes)},
        meta=tuple({"annotation_id": int(file.stem)} for file in _files(folder)),
        body={"kind": "smplx", "gender": "neutral"},
        about={"program": "OSX"},
    )


def _files(folder: Path) -> list[Path]:
    """-> ID.npy of the folder, or of mesh_origin below it."""
    return numbered(folder, ".npy") or numbered(folder / "mesh_origin", ".npy")
