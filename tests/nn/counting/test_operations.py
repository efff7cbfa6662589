"""Operations counted without numbers are those that are counted with them."""

import torch
from torch import Tensor, nn

from hpscli.nn.counting.flops import measure
from hpscli.nn.counting.operations import EVERYTHING, OperationCounter


class Mixed(nn.Module):
    """What has shortcuts: batch norms, activations in place or not, sums alike and spread out."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 6, 3, stride=2)
        self.norm = nn.BatchNorm2d(6)
        self.act, self.act_in_place = nn.GELU(), nn.ReLU(inplace=True)
        self.scale = nn.Parameter(torch.ones(6, 1, 1))
        self.linear = nn.Linear(6, 4)

    def forward(self, image: Tensor) -> Tensor:
        first = self.act_in_place(self.norm(self.convolution(image)))
        second = (self.act(first) + first) * self.scale
        second += first
        spread = second.mean(3, keepdim=True) + second
        return self.linear((spread * spread).flatten(2).transpose(1, 2))


def test_a_network_without_numbers_costs_what_it_costs_with_them() -> None:
    with torch.device("meta"):
        empty = measure(Mixed(), (21, 17))
    assert empty == measure(Mixed(), (21, 17))
    assert empty.macs == 6 * 3 * 9 * 10 * 8 + 80 * 6 * 4


def test_results_without_numbers_have_the_right_shapes() -> None:
    with torch.no_grad(), OperationCounter():
        empty = Mixed().to("meta").eval()(torch.empty(2, 3, 21, 17, device="meta"))
    assert empty.is_meta and empty.shape == (2, 80, 4)


def test_numbers_are_not_touched_by_counting() -> None:
    torch.manual_seed(0)
    module, image = Mixed().eval(), torch.randn(2, 3, 21, 17)
    with torch.no_grad():
        expected = module(image)
        with OperationCounter() as operations:
            assert torch.equal(module(image), expected)
    assert operations.flops[EVERYTHING] == 2 * 2 * measure(module, (21, 17)).macs
