"""AGORA's goldens where the official program stopped, because nobody was matched."""

import json
from pathlib import Path

import numpy as np
import pytest

from hps_benchmarks.agora.goldens.evaluation import replay
from hpscli.testing.goldens import ReplayOptions

NAME = "agora_smplx_nokid"
FAR_PX = 1e5


@pytest.mark.parametrize("far", [True, False])
def test_figures_that_are_not_stored_must_not_exist(
    reference: Path, tmp_path: Path, far: bool
) -> None:
    place, stored = tmp_path / "goldens", reference / "metrics" / "goldens" / NAME
    place.mkdir()
    with np.load(stored.with_suffix(".npz")) as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name in arrays:
        if name.endswith(".pkl/joints"):
            arrays[name] = arrays[name] + (FAR_PX if far else 0.0)
    np.savez(place / f"{NAME}.npz", **arrays)
    said = json.loads(stored.with_suffix(".json").read_text(encoding="utf-8"))
    (place / f"{NAME}.json").write_text(json.dumps({**said, "all": None}), encoding="utf-8")
    checks = {c.name: c.ok for c in replay(tmp_path, ReplayOptions(case={"name": NAME}))}
    assert checks["all, refused"] is far
