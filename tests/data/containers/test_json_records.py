import json
import random
from pathlib import Path

import pytest

from hpscli.data.containers import json_records
from hpscli.data.containers.json_records import json_value, json_values
from hpscli.errors import InvalidData, MissingError

DOCUMENT = {
    "info": {"ä": "日本"},
    "images": [{"id": 1, "file_name": "é.jpg"}, 2.5e3, -1, True, 'x"]', [], "\\"],
    "none": [],
    "version": 1.3,
}


def collected(path: Path, lists: tuple[str, ...]) -> dict[str, object]:
    found: dict[str, object] = {}
    with path.open("rb") as stream:
        for name, value, start, stop, listed in json_values(path, lists):
            assert json_value(stream, start, stop) == value
            if listed:
                values = found.setdefault(name, [])
                assert isinstance(values, list)
                values.append(value)
            else:
                found[name] = value
    return found


@pytest.mark.parametrize("window", [1, 3, 1 << 20])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_values_and_their_places_are_those_of_the_whole_document(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window: int, mark: bytes
) -> None:
    monkeypatch.setattr(json_records, "WINDOW", window)
    path = tmp_path / "a.json"
    path.write_bytes(mark + json.dumps(DOCUMENT, ensure_ascii=False, indent=1).encode())
    assert collected(path, ("images", "none")) == DOCUMENT
    path.write_bytes(mark + json.dumps(DOCUMENT["images"]).encode())
    assert collected(path, ("",)) == {"": DOCUMENT["images"]}


def test_a_document_is_refused_exactly_when_a_whole_reader_refuses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_records, "WINDOW", 16)
    chance, path = random.Random(4), tmp_path / "a.json"
    sound = json.dumps(DOCUMENT, ensure_ascii=False).encode()
    refused = 0
    for _ in range(500):
        data = bytearray(sound)
        if chance.random() < 0.3:
            del data[chance.randrange(len(data)) :]
        for _ in range(chance.randint(1, 3) if data else 0):
            data[chance.randrange(len(data))] = chance.randrange(256)
        path.write_bytes(data)
        try:
            whole = isinstance(json.loads(bytes(data)), dict)
        except ValueError:
            whole = False
        try:
            list(json_values(path, ("images",)))
            streamed = True
        except InvalidData as error:
            streamed, refused = False, refused + 1
            assert "a.json" in error.problem
        assert streamed == whole, bytes(data)
    assert 100 < refused < 500


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"images": [{"id": 1}, {"id":', "ends in the middle"),
        ("", "ends in the middle"),
        ('{"images": []} x', "something follows"),
        ('{"images": [' + "[" * 100_000, "recursion"),
        ('{"images": [' + "9" * 10_000 + "]}", "digits"),
        ('{"images": ["a\nb"]}', "control character"),
        ("3", "an object is expected"),
    ],
)
def test_a_broken_document_is_told_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(InvalidData, match=says):
        list(json_values(path, ("images",)))


def test_a_value_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "LARGEST_VALUE", 1 << 12)
    monkeypatch.setattr(json_records, "WINDOW", 1 << 10)
    path = tmp_path / "a.json"
    path.write_text('{"images": ["' + "a" * (1 << 15) + '"]}')
    with pytest.raises(InvalidData, match="without end"):
        list(json_values(path, ("images",)))


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="cannot be read"):
        list(json_values(tmp_path / "a.json", ("",)))
