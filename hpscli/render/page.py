"""HTML pages that need nothing else: one file, opened from a folder, light or dark, on paper too."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path

from hpscli.render.images import encode_image, read_image

LARGE_BYTES, JPEG_QUALITY = 200_000, 88
KINDS = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp", ".gif": "gif"}

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #6e7781; --ours: #2f74b5; --other: #c2691c;
  --good: #1a7f37; --look: #9a6700; --bad: #cf222e; --paper: #fff; --card: #8881; }
@media (prefers-color-scheme: dark) { :root { --soft: #9198a1; --ours: #5aa7ec; --other: #f0a04b;
  --good: #4ac26b; --look: #d4a72c; --bad: #ff7b72; --paper: #16181c; } }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 1120px; margin: 2rem auto; padding: 0 1rem;
  background: var(--paper); }
h1 { font-size: 1.4rem; margin-bottom: .2rem; } h2 { font-size: 1.05rem; margin-top: 2.2rem; }
h3 { font-size: .92rem; margin: 1.2rem 0 .3rem; }
p { max-width: 75ch; } .soft { color: var(--soft); } code { font-size: .9em; overflow-wrap: anywhere; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
td, th { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line);
  vertical-align: top; } td.number, th.number { text-align: right; white-space: nowrap; }
th { font-weight: 600; } .scroll { overflow-x: auto; }
.verdict { font-weight: 600; white-space: nowrap; } .ok, .good { color: var(--good); }
.look { color: var(--look); } .wrong, .bad { color: var(--bad); } .not { color: var(--soft); }
.mark { border-left: 4px solid var(--look); background: var(--card); padding: .5rem .9rem;
  margin: 1rem 0; }
.people { display: flex; flex-wrap: wrap; gap: .6rem; } .people figure { width: 224px; }
figure { margin: 0 0 1rem; } .tiles { display: grid; gap: 0 1rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 330px), 1fr)); }
details .charts { margin-bottom: 1rem; }
figcaption { font-size: .78rem; color: var(--soft);
  overflow-wrap: anywhere; } img { max-width: 100%; border-radius: 4px; } .people img { width: 100%; }
pre { background: var(--card); padding: .7rem .9rem; overflow-x: auto; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr));
  gap: 1rem 2rem; } svg { width: 100%; height: auto; display: block; }
svg text { fill: currentColor; font: 12px system-ui, sans-serif; }
svg .axis { stroke: currentColor; stroke-width: 1; } svg .grid { stroke: var(--line); }
svg .first { fill: var(--ours); } svg .second { fill: var(--other); }
svg .line { fill: none; stroke-width: 2; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; font-size: .78rem; font-weight: 600; }
.charts td, .charts th { padding: .12rem .6rem; font-size: .82rem; }
details > summary { cursor: pointer; margin: .8rem 0; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; }
  figure, tr, svg, .mark { break-inside: avoid; } .scroll { overflow: visible; } }
"""


def document(title: str, parts: Iterable[str], style: str = "") -> str:
    """Title and pieces of HTML -> a whole page."""
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{STYLE}{style}</style></head><body>"
    )
    return "\n".join([head, *parts, "</body></html>", ""])


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Columns and cells -> a table; what is HTML already is Markup, all else is escaped."""
    cells = [list(row) for row in rows]
    numeric = [
        any(isinstance(row[i], int | float | Number) for row in cells if i < len(row))
        for i in range(len(columns))
    ]
    sides = [" class='number'" if side else "" for side in numeric]
    digits = [_digits([row[i] for row in cells if i < len(row)]) for i in range(len(columns))]
    head = "".join(
        f"<th scope='col'{s}>{shown(c)}</th>" for c, s in zip(columns, sides, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f"<td{s}>{shown(cell, d)}</td>" for cell, s, d in zip(row, sides, digits, strict=False)
        )
        + "</tr>"
        for row in cells
    )
    return (
        "<div class='scroll'><table><thead><tr>"
        f"{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _digits(column: Sequence[object]) -> int:
    """-> digits behind the point: shares from 0 to 1 want more."""
    known = [abs(value) for value in column if isinstance(value, float) and value == value]
    return 4 if known and max(known) <= 1.0 else 2


def facts(pairs: Mapping[str, object]) -> str:
    """{name: what is said} -> two columns."""
    rows = "".join(
        f"<tr><th scope='row'>{escape(name)}</th><td>{shown(said)}</td></tr>"
        for name, said in pairs.items()
        if said not in ("", None)
    )
    return f"<table>{rows}</table>" if rows else ""


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


class Number(Markup):
    """A number that is HTML already; it stands to the right."""

    __slots__ = ()


def shown(value: object, digits: int = 2) -> str:
    """A cell's value -> HTML; nothing becomes a dash."""
    if value is None or (isinstance(value, float) and value != value):
        return "-"
    if isinstance(value, Markup):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:z.{digits}f}" if isinstance(value, float) else escape(str(value))


def picture(data: bytes, suffix: str, caption: str, words: str = "") -> str:
    """Encoded picture -> a figure that holds it; `words`: what is seen, the caption if not said."""
    kind = KINDS.get(suffix.lower(), "jpeg")
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return (
        f"<figure><img alt='{escape(words or caption, quote=True)}' src='{source}'>"
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def picture_file(path: Path, caption: str) -> str:
    """A picture file -> a figure that holds it; a large one as JPEG where that is smaller."""
    data, suffix = path.read_bytes(), path.suffix
    if len(data) > LARGE_BYTES and suffix.lower() == ".png":
        smaller = encode_image(read_image(data), ".jpg", JPEG_QUALITY)
        if len(smaller) < len(data):
            data, suffix = smaller, ".jpg"
    return picture(data, suffix, caption)
