"""What all commands with --slurm share: the words of that option, Slurm's times, the package submitit."""

import math
import re
import shutil
from dataclasses import fields
from typing import Any, TypeVar

from hpscli.errors import MissingError, UsageError, did_you_mean

T = TypeVar("T")


def settings_of(kind: type[T], words: str, example: str) -> T:
    """ "partition=main,time=60" -> the settings, a dataclass of words and numbers, typed."""
    known = {entry.name: entry.default for entry in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for word in filter(None, words.split(",")):
        name, equals, text = word.strip().partition("=")
        if name not in known or not equals:
            raise UsageError(
                f"--slurm {word}: {f'no setting {name!r}' if equals else 'not name=value'}.",
                did_you_mean(name, known) or f"For example: {example}",
            )
        number = isinstance(known[name], int)
        if number and not (text.isdigit() and int(text) > 0):
            raise UsageError(
                f"--slurm {word}: not a whole number above 0.", f"For example: {example}"
            )
        values[name] = int(text) if number else text
    minutes_of(values.get("time", "1"))
    return kind(**values)


def minutes_of(text: str) -> int:
    """Slurm's way to write a time -> minutes, rounded up."""
    form = re.fullmatch(r"(?:(\d+)-)?(?:(\d+):(\d\d):(\d\d)|(\d+))", text)
    if form is None or (form[1] and form[5]):
        raise UsageError(
            f"--slurm time={text} is no time.", "time=90 (minutes), time=4:00:00, time=1-12:00:00"
        )
    if form[5]:
        return int(form[5])
    days, hours, minutes, seconds = (int(number or 0) for number in form.groups()[:4])
    return days * 1440 + hours * 60 + minutes + math.ceil(seconds / 60)


def common_parameters(settings: Any) -> dict[str, Any]:
    """Settings with mem_gb, partition, account and qos -> what submitit is told of those that are given."""
    found: dict[str, Any] = {"mem_gb": settings.mem_gb} if settings.mem_gb else {}
    for name in ("partition", "account", "qos"):
        if value := getattr(settings, name):
            found[f"slurm_{name}"] = value
    return found


def refused(what: str, error: Exception) -> MissingError:
    """-> the error of a user whose jobs the cluster did not take."""
    reason = str(error).strip().splitlines()[-1]
    return MissingError(
        f"the {what} could not be handed over: {reason}", "Is this a login node of the cluster?"
    )


def check_scheduler(executor: str) -> None:
    """Refuse to hand jobs over from a machine that cannot."""
    submitit_package()
    if executor == "slurm" and shutil.which("sbatch") is None:
        raise MissingError(
            "--slurm: there is no program sbatch here.",
            "Type this on a login node of the cluster, or leave --slurm out.",
        )


def submitit_package() -> Any:
    """-> the package that hands jobs to Slurm."""
    try:
        import submitit
        import submitit.helpers
    except ImportError:
        raise MissingError(
            "jobs are handed to Slurm by the package submitit, which is not here.",
            "pip install 'hps[slurm]'",
        ) from None
    return submitit
