import hashlib
import tarfile
from pathlib import Path

import pytest

from hpscli.data.preparing.tars import PORTION, TarWriter, header


@pytest.mark.parametrize("name", ["a.jpg", "k" * 80 + ".safetensors"])
@pytest.mark.parametrize("size", [0, 1, 511, 512, 8**11 - 1])
def test_headers_are_those_of_tarfile(name: str, size: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    assert header(name, size) == entry.tobuf(tarfile.USTAR_FORMAT)


def test_the_hash_is_that_of_the_file_however_large(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    writer = TarWriter(path)
    parts = {f"{n}.jpg": bytes([n]) * (PORTION // 3 * n) for n in range(30)}
    places = [writer.add(name, data) for name, data in parts.items()]
    digest, content = writer.close(), path.read_bytes()
    assert digest == hashlib.sha256(content).hexdigest()
    assert [content[at : at + length] for at, length in places] == list(parts.values())
    with tarfile.open(path) as tar:
        assert tar.getnames() == list(parts)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux has this device")
def test_a_full_disk_is_noticed_although_another_thread_writes(tmp_path: Path) -> None:
    writer = TarWriter(tmp_path / "a.tar")
    writer.stream.close()
    writer.stream = open("/dev/full", "wb")  # noqa: SIM115, PTH123
    with pytest.raises(OSError, match="No space left"):
        for number in range(100):
            writer.add(f"{number}.jpg", bytes(PORTION))
        writer.close()
    writer.abandon()
