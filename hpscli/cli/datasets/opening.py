"""Which shards a name means: a folder, a URL, or what was prepared below shards/."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hpscli.data.evalset import EvalSet


def open_shards(location: str, limit: int = 0) -> "EvalSet":
    """-> the people of a shard folder or URL."""
    from hpscli.data.evalset import EvalSet

    return EvalSet(location, limit)


def looks_like_shards(name: str) -> bool:
    return "/" in name or Path(name).is_dir()


def prepared_place(name: str, split: str) -> str:
    """Folder, URL, NAME or NAME/SPLIT -> where its shards are; shards/demo come with hps."""
    from hpscli.run.places import demo_folders

    if "://" in name or (Path(name) / "index.json").is_file():
        return name
    below = Path("shards") / name / split if split else Path("shards") / name
    if (below / "index.json").is_file():
        return str(below)
    found = sorted(path.parent for path in below.glob("*/index.json"))
    shipped = demo_folders() if name.strip("/").removeprefix("shards/") == "demo" else []
    return str([*found, *shipped, name][0])


def prepared_here() -> dict[str, list[str]]:
    """-> what the indexes below shards/ say: data set -> its splits, or FOLDER/SPLIT elsewhere."""
    from hpscli.data.shards import read_index
    from hpscli.errors import HpsError

    found: dict[str, list[str]] = {}
    top = Path("shards")
    for path in sorted([*top.glob("*/index.json"), *top.glob("*/*/index.json")]):
        place = path.parent.relative_to(top).as_posix()
        try:
            index = read_index(path.parent)
        except HpsError:  # nothing that could be used; whoever names it is told why
            continue
        usual = place == f"{index.dataset}/{index.split}"
        found.setdefault(index.dataset, []).append(index.split if usual else place)
    return found
