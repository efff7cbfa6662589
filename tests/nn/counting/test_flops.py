"""Counting parameters, multiply-adds and activations; figures measured with other counters."""

import pytest
import timm
import torch
from torch import Tensor, nn

from hpscli.errors import UsageError
from hpscli.hooks import ModelSpec
from hpscli.nn.counting.flops import count_parameters, measure, measure_model

# reference/metrics/tables.json, flops_measured: torch's counter (2 per multiply-add), mmcv 1.x
MEASURED = {
    "hrnet_w64": (128_059_944, 57_790_791_680, 29_004_798_336),
    "vit_large_patch16_224": (304_326_632, 123_109_425_152, 59_647_373_312),
}


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        return timm.create_model(name)


@pytest.mark.parametrize("name", MEASURED)
def test_known_networks_cost_what_other_counters_measured(name: str) -> None:
    parameters, flops, mmcv = MEASURED[name]
    cost = measure(on_meta(name), (224, 224))
    assert cost.parameters["total"] == parameters
    assert cost.macs * 2 == flops
    assert cost.macs_mmcv == mmcv


def image_network(layer: nn.Module) -> nn.Module:
    return nn.Sequential(layer)


def test_a_convolution_costs_kernel_times_places() -> None:
    cost = measure(image_network(nn.Conv2d(3, 8, 3, padding=1)), (10, 10))
    assert cost.macs == 13_824 * 100 // 64 == 3 * 8 * 9 * 100
    assert cost.macs_mmcv == 3 * 8 * 9 * 100 + 8 * 100  # the bias counts
    assert cost.activations == 8 * 100


def test_a_grouped_and_a_transposed_convolution_follow_the_rule_of_mmcv() -> None:
    grouped = measure(image_network(nn.Conv2d(3, 6, 3, groups=3, bias=False)), (10, 12))
    assert grouped.macs_mmcv == grouped.macs == 6 * 9 * 8 * 10
    transposed = measure(image_network(nn.ConvTranspose2d(3, 4, 2, stride=2)), (5, 7))
    assert transposed.macs_mmcv == 3 * 4 * 4 * 35 + 4 * 10 * 10  # its bias counts height * height
    assert transposed.macs == 3 * 4 * 4 * 35


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.BatchNorm2d(3), 2 * 300),
        (nn.BatchNorm2d(3, affine=False), 300),
        (nn.ReLU(), 300),
        (nn.GELU(), 0),
        (nn.AdaptiveAvgPool2d(1), 300),
        (nn.Upsample(scale_factor=2), 1200),
        (nn.Linear(10, 4), 1200),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_rule_of_mmcv_by_type(layer: nn.Module, expected: int) -> None:
    assert measure(image_network(layer), (10, 10)).macs_mmcv == expected


class SubclassOfLinear(nn.Linear):
    pass


def test_a_subclass_counts_nothing_by_the_rule_of_mmcv_but_all_by_execution() -> None:
    cost = measure(image_network(SubclassOfLinear(10, 4)), (10, 10))
    assert (cost.macs, cost.macs_mmcv) == (1200, 0)


class Attention(nn.Module):
    """495 tokens of width 512 from one image, through nn.MultiheadAttention."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(512, 4, batch_first=True)

    def forward(self, image: Tensor) -> Tensor:
        tokens = image.mean() + torch.zeros(1, 495, 512, device=image.device)
        return self.attention(tokens, tokens, tokens, need_weights=False)[0]


def test_multihead_attention_counts_in_eval_mode() -> None:
    cost = measure(Attention(), (8, 8))
    assert cost.macs * 2 == 1_539_901_440  # reference/metrics/tables.json
    assert torch.backends.mha.get_fastpath_enabled()


class TwoParts(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 1, bias=False)
        self.head = nn.Linear(4, 2)
        self.scale = nn.Parameter(torch.ones(5))

    def forward(self, image: Tensor) -> Tensor:
        feature = self.backbone(image).mean(dim=(2, 3))
        return self.head(feature) + self.head(feature)


def test_parts_are_the_children_and_a_shared_layer_counts_each_time_it_runs() -> None:
    cost = measure(TwoParts(), (2, 2))
    assert count_parameters(TwoParts()) == {"backbone": 12, "head": 10, "own": 5, "total": 27}
    assert cost.macs_by_part == {"backbone": 48, "head": 16}
    assert cost.macs == 64
    assert {m.path: m.macs for m in cost.modules}["head"] == 16


class NeedsNumbers(nn.Module):
    """Cannot run on the meta device: it branches on a value."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, image: Tensor) -> Tensor:
        return self.layer(image) if image.sum() == 0 else image


def build_needs_numbers() -> nn.Module:
    return NeedsNumbers()


def make_spec(function: str) -> ModelSpec:
    return ModelSpec(
        name="odd",
        build=f"{__name__}:{function}",
        summary="A test model.",
        body="smpl",
        input_size=(4, 4),
        licence="CC0-1.0",
        outputs=("camera",),
    )


def test_a_network_that_branches_on_numbers_is_run_on_real_ones() -> None:
    assert measure_model(make_spec("build_needs_numbers"), "", (4, 4)).macs == 3 * 4 * 4 * 4


def test_a_size_that_a_network_cannot_take_is_an_error_with_its_own_size() -> None:
    with pytest.raises(UsageError, match="does not run on 5x5 px") as error:
        measure_model(make_spec("build_needs_numbers"), "", (5, 5))
    assert "--shape 4x4" in error.value.fix


def test_an_unknown_preset_is_an_error() -> None:
    with pytest.raises(UsageError, match="no preset 'huge'"):
        measure_model(make_spec("build_needs_numbers"), "huge", (4, 4))
