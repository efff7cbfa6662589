"""hps models import | export-official | verify: checkpoints of the models' authors."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hpscli.cli.output import JsonOption, Output, QuietOption, table

if TYPE_CHECKING:
    from hpscli.errors import HpsError
    from hpscli.nn.official.importing import Imported
    from hpscli.nn.official.verifying import Verdict

Layout = Annotated[str, typer.Option("--layout", help="One of the model's; default: its own.")]


def import_(
    paths: Annotated[
        list[Path],
        typer.Argument(help="Checkpoints as their authors released them.", metavar="FILE..."),
    ],
    name: Annotated[
        str, typer.Option(help="What to call it: 'h36m'; default: by the file's name.")
    ] = "",
    keep_unused: Annotated[
        bool,
        typer.Option("--keep-unused", help="Keep tensors that no model uses, for export-official."),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there already.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what the files are, and store nothing.")
    ] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Bring authors' checkpoints in: recognised by keys and shapes, read safely, stored once."""
    from hpscli.errors import HpsError, UsageError
    from hpscli.nn.official.importing import Imported, import_file
    from hpscli.nn.weights.store import model_folder

    if name and len(paths) > 1:
        raise UsageError(
            "--name is for one file, and there are several.",
            f"Import one at a time: hps models import {paths[0]} --name {name}",
        )
    out = Output(json, quiet)
    results: list[Imported] = []
    for path in paths:
        out.say("reading", path)
        try:
            result = import_file(
                path.expanduser(), name=name, keep_unused=keep_unused, force=force, dry_run=dry_run
            )
        except HpsError as error:
            if len(paths) > 1:
                out.say("refused", "see the end")
            result = Imported(source=str(path), status="refused", error=error)
        results.append(result)
        _tell(out, result)
    out.result(
        "models-import",
        {"files": [_import_document(r) for r in results], "folder": str(model_folder())},
        lambda: _draw_imports(results),
    )
    _finish(out, results, dry_run)


def export_official(
    source: Annotated[
        str, typer.Argument(help="MODEL.TAG, a run, or a file.", metavar="NAME|FILE")
    ],
    to: Annotated[Path, typer.Option("--out", help="The file to write.")],
    layout: Layout = "",
    force: Annotated[bool, typer.Option("--force", help="Replace the file.")] = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Write weights as the model's authors keep them: their keys, their container."""
    from hpscli.nn.official.exporting import export_official as export

    out = Output(json, quiet)
    out.say("reading", source)
    done = export(source, to.expanduser(), layout=layout, force=force)
    for line in done.said:
        label, _, rest = line.partition(" ")
        out.say(label.rstrip(":"), rest)
    document = {
        "file": str(done.path),
        "sha256": done.sha256,
        "layout": done.layout,
        "container": done.container,
        "tensors": done.tensors,
        "left_out": dict(done.left_out),
        "derived": dict(done.derived),
    }
    out.result("models-export-official", document, lambda: print(done.path))


def verify(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            help="Names or files; default: all that ship or were imported.", metavar="NAME|FILE"
        ),
    ] = None,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Whether checkpoints are whole, as they were, fit their models, and hold no NaN."""
    from hpscli.errors import CheckFailed
    from hpscli.nn.official.verifying import Verdict, names_here
    from hpscli.nn.official.verifying import verify as check

    out = Output(json, quiet)
    verdicts: list[Verdict] = []
    for source in sources or names_here():
        out.say("checking", source)
        verdicts.append(check(source))
    out.result(
        "models-verify",
        {
            "ok": all(v.ok for v in verdicts),
            "checkpoints": [_verdict_document(v) for v in verdicts],
        },
        lambda: table(
            ("checkpoint", "verdict", "is", "checked"),
            [
                (v.name, "ok" if v.ok else "FAIL", v.what or "-", ", ".join(v.checked))
                for v in verdicts
            ],
        ),
    )
    if failed := [v for v in verdicts if not v.ok]:
        lines = "\n".join(f"{v.name}: {problem}" for v in failed for problem in v.problems)
        raise CheckFailed(
            f"{len(failed)} of {len(verdicts)} checkpoints failed.\n{lines}",
            "Import the original again: hps models import FILE --force",
        )


def _tell(out: Output, result: "Imported") -> None:
    """What was recognised, dropped, changed: one line each."""
    for line in result.said:
        label, _, rest = line.partition(" ")
        out.say(label.rstrip(":"), rest)


def _draw_imports(results: "list[Imported]") -> None:
    table(
        ("", "checkpoint", "preset", "layout", "from"),
        [
            (r.status, r.name or "-", r.preset or "-", r.layout or "-", Path(r.source).name)
            for r in results
        ],
    )


def _finish(out: Output, results: "list[Imported]", dry_run: bool) -> None:
    from hpscli.nn.weights.store import model_folder

    stored = [r for r in results if r.status in ("imported", "replaced")]
    if stored:
        out.say("stored", model_folder())
    errors = [result.error for result in results if result.error]
    if len(results) == 1 and errors:
        raise errors[0]
    if errors:
        raise _joined(errors, len(stored), dry_run)
    if dry_run:
        out.next(f"hps models import {' '.join(shlex.quote(r.source) for r in results)}")
    else:
        out.next(f"hps predict IMAGE --checkpoint {results[-1].name}")


def _joined(errors: "list[HpsError]", stored: int, dry_run: bool) -> "HpsError":
    """-> one error of the kind of the first: every problem, each followed by its own advice."""
    told = [f"{error.problem}\n{error.fix}".strip().replace("\n", "\n  ") for error in errors]
    files = "file" if stored == 1 else "files"
    kept = f"{stored} other {files} imported." if stored else "Nothing was imported."
    return type(errors[0])("\n".join(told), "" if dry_run else kept)


def _import_document(result: "Imported") -> dict[str, Any]:
    return {
        "source": result.source,
        "status": result.status,
        "name": result.name,
        "path": str(result.path) if result.path else None,
        "preset": result.preset,
        "layout": result.layout,
        "sha256": result.sha256,
        "said": list(result.said),
        "error": result.error.problem if result.error else None,
    }


def _verdict_document(verdict: "Verdict") -> dict[str, Any]:
    return {**vars(verdict), "ok": verdict.ok}
