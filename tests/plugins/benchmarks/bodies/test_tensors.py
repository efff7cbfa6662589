"""Meshes of the papers' rules measured as tensors, as on a GPU, beside arrays."""

import numpy as np
import pytest
import torch

from hps_benchmarks.bodies import score
from hpscli.metrics import tensors
from tests.plugins.benchmarks.bodies.people import COUNT, measured, prediction, samples

RULES = tuple(f"3dpw/test@{rule}-v1" for rule in ("metro", "pare", "mmhuman3d", "hmr2", "hps"))


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_the_same_of_tensors(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    who = samples(gender=["male", "female", "neutral", "", "male", "female", "male"])
    who[2].arrays.pop("smpl.body_pose")  # nobody knows this body
    theirs, total = measured(name, who, prediction(), chunk=4)
    assert np.isnan(theirs.values["pve"]).tolist() == [row == 2 for row in range(COUNT)]
    monkeypatch.setattr(tensors, "stay_there", lambda points: True)
    monkeypatch.setattr(score, "mesh_values", None)  # must not be called
    ours, again = measured(name, who, prediction(), chunk=4)
    for figure, values in theirs.values.items():
        np.testing.assert_allclose(
            ours.values[figure], values, rtol=1e-12, atol=1e-9, err_msg=figure
        )
    assert set(again.metrics) == set(total.metrics)


def test_meshes_of_nobody_have_no_errors() -> None:
    points = np.random.RandomState(0).randn(3, 9, 3)
    given = (torch.from_numpy(points), torch.from_numpy(points + 0.1))
    found = score.mesh_values_there(*given, np.zeros(3, bool))
    assert np.isnan(found["pve"]).all() and np.isnan(found["pa_pve"]).all()
