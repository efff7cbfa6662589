import pickle
from pathlib import Path

import pytest
import torch

from hpscli.data.evalset import EvalSet, eval_batches
from hpscli.errors import InvalidData, UsageError
from tests.data.people import make_shards, person


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_shards(tmp_path_factory.mktemp("eval") / "shards", 21)


def batches(folder: Path, **settings: int) -> list:
    return list(eval_batches(EvalSet(folder), size=(32, 32), joints="smpl24", **settings))


def test_a_sample_is_the_one_that_was_written(folder: Path) -> None:
    people = EvalSet(folder)
    assert people[17].key == people.key(17) == "person-0017"
    assert people[17].image == person(17).image
    assert people[17].meta == person(17).meta
    assert set(people[17].arrays) == set(person(17).arrays)


@pytest.mark.parametrize("world", [1, 2, 5, 30])
@pytest.mark.parametrize("batch", [1, 4, 50])
def test_over_all_ranks_each_key_comes_exactly_once(folder: Path, world: int, batch: int) -> None:
    keys = [
        key
        for rank in range(world)
        for one in batches(folder, batch=batch, rank=rank, world=world)
        for key in one.keys
    ]
    assert sorted(keys) == EvalSet(folder).keys


def test_a_person_looks_the_same_in_any_batch_on_any_rank(folder: Path) -> None:
    whole = batches(folder, batch=21)[0]
    for rank in range(3):
        for one in batches(folder, batch=4, rank=rank, world=3):
            for row, key in enumerate(one.keys):
                place = whole.keys.index(key)
                assert torch.equal(one.image[row], whole.image[place])
                for name in whole.targets:
                    assert torch.equal(one.targets[name][row], whole.targets[name][place])


def test_a_limit_keeps_the_first_people(folder: Path) -> None:
    assert EvalSet(folder, limit=10).keys == EvalSet(folder).keys[:10]
    assert len(EvalSet(folder, limit=1000)) == 21
    with pytest.raises(IndexError):
        EvalSet(folder, limit=10)[10]


def test_a_rank_beyond_the_world_is_refused(folder: Path) -> None:
    with pytest.raises(UsageError, match="rank 3 of 3"):
        batches(folder, rank=3, world=3)


def test_evaluation_never_skips_a_broken_picture_but_names_it(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "shards", 8)
    destroy_picture(folder, 5)
    with pytest.raises(InvalidData, match="sample 'person-0005': the image"):
        batches(folder)


def destroy_picture(folder: Path, position: int) -> None:
    """Overwrite a picture in its tar, as a bad disk would: same size, no decodable bytes."""
    people = EvalSet(folder)
    table, _, row = people._find(position)
    start, length = table.image[row]
    with (folder / table.file).open("r+b") as tar:
        tar.seek(start)
        tar.write(bytes(length))


def test_an_open_set_travels_to_another_process(folder: Path) -> None:
    people = EvalSet(folder)
    first = people[0]
    again = pickle.loads(pickle.dumps(people))
    assert again[0].image == first.image


def test_shards_with_a_joint_set_that_nobody_knows_are_refused_at_once(tmp_path: Path) -> None:
    folder = make_shards(tmp_path / "shards", 8)
    index = (folder / "index.json").read_text()
    (folder / "index.json").write_text(index.replace("keypoints2d.smpl24", "keypoints2d.smpl25"))
    with pytest.raises(InvalidData, match=r"unknown joint set 'smpl25' in array 'keypoints2d"):
        EvalSet(folder)
