"""Damage to the files of a data set, as downloads, disks, tools and malice do it; seeded.

A copy of a folder shares its files with the original by links; only the damaged file is its own.
"""

import io
import json
import os
import pickle
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Damage = Callable[[random.Random, Path], None]
TEXT = (".txt", ".csv", ".tsv", ".yaml", ".lineidx", ".calibration", ".xml", ".linelist")
NUMBERS = (np.nan, np.inf, -1.0, 0.0, 1e30, -1e9, 7.0)
VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1e30, 10**25, float("nan"), float("-inf")),
    *("", "x" * 2000, "../../../etc/passwd", "/etc/passwd", "a\0b", "\ud800", "ä/../b.jpg"),
    *([], {}, [[]], [1, [2]], [None], {"a": 1}, "nan", [1e9] * 4),
)


def copied(source: Path, target: Path) -> None:
    """A folder as a tree of links to the same files; its neighbours become links."""
    for neighbour in source.parent.iterdir():
        if neighbour.name != source.name:
            (target.parent / neighbour.name).symlink_to(neighbour)
    for folder, _, files in os.walk(source):
        place = target / Path(folder).relative_to(source)
        place.mkdir(parents=True)
        for name in files:
            (place / name).symlink_to(Path(folder) / name)


def damage(chance: random.Random, root: Path, likely: Sequence[str]) -> str:
    """Damage one file of a copy, mostly one of those that are read -> what was done, in words."""
    files = [root / path for path in likely if (root / path).is_symlink()]
    if not files or chance.random() < 0.1:
        files = sorted(path for path in root.rglob("*") if path.is_file())
    kinds = sorted({path.suffix for path in files})
    kind = chance.choice(kinds)
    path = chance.choice([path for path in files if path.suffix == kind])
    original = path.resolve()
    path.unlink()
    shutil.copyfile(original, path)
    structured = STRUCTURED.get(path.suffix, spoil_text if path.suffix in TEXT else None)
    ways: list[Damage] = [structured] * 6 if structured else []
    way = chance.choice([*ways, *WHOLE])
    try:
        way(chance, path)
    except Exception:  # this file cannot be taken apart: its bytes can
        way = flip
        flip(chance, path)
    return f"{way.__name__} {path.relative_to(root)}"


def truncate(chance: random.Random, path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[: chance.randrange(len(data) + 1)])


def flip(chance: random.Random, path: Path) -> None:
    data = bytearray(path.read_bytes())
    head = len(data) if chance.random() < 0.5 else min(len(data), 256)
    for _ in range(chance.randint(1, 8) if data else 0):
        data[chance.randrange(head)] = chance.randrange(256)
    path.write_bytes(data)


def empty(chance: random.Random, path: Path) -> None:
    path.write_bytes(b"")


def remove(chance: random.Random, path: Path) -> None:
    path.unlink()


def swell(chance: random.Random, path: Path) -> None:
    """Bytes that do not belong there."""
    data = path.read_bytes()
    place = chance.randrange(len(data) + 1)
    path.write_bytes(data[:place] + chance.randbytes(chance.randint(1, 400)) + data[place:])


def replace_by_folder(chance: random.Random, path: Path) -> None:
    path.unlink()
    path.mkdir()


def spoil_text(chance: random.Random, path: Path) -> None:
    lines = path.read_bytes().split(b"\n")
    for _ in range(chance.randint(1, 3)):
        number = chance.randrange(len(lines))
        words = lines[number].split(b" " if b" " in lines[number] else b",")
        new = chance.choice((b"nan", b"-1e9", b"../../x.jpg", b"", b"\xff\xfe", b"9" * 5000, b"{"))
        words[chance.randrange(len(words))] = new
        way = chance.randrange(4)
        if way == 0:
            del lines[number]
            lines = lines or [b""]
        elif way == 1:
            lines.insert(number, lines[number])
        else:
            lines[number] = b" ".join(words)
    path.write_bytes(b"\n".join(lines))


def spoil_json(chance: random.Random, path: Path) -> None:
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps(spoiled(chance, document)))


def spoil_pickle(chance: random.Random, path: Path) -> None:
    document = pickle.loads(path.read_bytes(), encoding="latin1")
    path.write_bytes(pickle.dumps(spoiled(chance, document), protocol=2))


def spoil_npz(chance: random.Random, path: Path) -> None:
    with np.load(path, allow_pickle=True) as archive:
        arrays: dict[str, Any] = dict(archive.items())
    np.savez(path, **spoiled(chance, arrays))


def spoil_npy(chance: random.Random, path: Path) -> None:
    np.save(path, spoiled_array(chance, np.load(path)))


def spoil_matlab(chance: random.Random, path: Path) -> None:
    """MATLAB's files, of version 5 or HDF5."""
    data = path.read_bytes()
    if b"HDF" in data[:1024]:
        spoil_hdf5(chance, path)
        return
    import scipy.io

    held = scipy.io.loadmat(io.BytesIO(data))
    values = {name: value for name, value in held.items() if not name.startswith("__")}
    scipy.io.savemat(path, spoiled(chance, values))


def spoil_hdf5(chance: random.Random, path: Path) -> None:
    import h5py

    names: list[str] = []
    with h5py.File(path, "r+") as file:
        file.visit(names.append)
        name = chance.choice(names)
        if isinstance(file[name], h5py.Dataset) and chance.random() < 0.7:
            array = np.array(file[name])
            del file[name]
            file[name] = spoiled_array(chance, array)
        else:
            del file[name]


def spoiled(chance: random.Random, document: Any) -> Any:
    """Nested dictionaries, lists and arrays with one to three of their values spoiled, in place."""
    for _ in range(chance.randint(1, 3)):
        places = list(inner_places(document))
        if not places:
            return chance.choice(VALUES)
        deep = chance.choice(places)  # a container of many numbers must not hide the others
        few = [place for place in places if type(place[0]) is type(deep[0])]
        holder, key = chance.choice(few)
        if isinstance(holder[key], np.ndarray) and chance.random() < 0.7:
            holder[key] = spoiled_array(chance, holder[key])
        elif chance.random() < 0.3:
            del holder[key]
        elif isinstance(holder[key], list) and chance.random() < 0.5:
            holder[key] = holder[key] * 2 if chance.random() < 0.5 else holder[key][:-1]
        else:
            holder[key] = chance.choice(VALUES)
    return document


def inner_places(document: Any, depth: int = 0) -> Iterator[tuple[Any, Any]]:
    """-> (container, key) of everything inside, a few of each long list."""
    if depth > 8:
        return
    if isinstance(document, dict):
        keys = list(document)[:60]
    elif isinstance(document, list):
        keys = list(range(min(len(document), 12)))
    elif isinstance(document, np.ndarray) and document.dtype == object and document.shape == ():
        yield from inner_places(document.item(), depth + 1)
        return
    else:
        return
    for key in keys:
        yield document, key
        yield from inner_places(document[key], depth + 1)


def spoiled_array(chance: random.Random, array: np.ndarray) -> np.ndarray:
    array, way = np.array(array), chance.randrange(6)
    if way == 0 or not array.size:
        return array[:-1] if array.ndim else array.reshape(1)
    if way == 1:
        return array.reshape(-1)
    if way == 2:
        return array[..., None]
    if way == 3:
        return array.astype(str) if array.dtype.kind in "iuf" else np.zeros(array.shape)
    if way == 4:
        return np.zeros((0, *array.shape[1:]), array.dtype)
    if array.dtype.kind == "f":
        array.reshape(-1)[chance.randrange(array.size)] = chance.choice(NUMBERS)
    elif array.dtype.kind in "iu":
        array.reshape(-1)[chance.randrange(array.size)] = chance.choice((0, 1, 127))
    elif array.dtype.kind == "U":
        array = array.astype(object)
        array.reshape(-1)[chance.randrange(array.size)] = "../../x.jpg"
        array = array.astype(str)
    return array


WHOLE: tuple[Damage, ...] = (
    truncate,
    truncate,
    flip,
    flip,
    swell,
    empty,
    remove,
    replace_by_folder,
)
STRUCTURED: dict[str, Damage] = {
    ".json": spoil_json,
    ".pkl": spoil_pickle,
    ".npz": spoil_npz,
    ".npy": spoil_npy,
    ".mat": spoil_matlab,
    ".h5": spoil_hdf5,
}
