import logging
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.data.augmentations.sheet import EVERYTHING
from hpscli.data.evalset import EvalSet
from hpscli.data.streaming.stream import TrainingStream
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.recipe import Augment, Member
from hpscli.records import Batch
from tests.data.people import make_shards
from tests.data.test_evalset import destroy_picture


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("stream") / "shards", 21)


def stream(folder: Path, **changes: Any) -> TrainingStream:
    wanted: dict[str, Any] = {
        "size": (32, 32),
        "joints": "smpl24",
        "augment": Augment(),
        "batch": 4,
        "seed": 5,
        **changes,
    }
    members = wanted.pop("members", {"people": Member(shards=str(folder))})
    return TrainingStream(members, **wanted)


def first(count: int, batches: TrainingStream) -> list[Batch]:
    iterator: Iterator[Batch] = iter(batches)
    found = list(islice(iterator, count))
    iterator.close()  # type: ignore[attr-defined]
    return found


def assert_same(one: list[Batch], other: list[Batch]) -> None:
    assert [batch.keys for batch in one] == [batch.keys for batch in other]
    for left, right in zip(one, other, strict=True):
        assert torch.equal(left.image, right.image)
        assert torch.equal(left.affine, right.affine)
        assert left.meta == right.meta
        for name in left.targets:
            assert torch.equal(left.targets[name], right.targets[name])
            assert torch.equal(left.present[name], right.present[name])


def test_a_batch_is_bytes_and_labels_of_the_asked_size(folder: Path) -> None:
    (batch,) = first(1, stream(folder, size=(48, 32)))
    assert batch.image.shape == (4, 3, 48, 32) and batch.image.dtype == torch.uint8
    assert batch.targets["keypoints2d.smpl24"].shape == (4, 24, 3)
    assert batch.targets["smpl.body_pose"].dtype == torch.float32


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(folder: Path, workers: int) -> None:
    assert_same(first(7, stream(folder)), first(7, stream(folder, workers=workers)))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_resumed_stream_goes_on_exactly(folder: Path, workers: int) -> None:
    whole = first(9, stream(folder))
    resumed = stream(folder, workers=workers, position=4 * 4)  # after 4 batches of 4
    assert_same(first(5, resumed), whole[4:])


def test_starting_at_a_far_batch_takes_no_time(folder: Path) -> None:
    start = time.perf_counter()
    (batch,) = first(1, stream(folder, position=200_000_000))
    assert len(batch) == 4
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize("world", [2, 4])
def test_a_global_batch_is_the_same_crops_however_many_make_it(folder: Path, world: int) -> None:
    whole = first(3, stream(folder, batch=8))
    ranks = [first(3, stream(folder, batch=8 // world, rank=r, world=world)) for r in range(world)]
    for number, batch in enumerate(whole):
        slices = [batches[number] for batches in ranks]
        assert batch.keys == sum((part.keys for part in slices), ())
        for name in ("image", "affine", "flipped"):
            assert torch.equal(
                getattr(batch, name), torch.cat([getattr(part, name) for part in slices])
            )
        for name in batch.targets:
            assert torch.equal(
                batch.targets[name], torch.cat([part.targets[name] for part in slices])
            )


@settings(max_examples=10, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=5),
    st.sampled_from(["weighted", "concatenation", "partition", "independent"]),
)
def test_no_pick_is_lost_or_taken_twice_whoever_goes_on(
    folder: Path, parts: list[tuple[int, int]], mixing: str
) -> None:
    position, keys = 0, []
    for world, batch in parts:  # two steps in so many processes, then others go on
        made = []
        for rank in range(world):
            own = stream(
                folder, mixing=mixing, augment=None, batch=batch, rank=rank, world=world,
                position=position,
            )  # fmt: skip
            made.append([found.keys for found in first(2, own)])
        keys += [key for step in zip(*made, strict=True) for part in step for key in part]
        position += 2 * world * batch
    alone = first(1, stream(folder, mixing=mixing, augment=None, batch=position))
    assert tuple(keys) == alone[0].keys


def test_labels_that_a_member_leaves_out_are_not_in_its_batches(folder: Path) -> None:
    members = {"people": Member(shards=str(folder), without=("smpl.*",))}
    (batch,) = first(1, stream(folder, members=members))
    assert not any(name.startswith("smpl.") for name in batch.targets)
    assert "keypoints2d.smpl24" in batch.targets


def test_a_label_that_cannot_be_left_out_is_an_error_before_any_worker_starts(folder: Path) -> None:
    members = {"people": Member(shards=str(folder), without=("keypoint2d.*",))}
    with pytest.raises(UsageError, match="data.mix.people.without"):
        stream(folder, members=members, workers=2)


def test_another_seed_is_another_order(folder: Path) -> None:
    one, other = (first(3, stream(folder, seed=seed)) for seed in (1, 2))
    assert [batch.keys for batch in one] != [batch.keys for batch in other]


def test_without_augmentation_a_person_is_always_cut_alike(folder: Path) -> None:
    seen: dict[str, torch.Tensor] = {}
    for batch in first(15, stream(folder, augment=None)):
        for row, key in enumerate(batch.keys):
            assert torch.equal(seen.setdefault(key, batch.image[row]), batch.image[row])
    assert len(seen) == 21


def test_with_augmentation_a_person_looks_different_each_time(folder: Path) -> None:
    affines: dict[str, set[str]] = {}
    for batch in first(12, stream(folder)):
        for row, key in enumerate(batch.keys):
            affines.setdefault(key, set()).add(str(batch.affine[row].tolist()))
    assert max(len(places) for places in affines.values()) >= 2


def test_members_come_by_their_weights(tmp_path: Path, folder: Path) -> None:
    other = make_shards(tmp_path / "other", 30, split="test")
    members = {
        "a": Member(shards=str(folder), weight=3.0),
        "b": Member(shards=str(other), weight=1.0, limit=2),
        "off": Member(shards="nowhere", weight=0.0),
    }
    batches = stream(folder, members=members, augment=None, batch=50)
    assert batches.maker.plan.shares() == {"a": 0.75, "b": 0.25}
    keys = Counter(key for batch in first(20, batches) for key in batch.keys)
    assert sum(keys.values()) == 1000
    extra = keys["person-0000"] - keys["person-0005"]  # the limited member holds persons 0 and 1
    assert 90 < extra < 160


@pytest.mark.parametrize("workers", [0, 2])
def test_a_broken_picture_is_replaced_the_same_way_and_named_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, workers: int
) -> None:
    folder = make_shards(tmp_path / "shards", 10)
    destroy_picture(folder, 3)
    expected = first(12, stream(folder))
    caplog.clear()
    batches = stream(folder, workers=workers)
    with caplog.at_level(logging.WARNING, "hps.data"):
        assert_same(first(12, batches), expected)
    assert list(batches.bad) == ["people/person-0003"]
    assert [record.getMessage() for record in caplog.records] == [
        "skipped broken sample people/person-0003: the image is neither JPEG, PNG nor WebP."
    ]
    assert all("person-0003" not in batch.keys for batch in expected)


@pytest.mark.parametrize("workers", [0, 1])
def test_when_everything_is_broken_there_is_an_error_and_no_hang(
    tmp_path: Path, workers: int
) -> None:
    folder = make_shards(tmp_path / "shards", 8)
    for position in range(8):
        destroy_picture(folder, position)
    with pytest.raises(InvalidData, match="data set 'people' .*: 8 samples in a row are broken"):
        first(1, stream(folder, workers=workers))


@pytest.mark.parametrize("workers", [0, 1])
def test_a_tar_that_is_cut_while_training_is_one_clear_error(tmp_path: Path, workers: int) -> None:
    folder = make_shards(tmp_path / "shards", 8)
    tar = folder / "000000.tar"
    tar.write_bytes(tar.read_bytes()[:5000])
    with pytest.raises(InvalidData, match="000000.tar is truncated or changed: 5000 bytes"):
        first(1, stream(folder, workers=workers))


def test_missing_shards_stop_the_stream_before_it_starts(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no shards at"):
        stream(tmp_path / "none")


@pytest.mark.slow
def test_workers_end_when_the_training_process_is_killed(folder: Path) -> None:
    code = (
        "import os; from pathlib import Path; from tests.data.streaming.test_stream import *\n"
        f"batches = iter(stream(Path({str(folder)!r}), workers=2)); next(batches)\n"
        "import multiprocessing as m\n"
        "print(*[p.pid for p in m.active_children()], flush=True); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[3], capture_output=True, text=True
    )
    pids = [int(pid) for pid in done.stdout.split()]
    assert len(pids) == 2, done.stderr
    deadline = time.monotonic() + 20
    while any(alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(alive(pid) for pid in pids)


@pytest.mark.slow
def test_a_training_that_fails_does_not_wait_for_its_workers(folder: Path) -> None:
    code = (
        "from pathlib import Path; from tests.data.streaming.test_stream import *\n"
        f"batches = iter(stream(Path({str(folder)!r}), workers=1)); next(batches)\n"
        "raise RuntimeError('a bug')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 1 and done.stderr.strip().endswith("RuntimeError: a bug")


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    return not (stat.exists() and stat.read_text().split(")")[-1].split()[0] == "Z")


def test_a_broken_record_is_replaced_like_a_broken_picture(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "shards", 8)
    people = EvalSet(folder)
    table, _, row = people._find(2)
    with (folder / table.file).open("r+b") as tar:
        tar.seek(table.record[row][0])
        tar.write(b"\xff" * 8)
    batches = stream(folder)
    keys = {key for batch in first(8, batches) for key in batch.keys}
    assert "person-0002" not in keys and len(keys) == 7
    assert "not a sample record" in batches.bad["people/person-0002"]


def test_an_unknown_joint_set_is_an_error_before_any_worker_starts(folder: Path) -> None:
    with pytest.raises(UsageError, match="smpl25"):
        stream(folder, joints="smpl25", workers=2)


@pytest.mark.parametrize("workers", [0, 2])
def test_every_augmentation_is_the_same_for_any_number_of_workers(
    folder: Path, workers: int
) -> None:
    settings = {"augment": EVERYTHING, "size": (64, 64)}
    plain = first(3, stream(folder, **settings))
    assert_same(first(3, stream(folder, workers=workers, **settings)), plain)
    assert not torch.equal(plain[0].image, first(1, stream(folder, size=(64, 64)))[0].image)


def test_members_that_an_augmentation_is_not_for_do_not_get_it(
    tmp_path: Path, folder: Path
) -> None:
    b = make_shards(tmp_path / "other", 21, split="test")
    members = {"a": Member(shards=str(folder)), "b": Member(shards=str(b))}
    off = Augment(flip=0, rotation_degrees=0, scale=0, colour=0)
    only = off.model_copy(update={"grid_dropout": 1.0, "only": {"grid_dropout": ("b",)}})
    settings = {"members": members, "size": (64, 64), "batch": 16}
    plain = first(3, stream(folder, augment=off, **settings))
    batches = stream(folder, augment=only, **settings)
    plan = batches.maker.plan
    changed = [
        bool((left != right).any())
        for one, other in zip(plain, first(3, batches), strict=True)
        for left, right in zip(one.image, other.image, strict=True)
    ]
    assert changed == [plan.names[plan.pick(place).member] == "b" for place in range(48)]
