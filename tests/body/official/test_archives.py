"""Archives are read member by member and never unpacked; what does not belong in one is refused."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from hpscli.body.official import archives
from hpscli.body.official.archives import members
from hpscli.errors import InvalidData, MissingError
from tests.body.official.makers import npz_bytes, write_zip

NUMBERS = io.BytesIO()
np.save(NUMBERS, np.arange(3))
NPY = NUMBERS.getvalue()
OUTSIDE = ("../evil.npy", "a/../../evil.npy", "/etc/evil.npy", "..\\evil.npy", "C:\\evil.npy")


def write_tar(path: Path, items: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, data in items.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_members_of_a_zip_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    path = write_zip(
        tmp_path / "download.zip",
        {
            "models/a.dat": NPY,
            "models/b.txt": npz_bytes(a=np.zeros(2)),
            "models/c.npy": b"a text that calls itself npy",
            "LICENSE.txt": b"copyright\nby somebody",
            "__MACOSX/models/._a.dat": NPY,
        },
    )
    found = {member.name: member.form for member in members(path)}
    assert found == {"models/a.dat": "npy", "models/b.txt": "npz"}


def test_a_member_is_named_with_its_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "download.zip", {"models/a.npy": NPY, "readme": b""})
    assert [member.where for member in members(path)] == [f"{path}: models/a.npy"]
    assert next(members(path)).data == NPY


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_member_that_points_outside_is_refused_by_name(
    name: str, write: object, tmp_path: Path
) -> None:
    assert callable(write)
    path = write(tmp_path / "download.zip", {"a/good.npy": NPY, name: NPY})
    with pytest.raises(InvalidData) as caught:
        list(members(path))
    assert caught.value.exit_code == 5
    assert f"'{name}'" in caught.value.problem
    assert not (tmp_path / "evil.npy").exists()


def test_nothing_is_written_beside_the_archive(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "download.zip", {"models/a.npy": NPY, "readme": b""})
    list(members(path))
    assert [file.name for file in tmp_path.rglob("*")] == ["download.zip"]


def test_archives_inside_archives_are_read_to_a_bound(tmp_path: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {"a.npy": NPY, "readme": b""}).read_bytes()
    outer = write_zip(tmp_path / "outer.zip", {"inner.zip": inner, "readme": b""})
    assert [member.name for member in members(outer)] == ["a.npy"]
    deep = outer
    for level in range(3):
        content = {"next.zip": deep.read_bytes(), "readme": b""}
        deep = write_zip(tmp_path / f"deep{level}.zip", content)
    with pytest.raises(InvalidData, match="archive in an archive"):
        list(members(deep))


def test_a_zip_bomb_is_refused_before_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("readme", "text")
        with archive.open("a.npy", "w") as file:
            for _ in range(80):
                file.write(b"\x00" * (1 << 20))
    with pytest.raises(InvalidData, match=r"a\.npy would grow \d+-fold"):
        list(members(path))


def test_a_zip_of_too_many_bytes_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_zip(tmp_path / "big.zip", {"a.npy": NPY, "b.npy": NPY, "readme": b""})
    monkeypatch.setattr(archives, "MAX_TOTAL_BYTES", len(NPY))
    with pytest.raises(InvalidData, match="no official file is so large"):
        list(members(path))


def test_a_member_that_is_longer_than_announced_is_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "liar.zip", {"a.npy": NPY * 10, "readme": b""})
    raw = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        start = raw.index(signature) + offset
        raw[start : start + 4] = len(NPY).to_bytes(4, "little")
    path.write_bytes(raw)
    with pytest.raises(InvalidData):
        list(members(path))


@pytest.mark.parametrize("kept", [0.3, 0.9])
@pytest.mark.parametrize("write", [write_zip, write_tar])
def test_a_cut_archive_is_named_as_damaged(kept: float, write: object, tmp_path: Path) -> None:
    assert callable(write)
    noise = np.random.RandomState(0).bytes(5000)
    path = write(tmp_path / "cut", {"a.npy": NPY + noise, "readme": noise})
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
    with pytest.raises(InvalidData, match="cut"):
        list(members(path))


def test_a_tar_is_read_like_a_zip(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "data.tar.gz", {"data/a.npy": NPY, "data/readme": b"text"})
    assert [(member.name, member.data) for member in members(path)] == [("data/a.npy", NPY)]


@pytest.mark.parametrize("new_format", [True, False])
def test_checkpoints_in_an_archive_are_left_alone(
    new_format: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save({"w": torch.zeros(9)}, tmp_path / "a", _use_new_zipfile_serialization=new_format)
    checkpoint = (tmp_path / "a").read_bytes()
    path = write_tar(tmp_path / "data.tar.gz", {"data/a.ckpt": checkpoint, "data/b.npy": NPY})
    assert [member.form for member in members(path)] == ["torch", "npy"]
    monkeypatch.setattr(archives, "MAX_TORCH_BYTES", len(checkpoint) - 1)
    assert [member.form for member in members(path)] == ["npy"]


def test_links_in_a_tar_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.npy"
    secret.write_bytes(NPY)
    path = tmp_path / "data.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("link.npy")
        info.type, info.linkname = tarfile.SYMTYPE, str(secret)
        archive.addfile(info)
    assert list(members(path)) == []


def test_a_path_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="nothing"):
        list(members(tmp_path / "nothing"))
