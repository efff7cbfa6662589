"""`hps plugins new`: a package that works at once, to be changed into one's own."""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

from hpscli.errors import UsageError
from hpscli.registry import get_registry

NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
LONGEST_NAME = 40
# template: where it goes, below the folder of the package
PLACES = {
    "model": {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "plugin.py": "@MODULE@/plugin.py",
        "network.py": "@MODULE@/network.py",
        "test.py": "tests/test_@MODULE@.py",
    },
    "dataset": {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        "plugin.py": "@MODULE@/plugin.py",
        "people.py": "@MODULE@/people.py",
        "test.py": "tests/test_@MODULE@.py",
    },
}
# A standing person in COCO's order, in a square of side 1: nose, eyes, ears, shoulders, elbows,
# wrists, hips, knees, ankles; left before right.
STICK_MAN = (
    *((0.50, 0.10), (0.52, 0.08), (0.48, 0.08), (0.55, 0.09), (0.45, 0.09)),
    *((0.60, 0.22), (0.40, 0.22), (0.65, 0.36), (0.35, 0.36), (0.68, 0.48), (0.32, 0.48)),
    *((0.56, 0.50), (0.44, 0.50), (0.57, 0.70), (0.43, 0.70), (0.58, 0.90), (0.42, 0.90)),
)
LIMBS = ((5, 6), (5, 7), (7, 9), (6, 8), (8, 10), (5, 11), (6, 12), (11, 12))
LEGS = ((11, 13), (13, 15), (12, 14), (14, 16))
EXAMPLE_PEOPLE, EXAMPLE_SIDE = 3, 128  # pictures, px


def write_package(
    kind: str, name: str, out: Path | None = None, *, force: bool = False
) -> tuple[Path, list[Path]]:
    """ "model" or "dataset", name -> (folder, files written in it); the package's own test passes."""
    check_name(kind, name)
    folder = Path(f"hps-{name}") if out is None else out
    if folder.exists() and not force and (folder.is_file() or any(folder.iterdir())):
        raise UsageError(
            f"{folder} exists already.", "Give another folder with --out, or write into it: --force"
        )
    module = "hps_" + name.replace("-", "_")
    written = [folder / module / "__init__.py"]
    written[0].parent.mkdir(parents=True, exist_ok=True)
    written[0].write_text(f'"""{name}: a {_words(kind)} for hps."""\n', encoding="utf-8")
    for template, place in PLACES[kind].items():
        text = files("hpscli.testing").joinpath("templates", kind, f"{template}.txt").read_text()
        path = folder / place.replace("@MODULE@", module)
        path.parent.mkdir(parents=True, exist_ok=True)
        filled = text.replace("@NAME@", name).replace("@MODULE@", module)
        path.write_text(filled, encoding="utf-8")
        written.append(path)
    if kind == "dataset":
        written += _write_example(folder / "example")
    return folder, written


def check_name(kind: str, name: str) -> None:
    """Raise unless this can be a package, a module and a new name of the registry."""
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise UsageError(
            f"'{name}' cannot name a {_words(kind)}: small letters, digits, - and _ "
            f"(at most {LONGEST_NAME}), a letter first.",
            f"For example: hps plugins new {kind} stick-man",
        )
    if name in get_registry().names(kind):
        owner = get_registry().origin(kind, name)
        raise UsageError(f"there is a {_words(kind)} '{name}' already ({owner}).", "Take another.")


def _words(kind: str) -> str:
    return "data set" if kind == "dataset" else kind


def _write_example(folder: Path) -> Iterator[Path]:
    """Three drawn people with their joints."""
    import cv2
    import numpy as np

    (folder / "images").mkdir(parents=True, exist_ok=True)
    lines = []
    for number in range(EXAMPLE_PEOPLE):
        size = EXAMPLE_SIDE * (0.7 + 0.1 * number)
        points = np.array(STICK_MAN) * size + (EXAMPLE_SIDE - size) / 2
        image = np.full((EXAMPLE_SIDE, EXAMPLE_SIDE, 3), 90 + 40 * number, np.uint8)
        for start, end in (*LIMBS, *LEGS):
            ends = [tuple(int(v) for v in points[joint]) for joint in (start, end)]
            cv2.line(image, ends[0], ends[1], (40, 80, 200), 5, cv2.LINE_AA)
        head = (int(points[0, 0]), int(points[0, 1]))
        cv2.circle(image, head, int(size * 0.07), (120, 160, 220), -1, cv2.LINE_AA)
        path = folder / "images" / f"{number}.png"
        path.write_bytes(cv2.imencode(".png", image)[1].tobytes())
        yield path
        keypoints = [[round(float(x), 1), round(float(y), 1), 1] for x, y in points]
        lines.append(json.dumps({"image": f"images/{number}.png", "keypoints": keypoints}))
    people = folder / "people-train.jsonl"
    people.write_text("\n".join(lines) + "\n", encoding="utf-8")
    yield people
