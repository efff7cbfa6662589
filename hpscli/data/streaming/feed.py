"""Batches on their way to a device: pinned memory, a copy that runs beside the computing, colours there."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import torch

from hpscli.data.batch import ready
from hpscli.records import Batch


def pinned(batch: Batch) -> Batch:
    """-> the batch in pinned memory, from which a copy to the device runs beside everything else.

    PyTorch keeps such memory and gives it out again when the copy is done.
    """
    return batch.each_tensor(torch.Tensor.pin_memory)


def feed(
    batches: Iterable[Batch], device: torch.device, mean: Sequence[float], std: Sequence[float]
) -> Iterator[Batch]:
    """Batches -> the same on the device; on a GPU also made `ready`, one ahead of what is computed.

    There the next batch is copied and normalised on a stream of its own while the network works on
    this one: a batch waits for its own moment on that stream, not for what is behind it.
    """
    if device.type != "cuda":
        for batch in batches:
            yield batch.to(device)
        return
    side = torch.cuda.Stream(device)  # type: ignore[no-untyped-call]
    ahead: tuple[Batch, Any] | None = None
    for batch in batches:
        with torch.cuda.stream(side):
            moved = ready(batch.to(device), mean, std), side.record_event()
        if ahead is not None:
            yield _handed_over(*ahead, device)
        ahead = moved
    if ahead is not None:
        yield _handed_over(*ahead, device)


def _handed_over(batch: Batch, when: Any, device: torch.device) -> Batch:
    """-> the batch, which the computing stream may use from that moment, and whose memory it keeps."""
    computing = torch.cuda.current_stream(device)
    computing.wait_event(when)

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        tensor.record_stream(computing)
        return tensor

    return batch.each_tensor(keep)
