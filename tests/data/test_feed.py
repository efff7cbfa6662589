"""Batches on their way to a device."""

import pytest
import torch

from hpscli.data.batch import make_batch, ready
from hpscli.data.feed import feed, pinned
from hpscli.records import Batch
from tests.data.people import person

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def batches() -> list[Batch]:
    return [make_batch([person(n), person(n + 1)], (32, 32), "smpl24") for n in range(4)]


def test_a_cpu_gets_the_batches_as_they_are() -> None:
    given = batches()
    got = list(feed(given, torch.device("cpu"), MEAN, STD))
    for one, other in zip(got, given, strict=True):
        assert one.keys == other.keys and torch.equal(one.image, other.image)
        assert one.image.dtype == torch.uint8


def test_every_tensor_of_a_batch_is_changed_and_nothing_else() -> None:
    batch = batches()[0]
    doubled = batch.each_tensor(lambda tensor: tensor + tensor)
    assert torch.equal(doubled.affine, 2 * batch.affine) and doubled.colour is None
    assert doubled.targets.keys() == batch.targets.keys() and doubled.meta == batch.meta
    for name, values in batch.targets.items():
        assert torch.equal(doubled.targets[name], 2 * values)


@pytest.mark.gpu
def test_a_gpu_gets_every_batch_in_order_and_ready() -> None:
    given = [pinned(batch) for batch in batches()]
    assert given[0].image.is_pinned() and given[0].targets["smpl.betas"].is_pinned()
    got = list(feed(given, torch.device("cuda"), MEAN, STD))
    assert [batch.keys for batch in got] == [batch.keys for batch in given]
    for one, other in zip(got, batches(), strict=True):
        torch.testing.assert_close(one.image.cpu(), ready(other, MEAN, STD).image)
