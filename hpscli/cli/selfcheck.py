"""hps selfcheck: what official code returned, against what this installation returns."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, table
from hpscli.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from hpscli.testing.coverage import Coverage
    from hpscli.testing.selfcheck import Replayed

SHOWN = 4  # names of arrays in a line of the story


def selfcheck(
    path: Annotated[
        Path, typer.Argument(metavar="DIR", help="A reference folder, or one golden in it.")
    ],
    only: Annotated[
        list[str] | None, typer.Option(help="Only kinds or files like this; may be repeated.")
    ] = None,
    seed_xor: Annotated[
        str,
        typer.Option(
            metavar="N", help="XOR on the seed of every filled weight (crc32 of its key)."
        ),
    ] = "0",
    input_seed: Annotated[
        str,
        typer.Option(
            metavar="N", help="Seed of the random images of networks, when not the usual one."
        ),
    ] = "",
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Another seed that a kind declares; a wrong name lists them.",
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Replay goldens: per array the worst difference, its tolerance and the verdict.

    The expected numbers are those stored in DIR. The seeds only say how weights and inputs were
    made there; change them for goldens that were made with others. Arrays that no replay compares
    are listed too.
    """
    from hpscli.testing.coverage import coverage
    from hpscli.testing.goldens import ReplayOptions, parse_values
    from hpscli.testing.selfcheck import find, replay

    out = Output(json, quiet)
    found = find(path, only or ())
    declared = {name: value for spec in found.specs for name, value in spec.options.items()}
    values = parse_values(set_ or [], declared)
    options = ReplayOptions(
        seed_xor=_number("--seed-xor", seed_xor),
        input_seed=_number("--input-seed", input_seed) if input_seed else None,
        values=values,
    )
    done: list[Replayed] = []
    for spec in found.specs:
        out.say("replaying", f"{spec.name}   {spec.summary}")
        done.append(replay(spec, found.folder, options))
    covered = coverage(found.folder, done)
    document = {
        "path": str(path),
        "ok": all(replayed.ok for replayed in done),
        "options": {"seed_xor": options.seed_xor, "input_seed": options.input_seed, **values},
        "goldens": [_described(replayed) for replayed in done],
        "coverage": [
            {
                "file": one.file,
                "compared": len(one.compared),
                "inputs": len(one.inputs),
                "not_compared": list(one.left_out),
            }
            for one in covered
        ],
        "no_replay": list(found.unknown),
    }
    out.result("selfcheck", document, lambda: _draw(done))
    if found.unknown:
        names = ", ".join(found.unknown)
        out.say("not run", f"no replay registered for {len(found.unknown)}: {names}")
    for one in covered:
        if one.left_out:
            out.say("left out", f"{one.file}: no replay compares {_some(one.left_out)}")
    _conclude(out, done, covered)


def _some(names: Sequence[str]) -> str:
    """-> how many there are, and the first of them."""
    more = ", ..." if len(names) > SHOWN else ""
    return f"{len(names)}: {', '.join(names[:SHOWN])}{more}"


def _number(option: str, text: str) -> int:
    """ "24301" or "0x5eed" -> the number."""
    try:
        return int(text, 0)
    except ValueError:
        raise UsageError(
            f"{option} {text}: expected a whole number, such as 7 or 0x5eed."
        ) from None


def _conclude(out: Output, done: "list[Replayed]", covered: "Sequence[Coverage]") -> None:
    arrays = sum(len(replayed.checks) for replayed in done)
    failed = [(r.spec.name, c) for r in done for c in r.checks if not c.ok]
    empty = [replayed.spec.name for replayed in done if not replayed.checks]
    if empty:
        raise CheckFailed(f"{', '.join(empty)} compared nothing.")
    if failed:
        kind, check = failed[0]
        raise CheckFailed(
            f"{len(failed)} of {arrays} arrays differ; first: {kind} {check.name}: "
            + (check.note or f"{check.worst:.3g} {check.unit}, tolerance {check.tolerance:.3g}")
        )
    left_out = sum(len(one.left_out) for one in covered)
    tail = f"; {left_out} arrays not compared" if left_out else ""
    out.say("ok", f"{arrays} arrays of {len(done)} goldens within tolerance{tail}")


def _described(replayed: "Replayed") -> dict[str, Any]:
    return {
        "name": replayed.spec.name,
        "files": list(replayed.spec.files),
        "source": replayed.spec.source,
        "ok": replayed.ok,
        "arrays": [
            vars(check) | {"worst": check.worst if math.isfinite(check.worst) else None}
            for check in replayed.checks
        ],
    }


def _draw(done: "list[Replayed]") -> None:
    table(
        ("golden", "array", "worst", "tolerance", "unit", "verdict"),
        [
            (
                replayed.spec.name,
                check.name,
                f"{check.worst:.2e}",
                f"{check.tolerance:.0e}",
                check.unit,
                ("ok" if check.ok else "FAIL") + (f"  {check.note}" if check.note else ""),
            )
            for replayed in done
            for check in replayed.checks
        ],
    )
