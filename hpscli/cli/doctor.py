"""hps doctor: what works on this machine, what does not, and what to do about it."""

from typing import Annotated

import typer

from hpscli.cli.output import JsonOption, Output


def doctor(
    quick: Annotated[
        bool, typer.Option("--quick", help="Do not load torch; a tenth of a second.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """A report of this installation, to read and to copy into a question."""
    from hpscli import __version__
    from hpscli.testing.environment import examine

    findings = examine(quick=quick)
    attention = [finding for finding in findings if not finding.ok]
    document = {
        "version": __version__,
        "ok": not attention,
        "findings": [
            {"name": f.name, "ok": f.ok, "found": f.found, "fix": f.fix} for f in findings
        ],
    }

    def draw() -> None:
        good = len(findings) - len(attention)
        print(f"hps {__version__}   good: {good}   attention: {len(attention)}\n")
        for finding in findings:
            print(
                f"  {'ok       ' if finding.ok else 'ATTENTION'}  {finding.name:<14} {finding.found}"
            )
            for line in finding.fix.splitlines():
                print(f"{'':13}{'':<14} {line}")

    output = Output(json)
    output.result("doctor", document, draw)
    output.say("\nshare", "hps doctor --json")
