"""What every family of models promises, whichever plugin brings it; one place for all of them.

In full for one preset of a family and for every small one; names, shapes and counts for all others.
"""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from hpscli.errors import UsageError
from hpscli.export.graph import Graph, example_image
from hpscli.export.onnx import check_onnx, write_onnx
from hpscli.hooks import ModelSpec
from hpscli.nn.checkpoints import build_model
from hpscli.nn.counting.flops import meta_model
from hpscli.nn.official.counts import count_all
from hpscli.nn.options import adapted, complete_options
from hpscli.nn.weights.foreign import open_foreign, recognise
from hpscli.registry import get_registry, resolve
from hpscli.testing.conformance.checks import Checks, require
from hpscli.testing.conformance.layouts import check_layouts
from hpscli.testing.conformance.models import check_model
from hpscli.testing.goldens import read_manifest
from tests.plugins.family_people import people, weights_of

MODELS = {spec.name: spec for spec in get_registry().all("model")}
SMALL = [(name, p) for name, spec in MODELS.items() for p in spec.presets if p.endswith("tiny")]
CHOSEN = {
    "metro": "hand-resnet50",
    "graphormer": "hand-hrnet-w40",
    "fastmetro": "s-resnet50",
    "hmr": "spin",
    "pare": "hrnet-w32",
    "osx": "b",
    "hmr2": "vit-h",
}
LARGE = [  # of a family that is not named here: the first one that is not small
    (name, CHOSEN.get(name) or next(p for p in spec.presets if not p.endswith("tiny")))
    for name, spec in MODELS.items()
]
BEYOND_ONNX = ("hmr2", "vit-h")  # 2.7 GB of numbers; a file holds 2
SLOW = [pytest.mark.slow]
LARGEST = [*SLOW, pytest.mark.large]
NOT_OF_NETWORKS = ("backbone_to_timm", "fill_rule", "unused", "param_counts", "encoder_")
TOLERANCE = 1e-4  # of the largest number of an output, at least of 1


def small_and_large(
    *, slow_small: bool = False, without: tuple[str, str] | None = None
) -> pytest.MarkDecorator:
    """Small presets and, slow, one large one of each family."""
    small = [pytest.param(*pair, marks=SLOW if slow_small else []) for pair in SMALL]
    large = [
        pytest.param(*pair, marks=LARGEST if pair == BEYOND_ONNX else SLOW)
        for pair in LARGE
        if pair != without
    ]
    return pytest.mark.parametrize(("model", "preset"), small + large)


def built(model: str, preset: str) -> tuple[nn.Module, ModelSpec]:
    torch.manual_seed(0)
    return build_model(model, preset=preset, body_source="free")[:2]


def named(module: nn.Module, images: Tensor) -> dict[str, Tensor]:
    with torch.no_grad():
        found: dict[str, Tensor] = module(images).named_tensors()
    return {name: value for name, value in found.items() if not name.startswith("extras.")}


def assert_alike(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        worst = float((found[name] - value).abs().max())
        assert worst <= TOLERANCE * max(1.0, float(value.abs().max())), name


@pytest.mark.parametrize(("model", "preset"), SMALL)
def test_buffers_are_whole_blocks_of_memory_as_nccl_sends_them(model: str, preset: str) -> None:
    module, _ = built(model, preset)
    assert [name for name, buffer in module.named_buffers() if not buffer.is_contiguous()] == []


@small_and_large()
def test_a_preset_passes_the_conformance_kit(model: str, preset: str) -> None:
    require(check_model(model, preset=preset))


@small_and_large()
def test_training_steps_lower_the_losses_of_its_authors(model: str, preset: str) -> None:
    module, spec = built(model, preset)
    small = (model, preset) in SMALL
    body, batch = people(spec, 4 if small else 2)
    weights = weights_of(spec)
    # Adafactor keeps no copies of parameters: the largest network has 2.7 GB of them.
    kind = torch.optim.Adam if small else torch.optim.Adafactor
    optimizer = kind(module.train().parameters(), lr=1e-3 if small else 2e-4)
    totals = []
    for _ in range(10 if small else 4):
        terms = resolve(spec.losses)(module(batch.image), batch, body, list(weights))
        total = torch.stack([weights[name] * value for name, value in terms.items()]).sum()
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        totals.append(float(total.detach()))
    assert min(totals[-2:]) < (0.8 if small else 1.0) * totals[0]


@small_and_large()
def test_three_pictures_are_three_times_one(model: str, preset: str) -> None:
    module, spec = built(model, preset)
    images = example_image(spec.input_size, 3)
    alone = [named(module.eval(), image[None]) for image in images]
    joined = {name: torch.cat([one[name] for one in alone]) for name in alone[0]}
    assert_alike(named(module, images), joined)


@small_and_large(slow_small=True)
def test_a_compiled_network_says_the_same(model: str, preset: str) -> None:
    module, spec = built(model, preset)
    images = example_image(spec.input_size, 3)
    # Code for the whole of a large network takes minutes; its graph is what can go wrong.
    compiled = torch.compile(module.eval(), backend="inductor" if preset == "tiny" else "aot_eager")
    assert_alike(named(compiled, images), named(module, images))
    assert_alike(named(compiled, images[:1]), named(module, images[:1]))


@small_and_large(slow_small=True, without=BEYOND_ONNX)
def test_a_network_is_exported_to_onnx_and_runs_there(
    model: str, preset: str, tmp_path: Path
) -> None:
    module, spec = built(model, preset)
    graph = Graph(module.eval(), example_image(spec.input_size, 1))
    path = tmp_path / "model.onnx"
    write_onnx(path, graph, spec.input_size, {}, dynamic_batch=False)
    found = check_onnx(path, graph, spec.input_size, dynamic_batch=False)
    assert found and all(difference.ok for difference in found), found


def test_a_network_too_large_for_onnx_is_refused_before_anything_is_written(
    tmp_path: Path,
) -> None:
    model, preset = BEYOND_ONNX
    spec = adapted(MODELS[model], complete_options(MODELS[model], preset, {}))
    graph = Graph(meta_model(spec, preset), torch.zeros(1, 3, *spec.input_size, device="meta"))
    with pytest.raises(UsageError, match=r"2.7 GB of numbers; an ONNX file holds 2 GB"):
        write_onnx(tmp_path / "m.onnx", graph, spec.input_size, {}, dynamic_batch=False)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_all_presets_have_the_names_shapes_and_counts_of_their_files(model: str) -> None:
    checks, spec = Checks(f"model {model}"), MODELS[model]
    check_layouts(checks, spec)
    require(list(checks))
    for preset, counts in count_all(spec).items():
        assert "problem" not in counts, preset
        assert counts["used_params"] > 0, preset


@pytest.mark.slow
def test_every_manifest_is_recognised_as_a_preset_of_its_own(reference: Path) -> None:
    paths = [
        path
        for path in sorted(reference.glob("*/keys/*.json"))
        if not path.name.startswith(NOT_OF_NETWORKS)
    ]
    seen = set()
    for path in paths:
        entries = read_manifest(path)
        state = {key: torch.empty(entry.shape, device="meta") for key, entry in entries.items()}
        found = recognise(open_foreign(state))
        assert found.preset, path.name
        seen.add((found.spec.name, found.preset, found.layout.name))
    assert len(seen) == len(paths) > 30
