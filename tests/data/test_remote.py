"""Shards behind a real HTTP server on this machine, with the faults that servers have."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hpscli.data import remote
from hpscli.data.audit.verify import verify
from hpscli.data.evalset import EvalSet
from hpscli.data.shards import read_index
from hpscli.data.streaming.stream import TrainingStream
from hpscli.errors import InvalidData, MissingError
from hpscli.recipe import Member
from tests.data.people import make_shards


class Server(ThreadingHTTPServer):
    """Serves a folder; `dies` counts how many tars it breaks off half-way, `lies` changes bytes."""

    dies = 0
    lies = False
    requests: list[str]
    daemon_threads = True


class Handler(SimpleHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(self.path)
        if self.path.endswith(".tar") and (self.server.dies or self.server.lies):
            data = Path(self.translate_path(self.path)).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.server.lies:
                self.wfile.write(bytes(len(data)))
                return
            self.server.dies -= 1
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        super().do_GET()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "PAUSE_SECONDS", 0.01)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_shards(tmp_path / "shards", 20)


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    one = Server(("127.0.0.1", 0), partial(Handler, directory=str(folder.parent)))
    one.requests = []
    threading.Thread(target=one.serve_forever, args=(0.02,), daemon=True).start()
    yield one
    one.shutdown()
    one.server_close()


def url(server: Server, path: str = "shards") -> str:
    return f"http://127.0.0.1:{server.server_port}/{path}"


def test_people_behind_http_are_the_people_in_the_folder(server: Server, folder: Path) -> None:
    far, near = EvalSet(url(server)), EvalSet(folder)
    assert far.keys == near.keys
    for one, other in zip(far, near, strict=True):
        assert (one.key, one.image, one.meta) == (other.key, other.image, other.meta)
    assert verify(url(server)) == []


def test_each_shard_is_downloaded_once(server: Server) -> None:
    for _ in range(2):
        assert len(list(EvalSet(url(server)))) == 20
    assert sorted(path for path in server.requests if path.endswith(".tar")) == [
        f"/shards/00000{number}.tar" for number in range(3)
    ]


def test_only_the_shards_that_are_needed_are_downloaded(server: Server) -> None:
    assert len(list(EvalSet(url(server), limit=8))) == 8
    assert [path for path in server.requests if path.endswith(".tar")] == ["/shards/000000.tar"]


def test_a_missing_index_is_a_404_with_the_address(server: Server) -> None:
    with pytest.raises(MissingError, match=r"/nothing/index.json is not there \(404\)"):
        read_index(url(server, "nothing"))


def test_a_missing_shard_is_named(server: Server, folder: Path) -> None:
    (folder / "000001.tar").unlink()
    with pytest.raises(MissingError, match=r"000001.tar is not there \(404\)"):
        EvalSet(url(server))[8]


def test_a_server_that_dies_twice_is_asked_again(server: Server) -> None:
    server.dies = 2
    assert EvalSet(url(server))[0].key == "person-0000"


def test_a_server_that_keeps_dying_ends_in_one_clear_error(server: Server, own_home: Path) -> None:
    server.dies = 99
    with pytest.raises((MissingError, InvalidData), match=r"000000.tar.*") as caught:
        EvalSet(url(server))[0]
    assert "3 attempts" in str(caught.value) or "is not what its index says" in str(caught.value)
    assert list((own_home / "cache" / "shards").iterdir()) == []


def test_a_server_that_sends_other_bytes_is_not_believed(server: Server, own_home: Path) -> None:
    server.lies = True
    with pytest.raises(InvalidData, match="000000.tar is not what its index says"):
        EvalSet(url(server))[0]
    assert list((own_home / "cache" / "shards").iterdir()) == []


def test_no_server_at_all_is_a_clear_error() -> None:
    with pytest.raises(MissingError, match=r"cannot read http://127.0.0.1:9/x/index.json"):
        read_index("http://127.0.0.1:9/x")


def test_workers_train_from_http(server: Server) -> None:
    stream = TrainingStream(
        {"far": Member(shards=url(server))},
        size=(32, 32),
        joints="smpl24",
        augment=None,
        batch=10,
        workers=1,
    )
    batches = iter(stream)
    keys = {key for _ in range(2) for key in next(batches).keys}
    assert len(keys) == 20


def test_any_store_of_fsspec_will_do(folder: Path) -> None:
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(folder), "/bucket/shards", recursive=True)
    assert len(list(EvalSet("memory://bucket/shards"))) == 20


def test_an_unknown_store_is_named() -> None:
    with pytest.raises(MissingError, match="nothing here can read floppy://"):
        read_index("floppy://a/shards")


def test_s3_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(MissingError, match=r"pip install 'hps\[s3\]'"):
        read_index("s3://bucket/shards")


def test_people_in_a_bucket_are_the_people_in_the_folder(
    server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bucket answers the same GET and HEAD as a web server, at /bucket/key."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "something")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    far, near = EvalSet("s3://shards"), EvalSet(folder)
    assert far.keys == near.keys
    assert [far[i].image for i in range(20)] == [near[i].image for i in range(20)]
    assert any(path.endswith(".tar") for path in server.requests)
