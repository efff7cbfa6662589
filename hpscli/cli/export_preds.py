"""hps export-preds: predictions -> the file that a leaderboard takes; or the check of such a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import CropOption, JsonOption, Output, QuietOption, size_text, table
from hpscli.errors import CheckFailed, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hpscli.hooks import WriterSpec
    from hpscli.records import Finding
    from hpscli.run.exporting.request import ExportRequest

LIST = "list"

Writer = Annotated[str, typer.Argument(help="A leaderboard; `list` shows them.")]
Words = Annotated[list[str] | None, typer.Argument(help="Its own options: key=value.")]
Tta = Annotated[str, typer.Option("--tta", help="multiscale or flip: average several views.")]


def export_preds(
    writer: Writer = LIST,
    words: Words = None,
    checkpoint: Annotated[
        str,
        typer.Option(help="File, model.tag, RUN, RUN@EPOCH, or a file of predictions."),
    ] = "",
    check: Annotated[
        Path | None,
        typer.Option("--check", metavar="FILE", help="Only check a file, made anywhere."),
    ] = None,
    shards: Annotated[str, typer.Option(help="Folder or URL of the people.")] = "",
    split: Annotated[str, typer.Option(help="Other splits than the leaderboard's: a,b.")] = "",
    out: Annotated[
        Path | None, typer.Option(help="File or folder; default: the usual name, here.")
    ] = None,
    tta: Tta = "",
    batch: Annotated[int, typer.Option(min=1, help="People at once.")] = 32,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N people; 0: all.")] = 0,
    gpus: Annotated[int, typer.Option(min=0, help="One process on each of N GPUs.")] = 0,
    processes: Annotated[int, typer.Option(min=0, help="N processes on the CPU.")] = 0,
    device: Annotated[str, typer.Option(help="cpu or cuda; default: the best there is.")] = "",
    dtype: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    crop: CropOption = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write the file that a leaderboard takes, and check it as its server would.

    A violation ends with exit code 4; a warning is what may cost points all the same.
    """
    from hpscli.run.exporting.request import ExportRequest

    output = Output(json, quiet)
    if writer == LIST:
        if check is not None or checkpoint:
            raise UsageError(
                "which leaderboard?",
                f"hps export-preds NAME {f'--check {check}' if check else '...'}"
                "     (names: hps export-preds list)",
            )
        _list(output)
        return
    request = ExportRequest(
        writer=writer,
        source=checkpoint,
        words=tuple(words or ()),
        shards=shards,
        split=split,
        out=out,
        tta=tta,
        batch=batch,
        limit=limit,
        gpus=gpus,
        processes=processes,
        device=device,
        dtype=dtype,
        crop=crop,
        force=force,
    )
    if check is not None:
        _check(output, request, check)
    elif dry_run:
        _announce(output, request)
    else:
        _export(output, request)


def _list(output: Output) -> None:
    """The leaderboards, where they are, and what their files are called."""
    from hpscli.registry import get_registry

    specs: list[WriterSpec] = get_registry().all("writer")
    documents = [
        {
            "name": spec.name,
            "people": f"{spec.testset}/{spec.split}",
            "bodies": list(spec.bodies),
            "file": spec.file_name,
            "options": {**spec.check_options, **spec.options},
            "summary": spec.summary,
            "homepage": spec.homepage,
        }
        for spec in specs
    ]
    rows = [
        (
            spec.name,
            f"{spec.testset}/{spec.split}",
            ", ".join(spec.bodies),
            " ".join(f"{k}={v}" for k, v in {**spec.check_options, **spec.options}.items()),
            spec.homepage,
        )
        for spec in specs
    ]
    columns = ("leaderboard", "people", "body", "options", "where")
    output.result("leaderboards", {"leaderboards": documents}, lambda: table(columns, rows))
    output.next("hps export-preds NAME --dry-run     hps export-preds NAME --check FILE")


def _check(output: Output, request: "ExportRequest", file: Path) -> None:
    """Findings about a file that exists."""
    from hpscli.registry import get_registry
    from hpscli.run.exporting.export_preds import check_file
    from hpscli.run.exporting.request import writer_named

    spec = writer_named(get_registry(), request.writer)
    if request.source:
        raise UsageError(
            "--check looks at a file, --checkpoint makes one.", "Leave one of the two out."
        )
    found = check_file(spec, file, request.words)
    document = {"writer": spec.name, "file": str(file), **_verdict(found)}
    output.result("leaderboard-check", document, lambda: _draw(found, spec, file))
    _fail(found, spec, file)
    output.next(f"upload it: {spec.homepage}")


def _announce(output: Output, request: "ExportRequest") -> None:
    """What would be done, and what is missing for it; nothing is predicted or written."""
    from hpscli.cli.output import pairs
    from hpscli.run.exporting.request import plan

    found = plan(request)
    output.result("leaderboard-plan", found, lambda: pairs(_shown(found)))


def _shown(plan: dict[str, Any]) -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = [(name, plan[name]) for name in ("leaderboard", "file")]
    rows += [(name, plan[name]) for name in ("checkpoint", "shards") if plan[name]]
    rows += [("options", " ".join(f"{k}={v}" for k, v in plan["options"].items()) or "none")]
    for text in plan["missing"]:
        lines = text.splitlines()
        rows += [("would need" if line is lines[0] else "", line) for line in lines]
    return rows


def _export(output: Output, request: "ExportRequest") -> None:
    """Write, check, tell."""
    from hpscli.run.exporting.export_preds import export

    done = export(request, output.say, output.progress)
    if done is None:  # another process of the group has the word
        return
    free, given = done.body.get("source") == "free", bool(done.about.get("format"))
    document = {
        "writer": done.spec.name,
        "file": str(done.file),
        "sha256": done.sha256,
        "bytes": done.file.stat().st_size,
        "people": done.people,
        "body": dict(done.body),
        "predictions": dict(done.about),
        "shards": done.shards,
        "options": dict(done.options),
        "homepage": done.spec.homepage,
        **_verdict(done.findings),
    }
    output.result("export-preds", document, lambda: _draw(done.findings, done.spec, done.file))
    output.say(
        "saved", f"{done.file}   {size_text(done.file.stat().st_size)}, {done.people} people"
    )
    output.say("sha256", done.sha256)
    if free:
        output.say("note", LACKING if given else FREE)
    _fail(done.findings, done.spec, done.file)
    if free and not given:
        output.next("hps assets import FILE     your licensed body; then again with a model of it")
    else:
        output.next(f"upload it: {done.spec.homepage}")


LACKING = "the free body stands in for what the file of predictions lacks, if anything"
FREE = "made with the free body, whose mesh is not the leaderboard's: for trying out, not to submit"


def _verdict(found: "Sequence[Finding]") -> dict[str, Any]:
    return {
        "ok": not any(finding.error for finding in found),
        "findings": [vars(finding) for finding in found],
    }


def _draw(found: "Sequence[Finding]", spec: "WriterSpec", file: Path) -> None:
    if not found:
        print(f"{file}: the rules of {spec.name} are kept")
    for finding in found:
        head = "VIOLATION" if finding.error else "warning"
        place = f"{finding.place}: " if finding.place else ""
        print(f"{head:<10} {place}{finding.problem}")
        if finding.fix:
            print(f"{'':<10} {finding.fix}")


def _fail(found: "Sequence[Finding]", spec: "WriterSpec", file: Path) -> None:
    """Raise when a rule is broken."""
    broken = [finding for finding in found if finding.error]
    if broken:
        count = "one rule" if len(broken) == 1 else f"{len(broken)} rules"
        raise CheckFailed(
            f"{file} breaks {count} of {spec.name}; first: {broken[0].problem.rstrip('.')}.",
            broken[0].fix,
        )
