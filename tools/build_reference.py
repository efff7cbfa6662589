"""Write docs/reference and docs/datasets from the program; `--check` says whether they are up to date.

python tools/build_reference.py [--check]
"""

import argparse
import dataclasses
import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import BaseModel

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hpscli import errors, hooks, recipe
from hpscli.cli.app import COMMANDS, load_command
from hpscli.registry import KINDS
from tools.dataset_pages import dataset_pages

DOCS = Path(__file__).parents[1] / "docs"
HEAD = "<!-- Written by tools/build_reference.py: edit the program, then run `make docs`. -->\n\n"


def command_pages() -> str:
    """-> every command with its arguments and options."""
    parts = ["# Commands\n\nExit codes: " + exit_codes() + "\n"]
    for name in COMMANDS:
        parts.extend(_command(load_command(name), f"hps {name}"))
    return "\n".join(parts)


def exit_codes() -> str:
    kinds: list[type[errors.HpsError]] = [errors.HpsError, *errors.HpsError.__subclasses__()]
    return ", ".join(["0 done", *(f"{kind.exit_code} {kind.__name__}" for kind in kinds)]) + "."


def _command(command: Any, path: str) -> Iterator[str]:
    below = getattr(command, "commands", None)
    yield f"\n{'##' if path.count(' ') == 1 else '###'} {path}\n\n{_text(command.help)}\n"
    if below:
        for name, child in below.items():
            yield from _command(child, f"{path} {name}")
        return
    rows = [
        _parameter(p)
        for p in command.params
        if p.name != "help" and not getattr(p, "hidden", False)
    ]
    if rows:
        yield "| | default | |\n|---|---|---|"
        yield from rows


def _parameter(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{(parameter.metavar or parameter.name).upper()}`"
    else:
        name = " ".join(f"`{o}`" for o in [*parameter.opts, *parameter.secondary_opts])
    default = parameter.default
    shown = "" if callable(default) or default in (None, False, "", [], ()) else f"`{default}`"
    return f"| {name} | {shown} | {_text(getattr(parameter, 'help', '') or '')} |"


def _text(text: str | None) -> str:
    return " ".join((text or "").split()).replace("|", "\\|")


def _remarks(record: type) -> dict[str, str]:
    """-> what the trailing comment of each field says."""
    found = re.findall(r"^    (\w+): [^\n#]*# *([^\n]+)$", inspect.getsource(record), re.MULTILINE)
    return {name: _text(remark) for name, remark in found}


def recipe_page() -> str:
    """-> every key of a recipe with type and default."""
    parts = ["# Recipe keys\n\nOverride any of them: `hps train RECIPE key=value`.\n"]
    sections: list[tuple[str, type[BaseModel]]] = [
        ("", recipe.Recipe),
        ("model", recipe.Model),
        ("data", recipe.Data),
        ("data.mix.NAME", recipe.Member),
        ("data.validation", recipe.Validation),
        ("augment", recipe.Augment),
        ("optim", recipe.Optim),
        ("train", recipe.Train),
    ]
    for prefix, section in sections:
        parts.append(
            f"\n## {prefix or 'top level'}\n\n| key | type | default | |\n|---|---|---|---|"
        )
        remarks, kinds = _remarks(section), get_type_hints(section)  # without their limits
        for name, entry in section.model_fields.items():
            kind = getattr(kinds[name], "__name__", str(kinds[name]))
            kind = str(kinds[name]) if "[" in str(kinds[name]) else kind
            default = "required" if entry.is_required() else f"`{entry.default!r}`"
            if isinstance(entry.default, BaseModel):
                default = f"see {name}"
            shown = kind.replace("typing.", "").replace("hpscli.recipe.", "").replace("|", "\\|")
            parts.append(f"| `{name}` | {shown} | {default} | {remarks.get(name, '')} |")
    return "\n".join(parts) + "\n"


def hooks_page() -> str:
    """-> every hook with its record."""
    parts = ["# Hooks\n\nWhat a plugin can register; `hpscli/hooks.py` is the source.\n"]
    for kind, (hook, record, listing) in KINDS.items():
        about = _text(getattr(hooks.Hooks, hook).__doc__)
        parts.append(f"\n## {hook}\n\n{about} Looked up as '{kind}'; listed by `{listing}`.\n")
        parts.append(
            f"`{record.__name__}`: {_text(record.__doc__)}\n\n| field | type | default | |\n|---|---|---|---|"
        )
        for entry in dataclasses.fields(record):
            default = "" if entry.default is dataclasses.MISSING else f"`{entry.default!r}`"
            if entry.default is entry.default_factory is dataclasses.MISSING:
                default = "required"
            shown = str(entry.type) if "[" in str(entry.type) else entry.type.__name__
            for prefix in ("collections.abc.", "typing.", "hpscli.hooks."):
                shown = shown.replace(prefix, "")
            remark = _remarks(record).get(entry.name, "")
            parts.append(f"| `{entry.name}` | {shown} | {default} | {remark} |")
    return "\n".join(parts) + "\n"


def pages() -> dict[str, str]:
    """-> {path below docs: text} of everything that is written from the program."""
    found = {
        "reference/commands.md": command_pages(),
        "reference/recipe.md": recipe_page(),
        "reference/hooks.md": hooks_page(),
    }
    return found | {f"datasets/{name}": text for name, text in dataset_pages().items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="exit 1 when a page is out of date")
    check = parser.parse_args().check
    stale, wanted = [], pages()
    for name, text in wanted.items():
        path, text = DOCS / name, HEAD + text
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    for path in (DOCS / "datasets").glob("*.md"):
        if f"datasets/{path.name}" not in wanted:  # of a data set that is gone
            stale.append(f"datasets/{path.name}")
            if not check:
                path.unlink()
    verb = "out of date (run: make docs)" if check else "written"
    print(f"docs: {', '.join(stale) + ' ' + verb if stale else 'up to date'}")
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
