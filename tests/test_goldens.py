"""Every golden that a plugin can replay, by the functions that `hps selfcheck` calls."""

from pathlib import Path

import pytest

from hpscli.hooks import GoldenSpec
from hpscli.registry import get_registry, resolve
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.selfcheck import find, replay

SHIPPED = Path(__file__).parent / "goldens"
NETWORKS = (  # many seconds of one thread each, so only in `make test-all`
    *("hmr/spin", "hmr/mmhuman3d", "hmr/plus-twins-svt", "hmr/plus-hrnet-w32"),
    "hmr/eth-submission",
    *("pare/hrnet-w32", "pare/mmhuman3d", "pare/resnet50-softargmax", "hmr2/full"),
    *("graphormer/body-hrnet-w64", "graphormer/hand-hrnet-w64", "metro/body-hrnet-w64"),
    *("metro/body-resnet50", "metro/hand-hrnet-w64", "metro/hand-resnet50"),
    *("metro-graphormer/losses-end-to-end", "metro-graphormer/train-step"),
    *("fastmetro/s-r50-body", "fastmetro/m-r50-body", "fastmetro/l-h64-body"),
    *("fastmetro/l-h64-hand", "fastmetro/l-h64-body-smpl", "fastmetro/train-step-s-r50"),
)
UNSTORED = {  # kinds for folders that were made elsewhere: the reference has their layout alone
    *("fastmetro/s-r50-hand", "fastmetro/s-r50-body-smpl", "fastmetro/l-r50-body"),
    *("fastmetro/s-h64-body", "fastmetro/m-h64-body", "osx/osx-l-wo-face-decoder"),
    *("graphormer/body-hrnet-w40", "graphormer/hand-hrnet-w40"),
    *("metro/body-hrnet-w40", "metro/hand-hrnet-w40"),
}
REGISTERED: list[GoldenSpec] = get_registry().all("golden")
GOLDENS = [  # those of OSX are in tests/plugins/osx/test_goldens.py
    spec for spec in REGISTERED if not spec.name.startswith("osx/") and spec.name not in UNSTORED
]


def folders_with(root: Path, spec: GoldenSpec) -> list[Path]:
    folders = [folder for folder in sorted(root.iterdir()) if folder.is_dir()]
    return [folder for folder in folders if (folder / spec.files[0]).is_file()]


def marks_of(name: str) -> list[pytest.MarkDecorator]:
    """-> slow for networks; the largest needs memory that it must not share with its like."""
    heavy = [pytest.mark.large] if name == "hmr2/full" else []
    return [pytest.mark.slow, *heavy] if name in NETWORKS else []


@pytest.mark.parametrize(
    "spec",
    [pytest.param(g, id=g.name, marks=marks_of(g.name)) for g in GOLDENS],
)
def test_a_golden_of_the_official_code_is_reproduced(
    spec: GoldenSpec, request: pytest.FixtureRequest
) -> None:
    folders = folders_with(SHIPPED, spec)
    if not folders:  # too large to be kept here
        folders = folders_with(request.getfixturevalue("reference"), spec)
    assert folders, f"no folder holds {spec.files[0]}"
    for folder in folders:
        replayed = replay(spec, folder, ReplayOptions())
        assert replayed.checks
        assert [check for check in replayed.checks if not check.ok] == []


def test_every_kind_without_a_golden_has_the_layout_that_it_fills(reference: Path) -> None:
    specs = [spec for spec in REGISTERED if spec.name in UNSTORED]
    assert len(specs) == len(UNSTORED)
    for spec in specs:
        assert callable(resolve(spec.replay))
        assert not list(reference.glob(f"*/{spec.files[0]}"))
        assert list(reference.glob(f"*/{spec.files[1]}")), spec.name


def test_the_files_kept_here_are_those_of_the_reference(reference: Path) -> None:
    kept = [path for path in SHIPPED.rglob("*") if path.is_file() and path.name != "README.md"]
    assert len(kept) >= 10
    for path in kept:
        assert path.read_bytes() == (reference / path.relative_to(SHIPPED)).read_bytes(), path.name


@pytest.mark.slow
def test_weights_filled_from_other_seeds_give_other_numbers() -> None:
    found = find(SHIPPED / "hmr" / "goldens" / "hmr_spin.npz")
    replayed = replay(found.specs[0], found.folder, ReplayOptions(seed_xor=1))
    assert not replayed.ok
    assert not any(check.ok for check in replayed.checks if check.name == "rotmat")
