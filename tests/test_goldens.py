"""Every golden that a plugin can replay, by the functions that `hps selfcheck` calls."""

from pathlib import Path

import pytest

from hpscli.hooks import GoldenSpec
from hpscli.registry import get_registry
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.selfcheck import find, replay

NETWORKS = ("hmr/spin",)  # minutes of one thread, so only in `make test-all`
GOLDENS: list[GoldenSpec] = get_registry().all("golden")


def folders_with(reference: Path, spec: GoldenSpec) -> list[Path]:
    return [f for f in sorted(reference.iterdir()) if (f / spec.files[0]).is_file()]


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param(g, id=g.name, marks=[pytest.mark.slow] if g.name in NETWORKS else [])
        for g in GOLDENS
    ],
)
def test_a_golden_of_the_official_code_is_reproduced(reference: Path, spec: GoldenSpec) -> None:
    folders = folders_with(reference, spec)
    assert folders, f"no reference folder holds {spec.files[0]}"
    for folder in folders:
        replayed = replay(spec, folder, ReplayOptions())
        assert replayed.checks
        assert [check for check in replayed.checks if not check.ok] == []


@pytest.mark.slow
def test_weights_filled_from_other_seeds_give_other_numbers(reference: Path) -> None:
    found = find(reference / "hmr" / "goldens" / "hmr_spin.npz")
    replayed = replay(found.specs[0], found.folder, ReplayOptions(seed_xor=1))
    assert not replayed.ok
    assert not any(check.ok for check in replayed.checks if check.name == "rotmat")
