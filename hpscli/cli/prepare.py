"""hps prepare NAME: original files -> shards."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs

if TYPE_CHECKING:
    from hpscli.data.people import Layout
    from hpscli.data.prepare import Report
    from hpscli.data.shards import ShardIndex
    from hpscli.hooks import DatasetSpec

FEW = 64  # people that one process prepares sooner than several can start
MOST_WORKERS = 8
NAMED = 10  # bad records named in the story; all of them are in index.json


def prepare(
    name: Annotated[str, typer.Argument(help="Data set; see: hps datasets list.")],
    options: Annotated[
        list[str] | None, typer.Argument(help="The data set's own options: key=value.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Folder with the owner's files.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Default: shards/NAME/SPLIT.")] = None,
    split: Annotated[str, typer.Option(help="Default: the data set's first.")] = "",
    workers: Annotated[int, typer.Option(help="Processes; 0: as many as this machine has.")] = 0,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N people; 0: all.")] = 0,
    layout: Annotated[
        str,
        typer.Option(help="crop or full pictures; default: crop to train on, full to measure on."),
    ] = "",
    crop_px: Annotated[
        int, typer.Option("--size-px", min=16, help="Longest side of a stored crop, px.")
    ] = 512,
    as_reference: Annotated[
        bool,
        typer.Option(
            "--as-reference", help="As the official converter makes it, defects included."
        ),
    ] = False,
    shard_samples: Annotated[int, typer.Option(min=1, help="People in one tar.")] = 1000,
    body: Annotated[str, typer.Option(help="Short for body=...: smpl, mano or smplx.")] = "",
    count: Annotated[int, typer.Option(help="Short for count=... (generated data).")] = 0,
    size: Annotated[int, typer.Option(help="Short for size=... px (generated data).")] = 0,
    seed: Annotated[int, typer.Option(help="Short for seed=... (generated data).")] = -1,
    check: Annotated[
        bool, typer.Option("--check", help="Read and check all people, write nothing.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace shards that are there.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Original files -> shards: checked, deterministic, resumable."""
    from hpscli.data import prepare as work
    from hpscli.data.sources import checked_options
    from hpscli.registry import get_registry

    show = Output(json, quiet)
    spec = get_registry().dataset(name)
    short: dict[str, int | str] = {"body": body, "count": count or "", "size": size or ""}
    short["seed"] = seed if seed >= 0 else ""
    values = checked_options(spec, [*(options or []), *_long(spec, short)])
    if as_reference:
        values = _as_reference(spec, values)
    split = split or spec.splits[0]
    root = _root(spec, from_)
    stored = _layout(layout, crop_px)
    source = work.checked_source(spec, root, split, values, stored)
    if spec.poses:
        from hpscli.cli.prepare_poses import prepare_motions

        place = out or Path("shards") / spec.name / split
        motions = partial(prepare_motions, show, spec, root, split, place, options=values)
        flags = {"force": force, "check": check, "dry_run": dry_run}
        _guarded(partial(motions, limit=limit, **flags), place)
        return
    total = work.expected_samples(source, limit)
    workers = workers or (min(os.cpu_count() or 1, MOST_WORKERS) if total > FEW or not total else 1)
    target = out or Path("shards") / spec.name / split
    shown = " ".join(f"{key}={value}" for key, value in values.items() if value != "")
    show.say(spec.name, f"{split}  {f'{total} people' if total else 'people'}  {shown}")
    if dry_run:
        _announce(show, spec, split, target, total, values)
        return
    common: dict[str, Any] = {"options": values, "workers": workers, "limit": limit}
    writing: dict[str, Any] = {"out": target, "shard_samples": shard_samples, "force": force}
    writing["layout"] = stored
    call = partial(work.check, spec, root, split, **common)
    if not check:
        call = partial(work.prepare, spec, root, split, **common, **writing)
    with show.progress("checking" if check else "writing", total, "people") as advance:
        report = _guarded(partial(call, advance=advance), target)
    _tell_bad(show, report)
    if check:
        _verdict(show, spec, report)
    elif report.index is not None:
        _finish(show, spec, split, target, report, report.index)


def _long(spec: "DatasetSpec", short: dict[str, int | str]) -> list[str]:
    """Convenience flags -> key=value words; `--size` is the option size or size_px."""
    from hpscli.errors import UsageError

    words = []
    for key, value in short.items():
        if value == "":
            continue
        names = [name for name in (key, f"{key}_px") if name in spec.options]
        if not names:
            raise UsageError(
                f"data set '{spec.name}' has no option '{key}'.",
                f"Its options: {', '.join(spec.options) or 'none'}",
            )
        words.append(f"{names[0]}={value}")
    return words


def _as_reference(spec: "DatasetSpec", values: dict[str, Any]) -> dict[str, Any]:
    from hpscli.errors import UsageError

    if not spec.references:
        raise UsageError(
            f"no official converter of '{spec.name}' is reproduced.", "Leave --as-reference out."
        )
    return {**values, "reference": values.get("reference") or spec.references[0]}


def _layout(kind: str, side_px: int) -> "Layout | None":
    from hpscli.data.people import LAYOUTS, Layout
    from hpscli.errors import UsageError

    if kind and kind not in LAYOUTS:
        raise UsageError(f"no layout '{kind}'.", "--layout crop, or --layout full")
    return Layout(kind=kind, side_px=side_px) if kind else None


def _root(spec: "DatasetSpec", given: Path | None) -> Path:
    """-> the folder of the owner's files: --from, else $HPS_DATA/NAME, else data/NAME."""
    from hpscli.errors import MissingError

    if given is not None or not spec.needs_root:
        return (given or Path()).expanduser()
    tops = [Path("data")]
    if data := os.environ.get("HPS_DATA"):
        tops.insert(0, Path(data).expanduser())
    places = [top / name for top in tops for name in (spec.name, *spec.aliases)]
    if found := next((place for place in places if place.is_dir()), None):
        return found
    looked = " nor ".join(str(top / spec.name) for top in tops)
    raise MissingError(
        f"neither {looked} is there." if len(tops) > 1 else f"no {looked}.", _how(spec)
    )


def _how(spec: "DatasetSpec") -> str:
    """-> what to download where, and what to type then."""
    from hpscli.cards import load_card

    steps = str(load_card(spec.card).get("download", "")).strip() if spec.card else ""
    last = f"hps prepare {spec.name} --from DIR   (more: hps datasets show {spec.name})"
    return f"{steps}\n{last}".strip()


def _announce(
    show: Output, spec: "DatasetSpec", split: str, out: Path, total: int, options: dict[str, Any]
) -> None:
    document = {
        "dry_run": True,
        "dataset": spec.name,
        "split": split,
        "out": out,
        "people": total or None,
        "options": options,
        "licence": spec.licence,
    }
    show.result("prepare", document, lambda: pairs(list(document.items())[1:]))
    show.say("", "nothing was written (dry run)")


def _guarded(call: Any, out: Path) -> Any:
    """Run a preparation; Ctrl-C and a full disk end in a sentence that says how to go on."""
    import errno

    from hpscli.errors import Interrupted, MissingError

    try:
        return call()
    except KeyboardInterrupt:
        raise Interrupted(
            f"stopped; finished shards are kept in {out}.", "Repeat the same command to go on."
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise MissingError(
            f"no space left for {out}: {error.strerror}; finished shards are kept.",
            "Make room and repeat the same command to go on.",
        ) from None


def _tell_bad(show: Output, report: "Report") -> None:
    if not report.bad:
        return
    show.say("bad", f"{len(report.bad)} of {len(report.bad) + report.samples} records left out")
    for bad in report.bad[:NAMED]:
        show.say("", f"{bad.key or f'number {bad.position}'}: {bad.problem}")
    if len(report.bad) > NAMED:
        show.say("", f"... and {len(report.bad) - NAMED} more, all listed in index.json")


def _verdict(show: Output, spec: "DatasetSpec", report: "Report") -> None:
    from hpscli.errors import CheckFailed

    document = {"check": True, "dataset": spec.name, "samples": report.samples, "bad": _bad(report)}
    show.result("prepare", document, lambda: pairs([("sound", report.samples)]))
    if report.bad:
        raise CheckFailed(
            f"{len(report.bad)} records of '{spec.name}' are bad.",
            "They are named above; without --check they are left out of the shards.",
        )


def _finish(
    show: Output,
    spec: "DatasetSpec",
    split: str,
    out: Path,
    report: "Report",
    index: "ShardIndex",
) -> None:
    import hashlib

    expected = _expected(spec, split, index)
    index_file = out / "index.json"
    sha256 = hashlib.sha256(index_file.read_bytes()).hexdigest()
    size = sum(shard.bytes for shard in index.shards)
    sheet = out / "contact-sheet.png"
    if not report.already_complete or not sheet.is_file():
        _draw_sheet(out, sheet)
    document = {
        "dataset": spec.name,
        "split": split,
        "out": out,
        "samples": report.samples,
        "bad": _bad(report),
        "shards": len(index.shards),
        "bytes": size,
        "index_sha256": sha256,
        "seconds": report.seconds,
        "resumed": report.resumed,
        "remade": report.remade,
        "already_complete": report.already_complete,
        "contact_sheet": sheet,
        "body": index.body,
        "expected": expected,
    }
    if report.already_complete:
        show.say("complete", "these shards were finished before; nothing was written")
    elif report.remade:
        shards = "shard was" if report.remade == 1 else "shards were"
        show.say("mended", f"{report.remade} {shards} broken or missing: made again, the rest kept")
    elif report.resumed:
        show.say("resumed", f"the first {report.resumed} records were done by an earlier run")
    people = "person" if report.samples == 1 else "people"
    line = (
        f"{report.samples} {people} in {len(index.shards)} shard{'s' * (len(index.shards) != 1)}, "
        f"{size / 1e6:.1f} MB, index {index_file} (sha256 {sha256[:8]}...)"
    )
    show.result("prepare", document, lambda: pairs([("done", line)]))
    _compare(show, report.samples, expected, len(report.bad))
    show.say("look", f"{sheet}   or one: hps datasets show {out} --sample 0")
    if split.startswith(("val", "test")):
        show.next(_evaluation(spec.name, split, out, index))
    else:
        show.next(f"hps train recipes/tiny.toml data.mix.{spec.name}.shards={out}")


def _expected(spec: "DatasetSpec", split: str, index: "ShardIndex") -> dict[str, Any] | None:
    """-> what the card says of the whole split; nothing when only a part was asked for."""
    from hpscli.cards import expected_people

    entry = expected_people(spec, split)
    changed = {k: v for k, v in index.made_by["options"].items() if spec.options.get(k) != v}
    return None if entry is None or index.made_by["limit"] or changed else dict(entry)


def _compare(show: Output, people: int, expected: dict[str, Any] | None, bad: int) -> None:
    """Say when the number of people is not the one that is known; an error when that was verified."""
    from hpscli.errors import CheckFailed

    if expected is None or expected["count"] == people:
        return
    bad_too = f"; {bad} records were bad" if bad else ""
    text = (
        f"{people} people, {expected['count']} are {expected['status']} "
        f"({expected.get('source', 'no source')}){bad_too}"
    )
    show.say("count", text)
    if expected["status"] == "verified":
        raise CheckFailed(f"not the whole data set: {text}.", "Are all files there and whole?")


def _evaluation(dataset: str, split: str, out: Path, index: "ShardIndex") -> str:
    """-> the command that measures on these shards under the protocol of their body and split."""
    from hpscli.registry import get_registry

    kind = (index.body or {}).get("kind", "")
    for protocol in get_registry().all("protocol"):
        if (protocol.testset, protocol.body, protocol.split) == (dataset, kind, split):
            name = "" if protocol.default else f" --protocol {protocol.name}"
            return f"hps eval CHECKPOINT --testset {dataset}{name} --shards {out}"
    return f"hps datasets stats {out}"


def _bad(report: "Report") -> dict[str, Any]:
    return {"count": len(report.bad), "records": [vars(bad) for bad in report.bad]}


def _draw_sheet(out: Path, sheet: Path) -> None:
    from hpscli.data.evalset import EvalSet
    from hpscli.data.verify import contact_sheet
    from hpscli.render.pictures import write_image

    write_image(sheet, contact_sheet(EvalSet(out)))
