"""What follows the last step of a training: the file of a leaderboard, in the run folder, checked."""

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from hpscli.nn.checkpoints import load_model
from hpscli.recipe import Export, Recipe
from hpscli.registry import get_registry
from hpscli.run.exporting.export_preds import Exported, export_together
from hpscli.run.exporting.request import ExportRequest, target, writer_named
from hpscli.train.job import Job
from hpscli.train.scaling.leaving import Share


def export_at_end(job: Job, share: Share) -> dict[str, Any]:
    """Write the file that [export] of the recipe asks for -> what finished.json says about it.

    Every process calls it and predicts its share. A file that is there is left as it is, so a run
    that ended before its file was written gets it when it is resumed. The weights are those that the
    name of the run means: the best of the validation, else the last.
    """
    wanted = job.recipe.export
    if wanted is None or not wanted.writer:
        return {}
    processes = job.processes
    file = export_file(job.recipe, job.run)
    # the first process decides for all: one file system may show a file later than another
    if processes.gather(file.is_file())[0]:
        job.diary.say("export", f"{file} is there already")
        return {"writer": wanted.writer, "file": file.name}
    processes.wait()
    model = load_model(job.run, device=str(processes.device))
    done = export_together(
        model,
        _request(wanted, job.run),
        processes.rank,
        processes.world,
        job.diary.say,
        lambda label, total, unit: nullcontext(share.advance),
        share.meet,
    )
    processes.wait()
    return {} if done is None else _said(job, done)


def export_file(recipe: Recipe, run: Path) -> Path:
    """-> where the file of a finished training lies."""
    wanted = recipe.export
    if wanted is None:
        raise ValueError("this recipe exports nothing")
    spec = writer_named(get_registry(), wanted.writer)
    about = {"model": recipe.model.name, "epoch": recipe.train.epochs}
    return target(spec, _request(wanted, run), about, dry=True)


def _request(wanted: Export, run: Path) -> ExportRequest:
    """-> what somebody would type after `hps export-preds` for this file."""
    return ExportRequest(
        writer=wanted.writer,
        source=str(run),
        shards=wanted.shards,
        out=run,
        limit=wanted.limit,
        force=True,
    )


def _said(job: Job, done: Exported) -> dict[str, Any]:
    """Tell what was written and what its check found -> the same for finished.json."""
    job.diary.say("export", f"{done.file}   {done.people} people   sha256 {done.sha256}")
    for finding in done.findings:
        label = "export" if not finding.error else "warning"
        job.diary.say(label, f"{finding.problem} {finding.fix}".rstrip())
    return {
        "writer": done.spec.name,
        "file": done.file.name,
        "people": done.people,
        "sha256": done.sha256,
        "refused": [finding.problem for finding in done.findings if finding.error],
    }
