"""Noise floors of FastMETRO's goldens: what is near enough, and which goldens they are of."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from hps_models.fastmetro.goldens_floors import compare_floors, floors

OUTPUT = np.random.RandomState(0).standard_normal((2, 40)).astype(np.float32)
EXACT = OUTPUT.astype(np.float64)
SPREAD = float(EXACT.std(ddof=1))
TOLD = {"noise__mesh": [1e-6, SPREAD, float((EXACT[0] - EXACT[1]).std(ddof=1) / SPREAD)]}


def checks(output: np.ndarray, golden: np.ndarray = OUTPUT) -> dict[str, bool]:
    raw = {"mesh": torch.from_numpy(output)}
    found = compare_floors(TOLD, "noise", raw, {"noise__mesh": golden})
    return {check.name.rpartition(", ")[2]: check.ok for check in found}


def test_the_same_output_is_near_enough() -> None:
    assert checks(OUTPUT) == {"beside rounding": True, "spread": True, "between images": True}
    assert not list(compare_floors(TOLD, "blocks", {"mesh": torch.from_numpy(OUTPUT)}, {}))


@pytest.mark.parametrize(
    ("changed", "wrong"),
    [
        (OUTPUT + np.float32(1e-4), {"beside rounding"}),
        (OUTPUT * np.float32(1.01), {"beside rounding", "spread"}),
        (np.stack([OUTPUT[0], OUTPUT[0]]), {"beside rounding", "spread", "between images"}),
    ],
)
def test_an_output_that_is_farther_than_rounding_is_seen(
    changed: np.ndarray, wrong: set[str]
) -> None:
    found = checks(changed)
    assert {name for name, ok in found.items() if not ok} == wrong


def test_floors_of_other_weights_say_nothing() -> None:
    assert not checks(2 * OUTPUT, golden=2 * OUTPUT)


def test_floors_are_read_beside_their_goldens_only(tmp_path: Path, reference: Path) -> None:
    assert floors(tmp_path, "S-R50-body") == {}
    (tmp_path / "floors.json").write_text(json.dumps({"FastMETRO-S-R50-body": TOLD}))
    assert floors(tmp_path, "S-R50-body") == TOLD
    assert "noise__pred_cam" in floors(reference / "fastmetro", "L-H64-hand")
