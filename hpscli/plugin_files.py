"""Development files of plugins, as HPS_PLUGINS names them: found in folders, imported, named."""

import importlib
import sys
from pathlib import Path
from types import ModuleType

from hpscli.errors import MissingError, UsageError


def plugin_name(path: Path) -> str:
    """A development file -> what its plugin is called: its package or its file."""
    return path.resolve().parent.name if path.stem == "plugin" else path.stem


def plugin_file(path: Path) -> Path:
    """-> the file itself, or the only plugin.py of a folder: its own, its package's, that in src."""
    found = _plugin_files(path.expanduser())
    return found[0] if len(found) == 1 else path


def _plugin_files(folder: Path) -> list[Path]:
    return [f for where in ("", "*/", "src/*/") for f in sorted(folder.glob(f"{where}plugin.py"))]


def import_file(path: Path) -> ModuleType:
    """Import a development file; a file inside a package is imported as part of that package."""
    path = path.expanduser().resolve()
    if path.is_dir():
        files = _plugin_files(path)
        raise UsageError(
            f"HPS_PLUGINS names the folder {path}, which has {len(files) or 'no'} plugin.py.",
            f"Name a file: {' or '.join(map(str, files)) or f'{path}/FILE.py'}",
        )
    if not path.is_file():
        raise MissingError(f"HPS_PLUGINS names {path}, which is not there.")
    root, parts = path.parent, [path.stem]
    while (root / "__init__.py").exists():
        parts.insert(0, root.name)
        root = root.parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))  # targets "module:function" of this file must be importable
    name = ".".join(parts)
    module = importlib.import_module(name)
    if Path(module.__file__ or "").resolve() != path:
        raise UsageError(
            f"HPS_PLUGINS names {path}, but module '{name}' is already {module.__file__}.",
            "Rename the file, or put it into a package (a folder with __init__.py).",
        )
    return module
