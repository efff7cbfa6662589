"""Batches on their way to a device."""

import pytest
import torch

from hpscli.data.batch import make_batch, offset_and_scale, ready
from hpscli.data.streaming import feed as feeding
from hpscli.data.streaming.feed import feed, pinned
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


def test_what_pixels_are_normalised_with_is_sent_to_a_device_once() -> None:
    offset_and_scale.cache_clear()
    first, *others = (ready(batch, MEAN, STD).image for batch in batches())
    assert offset_and_scale.cache_info().misses == 1
    mean, std = (torch.tensor(numbers).view(1, 3, 1, 1) * 255 for numbers in (MEAN, STD))
    pixels = batches()[0].image.float()
    assert torch.equal(first, (pixels - mean) * (1.0 / std))
    assert len(others) == 3


@pytest.mark.gpu
def test_computing_does_not_wait_for_the_copy_of_the_next_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    done: list[torch.cuda.Event] = []

    def slowly(batch: Batch, *numbers: tuple[float, ...]) -> Batch:
        if done:  # the first one is there at once
            torch.cuda._sleep(4_000_000_000)  # type: ignore[no-untyped-call]  # two seconds
        made = ready(batch, *numbers)
        done.append(torch.cuda.current_stream().record_event())
        return made

    given = [pinned(batch) for batch in batches()]
    # loads what is computed with: that waits for everything
    assert torch.isfinite(ready(given[0].to("cuda"), MEAN, STD).image.sum())
    monkeypatch.setattr(feeding, "ready", slowly)
    found = feed(given, torch.device("cuda"), MEAN, STD)
    total = next(found).image.sum()
    torch.cuda.current_stream().synchronize()
    assert torch.isfinite(total) and len(done) == 2
    assert not done[1].query()  # type: ignore[no-untyped-call]


@pytest.mark.gpu
def test_preparing_a_batch_makes_nobody_wait_for_a_gpu() -> None:
    found = feed([pinned(batch) for batch in batches()], torch.device("cuda"), MEAN, STD)
    next(found)  # allocations, and numbers that are sent once
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(3):
            next(found)
    finally:
        torch.cuda.set_sync_debug_mode("default")
