"""What the official code returned, replayed."""

from pathlib import Path

import pytest

from hps_models.osx.goldens.networks import tolerance
from hpscli.registry import get_registry
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.selfcheck import replay

SLOW = [
    "osx/osx-b",
    "osx/noise",
    "osx/osx-b-wo-face-decoder",
    "osx/osx-l",
    "osx/osx-l-wo-decoder",
    "osx/losses",
]


@pytest.mark.parametrize(
    "name",
    [
        "osx/units",
        "osx/preprocess",
        "osx/loaders",
        "osx/lists",
        pytest.param("osx/osx-b-wo-decoder", marks=pytest.mark.slow),
        *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW),
    ],
)
def test_every_array_of_a_golden_is_within_its_tolerance(name: str, reference: Path) -> None:
    spec = next(spec for spec in get_registry().all("golden") if spec.name == name)
    done = replay(spec, reference / "osx", ReplayOptions())
    assert done.checks and not [check for check in done.checks if not check.ok]


def test_other_seeds_do_not_agree(reference: Path) -> None:
    spec = next(spec for spec in get_registry().all("golden") if spec.name == "osx/units")
    done = replay(spec, reference / "osx", ReplayOptions(seed_xor=1))
    assert [check.name for check in done.checks if not check.ok] == ["msda_out"]


def test_tolerances_are_those_of_the_readme() -> None:
    assert tolerance("encoder_feat") == 1e-4
    assert tolerance("out_smplx_expr") == 1e-3
    assert tolerance("out_smplx_lhand_pose") == 5e-3
