"""The audit as one HTML page: findings, people of the set, and people to look at."""

import base64
from collections.abc import Iterable, Iterator
from html import escape

from hpscli.data.audit.run import Audit, spread
from hpscli.data.audit.verdicts import OK, UNKNOWN
from hpscli.data.evalset import EvalSet
from hpscli.data.verify import picture
from hpscli.render.pictures import encode_image

SIDE_PX = 224
SHOWN = 8  # people of the whole set
STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1120px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; padding: .35rem .6rem;
  border-bottom: 1px solid #8884; vertical-align: top; }
.verdict { font-weight: 600; white-space: nowrap; } .ok { color: #1a7f37; } .look { color: #9a6700; }
.wrong { color: #cf222e; } .not { color: #6e7781; }
.people { display: flex; flex-wrap: wrap; gap: .6rem; } figure { margin: 0; width: 224px; }
figcaption { font-size: .72rem; overflow-wrap: anywhere; } img { width: 100%; border-radius: 4px; }
"""


def page(audit: Audit, people: EvalSet) -> str:
    """An audit and the people that it looked at -> HTML that needs nothing else."""
    return "\n".join(_lines(audit, people))


def _lines(audit: Audit, people: EvalSet) -> Iterator[str]:
    title = escape(f"{people.index.dataset} {people.index.split}")
    yield f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Audit: {title}</title>"
    yield f"<style>{STYLE}</style><h1>Audit of {title}</h1>"
    yield f"<p>{escape(audit.shards)}: {audit.samples} people, {audit.measured} measured.</p><table>"
    yield "<tr><th>question</th><th></th><th>answer</th></tr>"
    for finding in audit.findings:
        kind = finding.verdict.split()[0]
        yield (
            f"<tr><td>{escape(finding.name)}</td><td class='verdict {kind}'>"
            f"{escape(finding.verdict)}</td><td>{escape(finding.says)}</td></tr>"
        )
    yield "</table>"
    yield from _row("People of the set", spread(len(people), SHOWN), people)
    for finding in audit.findings:
        if finding.examples and finding.verdict not in (OK, UNKNOWN):
            positions = [audit.places[key] for key in finding.examples if key in audit.places]
            yield from _row(f"{finding.name}: {finding.says}", positions, people)
    yield "</html>"


def _row(title: str, positions: Iterable[int], people: EvalSet) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2><div class='people'>"
    for position in positions:
        sample = people[position]
        data = base64.b64encode(encode_image(picture(sample, SIDE_PX, mesh=True))).decode()
        yield (
            f"<figure><img alt='{escape(sample.key)}' src='data:image/jpeg;base64,{data}'>"
            f"<figcaption>{escape(sample.key)}</figcaption></figure>"
        )
    yield "</div>"
