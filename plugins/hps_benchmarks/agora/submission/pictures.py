"""What the names of files say about pictures, and which pictures nobody predicted."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from hps_benchmarks.agora.submission.naming import ADDED, picture_stem
from hps_benchmarks.agora.submission.person_checks import doubt, violation
from hps_benchmarks.agora.submission.reading import NAME
from hpscli.errors import InvalidData, MissingError
from hpscli.records import Finding

PICTURES = (".png", ".jpg", ".jpeg")
MANY_PICTURES = 20  # of which none has a second person


def listed_pictures(path: Path) -> Mapping[str, int]:
    """A folder of pictures, AGORA_test_bbox.json, or a text of names -> {picture: its people}.

    0 people: the list does not say.
    """
    if path.is_dir():
        names = [file.name for file in path.iterdir() if file.suffix.lower() in PICTURES]
        return {picture_stem(name): 0 for name in names}
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise MissingError(f"there is no list of pictures {path}.", "images=FILE") from None
    except (OSError, UnicodeDecodeError):
        raise InvalidData(f"{path} is no list of pictures.", "One name a line, or JSON.") from None
    if path.suffix.lower() != ".json":
        return {picture_stem(line.strip()): 0 for line in text.splitlines() if line.strip()}
    try:
        listed = json.loads(text)
    except ValueError as error:
        raise InvalidData(f"{path} is not JSON: {error}.") from None
    if isinstance(listed, dict):
        return {
            picture_stem(name): len(boxes) if isinstance(boxes, list) else 0
            for name, boxes in listed.items()
        }
    if isinstance(listed, list) and all(isinstance(name, str) for name in listed):
        return {picture_stem(name): 0 for name in listed}
    raise InvalidData(f"{path} lists no pictures.", "As AGORA_test_bbox.json: {name: [boxes]}")


def picture_findings(names: Sequence[str], expected: Mapping[str, int] | None) -> Iterator[Finding]:
    """Names of all files that are called as they should be, what is expected -> what is wrong."""
    found: Counter[str] = Counter()
    numbers: Counter[tuple[str, int]] = Counter()
    for name in names:
        match = NAME.match(name)
        if match is None:
            continue
        stem = match["stem"]
        if added := ADDED.search(stem):
            yield violation(
                f"its picture is named with {_kind(added[0])}, which no picture of the server is.",
                "Name the 4K picture: without _1280x720 (and multiply joints by 3), without crop numbers.",
            )
        found[stem] += 1
        numbers[stem, int(match["number"])] += 1
    for (stem, number), times in numbers.items():
        if times > 1:
            yield doubt(
                f"{times} files are person {number} of {stem}, written differently.",
                "Number the people of a picture 0, 1, 2 ...",
            )
    if len(found) >= MANY_PICTURES and set(found.values()) == {1}:
        yield doubt(
            f"none of {len(found)} pictures has a second person: did files overwrite one another?",
            "Number the people of a picture 0, 1, 2 ... (OSX's validation export always writes 0).",
        )
    yield from _missing(found, expected)


def _kind(added: str) -> str:
    return "_1280x720" if "1280" in added else f"the number of a crop ({PurePosixPath(added)})"


def _missing(found: Mapping[str, int], expected: Mapping[str, int] | None) -> Iterator[Finding]:
    if expected is None:
        if found:
            yield doubt(
                f"it holds {sum(found.values())} people in {len(found)} pictures; whether pictures or "
                "people are missing cannot be known from it.",
                "Give the list of pictures: images=AGORA_test_bbox.json, a text of names, or a folder",
            )
        return
    strange = [stem for stem in found if stem not in expected]
    if strange:
        yield doubt(
            f"{len(strange)} pictures are not on the list, first {strange[0]}: the server passes over "
            "them without a word.",
            "Check the names of the files against those of the 4K pictures.",
        )
    without = [stem for stem in expected if not found.get(stem)]
    if without:
        yield doubt(
            f"{len(without)} of {len(expected)} pictures have no prediction, first {without[0]}: "
            "everybody in them counts as missed.",
            "Predict all pictures.",
        )
    fewer = sum(
        max(count - found.get(stem, 0), 0) for stem, count in expected.items() if found.get(stem)
    )
    if fewer:
        yield doubt(
            f"in pictures that have predictions {fewer} listed people have none.",
            "Predict every box; a missed person lowers F1.",
        )
