"""The training stream: endless batches of the list of a job, the same for any number of workers.

The list says whom each place means (epochs/plan.py). In a step of the job, process r of w makes the
r-th slice of the next w * batch places; a generator for each place draws its changes. So a batch is a
pure function of its first place, a continued run starts at any place at once, processes never wait
for each other, and there is no state to save but one number: how many picks the job has taken.
"""

import atexit
import itertools
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.data.augmentations.changes import Changes, draw, settings_of_members
from hpscli.data.batch import Packed, pack, to_batch
from hpscli.data.epochs.generators import sample_generators
from hpscli.data.epochs.plan import Pick, Plan, make_plan
from hpscli.data.epochs.without import as_meant, check_globs
from hpscli.data.evalset import BrokenSample, EvalSet
from hpscli.data.preparing.workers import end_with_parent
from hpscli.data.streaming.servers import FOR_THE_TRAINING, worker_context
from hpscli.errors import HpsError, InvalidData, in_words
from hpscli.recipe import Augment, Member
from hpscli.recipe.schema import Mixing
from hpscli.records import Batch, Sample

log = logging.getLogger("hps.data")
PREFETCH = 2  # batches that each worker has ready
RING = PREFETCH + 2  # buffers of each worker: ready, being made, being copied out
PRELOAD = ("torch.utils.data", "cv2", "hpscli.data.streaming.stream")  # what workers need
REPLACEMENTS = 100  # samples tried in place of a broken one before the data are called broken


class TrainingStream:
    """Iterating gives this process's batches from a position of the job on, for ever.

    for_gpu: batches lie in pinned memory, and `ready` multiplies colours on the device.
    Broken samples are replaced by the next of their member, named once in the log, and kept in `bad`.
    """

    def __init__(
        self,
        members: Mapping[str, Member],
        *,
        mixing: Mixing = "weighted",
        size: tuple[int, int],
        joints: str,
        augment: Augment | None,
        crop_scale: float = 1.0,
        seen: float = 1.0,
        batch: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
        position: int = 0,
        for_gpu: bool = False,
    ) -> None:
        joint_set(joints)  # an unknown name is an error now, not in a worker
        self.sets = {
            name: EvalSet(member.shards, member.limit)
            for name, member in members.items()
            if member.weight > 0
        }
        sizes = {name: _shard_sizes(one) for name, one in self.sets.items()}
        plan = make_plan(members, sizes, mixing, seed)
        without = {name: member.without for name, member in members.items() if member.without}
        check_globs(without, {name: one.index.arrays for name, one in self.sets.items()})
        self.maker = BatchMaker(
            plan, self.sets, members, size, joints, augment, crop_scale, batch, for_gpu, seen
        )
        self.pins = for_gpu
        self.people = {name: len(one) for name, one in self.sets.items()}
        self.workers = workers
        self.first = position + rank * batch
        self.stride = world * batch  # picks that the job takes while this process makes a batch
        self.bad: dict[str, str] = {}  # "member/key" -> what is wrong

    def __iter__(self) -> Iterator[Batch]:
        from hpscli.data.streaming.feed import pinned

        for packed, bad, image in self._packed():
            if isinstance(packed, HpsError):
                raise packed
            for name, reason in bad.items():
                if name not in self.bad:
                    log.warning("skipped broken sample %s: %s", name, reason)
                    self.bad[name] = reason
            batch = to_batch(packed, image)
            yield pinned(batch) if self.pins else batch

    def _packed(self) -> Iterator[tuple[Packed | HpsError, dict[str, str], Any]]:
        places = itertools.count(self.first, self.stride)
        if self.workers == 0:
            for place in places:
                packed, bad = self.maker(place)
                yield packed, bad, None
        import cv2
        from torch.utils.data import DataLoader

        # OpenCV's threads do not survive a fork: a worker would wait for them for ever
        cv2.setNumThreads(1)
        loader: Any = DataLoader(
            _Numbered(self.maker),  # type: ignore[arg-type]
            batch_size=None,
            sampler=places,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            prefetch_factor=PREFETCH,
            multiprocessing_context=worker_context(PRELOAD),
            worker_init_fn=_start_worker,
        )
        buffers: dict[tuple[int, int], Any] = {}
        with _ended(iter(loader)) as made:
            for packed, bad, slot, buffer in _or_lost(made, self.workers):
                if buffer is not None:
                    buffers[slot] = buffer
                if not slot:
                    yield packed, bad, None
                else:  # pinning copies, too
                    yield packed, bad, buffers[slot] if self.pins else buffers[slot].clone()


@contextmanager
def _ended(batches: Any) -> Iterator[Any]:
    """An iterator of a loader; after it, or when this process ends first, its workers are ended.

    Left to multiprocessing they are sent SIGTERM, to which they do not listen, and waited for.
    """

    def end() -> None:
        batches._shutdown_workers()
        for worker in batches._workers:
            if worker.is_alive():
                worker.kill()

    atexit.register(end)  # before multiprocessing's own, which waits
    try:
        yield batches
    finally:
        atexit.unregister(end)
        end()


def _or_lost(batches: Any, workers: int) -> Iterator[Any]:
    """Pass on what workers make; one that was killed is named, with what helps."""
    try:
        yield from batches
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise HpsError(
            f"a data worker was killed, often for want of memory: {in_words(error)}.",
            f"Fewer of them (there are {workers}): hps train --resume RUN data.workers={workers // 2}\n"
            "Or more memory; in a container also more shared memory (/dev/shm).",
        ) from error


class BatchMaker:
    """First place -> Packed, and the broken samples met on the way; a pure function of the place."""

    def __init__(
        self,
        plan: Plan,
        sets: Mapping[str, EvalSet],
        members: Mapping[str, Member],
        window: tuple[int, int],
        joints: str,
        augment: Augment | None,
        crop_scale: float,
        batch: int,
        colour_later: bool = False,
        seen: float = 1.0,
    ) -> None:
        self.colour_later, self.seen = colour_later, seen
        self.plan, self.sets, self.members = plan, sets, members
        self.window, self.joints = window, joints
        self.crop_scale, self.batch = crop_scale, batch
        self.settings = None if augment is None else settings_of_members(augment, plan.names)
        self.bad: dict[tuple[str, int], str] = {}  # member, position: known to be broken

    def __call__(
        self, first: int, image: np.ndarray | None = None
    ) -> tuple[Packed, dict[str, str]]:
        """-> the batch; its pictures are written into `image` when that is given."""
        picks = [self.plan.pick(place) for place in range(first, first + self.batch)]
        found = [self._fetch(pick) for pick in picks]
        met: dict[str, str] = {}
        while True:
            for _, _, names in found:
                met.update(names)
            samples = [sample for sample, _, _ in found]
            packed = pack(
                samples,
                self.window,
                self.joints,
                crop_scale=self.crop_scale,
                changes=self._draw(first, picks, samples),
                image=image,
                colour_later=self.colour_later,
                seen=self.seen,
            )
            if not packed.broken:
                return packed, met
            for row, reason in packed.broken.items():
                self.bad[self._name(picks[row]), found[row][1]] = reason
                found[row] = self._fetch(picks[row])

    def _draw(self, first: int, picks: list[Pick], samples: list[Sample]) -> Changes | None:
        if self.settings is None:
            return None
        generators = sample_generators(self.plan.seed, first, self.batch)
        settings = [self.settings[self._name(pick)] for pick in picks]
        return draw(generators, samples, settings, self.window, self.crop_scale, self.seen)

    def _name(self, pick: Pick) -> str:
        return self.plan.names[pick.member]

    def _fetch(self, pick: Pick) -> tuple[Sample, int, dict[str, str]]:
        """-> the sample of a pick, or the next sound one after it; its position; broken ones passed."""
        name = self._name(pick)
        people = self.sets[name]
        passed: dict[str, str] = {}
        for step in range(min(REPLACEMENTS, len(people))):
            position = (pick.position + step) % len(people)
            known = (name, position)
            if known not in self.bad:
                try:
                    sample = as_meant(people[position], self.members[name])
                    return sample, position, passed
                except BrokenSample as error:
                    self.bad[known] = error.problem
            passed[f"{name}/{people.key(position)}"] = self.bad[known]
        raise InvalidData(
            f"data set '{name}' ({people.location}): {len(passed)} samples in a row are broken.",
            f"hps datasets audit {people.location}",
        )


class _Numbered:
    """A map-style data set whose item n is the batch that begins at place n.

    Pictures are written into a ring of shared buffers that are mapped once: fresh shared memory for
    every batch costs more than all label work. The reader copies a picture out before it asks for the
    next batch, and a worker is at most PREFETCH batches ahead, so RING buffers are never too few.
    """

    def __init__(self, maker: BatchMaker) -> None:
        self.maker = maker
        self.buffers: list[Any] = []
        self.made = 0

    def __getitem__(self, first: int) -> tuple[Packed | HpsError, dict[str, str], Any, Any]:
        """-> batch without pictures, broken samples, (worker, slot) of the buffer, a new buffer."""
        import torch
        from torch.utils.data import get_worker_info

        slot, fresh = self.made % RING, self.made < RING
        if fresh:
            shape = (self.maker.batch, 3, *self.maker.window)
            buffer = torch.zeros(shape, dtype=torch.uint8)
            self.buffers.append(buffer.share_memory_())  # type: ignore[no-untyped-call]
        buffer = self.buffers[slot]
        self.made += 1
        worker = get_worker_info()
        place = (worker.id if worker else 0, slot)
        try:
            packed, bad = self.maker(first, buffer.numpy())
        except HpsError as error:  # travels as a value: the loader would wrap it in a traceback
            return error, {}, (), None
        packed = replace(packed, image=np.empty(0, np.uint8))
        return packed, bad, place, buffer if fresh else None


def _as_it_is(item: Any) -> Any:
    return item


def _start_worker(number: int) -> None:
    import signal

    import cv2

    # Ctrl-C and a cluster's warnings are for the training, which then ends us; torch has set TERM anew
    for signal_number in (signal.SIGINT, *FOR_THE_TRAINING):
        signal.signal(signal_number, signal.SIG_IGN)
    end_with_parent()
    cv2.setNumThreads(1)  # workers are the parallelism


def _shard_sizes(members: EvalSet) -> tuple[int, ...]:
    """-> samples of each shard, cut at the limit."""
    sizes, left = [], len(members)
    for shard in members.index.shards:
        if left > 0:
            sizes.append(min(shard.samples, left))
            left -= sizes[-1]
    return tuple(sizes)
