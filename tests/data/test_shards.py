import json
from pathlib import Path

import pytest

from hpscli.data.audit.verify import tar_samples, verify
from hpscli.data.evalset import EvalSet
from hpscli.data.shards import read_index
from hpscli.errors import HpsError, InvalidData, MissingError, UsageError
from tests.data.people import contents, make_shards, person


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_shards(tmp_path / "shards", 20)


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_webdataset_reads_what_was_written(folder: Path) -> None:
    read = list(tar_samples(folder / "000000.tar"))
    assert [sample.key for sample in read] == [f"person-{number:04d}" for number in range(8)]
    assert read[3].image == person(3).image
    assert read[3].meta == person(3).meta


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda f: edit(f / "index.json", schema="hps/shards/2"), InvalidData, "has schema 'hps/shards/2'; this hps reads 'hps/shards/1'"),
        (lambda f: (f / "index.json").unlink(), MissingError, "has no index.json"),
        (lambda f: (f / "index.json").write_text("{"), InvalidData, "index.json is not JSON"),
        (lambda f: (f / "index.json").write_text("[]"), InvalidData, "has schema None"),
        (lambda f: edit(f / "index.json", samples=21), InvalidData, "do not add up to 21"),
        (lambda f: edit(f / "index.json", samples=0, shards=[]), InvalidData, "holds no samples: the data set is empty"),
        (lambda f: edit(f / "index.json", colour="red"), InvalidData, "does not follow hps/shards/1"),
    ],
    ids=["schema version", "no index", "not JSON", "not an object", "wrong count", "empty", "unknown field"],
)  # fmt: skip
def test_a_damaged_index_gives_one_clear_error(
    folder: Path, damage: object, error: type[HpsError], message: str
) -> None:
    damage(folder)  # type: ignore[operator]
    with pytest.raises(error, match=message) as raised:
        read_index(folder)
    assert "--force" in raised.value.fix


def test_a_broken_table_says_to_repeat_the_preparation_and_that_helps(folder: Path) -> None:
    before = contents(folder)
    (folder / "000001.json").write_text("{")
    with pytest.raises(InvalidData, match="is not JSON.*Repeat the same `hps prepare`, or copy"):
        EvalSet(folder)[8]
    assert contents(make_shards(folder)) == before


def test_a_folder_that_is_not_there_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="no shards at .*none. Make them: hps prepare"):
        read_index(tmp_path / "none")


def test_an_unfinished_folder_says_to_repeat_the_preparation(folder: Path) -> None:
    (folder / "index.json").unlink()
    (folder / "prepare.json").write_text("{}")
    with pytest.raises(MissingError, match="did not end: repeat the same"):
        read_index(folder)


def test_tars_that_lost_their_index_say_to_repeat_with_force_and_that_helps(folder: Path) -> None:
    before = contents(folder)
    (folder / "index.json").unlink()
    with pytest.raises(MissingError, match="repeat the same `hps prepare` with --force"):
        read_index(folder)
    with pytest.raises(UsageError, match="--force"):
        make_shards(folder)
    assert contents(make_shards(folder, force=True)) == before


def test_a_truncated_tar_is_found_before_anything_is_read_from_it(folder: Path) -> None:
    tar = folder / "000001.tar"
    tar.write_bytes(tar.read_bytes()[:-700])
    people = EvalSet(folder)
    assert people[0].key == "person-0000"
    with pytest.raises(InvalidData, match="000001.tar is truncated or changed"):
        people[8]


def test_a_missing_tar_is_named(folder: Path) -> None:
    (folder / "000001.tar").unlink()
    with pytest.raises(MissingError, match="000001.tar is not there, but the index lists it"):
        EvalSet(folder)[8]


def test_a_table_of_another_tar_is_refused(folder: Path) -> None:
    (folder / "000001.json").write_bytes((folder / "000000.json").read_bytes())
    with pytest.raises(InvalidData, match="belongs to another 000001.tar"):
        EvalSet(folder)[8]


def test_sound_shards_pass_the_audit(folder: Path) -> None:
    assert verify(folder) == []


def test_the_audit_notices_one_changed_byte(folder: Path) -> None:
    tar = folder / "000001.tar"
    data = bytearray(tar.read_bytes())
    data[700] ^= 1
    tar.write_bytes(data)
    assert any("000001.tar: sha256 is" in text for text in verify(folder))


def test_the_audit_names_cut_tars_missing_tars_and_strangers(folder: Path) -> None:
    first, second = folder / "000000.tar", folder / "000001.tar"
    first.write_bytes(first.read_bytes()[:5000])
    second.rename(folder / "stranger.tar")
    found = verify(folder)
    assert [text.split(":")[0] for text in found[:2]] == ["000000.tar", "000001.tar"]
    assert found[-1] == "stranger.tar is not in the index"


def test_the_audit_names_the_sample_that_does_not_follow_the_schema(folder: Path) -> None:
    """Shards of somebody else: whole, with right sums, but wrong inside."""
    import hashlib

    tar = folder / "000000.tar"
    data = tar.read_bytes().replace(b'"smpl.betas"', b'"smpl.beta_"', 1)
    tar.write_bytes(data)
    sha256 = hashlib.sha256(data).hexdigest()
    edit(folder / "000000.json", sha256=sha256)
    index = json.loads((folder / "index.json").read_text())
    index["shards"][0]["sha256"] = sha256
    (folder / "index.json").write_text(json.dumps(index))
    assert verify(folder) == ["000000.tar: person-0000: unknown array 'smpl.beta_'"]


def test_shards_do_not_know_where_they_were_made(folder: Path, tmp_path: Path) -> None:
    assert all(str(tmp_path).encode() not in data for data in contents(folder).values())
