"""JSON files that are larger than memory: the values of their lists one by one, with their places.

COCO's and EFT's annotations are single documents of hundreds of megabytes whose lists hold small
objects. A window slides over the file; each value is decoded when it is wholly inside. Bytes stand for
characters (Latin-1) until a value is known to hold others, so a place in the window is a place in the file.
"""

import json
from collections.abc import Container, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from hpscli.errors import InvalidData, MissingError

WINDOW = 1 << 20  # bytes read at a time
LARGEST_VALUE = 1 << 26  # bytes: one person's labels are kilobytes
CUT_MARGIN = 16  # a word or number that the window cuts is shorter
SPACE = " \t\n\r"
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class Value(NamedTuple):
    """One value of a document: `name` is its entry ("" in a file that is a list), and where it lies."""

    name: str
    value: Any
    start: int  # bytes
    stop: int
    listed: bool  # an element of the list with this name, not the entry itself


def json_values(path: Path, lists: Container[str]) -> Iterator[Value]:
    """A document, and the names of its long lists -> every element of those, every other entry.

    An empty list counts as an entry, so that it differs from none.
    A file whose outermost value is a list has one list, named "". MissingError when it cannot be read,
    InvalidData where it is broken, which may be after many values.
    """
    try:
        with path.open("rb") as stream:
            yield from _Window(path.name, stream).document(lists)
    except OSError as error:
        raise MissingError(f"{path} cannot be read: {error.strerror}.") from None


def json_value(stream: BinaryIO, start: int, stop: int) -> Any:
    """A file, and the place that `json_values` gave -> that value."""
    stream.seek(start)
    return json.loads(stream.read(stop - start))


class _Window:
    """A piece of the file in memory; `at` is the place in it where reading goes on."""

    def __init__(self, name: str, stream: BinaryIO) -> None:
        self.name, self.stream = name, stream
        self.decoder = json.JSONDecoder()
        self.base = 0  # bytes of the file before `text`
        self.text, self.at = "", 0
        if stream.read(len(BYTE_ORDER_MARK)) == BYTE_ORDER_MARK:
            self.base = len(BYTE_ORDER_MARK)
        else:
            stream.seek(0)

    def document(self, lists: Container[str]) -> Iterator[Value]:
        first = self.peek()
        if first == "[" and "" in lists:
            yield from self.elements("")
        elif first == "{":
            yield from self.entries(lists)
        else:
            raise self.broken("an object is expected" if "" not in lists else "a list is expected")
        if self.peek():
            raise self.broken("something follows the end")

    def entries(self, lists: Container[str]) -> Iterator[Value]:
        for _ in self.separated("{", "}"):
            name = self.value()[0] if self.peek() == '"' else None
            if not isinstance(name, str) or self.peek() != ":":
                raise self.broken("a name and a colon are expected")
            self.at += 1
            if name in lists and self.peek() == "[":
                yield from self.elements(name)
            else:
                value, start, stop = self.value()
                yield Value(name, value, start, stop, False)

    def elements(self, name: str) -> Iterator[Value]:
        start, empty = self.base + self.at, True
        for _ in self.separated("[", "]"):
            empty = False
            yield Value(name, *self.value(), True)
        if empty:
            yield Value(name, [], start, self.base + self.at, False)

    def separated(self, opening: str, closing: str) -> Iterator[None]:
        """Between brackets: one turn for each value, which the caller reads."""
        if self.peek() != opening:
            raise self.broken(f"expecting '{opening}'")
        self.at += 1
        if self.peek() == closing:
            self.at += 1
            return
        while True:
            yield
            mark = self.peek()
            self.at += 1
            if mark == closing:
                return
            if mark != ",":
                raise self.broken(f"',' or '{closing}' is expected", -1)

    def peek(self) -> str:
        """-> the next character that is no space, or "" at the end."""
        while True:
            while self.at < len(self.text) and self.text[self.at] in SPACE:
                self.at += 1
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more(WINDOW):
                return ""

    def more(self, count: int) -> bool:
        """Drop what was read, add `count` bytes -> whether there were any."""
        self.base, self.text = self.base + self.at, self.text[self.at :]
        self.at = 0
        data = self.stream.read(count)
        self.text += data.decode("latin-1")
        return bool(data)

    def value(self) -> tuple[Any, int, int]:
        """-> the next value and its place."""
        self.peek()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.at)
                length = end - self.at
                # a number near the window's end may go on: "1." is read as 1
                if end + CUT_MARGIN < len(self.text) or not self.more(WINDOW):
                    break
            except json.JSONDecodeError as error:
                endless = "Unterminated" in error.msg
                cut = endless or error.pos + CUT_MARGIN >= len(self.text)
                ahead, size = error.pos - self.at, len(self.text) - self.at
                if cut and size > LARGEST_VALUE:
                    raise self.broken(f"a value without end in {size >> 20} MB") from None
                if not cut or not self.more(max(WINDOW, size)):
                    ahead = size if endless else ahead
                    raise self.broken(error.msg.removesuffix(" at"), ahead) from None
            except (ValueError, RecursionError) as error:  # a number or a nesting without end
                raise self.broken(str(error).partition(";")[0]) from None
        piece = "" if self.text.isascii() else self.text[self.at : self.at + length]
        if not piece.isascii():
            try:
                value = json.loads(piece.encode("latin-1"))
            except ValueError:
                raise self.broken("text is not UTF-8") from None
        start = self.base + self.at
        self.at += length
        return value, start, start + length

    def broken(self, what: str, ahead: int = 0) -> InvalidData:
        text, place = what[:1].lower() + what[1:], self.base + self.at + ahead
        if not self.text[self.at + max(ahead, 0) :].strip() and not self.stream.read(1):
            return InvalidData(
                f"{self.name} ends in the middle, at byte {place}.", "Download or copy it again."
            )
        return InvalidData(
            f"{self.name} is no JSON: {text} at byte {place}.", "Download or copy it again."
        )
