"""hps prepare NAME: original files -> shards."""

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, pairs

if TYPE_CHECKING:
    from hpscli.data.people import Layout
    from hpscli.hooks import DatasetSpec

FEW = 64  # people that one process prepares sooner than several can start
MOST_WORKERS = 8
LEAST_PX = 16  # of a stored crop
ALLOWED_BAD = 0.01  # of all records; more of them, and the run ends with code 5


def prepare(
    name: Annotated[str, typer.Argument(help="Data set; see: hps datasets list.")],
    options: Annotated[
        list[str] | None, typer.Argument(help="The data set's own options: key=value.")
    ] = None,
    from_: Annotated[
        Path | None, typer.Option("--from", help="Folder with the owner's files.")
    ] = None,
    out: Annotated[str, typer.Option(help="Folder or URL; default: shards/NAME/SPLIT.")] = "",
    split: Annotated[str, typer.Option(help="Default: the data set's first.")] = "",
    workers: Annotated[
        int, typer.Option(min=0, help="Processes; 0: as many as this machine has, at most 8.")
    ] = 0,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N people; 0: all.")] = 0,
    layout: Annotated[
        str,
        typer.Option(help="crop or full pictures; default: crop to train on, full to measure on."),
    ] = "",
    crop_px: Annotated[
        int, typer.Option("--size-px", min=LEAST_PX, help="Longest side of a stored crop, px.")
    ] = 480,
    as_reference: Annotated[
        bool,
        typer.Option(
            "--as-reference", help="As the official converter makes it, defects included."
        ),
    ] = False,
    shard_samples: Annotated[int, typer.Option(min=1, help="People in one tar.")] = 1000,
    body: Annotated[str, typer.Option(help="Short for body=...: smpl, mano or smplx.")] = "",
    count: Annotated[int, typer.Option(help="Short for count=... (generated data).")] = 0,
    size: Annotated[
        int, typer.Option(help="Short for --size-px; of generated data: the pictures' side.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Short for seed=... (generated data).")] = -1,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Look for files, read all people, decode all pictures; write nothing."
        ),
    ] = False,
    allow_bad: Annotated[
        float,
        typer.Option(min=0.0, max=1.0, help="Exit 5 when more than this share of records is bad."),
    ] = ALLOWED_BAD,
    partial_: Annotated[
        bool, typer.Option("--partial", help="A part on purpose: accept fewer people than known.")
    ] = False,
    slurm: Annotated[
        str,
        typer.Option(help="Jobs on a cluster: array=40,time=4:00:00 ..."),
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="With --slurm: stay until all jobs ended.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace shards that are there.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Original files -> shards: checked, deterministic, resumable."""
    from hpscli.cli.preparing.before import check_source, show_missing
    from hpscli.cli.preparing.jobs import hand_over
    from hpscli.cli.preparing.results import finish
    from hpscli.data import prepare as work
    from hpscli.data.sources import checked_options
    from hpscli.errors import MissingError
    from hpscli.registry import get_registry

    show = Output(json, quiet)
    spec = get_registry().dataset(name)
    if size and not {"size", "size_px"} & set(spec.options):
        crop_px, size = _side(size), 0
    short: dict[str, int | str] = {"body": body, "count": count or "", "size": size or ""}
    short["seed"] = seed if seed >= 0 else ""
    values = checked_options(spec, [*(options or []), *_long(spec, short)])
    if as_reference:
        values = _as_reference(spec, values)
    split = spec.split_aliases.get(split, split) or spec.splits[0]
    work.check_split(spec, split)
    root = _root(spec, from_)
    _refuse_file(out)
    stored = _layout(layout, crop_px)
    try:
        source = work.checked_source(spec, root, split, values, stored)
    except MissingError:
        if check and root.is_dir():
            show_missing(show, spec, root, split)
        raise
    if spec.poses:
        from hpscli.cli.preparing.poses import prepare_motions

        place = str(out or Path("shards") / spec.name / split)
        motions = partial(prepare_motions, show, spec, root, split, place, options=values)
        flags = {"force": force, "check": check, "dry_run": dry_run, "allow_bad": allow_bad}
        _guarded(partial(motions, limit=limit, **flags), place)
        return
    total = work.expected_samples(source, limit)
    workers = workers or (min(os.cpu_count() or 1, MOST_WORKERS) if total > FEW or not total else 1)
    target = out or str(Path("shards") / spec.name / split)
    shown = " ".join(_in_force(spec, values))
    show.say(spec.name, f"{split}  {f'{total} people' if total else 'people'}  {shown}")
    if dry_run:
        _announce(show, spec, split, target, total, values)
        return
    if check:
        check_source(show, source, target, workers=workers, limit=limit, total=total)
        return
    order: dict[str, Any] = {"options": values, "limit": limit, "layout": stored}
    order["shard_samples"] = shard_samples
    if slurm and not hand_over(show, source, target, order, slurm, wait=wait, force=force):
        return
    call = partial(work.prepare, spec, root, split, target, **order, workers=workers)
    with show.progress("writing", total, "people") as advance:
        report = _guarded(partial(call, force=force and not slurm, advance=advance), target)
    if report.index is not None:
        finish(show, spec, split, target, report, report.index, allow_bad, whole=not partial_)


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


def _side(side_px: int) -> int:
    from hpscli.errors import UsageError

    if side_px < LEAST_PX:
        raise UsageError(f"crops of {side_px} px are too small.", f"--size {LEAST_PX} or more")
    return side_px


def _in_force(spec: "DatasetSpec", values: dict[str, Any]) -> list[str]:
    """-> options as typed; defaults that mean "off" (nothing, false, below zero) are not named."""
    off = {name for name, value in spec.options.items() if value in ("", False) or _below(value)}
    return [
        f"{name}={value}"
        for name, value in values.items()
        if name not in off or value != spec.options[name]
    ]


def _below(value: object) -> bool:
    return isinstance(value, int | float) and value < 0


def _as_reference(spec: "DatasetSpec", values: dict[str, Any]) -> dict[str, Any]:
    from hpscli.errors import UsageError

    if not spec.references:
        raise UsageError(
            f"no official converter of '{spec.name}' is reproduced.", "Leave --as-reference out."
        )
    return {**values, "reference": values.get("reference") or spec.references[0]}


def _refuse_file(out: str) -> None:
    """Raise for a file where the folder of the shards is to be."""
    from hpscli.errors import UsageError

    if out and "://" not in out and Path(out).is_file():
        raise UsageError(f"{out} is a file, and shards are a folder.", "Another folder: --out DIR")


def _layout(kind: str, side_px: int) -> "Layout":
    from hpscli.data.people import LAYOUTS, Layout
    from hpscli.errors import UsageError

    if kind and kind not in LAYOUTS:
        raise UsageError(f"no layout '{kind}'.", "--layout crop, or --layout full")
    return Layout(kind=kind, side_px=side_px)


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
    show: Output, spec: "DatasetSpec", split: str, out: str, total: int, options: dict[str, Any]
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
    rows = {**document, "people": total or "known when all is read"}
    rows["options"] = " ".join(f"{k}={v}" for k, v in options.items() if v != "") or "-"
    show.result("prepare", document, lambda: pairs(list(rows.items())[1:]))
    show.say("dry run", "nothing was written")


def _guarded(call: Any, out: str) -> Any:
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
