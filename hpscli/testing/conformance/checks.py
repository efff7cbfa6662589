"""One check and its verdict; how a list of them becomes a test."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from inspect import Parameter, signature
from typing import Any

from hpscli.errors import CheckFailed, HpsError
from hpscli.registry import resolve


@dataclass(frozen=True)
class Check:
    """A verdict on one property of one thing, and a sentence that says why."""

    subject: str  # "model foo"
    name: str
    ok: bool
    says: str = ""
    ran: bool = True  # False: could not be looked at; `says` tells what is missing


class Checks(list[Check]):
    """Collects verdicts about one subject; a check that raises has failed, the rest goes on."""

    def __init__(self, subject: str) -> None:
        super().__init__()
        self.subject = subject

    def add(self, name: str, complaint: str, says: str = "") -> bool:
        """Record a verdict: "" is no complaint."""
        self.append(Check(self.subject, name, not complaint, complaint or says))
        return not complaint

    def skip(self, name: str, reason: str) -> None:
        """Record that a check could not run."""
        self.append(Check(self.subject, name, True, reason, ran=False))

    def run(self, name: str, check: Callable[[], tuple[str, str]]) -> bool:
        """Run `check() -> (complaint, says)`; whatever it raises is the complaint."""
        try:
            complaint, says = check()
        except HpsError as error:
            complaint, says = str(error), ""
        except Exception as error:  # plugin code may raise anything
            complaint, says = " ".join(f"{type(error).__name__}: {error}".split()), ""
        return self.add(name, complaint, says)


def require(checks: Iterable[Check]) -> None:
    """Raise CheckFailed, one line for each check that said no; for the tests of plugins."""
    failed = [f"{c.subject}: {c.name}: {c.says}" for c in checks if not c.ok]
    if failed:
        raise CheckFailed("\n".join(failed))


def option_complaint(target: str, declared: Mapping[str, Any], positional: int) -> str:
    """-> what differs between the options that a function takes and those that its record declares.

    `positional` leading parameters are passed by hps itself.
    """
    parameters = list(signature(resolve(target)).parameters.values())[positional:]
    collects = any(p.kind is Parameter.VAR_KEYWORD for p in parameters)
    variable = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
    taken = [p.name for p in parameters if p.kind not in variable]
    unknown = [name for name in declared if name not in taken]
    if unknown and not collects:  # **options takes what is declared; hps refuses the rest before
        return f"option '{unknown[0]}' is declared, but {target} does not take it"
    if hidden := [name for name in taken if name not in declared]:
        return f"{target} takes '{hidden[0]}', which is not declared"
    return ""
