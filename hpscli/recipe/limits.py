"""The kinds of values in a recipe, each with its bounds; nothing is endless, true is no number."""

import math
import shlex
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

MANY = 10**9  # more than anybody counts: people, steps, epochs
BATCH = 10**6
PROCESSES = 512  # workers of one training process
PX = 4096  # the longest side of a crop
SEED = 10**15  # a thousand times it, and a rank, must fit into 64 bits
NAME_BYTES, PATH_BYTES = 255, 4000  # that a system takes
RATE = 1e30  # with float32 to spare
WEIGHT = 1e9


def _no_truth(value: Any) -> Any:
    """TOML's true and false are no numbers, though Python counts them as 1 and 0."""
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "true and false are no numbers")
    return value


def _readable(text: str) -> str:
    """A path or address that a system can be asked about at all."""
    written = text.encode()
    short = len(written) <= PATH_BYTES and all(len(p) <= NAME_BYTES for p in written.split(b"/"))
    if "\0" in text or not (short or "://" in text):
        raise PydanticCustomError("place_type", "no path of a file")
    return text


def _sane_name(text: str) -> str:
    """The name of a recipe is that of a folder below runs/."""
    if "/" in text or text in (".", "..") or not text.isprintable():
        raise PydanticCustomError("name_type", "not the name of a folder")
    return text


def _closed(command: str) -> str:
    """A command is split as a shell would."""
    try:
        shlex.split(command)
    except ValueError:
        raise PydanticCustomError("command_type", "a quote that nothing closes") from None
    return command


def _finite(options: dict[str, Any]) -> dict[str, Any]:
    """No option of a model is endless, in its lists neither."""
    for name, value in options.items():
        for entry in value if isinstance(value, list | tuple) else [value]:
            if isinstance(entry, float) and not math.isfinite(entry):
                raise PydanticCustomError("entry", "{name}", {"name": name, "value": entry})
    return options


NUMBER = BeforeValidator(_no_truth)
Whole = Annotated[int, NUMBER, Field(ge=0, le=MANY)]
Count = Annotated[int, NUMBER, Field(ge=1, le=MANY)]
Batch = Annotated[int, NUMBER, Field(ge=1, le=BATCH)]
Pixels = Annotated[int, NUMBER, Field(ge=1, le=PX)]
Processes = Annotated[int, NUMBER, Field(ge=0, le=PROCESSES)]
Seed = Annotated[int, NUMBER, Field(ge=0, le=SEED)]

Weight = Annotated[float, NUMBER, Field(ge=0, le=WEIGHT)]
Rate = Annotated[float, NUMBER, Field(gt=0, le=RATE)]
LowestRate = Annotated[float, NUMBER, Field(ge=0, le=RATE)]
Decay = Annotated[float, NUMBER, Field(ge=0, le=RATE)]  # of weights
Share = Annotated[float, NUMBER, Field(ge=0, le=1)]
BelowOne = Annotated[float, NUMBER, Field(ge=0, lt=1)]
Factor = Annotated[float, NUMBER, Field(gt=0, le=10)]
DepthFactor = Annotated[float, NUMBER, Field(gt=0, le=1)]
Degrees = Annotated[float, NUMBER, Field(ge=0, le=180)]
Cut = Annotated[float, NUMBER, Field(ge=0, le=0.9)]

Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_sane_name)]
Word = Annotated[str, Field(min_length=1)]  # of what is looked up
Place = Annotated[str, Field(min_length=1), AfterValidator(_readable)]
MaybePlace = Annotated[str, AfterValidator(_readable)]  # "": none
Command = Annotated[str, AfterValidator(_closed)]
Options = Annotated[dict[str, Any], AfterValidator(_finite)]
