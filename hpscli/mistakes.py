"""What is wrong with a recipe, in plain words: every mistake, and where it was written."""

from collections.abc import Iterable, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, get_args, get_origin

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
TYPED = "the command line"


def mistakes(
    error: ValidationError,
    schema: type[BaseModel],
    known: Iterable[str],
    origin: str,
    typed: Iterable[str],
) -> UsageError:
    """Pydantic's error, every known key, file, keys that were typed -> one line for each mistake."""
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
            near.append(did_you_mean(key, [*siblings, *known]))
            said = f"unknown key '{key}'"
        elif detail["type"] == "missing" and detail["loc"][-1] == names[-1]:
            said = f"{key} is missing"
        else:
            said = f"{key} wants {_wanted(detail, kind)}, not {detail['input']!r}"
        lines.setdefault(key, f"{where}: {said}.")
    hints = [hint or "See: hps recipes show tiny" for hint in near]
    return UsageError("\n".join(lines.values()), "\n".join(dict.fromkeys(hints)))


def field_type(schema: Any, names: Iterable[str]) -> Any:
    """A schema, the parts of a dotted key -> the type of that field; Any for what nobody declared."""
    kind = schema
    for name in names:
        if get_origin(kind) is dict:
            kind = get_args(kind)[1]
        else:
            field = _fields(kind).get(name)
            kind = field.annotation if field else Any
        if get_origin(kind) is UnionType:  # a section or a tuple that may be absent
            kind = next(part for part in get_args(kind) if part is not NoneType)
    return kind


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


def _wanted(detail: ErrorDetails, kind: Any) -> str:
    """-> what may stand there: "a number", "2 whole numbers", "more than 0"."""
    if limit := LIMITS.get(detail["type"]):
        return f"{limit[1]} {detail['ctx'][limit[0]]:g}"
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(value) for value in get_args(kind) if value)
    if get_origin(kind) is tuple:
        parts = get_args(kind)
        word = WORDS[parts[0]] + "s"
        return f"{word} in brackets" if parts[-1] is ... else f"{len(parts)} {word} in brackets"
    if kind in WORDS:
        return WORDS[kind] if kind in (str, bool) else f"a {WORDS[kind]}"
    return "a table"
