"""Results that are kept until what they were made from changes."""

import pickle
from copy import deepcopy

import torch
from torch import Tensor

from hpscli.nn.remembered import Remembered


class Doubled:
    """Twice a parameter, and how often that was worked out."""

    def __init__(self) -> None:
        self.parameter = torch.nn.Parameter(torch.ones(3))
        self.remembered, self.count = Remembered(), 0

    def __call__(self) -> Tensor:
        def compute(images: int) -> tuple[Tensor, ...]:
            self.count += 1
            return (2 * self.parameter,)

        return self.remembered(compute, [self.parameter], 1)[0]


def test_a_result_is_worked_out_once() -> None:
    doubled = Doubled()
    with torch.no_grad():
        assert doubled() is doubled()
    assert doubled.count == 1


def test_a_changed_parameter_gives_another_result() -> None:
    doubled = Doubled()
    with torch.no_grad():
        doubled()
        doubled.parameter.add_(1)
        assert torch.equal(doubled(), torch.full((3,), 4.0))
        doubled.parameter.copy_(torch.zeros(3))
        assert torch.equal(doubled(), torch.zeros(3))


def test_mixed_precision_has_results_of_its_own() -> None:
    doubled = Doubled()
    with torch.no_grad():
        doubled()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            doubled()
    assert doubled.count == 2


def test_nothing_is_kept_while_gradients_are_wanted() -> None:
    doubled = Doubled()
    with torch.no_grad():
        doubled()
    assert doubled().requires_grad
    assert doubled.count == 2


def test_copies_and_files_take_no_results_along() -> None:
    doubled = Doubled()
    with torch.no_grad():
        doubled()
        for copied in (deepcopy(doubled), pickle.loads(pickle.dumps(doubled))):
            copied()
            assert copied.count == 2


def test_what_is_forgotten_is_worked_out_again() -> None:
    doubled = Doubled()
    with torch.no_grad():
        doubled()
        doubled.remembered.forget()
        doubled()
    assert doubled.count == 2
