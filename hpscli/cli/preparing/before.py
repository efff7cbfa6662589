"""hps prepare NAME --check: which files are there, whether people can be read, how much room they take."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.cli.output import Output, pairs, size_text, table
from hpscli.cli.preparing.results import bad_document, compare, expected, tell_bad

if TYPE_CHECKING:
    from hpscli.data.preparing.checking import Check
    from hpscli.data.preparing.files import FileGroup
    from hpscli.data.sources import Source
    from hpscli.hooks import DatasetSpec

SHOWN_KINDS = 20


def show_missing(show: Output, spec: "DatasetSpec", root: Path, split: str) -> None:
    """The files of a split when some are missing: the result of a check that cannot go on."""
    from hpscli.data.preparing.files import file_groups

    files = file_groups(spec, root, split)
    document = {"check": True, "dataset": spec.name, "split": split, **_files(files)}
    show.result("prepare", document, lambda: _draw_files(files))


def check_source(
    show: Output, source: "Source", out: str, *, workers: int, limit: int, total: int
) -> None:
    """Look for files, read people, decode pictures; CheckFailed when something is wrong."""
    from hpscli.data.preparing.checking import check_people
    from hpscli.errors import InvalidData

    with show.progress("checking", total, "people") as advance:
        found = check_people(source, out, workers=workers, limit=limit, advance=advance)
    spec = source.spec
    known = expected(spec, source.split, source.options, limit)
    tell_bad(show, found.bad, found.bad_count, found.samples)
    document = {
        "check": True,
        "dataset": spec.name,
        "split": source.split,
        **_files(found.files),
        "samples": found.samples,
        "bad": bad_document(found.bad, found.bad_count),
        "problems": found.problems,
        "expected": known,
        "bytes": found.bytes,
        "free_bytes": found.free_bytes,
        "limit": limit,
    }
    show.result("prepare", document, lambda: _draw(found))
    if not found.samples and not found.bad_count:
        raise InvalidData(
            f"data set '{spec.name}' is empty: no person in {source.root}.",
            "Is it the right folder?",
        )
    missing = compare(show, found.samples, known, found.bad_count)
    _verdict(spec.name, found, out)
    if missing is not None:
        raise missing


def _verdict(name: str, found: "Check", out: str) -> None:
    from hpscli.errors import CheckFailed

    wrong = []
    if found.bad_count:
        records = "record" if found.bad_count == 1 else "records"
        verb = "is" if found.bad_count == 1 else "are"
        wrong.append(f"{found.bad_count} {records} of '{name}' {verb} bad.")
    if not found.room:
        wrong.append(
            f"the shards take {found.bytes / 1e9:.1f} GB, and {found.free_bytes / 1e9:.1f} GB are "
            f"free at {out}."
        )
    if wrong:
        raise CheckFailed(
            "\n".join(wrong), "Without --check bad records are left out of the shards, and named."
        )


def _files(files: list["FileGroup"]) -> dict[str, Any]:
    return {"files": [{**asdict(group), "missing": group.missing} for group in files]}


def _draw_files(files: list["FileGroup"]) -> None:
    if files:
        rows = [
            (group.glob, group.found or ("-" if group.optional else "missing"), group.what)
            for group in files
        ]
        table(("files", "found", "what"), rows)


def _draw(found: "Check") -> None:
    _draw_files(found.files)
    room = "unknown" if found.free_bytes < 0 else size_text(found.free_bytes)
    size = f"{size_text(found.bytes)} of shards; free: {room}"
    pairs([("sound", found.samples), ("bad", found.bad_count), ("room", size)])
    if found.problems:
        most = sorted(found.problems.items(), key=lambda item: -item[1])[:SHOWN_KINDS]
        table(("problem", "records"), most)
