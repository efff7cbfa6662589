"""What is wrong with a recipe, in plain words: every mistake, and where it was written."""

from collections.abc import Iterable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hpscli.errors import UsageError, did_you_mean

WORDS = {int: "whole number", float: "number", str: "text", bool: "true or false"}
LIMITS = {  # pydantic's type of error: its limit, in words
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
WORDED = {  # pydantic's type of error, or ours: what is wanted instead
    "finite_number": "a finite number",
    "string_too_short": "some text",
    "string_too_long": "a shorter text",
    "too_short": "at least one entry in brackets",
    "name_type": "the name of a folder below runs/",
    "place_type": "the path of a file or folder",
    "command_type": "a command whose quotes are closed",
}
TYPED = "the command line"
USUAL = ("model.", "optim.", "train.")  # sections that every recipe changes
SHOWN_KEYS = 2
LONGEST = 100  # letters of a value that is shown


def mistakes(
    error: ValidationError,
    schema: type[BaseModel],
    known: Iterable[str],
    origin: str,
    typed: Iterable[str],
    members: Iterable[str] = (),
) -> UsageError:
    """Pydantic's error, every known key, file, keys that were typed, members that a mix has or may
    have -> one line for each mistake."""
    lines: dict[str, str] = {}
    near = []
    for detail in error.errors(include_url=False):
        names = [part for part in detail["loc"] if isinstance(part, str)]
        key = ".".join(names)
        kind = field_type(schema, names)
        where = TYPED if _was_typed(key, names, detail, typed) else origin
        if detail["type"] == "extra_forbidden":
            fields = _fields(field_type(schema, names[:-1]))
            siblings = [".".join([*names[:-1], name]) for name in fields]
            homes = keys_named(key, known) if len(names) == 1 else []
            near.append(_one_of(homes) or did_you_mean(key, [*siblings, *known]))
            said = f"unknown key '{key}'"
        elif detail["type"] == "missing" and detail["loc"][-1] == names[-1]:
            said = f"{key} is missing"
            if where == TYPED and _is_member(names[:-1]):
                said = f"no member '{names[2]}' in data.mix"
                near.append(did_you_mean(names[2], members) or f"Its shards: {key}=FOLDER")
        elif detail["type"] == "entry":  # of a table whose entries the schema does not know
            said = f"{key}.{detail['ctx']['name']} wants a finite number"
            said += f", not {detail['ctx']['value']}"
        else:
            said = f"{key} wants {_wanted(detail, kind)}, not {_shown(detail['input'])}"
            whole = isinstance(detail["loc"][-1], str)  # not one entry of a list
            if where == TYPED and whole and get_origin(kind) is tuple:
                near += _for_the_shell(key, detail["input"], get_args(kind))
        lines.setdefault(key, f"{where}: {said}.")
    hints = [hint or "See: hps recipes show tiny" for hint in near]
    return UsageError("\n".join(lines.values()), "\n".join(dict.fromkeys(hints)))


def keys_named(word: str, known: Iterable[str]) -> list[str]:
    """ "lr" -> the dotted keys that end so, at most SHOWN_KEYS: "optim.lr" before "adversary.lr"."""
    name = word.replace("-", "_")
    homes = [key for key in known if "." in key and key.rpartition(".")[2] == name]
    homes.sort(key=lambda key: (key.count("."), not key.startswith(USUAL)))
    return homes[:SHOWN_KEYS]


def _one_of(keys: list[str]) -> str:
    return f"Did you mean {' or '.join(repr(key) for key in keys)}?" if keys else ""


def field_type(schema: Any, names: Iterable[str]) -> Any:
    """A schema, the parts of a dotted key -> the type of that field; Any for what nobody declared."""
    kind = schema
    for name in names:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            field = _fields(kind).get(name)
            kind = field.annotation if field else Any
        if get_origin(kind) in (UnionType, Union):  # a section or a tuple that may be absent
            kind = next(part for part in get_args(kind) if part is not NoneType)
        kind = _bare(kind)
    return kind


def _bare(kind: Any) -> Any:
    """-> a type without its limits."""
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _fields(kind: Any) -> Mapping[str, Any]:
    section = isinstance(kind, type) and issubclass(kind, BaseModel)
    return kind.model_fields if section else {}


def _was_typed(key: str, names: list[str], detail: ErrorDetails, typed: Iterable[str]) -> bool:
    """-> whether a word on the command line gave this value, or began the table that lacks it."""
    whole = key
    if detail["type"] == "missing" and len(names) > 2:  # a member of the mix, the validation
        whole = ".".join(names[:-1])
    return any(
        f"{word}.".startswith(f"{whole}.") or f"{key}.".startswith(f"{word}.") for word in typed
    )


def _is_member(names: list[str]) -> bool:
    return names[:2] == ["data", "mix"] and len(names) == 3


def _shown(value: object) -> str:
    """-> what was written, and of what is long its start."""
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."


def _for_the_shell(key: str, value: object, kinds: tuple[Any, ...]) -> Iterator[str]:
    """What came of a list, the types of its entries -> how to type it: shells take quotes away."""
    text = _bare(kinds[0]) is str
    if kinds[-1] is ... and isinstance(value, str) == text:
        entries = [entry.strip(" \"'") for entry in str(value).strip("[] ").split(",")]
        words = ", ".join(f'"{entry}"' if text else entry for entry in entries)
        yield f"In single quotes: '{key}=[{words}]'"


def _wanted(detail: ErrorDetails, kind: Any) -> str:
    """-> what may stand there: "a number", "2 whole numbers", "more than 0"."""
    if limit := LIMITS.get(detail["type"]):
        bound = detail["ctx"][limit[0]]
        return f"{limit[1]} {bound:g}" if isinstance(bound, float) else f"{limit[1]} {bound}"
    if worded := WORDED.get(detail["type"]):
        return worded
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(kind) if value)
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        word = WORDS.get(_bare(parts[0]), "table") + "s"
        return f"{word} in brackets" if parts[-1] is ... else f"{len(parts)} {word} in brackets"
    if kind in WORDS:
        return WORDS[kind] if kind in (str, bool) else f"a {WORDS[kind]}"
    return "a table"
