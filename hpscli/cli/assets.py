"""hps assets list | import | where | check-links: licensed files of yours, in one store."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs, table

if TYPE_CHECKING:
    from hpscli.body.assets.links import LinkReport
    from hpscli.body.official.importing import Imported

app = typer.Typer(
    help="Licensed files of yours: which exist, where to get them, and how to bring them in.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
MARKS = {
    "imported": "imported",
    "replaced": "replaced",
    "present": "present",
    "unneeded": "not needed",
}
UNKNOWN_SHOWN = 5


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(help="Only ids that contain this: smpl, mano.")] = "",
    json: JsonOption = False,
) -> None:
    """Every licensed file: present or missing, needed for, licence, where to get it."""
    from hpscli.body.assets.sources import asset_records
    from hpscli.errors import UsageError

    rows = [_row(asset_id) for asset_id in asset_records() if pattern in asset_id]
    if not rows:
        known = ", ".join(asset_records())
        raise UsageError(f"no asset has '{pattern}' in its id.", f"Known: {known}")
    present = sum(row["present"] for row in rows)

    def draw() -> None:
        table(
            ("asset", "here", "needed for", "licence", "get it at", "size"),
            [
                (
                    row["id"],
                    "present" if row["present"] else "missing",
                    row["needed_for"],
                    row["terms"],
                    _host(row["page"]) + (" (register)" if row["register"] else ""),
                    _size(row["bytes"]),
                )
                for row in rows
            ],
        )

    out = Output(json)
    out.result("assets", {"assets": rows, "folder": str(_folder())}, draw)
    if present < len(rows):
        out.say(
            "present",
            f"{present} of {len(rows)}; nothing licensed is needed to begin: free bodies stand in",
        )
        out.next("hps assets import FILE-AS-DOWNLOADED")


@app.command("import")
def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Files, folders, or archives as downloaded.", metavar="PATH..."),
    ],
    gender: Annotated[
        str, typer.Option(help="Of a body file that does not say: neutral, female, male.")
    ] = "",
    force: Annotated[bool, typer.Option("--force", help="Replace what is there already.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring official files in: recognised by content, read safely, stored as safetensors."""
    from hpscli.body.official.importing import Imported, import_path
    from hpscli.errors import HpsError, UsageError

    if gender and len(paths) > 1:
        raise UsageError(
            "--gender is for one file, and there are several.",
            f"Import one at a time: hps assets import {paths[0]} --gender {gender}",
        )
    out = Output(json, quiet)
    results: list[Imported] = []
    for path in paths:
        out.say("reading", path)
        try:
            results += import_path(path, gender=gender, force=force)
        except HpsError as error:
            if len(paths) == 1:
                raise
            results.append(
                Imported(source=str(path), status="refused", error=error, note=error.problem)
            )
    out.result(
        "assets-import",
        {"files": [_document(result) for result in results], "folder": str(_folder())},
        lambda: _draw_import(results),
    )
    _finish(out, results)


@app.command()
def where(json: JsonOption = False) -> None:
    """The folder of the store."""
    from hpscli.body.assets.files import have_asset
    from hpscli.body.assets.sources import asset_records

    folder = _folder()
    present = [asset_id for asset_id in asset_records() if have_asset(asset_id)]
    Output(json).result(
        "assets-where", {"folder": str(folder), "present": present}, lambda: print(folder)
    )


@app.command("check-links")
def check_links_(
    timeout: Annotated[float, typer.Option(help="Seconds to wait for each page.")] = 10.0,
    json: JsonOption = False,
) -> None:
    """Ask every official page for a sign of life (uses the network); exit 4 when one is newly gone."""
    from hpscli.body.assets.links import check_links
    from hpscli.body.assets.sources import asset_sources

    out = Output(json)
    sources = list(asset_sources().values())
    out.say("asking", f"{len(sources)} pages, at most {timeout:g} s each")
    reports = check_links(sources, timeout=timeout)
    out.result(
        "assets-links",
        {"links": [_link_document(report) for report in reports]},
        lambda: table(
            ("source", "page", "answer", "", "closed since"),
            [
                (
                    report.source.name,
                    report.source.page,
                    report.status,
                    report.detail,
                    report.source.unreachable_since,
                )
                for report in reports
            ],
        ),
    )
    _judge_links(out, reports)


def _judge_links(out: Output, reports: "list[LinkReport]") -> None:
    from hpscli.errors import CheckFailed

    if all(report.status == "unreachable" for report in reports):
        out.say("note", "no page answered at all: this machine seems to have no network.")
        return
    gone = [r for r in reports if r.status != "ok" and not r.source.unreachable_since]
    if gone:
        names = ", ".join(report.source.name for report in gone)
        raise CheckFailed(
            f"{len(gone)} of {len(reports)} pages gave no good answer: {names}.",
            "Copies from colleagues import just as well: files are told by their content.",
        )
    back = [r.source.name for r in reports if r.status == "ok" and r.source.unreachable_since]
    if back:
        out.say("note", f"answers again, though listed as closed: {', '.join(back)}")


def _draw_import(results: "list[Imported]") -> None:
    known = [result for result in results if result.status not in ("unknown", "refused")]
    if known:
        table(
            ("", "asset", "from", "note"),
            [(MARKS[r.status], r.id or "-", _short(r.source), r.note or r.what) for r in known],
        )
    unknown = [result for result in results if result.status == "unknown"]
    for result in unknown[:UNKNOWN_SHOWN]:
        pairs([("not known", f"{_short(result.source)}  ({result.what})")])
    if len(unknown) > UNKNOWN_SHOWN:
        pairs([("not known", f"and {len(unknown) - UNKNOWN_SHOWN} more files")])


def _finish(out: Output, results: "list[Imported]") -> None:
    stored = [result for result in results if result.status in ("imported", "replaced")]
    if stored:
        out.say("stored", _folder())
    errors = [result.error for result in results if result.error]
    if errors:
        files = "file" if len(stored) == 1 else "files"
        kept = f"{len(stored)} other {files} imported." if stored else "Nothing was imported."
        problems = "\n".join(error.problem for error in errors)
        raise type(errors[0])(problems, f"{errors[0].fix}\n{kept}".strip())
    out.next(_next_command([result.id for result in results if result.id]))


def _next_command(ids: list[str]) -> str:
    for kind in ("smplx", "smpl", "mano"):
        if any(asset_id.startswith(f"{kind}-") for asset_id in ids):
            return f"hps assets list {kind}"
    return "hps assets list"


def _row(asset_id: str) -> dict[str, Any]:
    from hpscli.body.assets.files import asset_path, read_asset_meta
    from hpscli.body.assets.sources import asset_record
    from hpscli.errors import InvalidData

    record, path = asset_record(asset_id), asset_path(asset_id)
    row: dict[str, Any] = {
        "id": asset_id,
        "what": record.what,
        "present": path.is_file(),
        "needed_for": record.needed_for,
        "licence": record.source.licence,
        "terms": record.source.terms,
        "page": record.source.page,
        "file": record.source.file,
        "member": record.member,
        "register": record.source.register,
        "bytes": path.stat().st_size if path.is_file() else None,
        "meta": None,
    }
    if row["present"]:
        try:
            row["meta"] = read_asset_meta(asset_id)
        except InvalidData as error:
            row["meta"] = {"damaged": error.problem}
    return row


def _document(result: "Imported") -> dict[str, Any]:
    return {
        "source": result.source,
        "status": result.status,
        "id": result.id,
        "what": result.what,
        "note": result.note,
        "sha256": result.sha256,
        "path": str(result.path) if result.path else None,
        "meta": dict(result.meta),
    }


def _link_document(report: "LinkReport") -> dict[str, Any]:
    return {
        "source": report.source.name,
        "page": report.source.page,
        "status": report.status,
        "detail": report.detail,
        "seconds": round(report.seconds, 3),
        "unreachable_since": report.source.unreachable_since or None,
        "note": report.source.note,
    }


def _folder() -> Path:
    from hpscli.body.assets.files import asset_folder

    return asset_folder()


def _short(source: str) -> str:
    """The name without the folders around the outer file."""
    outer, colon, inner = source.partition(": ")
    return f"{Path(outer).name}{colon}{inner}"


def _host(page: str) -> str:
    """https://github.com/owner/name -> github.com/owner/name, cut to what a table can hold."""
    host, _, rest = page.split("://")[-1].partition("/")
    return host if host != "github.com" else f"{host}/{rest.split('/blob/')[0]}"


def _size(count: int | None) -> str:
    return "-" if count is None else f"{count / 1e6:.1f} MB"
