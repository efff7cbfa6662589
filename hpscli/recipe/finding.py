"""Where recipes are, which of them a word means, and what to type when it means none or several."""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path

from hpscli.errors import UsageError, did_you_mean

WILD = "*?["  # what makes a word a pattern


def recipe_folders() -> list[Path]:
    """-> where recipes are looked for by name: beside the checkout, or inside the wheel."""
    package = Path(__file__).parents[1]
    return [f for f in (package.parent / "recipes", package / "_recipes") if f.is_dir()]


def list_recipes() -> dict[str, Path]:
    """-> every shipped recipe by name (`tiny`, `hmr/mix01`)."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for folder in recipe_folders()
        for path in sorted(folder.rglob("*.toml"))
        if not path.name.startswith("_")
    }


def find_recipe(name: str) -> Path:
    """A path, the name of a shipped recipe, or that of its runs (hmr-mixes-mix01) -> the file."""
    path = Path(name)
    if path.is_file():
        return path
    word, known = _plain(name), list_recipes()
    as_runs = {full.replace("/", "-"): file for full, file in known.items()}
    if file := known.get(word) or as_runs.get(word):
        return file
    if several := _together(word, known):
        raise UsageError(
            f"'{name}' means {len(several)} recipes, and one is wanted.",
            f"Choose one: hps recipes list {_typed(word)}\n"
            f"Check them all: hps recipes check {_typed(word)} --all",
        )
    raise _unknown(name, word, known)


def find_base(name: str) -> Path:
    """-> the file of a base, which is not listed: its name starts with _."""
    for folder in recipe_folders():
        if (file := folder / f"{name}.toml").is_file():
            return file
    return find_recipe(name)


def recipes_like(pattern: str) -> Mapping[str, Path]:
    """A name, a folder (hmr/mixes), a pattern (*_free) or a part of names; "": all."""
    word, known = _plain(pattern), list_recipes()
    if word in known:
        return {word: known[word]}
    found = _together(word, known) or {n: path for n, path in known.items() if word in n}
    if not found:
        folders = {folder_of(name) for name in known} - {""}
        fix = did_you_mean(word, [*folders, *known]) or f"Folders: {', '.join(sorted(folders))}"
        raise UsageError(f"no recipe is named like '{pattern}'.", fix)
    return found


def run_name(path: Path) -> str:
    """A recipe's file -> its name, unless it says another: that of the file, after its folders."""
    place = path.resolve()
    for folder in recipe_folders():
        if place.is_relative_to(folder.resolve()):
            return "-".join(place.relative_to(folder.resolve()).with_suffix("").parts)
    return path.stem


def folder_of(name: str) -> str:
    """ "hmr/mixes/mix01" -> "hmr/mixes"; of a recipe that lies flat "" ."""
    return name.rpartition("/")[0]


def _plain(name: str) -> str:
    """ "recipes/tiny.toml" -> "tiny"."""
    return name.removeprefix("recipes/").removesuffix(".toml").strip("/")


def _together(word: str, known: Mapping[str, Path]) -> dict[str, Path]:
    """-> the recipes of a folder, or those whose name, or its last part, is as a pattern says."""
    if any(letter in word for letter in WILD):
        return {n: p for n, p in known.items() if any(fnmatchcase(w, word) for w in (n, _last(n)))}
    return {n: path for n, path in known.items() if n.startswith(f"{word}/")}


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _typed(word: str) -> str:
    """A pattern -> in quotes, for a shell would look for files."""
    return f"'{word}'" if any(letter in word for letter in WILD) else word


def _unknown(name: str, word: str, known: Iterable[str]) -> UsageError:
    if any((folder / f"{word}.toml").is_file() for folder in recipe_folders()):
        return UsageError(
            f"'{name}' is a base that others start from, not run by itself.",
            f"The others: hps recipes list {folder_of(word)}".rstrip(),
        )
    words = {_last(full): full for full in known} | {full: full for full in known}
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    fix = f"Did you mean '{words[near[0]]}'?" if near else "See: hps recipes list"
    return UsageError(f"no recipe '{name}'.", fix)
