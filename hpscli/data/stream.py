"""The training stream: endless batches of a weighted mix, the same for any number of workers.

Batch n is a pure function of (seed, rank, world, n): the mix says which samples it holds (mix.py),
one generator seeded by (seed, rank, n) draws their changes. So a resumed run starts at any batch at
once, ranks never wait for each other, and there is no state to save but n.
"""

import itertools
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.data.augmentations.changes import draw
from hpscli.data.batch import Packed, pack, to_batch
from hpscli.data.evalset import BrokenSample, EvalSet
from hpscli.data.mix import MixPlan, Pick, make_plan
from hpscli.data.preparing.workers import end_with_parent
from hpscli.errors import HpsError, InvalidData
from hpscli.recipe import Augment, Member
from hpscli.records import Batch, Sample

log = logging.getLogger("hps.data")
PREFETCH = 2  # batches that each worker has ready
RING = PREFETCH + 2  # buffers of each worker: ready, being made, being copied out
REPLACEMENTS = 100  # samples tried in place of a broken one before the data are called broken


class TrainingStream:
    """Iterating gives batches start_batch, start_batch + 1, ... for ever.

    Broken samples are replaced by the next of their member, named once in the log, and kept in `bad`.
    """

    def __init__(
        self,
        members: Mapping[str, Member],
        *,
        size: tuple[int, int],
        joints: str,
        augment: Augment | None,
        crop_scale: float = 1.0,
        batch: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
        workers: int = 0,
        start_batch: int = 0,
    ) -> None:
        joint_set(joints)  # an unknown name is an error now, not in a worker
        self.sets = {
            name: EvalSet(member.shards, member.limit)
            for name, member in members.items()
            if member.weight > 0
        }
        plan = make_plan(
            {name: member.weight for name, member in members.items()},
            {name: _shard_sizes(one) for name, one in self.sets.items()},
            seed=seed,
            rank=rank,
            world=world,
        )
        self.maker = BatchMaker(plan, self.sets, size, joints, augment, crop_scale, batch)
        self.workers = workers
        self.start_batch = start_batch
        self.bad: dict[str, str] = {}  # "member/key" -> what is wrong

    def state(self, consumed: int) -> dict[str, int]:
        """After `consumed` batches of this iteration -> what to pass on to continue exactly there."""
        return {"start_batch": self.start_batch + consumed}

    def share(self) -> dict[str, float]:
        """-> the part of all samples that each member really gets."""
        total = sum(self.maker.plan.quotas)
        return {
            n: q / total for n, q in zip(self.maker.plan.names, self.maker.plan.quotas, strict=True)
        }

    def __iter__(self) -> Iterator[Batch]:
        for packed, bad, image in self._packed():
            if isinstance(packed, HpsError):
                raise packed
            for name, reason in bad.items():
                if name not in self.bad:
                    log.warning("skipped broken sample %s: %s", name, reason)
                    self.bad[name] = reason
            yield to_batch(packed, image)

    def _packed(self) -> Iterator[tuple[Packed | HpsError, dict[str, str], Any]]:
        numbers = itertools.count(self.start_batch)
        if self.workers == 0:
            for number in numbers:
                packed, bad = self.maker(number)
                yield packed, bad, None
        import cv2
        from torch.utils.data import DataLoader

        # OpenCV's threads do not survive a fork: a worker would wait for them for ever
        cv2.setNumThreads(1)
        loader: Any = DataLoader(
            _Numbered(self.maker),  # type: ignore[arg-type]
            batch_size=None,
            sampler=numbers,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            prefetch_factor=PREFETCH,
            multiprocessing_context=_context(),
            worker_init_fn=_start_worker,
        )
        buffers: dict[tuple[int, int], Any] = {}
        for packed, bad, place, buffer in loader:
            if buffer is not None:
                buffers[place] = buffer
            yield packed, bad, buffers[place].clone() if place else None


class BatchMaker:
    """Batch number -> Packed, and the broken samples met on the way; a pure function of the number."""

    def __init__(
        self,
        plan: MixPlan,
        sets: Mapping[str, EvalSet],
        window: tuple[int, int],
        joints: str,
        augment: Augment | None,
        crop_scale: float,
        batch: int,
    ) -> None:
        self.plan, self.sets, self.window, self.joints = plan, sets, window, joints
        self.augment, self.crop_scale, self.batch = augment, crop_scale, batch
        self.bad: dict[tuple[str, int], str] = {}  # member, position: known to be broken

    def __call__(
        self, number: int, image: np.ndarray | None = None
    ) -> tuple[Packed, dict[str, str]]:
        """-> the batch; its pictures are written into `image` when that is given."""
        picks = [self.plan.pick(number * self.batch + slot) for slot in range(self.batch)]
        changes = None
        if self.augment is not None:
            generator = np.random.default_rng((self.plan.seed, 3, self.plan.rank, number))
            changes = draw(generator, self.augment, self.batch)
        found = [self._fetch(pick) for pick in picks]
        met: dict[str, str] = {}
        while True:
            for _, _, names in found:
                met.update(names)
            packed = pack(
                [sample for sample, _, _ in found],
                self.window,
                self.joints,
                crop_scale=self.crop_scale,
                changes=changes,
                image=image,
            )
            if not packed.broken:
                return packed, met
            for row, reason in packed.broken.items():
                self.bad[self._name(picks[row]), found[row][1]] = reason
                found[row] = self._fetch(picks[row])

    def _name(self, pick: Pick) -> str:
        return self.plan.names[pick.member]

    def _fetch(self, pick: Pick) -> tuple[Sample, int, dict[str, str]]:
        """-> the sample of a draw, or the next sound one after it; its position; broken ones passed."""
        name = self._name(pick)
        members = self.sets[name]
        first, _ = self.plan.sample(pick)
        passed: dict[str, str] = {}
        for step in range(min(REPLACEMENTS, len(members))):
            position = (first + step) % len(members)
            known = (name, position)
            if known not in self.bad:
                try:
                    return members[position], position, passed
                except BrokenSample as error:
                    self.bad[known] = error.problem
            passed[f"{name}/{members.key(position)}"] = self.bad[known]
        raise InvalidData(
            f"data set '{name}' ({members.location}): {len(passed)} samples in a row are broken.",
            f"hps datasets audit {members.location}",
        )


class _Numbered:
    """A map-style data set whose item n is batch n.

    Pictures are written into a ring of shared buffers that are mapped once: fresh shared memory for
    every batch costs more than all label work. The reader copies a picture out before it asks for the
    next batch, and a worker is at most PREFETCH batches ahead, so RING buffers are never too few.
    """

    def __init__(self, maker: BatchMaker) -> None:
        self.maker = maker
        self.buffers: list[Any] = []
        self.made = 0

    def __getitem__(self, number: int) -> tuple[Packed | HpsError, dict[str, str], Any, Any]:
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
            packed, bad = self.maker(number, buffer.numpy())
        except HpsError as error:  # travels as a value: the loader would wrap it in a traceback
            return error, {}, (), None
        packed = replace(packed, image=np.empty(0, np.uint8))
        return packed, bad, place, buffer if fresh else None


def _as_it_is(item: Any) -> Any:
    return item


def _context() -> Any:
    """-> how workers start: forked from a clean server, which imports what they need once.

    Forking this process itself would copy locks that threads of OpenCV, torch or fsspec hold, and
    a worker that waits for such a lock hangs for ever.
    """
    import multiprocessing

    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch.utils.data", "cv2", "hpscli.data.stream"])
    return context


def _start_worker(number: int) -> None:
    import signal

    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the training, which then ends us
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
