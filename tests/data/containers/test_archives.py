import pickle
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpscli.data.containers.archives import load_npz, open_npz
from hpscli.errors import InvalidData, MissingError


def npz(path: Path, **entries: Any) -> Path:
    np.savez_compressed(path, **entries)
    return path


def entry(path: Path, name: str, content: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return path


def npy(header: str, content: bytes) -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + content


def test_numbers_text_dictionaries_and_lists_come_out_as_they_went_in(tmp_path: Path) -> None:
    people = {"betas": np.arange(6.0).reshape(2, 3), "gender": np.array(["m", "f"])}
    cameras = [{"K": np.eye(3), "H": 480}, {"K": np.eye(3), "H": 640}]
    turned = np.asfortranarray(np.arange(12.0).reshape(3, 4))
    path = npz(
        tmp_path / "a.npz",
        smpl=np.array(people, dtype=object),
        cam_param=np.array(cameras, dtype=object),
        image_path=np.array(["a.jpg", "ü.jpg"]),
        turned=turned,
        nothing=np.zeros((0, 4)),
        number=np.float32(2),
    )
    found = load_npz(path)
    np.testing.assert_array_equal(found["smpl"]["betas"], people["betas"])
    assert found["cam_param"][1]["H"] == 640
    assert list(found["image_path"]) == ["a.jpg", "ü.jpg"]
    np.testing.assert_array_equal(found["turned"], turned)
    assert found["nothing"].shape == (0, 4) and found["number"] == 2


def test_a_file_of_one_array_has_one_entry_without_a_name(tmp_path: Path) -> None:
    np.save(tmp_path / "fits.npy", np.arange(4))
    assert list(load_npz(tmp_path / "fits.npy")[""]) == [0, 1, 2, 3]


def test_objects_of_python_2_are_read(tmp_path: Path) -> None:
    values = np.array([{"pose": np.arange(3.0)}], dtype=object)
    old = pickle.dumps(values, protocol=2, fix_imports=True)
    path = entry(
        tmp_path / "old.npz",
        "fits.npy",
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1L,), }", old),
    )
    np.testing.assert_array_equal(load_npz(path)["fits"][0]["pose"], np.arange(3.0))


def test_blocks_are_the_rows_of_the_whole(tmp_path: Path) -> None:
    path = npz(
        tmp_path / "a.npz",
        a=np.arange(20.0).reshape(10, 2),
        b=np.asfortranarray(np.arange(30).reshape(10, 3)),
        c=np.array([{"k": k} for k in range(10)], dtype=object),
    )
    with open_npz(path) as archive:
        assert archive.header("a").shape == (10, 2)
        blocks = list(archive.blocks(("a", "b", "c"), rows=4))
        assert [len(block["a"]) for block in blocks] == [4, 4, 2]
        for name in "ab":
            np.testing.assert_array_equal(np.concatenate([b[name] for b in blocks]), archive[name])
        assert blocks[2]["c"][1]["k"] == 9


def test_numbers_that_changed_on_the_way_are_noticed_at_the_end_of_blocks(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, a=np.zeros(4000))  # not compressed: only the checksum tells
    content = bytearray(path.read_bytes())
    content[9000] ^= 1
    path.write_bytes(content)
    with open_npz(path) as archive, pytest.raises(InvalidData, match="entry 'a'.*CRC"):
        list(archive.blocks(("a",), rows=1000))


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return exec, ("raise SystemExit('it ran')",)


NUMBERS = "{'descr': '<f8', 'fortran_order': False, 'shape': %s, }"
BAD_ENTRIES = {
    "huge count": npy(NUMBERS % "(99999999999,)", b"12345678"),
    "negative": npy(NUMBERS % "(-1,)", b"12345678"),
    "rows of nothing": npy(NUMBERS % "(99999999999, 0)", b""),
    "cut": npy(NUMBERS % "(2,)", b"12345678"),
    "too long": npy(NUMBERS % "(1,)", b"123456789"),
    "no header": b"\x93NUMPY\x01\x00\xff\xff",
    "code in the header": npy("{'descr': exec, 'fortran_order': 0, 'shape': ()}", b""),
    "magic": b"nothing at all",
    "structure": npy("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (1,)}", b"1" * 8),
    "hostile": npy(
        "{'descr': '|O', 'fortran_order': False, 'shape': (), }", pickle.dumps(Hostile())
    ),
}


@pytest.mark.parametrize("case", BAD_ENTRIES)
def test_a_broken_entry_is_named_with_its_file(case: str, tmp_path: Path) -> None:
    path = entry(tmp_path / "people.npz", "smpl.npy", BAD_ENTRIES[case])
    with pytest.raises(InvalidData, match=r"people.npz entry 'smpl'"):
        load_npz(path)


def test_files_that_are_no_archive_are_refused(tmp_path: Path) -> None:
    whole = npz(tmp_path / "a.npz", a=np.random.default_rng(0).random(4000)).read_bytes()
    middle = bytearray(whole)
    middle[2000:2010] = b"0123456789"
    contents = {"empty": b"", "cut": whole[:-200], "flipped": bytes(middle), "text": b"<html>"}
    for name, content in contents.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(content)
        with pytest.raises(InvalidData, match=f"{name}.npz"):
            load_npz(path)
    with pytest.raises(MissingError, match="nowhere.npz"):
        load_npz(tmp_path / "nowhere.npz")


def test_an_archive_that_would_grow_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    header = npy(NUMBERS % "(2147483648,)", b"")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header + bytes(1 << 16))
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\x01\x02")  # the directory's own statement of the size
    content[place + 24 : place + 28] = struct.pack("<I", (1 << 32) - 2)
    path.write_bytes(content)
    with pytest.raises(InvalidData, match="would grow"):
        load_npz(path)


def test_a_closed_archive_says_so(tmp_path: Path) -> None:
    archive = open_npz(npz(tmp_path / "a.npz", a=np.arange(3)))
    archive.close()
    with pytest.raises(InvalidData, match="a.npz"):
        archive["a"]
