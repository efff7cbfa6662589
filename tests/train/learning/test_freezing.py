"""What does not learn stays as it is, statistics too."""

import pytest
import torch
from torch import nn

from hpscli.errors import UsageError
from hpscli.nn.backbones import efficientnet_map
from hpscli.train.learning.freezing import freeze, learning_mode, synchronised


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)),
        nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4, affine=False)),
        nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)),
    )


def statistics(module: nn.Sequential) -> list[torch.Tensor]:
    return [part[1].running_mean.clone() for part in module]  # type: ignore[index]


def run(module: nn.Sequential, fixed: list[nn.Module]) -> list[bool]:
    """One pass in training mode -> whose statistics moved."""
    before = statistics(module)
    learning_mode(module, fixed)
    module(torch.randn(2, 3, 12, 12)).sum().backward()
    return [not torch.equal(a, b) for a, b in zip(before, statistics(module), strict=True)]


def test_frozen_parts_get_no_gradient_and_their_norms_keep_their_statistics() -> None:
    module = network()
    moved = run(module, freeze(module, ("0.*", "1.*")))
    assert moved == [False, False, True]
    assert all(p.grad is None for part in module[:2] for p in part.parameters())
    assert all(p.grad is not None for p in module[2].parameters())


def test_norms_alone_can_be_frozen_while_everything_else_learns() -> None:
    module = network()
    moved = run(module, freeze(module, (), "frozen"))
    assert moved == [False, False, False]
    learning = {name for name, p in module.named_parameters() if p.grad is not None}
    assert learning == {f"{n}.0.{what}" for n in range(3) for what in ("weight", "bias")}


def test_statistics_alone_can_be_fixed_while_scale_and_shift_learn() -> None:
    module = network()
    moved = run(module, freeze(module, (), fixed_statistics=("0.*", "1.*")))
    assert moved == [False, False, True]
    assert all(parameter.grad is not None for parameter in module.parameters())
    with pytest.raises(UsageError, match=r"train.fixed_statistics: no parameter .* '3.\*'"):
        freeze(module, (), fixed_statistics=("3.*",))


def test_a_glob_that_matches_nothing_is_an_error_with_the_nearest_names() -> None:
    with pytest.raises(UsageError, match=r"train.freeze: no parameter .* 'stem.\*'") as raised:
        freeze(nn.ModuleDict({"steam": nn.Linear(2, 2), "head": nn.Linear(2, 2)}), ("stem.*",))
    assert "steam.*" in raised.value.fix


def test_freezing_everything_is_refused() -> None:
    with pytest.raises(UsageError, match="leaves nothing that learns"):
        freeze(network(), ("*",))


def test_synchronised_norms_compute_what_they_did_activations_included() -> None:
    module = efficientnet_map().eval()
    image = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        before = module(image)
        converted = synchronised(module)
        assert any(isinstance(part, nn.SyncBatchNorm) for part in converted.modules())
        torch.testing.assert_close(converted(image), before)
