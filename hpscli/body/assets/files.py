"""The asset store: licensed files of the user, each as one safetensors record with its history.

    $HPS_HOME/assets/<id>.safetensors        (without HPS_HOME: the platform's user data folder)

The record's metadata says what it was made from: `source` (file name), `sha256` (of that file),
`licence`, and by kind of asset:

    smpl-*, smplx-*, mano-*   official names: v_template (V,3), shapedirs (V,3,S), posedirs (V,3,P),
                              J_regressor (J,V) dense, weights (V,J), kintree_table (2,J) with -1 for the
                              root, f (F,3), hands_* and landmarks where there are; meta kind, gender,
                              betas, expressions (columns of shapedirs: betas first)
    regressor-*               regressor (J,V); meta joints (names of the rows), set, legs_swapped
    sampling-*                D_k_index, U_k_row/col/val/shape, edges_k, adj_norm_k_index/value
    adjacency-*               index (2,N), value (N,), shape (2,)
    mean-params               pose6d (144,) interleaved, betas (10,), camera (3,)
    kid-*                     v_template (V,3)
    hand-vertices-smplx       left (778,), right (778,)      others *-vertices-*: index (N,)
    poses-*                   poses (N,66) axis-angle of the first 22 joints, betas (N,10)

Which ids exist, and where each is downloaded: data/asset_sources.toml.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.atomic import write_atomically
from hpscli.body.assets.sources import asset_record
from hpscli.errors import InvalidData, MissingError

if TYPE_CHECKING:
    import numpy as np

SCHEMA = "hps/asset/1"


def asset_folder() -> Path:
    """-> where imported files live; it need not exist yet."""
    home = os.environ.get("HPS_HOME")
    if home:
        return Path(home).expanduser() / "assets"
    import platformdirs

    return Path(platformdirs.user_data_dir("hps", appauthor=False)) / "assets"


def asset_path(asset_id: str) -> Path:
    """-> the file of this asset, present or not; an id that nobody listed is an error."""
    return asset_folder() / f"{asset_record(asset_id).id}.safetensors"


def have_asset(asset_id: str) -> bool:
    """-> True when the asset was imported on this machine."""
    return asset_path(asset_id).is_file()


def read_asset(asset_id: str) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """-> arrays by name, and the metadata; an asset that is absent names where to get it."""
    path = asset_path(asset_id)
    if not path.is_file():
        raise missing_asset(asset_id)
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path), read_asset_meta(asset_id)
    except (SafetensorError, ValueError, KeyError) as error:
        raise _damaged(path, error) from error


def read_asset_meta(asset_id: str) -> dict[str, Any]:
    """-> the metadata alone; costs one read of the header, however large the file."""
    path = asset_path(asset_id)
    if not path.is_file():
        raise missing_asset(asset_id)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise ValueError("the header is longer than the file")
            header = json.loads(file.read(length))
        meta: dict[str, Any] = json.loads(header["__metadata__"]["hps"])
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, error) from error
    return meta


def write_asset(asset_id: str, arrays: Mapping[str, np.ndarray], meta: Mapping[str, Any]) -> Path:
    """Store arrays under this id: written beside, then moved, so that no half file is ever seen."""
    import numpy as np
    from safetensors.numpy import save

    path = asset_path(asset_id)
    record = {
        "schema": SCHEMA,
        "id": asset_id,
        "imported_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        **meta,
    }
    contiguous = {name: np.ascontiguousarray(value) for name, value in arrays.items()}
    content = save(contiguous, metadata={"hps": json.dumps(record, sort_keys=True)})
    write_atomically(path, content, "Or choose another place with HPS_HOME.")
    return path


def missing_asset(asset_id: str) -> MissingError:
    """-> the error for an absent asset: the page, the file, and the command that imports it."""
    record = asset_record(asset_id)
    source = record.source
    inside = f", in it {record.member}" if record.member else ""
    verb = "register and download at" if source.register else "download at"
    steps = [
        f"1. {verb}  {source.page}  ({source.file}{inside})",
        f"2. hps assets import {record.to_import}",
    ]
    if source.unreachable_since:
        steps.append(
            f"   (that page is unreachable since {source.unreachable_since}; any copy will do)"
        )
    return MissingError(f"{record.what} ('{asset_id}') is not on this machine.", "\n".join(steps))


def safe_load_pickle(path: Path | str) -> Any:
    """-> the content of a pickle as plain Python and NumPy objects, without running any of it."""
    from hpscli.body.official.pickles import safe_load_pickle

    return safe_load_pickle(path)


def _damaged(path: Path, error: Exception) -> InvalidData:
    return InvalidData(
        f"the stored asset {path} cannot be read ({error}).",
        f"Delete it and import the original again: rm '{path}'; hps assets import FILE",
    )
