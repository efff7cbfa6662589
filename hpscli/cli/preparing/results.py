"""What a finished preparation says: the document, bad records, counts, and what comes next."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.cli.output import Output, pairs, size_text

if TYPE_CHECKING:
    from hpscli.data.prepare import Report
    from hpscli.data.shards import ShardIndex
    from hpscli.data.sources import Bad
    from hpscli.errors import CheckFailed
    from hpscli.hooks import DatasetSpec

NAMED = 10  # bad records named in the story
FROM_MEAN = "hand_pose_from_mean"


def finish(
    show: Output,
    spec: "DatasetSpec",
    split: str,
    out: str,
    report: "Report",
    index: "ShardIndex",
    allow_bad: float,
    *,
    whole: bool,
) -> None:
    """Tell what was made; an error when too much was bad or people are missing."""
    import hashlib

    from hpscli.data.remote import is_remote, join, read_bytes
    from hpscli.data.shards import INDEX
    from hpscli.errors import CheckFailed

    tell_bad(show, report.bad, report.bad_count, report.samples)

    known = expected(spec, split, index.made_by["options"], index.made_by["limit"])
    index_file = join(out, INDEX)
    sha256 = hashlib.sha256(read_bytes(out, INDEX)).hexdigest()
    sheet = "" if is_remote(out) else str(Path(out) / "contact-sheet.png")
    if sheet and not (report.already_complete and Path(sheet).is_file()):
        _draw_sheet(out, Path(sheet))
    document = {
        **_made(spec, split, out, report, index),
        "index_sha256": sha256,
        "contact_sheet": sheet or None,
        "expected": known,
    }
    _tell_earlier_runs(show, report)
    line = (
        f"{_people(report.samples)} in {len(index.shards)} shard{'s' * (len(index.shards) != 1)}, "
        f"{size_text(document['bytes'])}, index {index_file} (sha256 {sha256[:8]}...)"
    )
    show.result("prepare", document, lambda: pairs([("done", line)]))
    tell_unposed_hands(show, index)
    missing = compare(show, report.samples, known, report.bad_count)
    _refuse_bad(report, out, allow_bad)
    if whole:
        _refuse_lost(report, out)
    if missing is not None and whole:
        raise CheckFailed(
            f"{missing.problem}\nThe shards in {out} are whole, with the people that were found.",
            missing.fix,
        )
    look = f"hps datasets show {out} --sample 0"
    show.say("look", f"{sheet}   or one: {look}" if sheet else look)
    hands = (index.body or {}).get("kind") == "mano"  # tiny learns bodies
    if hands or split.startswith(("val", "test")):
        show.next(_evaluation(spec.name, split, out, index))
    else:
        show.next(f"hps train recipes/tiny.toml data.mix.{spec.name}.shards={out}")


def tell_unposed_hands(show: Output, index: "ShardIndex") -> None:
    """Say when poses of hands could not be moved from the mean hand to the flat one."""
    from hpscli.body.assets.files import missing_asset

    names = [name for name in index.arrays if name.endswith(FROM_MEAN)]
    if not names or index.made_by["options"].get("reference"):
        return
    alone = f"extra.{FROM_MEAN}" in names
    body, asset = ("MANO", "mano-right") if alone else ("SMPL-X", "smplx-neutral")
    show.say(
        "hands",
        f"the poses of {max(index.arrays[name] for name in names)} people stay relative to {body}'s "
        f"mean hand, as {names[0]}, and no network learns from them. Import {body}, then repeat with --force:",
    )
    for step in missing_asset(asset).fix.splitlines():
        show.say("", step)


def _made(
    spec: "DatasetSpec", split: str, out: str, report: "Report", index: "ShardIndex"
) -> dict[str, Any]:
    return {
        "dataset": spec.name,
        "split": split,
        "out": out,
        "samples": report.samples,
        "bad": bad_document(report.bad, report.bad_count),
        "shards": len(index.shards),
        "bytes": sum(shard.bytes for shard in index.shards),
        "seconds": report.seconds,
        "resumed": report.resumed,
        "remade": report.remade,
        "already_complete": report.already_complete,
        "body": index.body,
    }


def _tell_earlier_runs(show: Output, report: "Report") -> None:
    if report.already_complete:
        show.say("complete", "these shards were finished before; nothing was written")
    elif report.remade:
        shards = "shard was" if report.remade == 1 else "shards were"
        show.say("mended", f"{report.remade} {shards} broken or missing: made again, the rest kept")
    elif report.resumed:
        show.say("resumed", f"{report.resumed} records were done by an earlier run")


def _people(count: int) -> str:
    return f"{count} {'person' if count == 1 else 'people'}"


def expected(
    spec: "DatasetSpec", split: str, options: Mapping[str, Any], limit: int
) -> dict[str, Any] | None:
    """-> what the card says of the whole split; nothing when only a part was asked for."""
    from hpscli.cards import expected_people

    entry = expected_people(spec, split)
    changed = any(spec.options.get(name) != value for name, value in options.items())
    return None if entry is None or limit or changed else dict(entry)


def compare(
    show: Output, people: int, known: dict[str, Any] | None, bad: int
) -> "CheckFailed | None":
    """Say when the number of people is not the one that is known -> an error if that was verified."""
    from hpscli.errors import CheckFailed

    if known is None or known["count"] == people:
        return None
    bad_too = f"; {bad} record{' was' if bad == 1 else 's were'} bad" if bad else ""
    text = (
        f"{_people(people)}, {known['count']} are {known['status']} "
        f"({known.get('source', 'no source')}){bad_too}"
    )
    show.say("count", text)
    if known["status"] != "verified":
        return None
    return CheckFailed(
        f"not the whole data set: {text}.",
        "Are all files there and whole? A part of it on purpose: --partial",
    )


def _refuse_lost(report: "Report", out: str) -> None:
    """A file that cannot be read may have held any number of people: no share of bad records."""
    from hpscli.errors import InvalidData

    if lost := report.lost_files:
        raise InvalidData(
            f"{len(lost)} file{'s' * (len(lost) != 1)} could not be read, and nobody knows how many "
            f"people were in {'them' if len(lost) > 1 else 'it'}; the first: {lost[0]}. "
            f"The shards in {out} are whole, with the others.",
            "Mend the files and repeat with --force. A part of it on purpose: --partial",
        )


def _refuse_bad(report: "Report", out: str, allow_bad: float) -> None:
    """More bad records than allowed are an error; the sound people are kept all the same."""
    from hpscli.errors import InvalidData

    if report.bad_share <= allow_bad:
        return
    records = report.bad_count + report.samples
    raise InvalidData(
        f"{report.bad_count} of {records} records {'is' if report.bad_count == 1 else 'are'} bad ({report.bad_share:.1%}), more than "
        f"--allow-bad {allow_bad:g}. The shards in {out} are whole, with the sound people.",
        "Bad records are named above and in index.json. Mend the files and repeat with --force, "
        f"or accept it: --allow-bad {above(report.bad_share)}",
    )


def above(share: float) -> str:
    """-> the next hundredth."""
    return f"{min(int(share * 100 + 1) / 100, 1.0):.2f}"


def _evaluation(dataset: str, split: str, out: str, index: "ShardIndex") -> str:
    """-> the command that measures on these shards under the protocol of their body and split."""
    from hpscli.registry import get_registry

    kind = (index.body or {}).get("kind", "")
    for protocol in get_registry().all("protocol"):
        if (protocol.testset, protocol.body, protocol.split) == (dataset, kind, split):
            name = "" if protocol.default else f" --protocol {protocol.name}"
            return f"hps eval CHECKPOINT --testset {dataset}{name} --shards {out}"
    return f"hps datasets audit {out}"


def bad_document(bad: Sequence["Bad"], count: int) -> dict[str, Any]:
    """-> bad records as index.json has them."""
    records = [{k: v for k, v in vars(one).items() if k != "whole_file" or v} for one in bad]
    return {"count": count, "records": records}


def _draw_sheet(out: str, sheet: Path) -> None:
    from hpscli.data.audit.verify import contact_sheet
    from hpscli.data.evalset import EvalSet
    from hpscli.render.pictures import write_image

    write_image(sheet, contact_sheet(EvalSet(out)))


def tell_bad(show: Output, bad: Sequence["Bad"], count: int, sound: int) -> None:
    """Name the first bad records."""
    if not count:
        return
    show.say("bad", f"{count} of {count + sound} records left out")
    for one in bad[:NAMED]:
        show.say("", f"{one.key or f'number {one.position}'}: {one.problem}")
    if count > NAMED:
        show.say(
            "", f"... and {count - NAMED} more: the first 1000 in index.json, all in the tables"
        )
