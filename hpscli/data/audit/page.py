"""The audit as one HTML page: findings, people of the set, and people to look at."""

from collections.abc import Iterable, Iterator
from html import escape

from hpscli.data.audit.run import Audit, spread
from hpscli.data.audit.verdicts import OK, UNKNOWN, Finding
from hpscli.data.audit.verify import picture
from hpscli.data.evalset import EvalSet
from hpscli.render.page import Markup, document, table
from hpscli.render.page import picture as figure
from hpscli.render.pictures import encode_image

SIDE_PX = 224
SHOWN = 8  # people of the whole set


def page(audit: Audit, people: EvalSet) -> str:
    """An audit and the people that it looked at -> HTML that needs nothing else."""
    title = f"{people.index.dataset} {people.index.split}"
    return document(f"Audit: {title}", _parts(title, audit, people))


def _parts(title: str, audit: Audit, people: EvalSet) -> Iterator[str]:
    yield f"<h1>Audit of {escape(title)}</h1>"
    yield f"<p>{escape(audit.shards)}: {audit.samples} people, {audit.measured} measured.</p>"
    yield table(("question", "", "answer"), [_row(finding) for finding in audit.findings])
    yield from _people("People of the set", spread(len(people), SHOWN), people)
    for finding in audit.findings:
        if finding.examples and finding.verdict not in (OK, UNKNOWN):
            positions = [audit.places[key] for key in finding.examples if key in audit.places]
            yield from _people(f"{finding.name}: {finding.says}", positions, people)


def _row(finding: Finding) -> tuple[str, str, str]:
    kind = finding.verdict.split()[0]
    verdict = Markup(f"<span class='verdict {kind}'>{escape(finding.verdict)}</span>")
    return finding.name, verdict, finding.says


def _people(title: str, positions: Iterable[int], people: EvalSet) -> Iterator[str]:
    yield f"<h2>{escape(title)}</h2><div class='people'>"
    for position in positions:
        sample = people[position]
        drawn = encode_image(picture(sample, SIDE_PX, mesh=True))
        yield figure(drawn, ".jpg", sample.key)
    yield "</div>"
