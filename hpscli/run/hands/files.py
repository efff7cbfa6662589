"""Files of predicted hands, pred.json = [joints of all hands, vertices of all hands], alone or in a zip.

What is not as regular as hands are (hpscli/run/hands/text.py) is read again hand by hand, to say where
it is wrong.
"""

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from hpscli.data.leaderboard.zips import DAMAGED, open_zip
from hpscli.records import Finding
from hpscli.run.hands.freihand import MEMBER
from hpscli.run.hands.text import regular_hands

Array = NDArray[np.float64]

LARGEST_BYTES = 4 << 30  # of text; HO-3D's third version has 1.1 GB
MEMBERS = 1000
START_BYTES = 1 << 16  # a hand of joints has 1.4 kB, one of vertices 50 kB
NAMES = ("joints", "vertices")
PACK = f"Pack it alone, without its folder: zip -j FILE.zip {MEMBER}"
LAYOUT = "pred.json is [joints, vertices]: two lists with one entry per hand."


@dataclass
class HandFile:
    """What a file says: joints (N,J,3), vertices (N,V,3) where they are regular, and what is wrong."""

    joints: Array | None = None
    vertices: Array | None = None
    findings: list[Finding] = field(default_factory=list)

    def say(self, problem: str, fix: str = "", *, error: bool = True, place: str = MEMBER) -> None:
        """Add a finding."""
        self.findings.append(Finding(problem=problem, fix=fix, place=place, error=error))


def read_hand_file(path: Path) -> HandFile:
    """A .zip with pred.json, or pred.json itself -> the hands in it, and every violation of the layout."""
    found = HandFile()
    if not zipfile.is_zipfile(path):
        with path.open("rb") as stream:
            start = stream.read(1024).lstrip()
            if start[:1] in (b"[", b"{"):
                found.say("this is bare JSON, the server takes a zip.", PACK, place=path.name)
                stream.seek(0)
                _content(stream, found)
            else:
                found.say(f"{path.name} is no readable zip.", PACK, place="")
        return found
    opened = open_zip(path, largest_bytes=LARGEST_BYTES, members=MEMBERS)
    found.findings += opened.findings
    member = _member(opened.names, found)
    if member:
        try:
            with zipfile.ZipFile(path) as archive, archive.open(member) as stream:
                _content(stream, found)
        except DAMAGED as error:
            words = " ".join(str(error).split())
            found.joints = found.vertices = None
            found.say(f"it cannot be unpacked ({words}).", "Make the zip again.", place=member)
    return found


def _member(names: tuple[str, ...], found: HandFile) -> str:
    """-> the member that holds the predictions, "" when nobody can know."""
    jsons = [name for name in names if name.lower().endswith(".json")]
    if MEMBER in names:
        for name in [n for n in names if n != MEMBER]:
            found.say(f"the zip holds more than {MEMBER}.", PACK, place=name)
        return MEMBER
    if len(jsons) != 1:
        held = f"{len(names)} others" if names else "nothing"
        if names or not found.findings:
            found.say(f"there is no {MEMBER} in the zip, which holds {held}.", PACK, place="")
        return ""
    nested = jsons[0].rpartition("/")[2] == MEMBER
    problem = (
        f"{MEMBER} lies in a folder, the server looks for it at the top."
        if nested
        else f"the member is not called {MEMBER}."
    )
    found.say(problem, PACK, place=jsons[0])
    for name in [n for n in names if n != jsons[0]]:
        found.say("this member is one too many.", PACK, place=name)
    return jsons[0]


def _content(stream: IO[bytes], found: HandFile) -> None:
    """The text of pred.json -> arrays, else findings."""
    sides = regular_hands(stream)
    if sides is not None:
        found.joints, found.vertices = sides
        return
    stream.seek(0)
    try:
        _irregular(stream.read().decode("utf-8-sig"), found)
    except UnicodeDecodeError as error:
        found.say(f"it is no text in UTF-8 (byte {error.start}).", LAYOUT)
    except RecursionError:
        found.say("its lists are nested without end.", LAYOUT)


def _irregular(text: str, found: HandFile) -> None:
    """Anything -> what is wrong with it."""
    sides: list[list[Any]] = []
    try:
        for side, hand in _hands(text):
            if side == len(sides):
                sides.append([])
            if hand is not None:
                sides[side].append(_points(hand))
    except json.JSONDecodeError as error:
        told = f" after {len(sides[-1])} {_name(len(sides) - 1)}" if sides else ""
        found.say(
            f"it is cut short, or no JSON{told} ({error.msg}, character {error.pos}).",
            "Write it again, and wait until the program has closed it.",
        )
        return
    except ValueError as error:
        found.say(str(error), LAYOUT)
        return
    if len(sides) != 2:
        found.say(f"it holds {len(sides)} lists instead of 2.", LAYOUT)
    for number, rows in enumerate(sides[:2]):
        _say_rows(_name(number), rows, found)
    arrays = [_stacked(rows) for rows in sides[:2]]
    if len(arrays) == 2:
        found.joints, found.vertices = arrays


def _hands(text: str) -> Iterator[tuple[int, Any]]:
    """-> number of the list and every hand in it, decoded one by one; None for a list without any."""
    decoder = json.JSONDecoder()
    place = _expect(text, 0, "[", "the outermost value is no list.")
    side = 0
    while True:
        place = _expect(text, place, "[", f"entry {side} of the outermost list is no list.")
        yield side, None
        while text[place : place + 1] != "]":
            hand, place = decoder.raw_decode(text, place)
            yield side, hand
            place = _after(text, place)
        place, side = _after(text, place + 1), side + 1
        if text[place : place + 1] == "]":
            if text[place + 1 :].strip():
                raise json.JSONDecodeError("Extra data", text, place + 1)
            return


def _expect(text: str, place: int, mark: str, otherwise: str) -> int:
    """-> the place behind a mark and blanks."""
    place = _blank(text, place)
    if place >= len(text):
        raise json.JSONDecodeError("Unexpected end", text, place)
    if text[place] != mark:
        raise ValueError(otherwise)
    return _blank(text, place + 1)


def _after(text: str, place: int) -> int:
    """Behind a value -> the place of the next one, or of the bracket that closes the list."""
    place = _blank(text, place)
    mark = text[place : place + 1]
    if mark == ",":
        place = _blank(text, place + 1)
        if text[place : place + 1] == "]":
            raise json.JSONDecodeError("Illegal trailing comma", text, place)
        return place
    if mark != "]":
        raise json.JSONDecodeError("Expecting ',' or ']'", text, place)
    return place


def _blank(text: str, place: int) -> int:
    while text[place : place + 1] in (" ", "\n", "\t", "\r"):
        place += 1
    return place


def _points(hand: Any) -> Array | str:
    """-> (P,3), or in words what is there instead."""
    if not isinstance(hand, list):
        return f"a {type(hand).__name__} instead of a list of points"
    if not all(isinstance(point, list) and len(point) == 3 for point in hand):
        return "a point that is not three numbers"
    for value in (value for point in hand for value in point):
        if value is None or isinstance(value, bool) or not isinstance(value, int | float):
            word = "null" if value is None else f"{value!r:.20}"
            return f"{word} instead of a number"
    return np.asarray(hand, np.float64).reshape(-1, 3)


def _say_rows(name: str, rows: list[Any], found: HandFile) -> None:
    bad = [number for number, row in enumerate(rows) if isinstance(row, str)]
    if bad:
        found.say(
            f"the {name} of {len(bad)} of {len(rows)} hands are no numbers; hand {bad[0]} has "
            f"{rows[bad[0]]}.",
            "Every point is [x, y, z] in metres, plain numbers without quotes.",
        )
    sizes = [len(row) for row in rows if not isinstance(row, str)]
    usual = max(set(sizes), key=sizes.count) if sizes else 0
    odd = [n for n, row in enumerate(rows) if not isinstance(row, str) and len(row) != usual]
    if odd:
        found.say(
            f"{len(odd)} of {len(rows)} hands have another number of {name} than the rest "
            f"({usual}); hand {odd[0]} has {len(rows[odd[0]])}.",
            "Every hand has 21 joints and 778 vertices.",
        )


def _stacked(rows: list[Any]) -> Array | None:
    if not rows or any(isinstance(row, str) for row in rows):
        return None
    if len({len(row) for row in rows}) != 1:
        return None
    return np.stack(rows)


def _name(side: int) -> str:
    return NAMES[side] if side < len(NAMES) else f"entries of list {side}"


def first_hands(path: Path, count: int = 8) -> Array | None:
    """-> the joints of the first hands (N,J,3) without reading the file; None when it is no such file."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                names = [n for n in archive.namelist() if n.lower().endswith(".json")]
                with archive.open(MEMBER if MEMBER in names else names[0]) as stream:
                    text = stream.read(START_BYTES)
        else:
            with path.open("rb") as stream:
                text = stream.read(START_BYTES)
        start = text.decode("utf-8-sig", "ignore").lstrip()
        hands: list[Array | str] = []
        decoder, place = json.JSONDecoder(), _first_value(start)
        while len(hands) < count:
            try:
                hand, place = decoder.raw_decode(start, place)
            except json.JSONDecodeError:
                break
            hands.append(_points(hand))
            place = _blank(start, place)
            if start[place : place + 1] != ",":
                break
            place = _blank(start, place + 1)
        return _stacked(hands)
    except (*DAMAGED, IndexError, KeyError, ValueError, RecursionError):
        return None


def _first_value(text: str) -> int:
    """-> the place of the first hand in the first list."""
    place = _expect(text, 0, "[", "no list")
    return _expect(text, place, "[", "no list of lists")
