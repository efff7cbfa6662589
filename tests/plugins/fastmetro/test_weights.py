"""FastMETRO's files: every tensor has a place, what a file is shows in its keys, goldens agree."""

import json
from pathlib import Path

import pytest
import torch

from hps_models.fastmetro.goldens import image, surrogate
from hps_models.fastmetro.plugin import FASTMETRO
from hps_models.fastmetro.weights import guess, rows
from hpscli.nn.checkpoints import load_model
from hpscli.nn.layouts import describe
from hpscli.testing.goldens import ReplayOptions, fill_manifest, read_manifest
from hpscli.testing.selfcheck import find, replay

NAMES = [
    *("L-H64-body", "L-H64-body-smpl", "L-H64-hand", "L-R50-body", "M-H64-body", "M-R50-body"),
    *("S-H64-body", "S-R50-body", "S-R50-body-smpl", "S-R50-hand"),
]
WORDS = {"R50": "resnet50", "H64": "hrnet-w64"}


def preset_of(name: str) -> str:
    size, backbone, target, *more = name.split("-")
    words = [*(["hand"] if target == "hand" else []), size.lower(), WORDS[backbone], *more]
    return "-".join(words)


def shapes(reference: Path, name: str) -> dict[str, tuple[int, ...]]:
    entries = read_manifest(reference / f"fastmetro/keys/FastMETRO-{name}.json")
    return {key: entry.shape for key, entry in entries.items()}


@pytest.mark.parametrize("name", NAMES)
def test_rows_of_a_preset_are_the_tensors_of_its_file(reference: Path, name: str) -> None:
    options = {**FASTMETRO.defaults, **FASTMETRO.presets[preset_of(name)]}
    table = rows(options)
    assert {row.theirs: row.shape for row in table} == shapes(reference, name)
    counts = json.loads((reference / "fastmetro/keys/param_counts.json").read_text())
    total = counts[f"FastMETRO-{name}"]["total"]
    assert describe(table)["official_params"] == total
    classifier = 2_049_000 if "H64" in name else 0
    assert describe(table)["used_params"] == total - classifier


@pytest.mark.parametrize("name", NAMES)
def test_a_file_is_recognised_by_its_keys(reference: Path, name: str) -> None:
    preset = FASTMETRO.presets[preset_of(name)]
    found = guess(shapes(reference, name))
    assert found is not None
    assert {**FASTMETRO.defaults, **found} == {**FASTMETRO.defaults, **preset}


def test_half_a_file_is_recognised_too(reference: Path) -> None:
    whole = shapes(reference, "L-H64-hand")
    half = dict(list(whole.items())[: len(whole) // 2])
    tail = dict(list(whole.items())[len(whole) // 2 :])
    for part in (half, tail):
        found = guess(part)
        if found is not None:
            assert found.get("target") == "hand" or not any("token" in key for key in part)
    assert guess(half) is not None or guess(tail) is not None


def test_files_of_other_networks_are_not_taken_for_fastmetro(reference: Path) -> None:
    folder = reference / "metro_graphormer/keys"
    for manifest in ("metro-body-hrnet_w64.json", "graphormer-hand-hrnet_w64.json"):
        entries = read_manifest(folder / manifest)
        assert guess({key: entry.shape for key, entry in entries.items()}) is None


def test_masks_and_codes_are_the_official_ones(reference: Path) -> None:
    assert_replayed(reference, "fastmetro/masks")


def test_the_small_network_gives_what_the_official_one_gave(reference: Path) -> None:
    assert_replayed(reference, "fastmetro/s-r50-body")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m-r50-body", "l-h64-body", "l-h64-hand", "l-h64-body-smpl"])
def test_larger_networks_give_what_the_official_ones_gave(reference: Path, name: str) -> None:
    assert_replayed(reference, f"fastmetro/{name}")


def assert_replayed(reference: Path, kind: str) -> None:
    found = find(reference / "fastmetro", [kind])
    result = replay(found.specs[0], found.folder, ReplayOptions())
    assert result.ok, [check for check in result.checks if not check.ok][:5]


def test_silhouettes_are_those_of_the_authors_drawings(reference: Path) -> None:
    assert_replayed(reference, "fastmetro/pictures")


@pytest.mark.slow
def test_an_official_file_answers_with_either_mesh(reference: Path, tmp_path: Path) -> None:
    """The published numbers of the -smpl files are of the regressed parameters."""
    folder, options = reference / "fastmetro", ReplayOptions()
    entries = read_manifest(folder / "keys/FastMETRO-S-R50-body-smpl.json")
    path = tmp_path / "FastMETRO-S-R50_smpl_state_dict.bin"
    torch.save(fill_manifest(entries), path)
    body = surrogate("smpl", folder, options)
    own = load_model(path, body=body)
    posed = load_model(f"{path}+parametric", body=body)
    assert own.options["smpl_parameters"] and not own.options["parametric"]
    assert posed.options["parametric"] and "parametric=True" in posed.said[0]
    with torch.no_grad():
        mesh, other = (
            model(torch.from_numpy(image("noise", 1, options))) for model in (own, posed)
        )
    expected = mesh.raw["smpl_vertices"]
    root = body.body().regress(expected, "h36m17")[:, :1]
    assert other.vertices is not None and mesh.vertices is not None
    assert torch.allclose(other.vertices, expected - root, atol=1e-5)
    assert not torch.allclose(other.vertices, mesh.vertices, atol=1e-2)
