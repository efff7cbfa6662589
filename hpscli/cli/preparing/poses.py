"""hps prepare NAME for data sets of motions: poses instead of people."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hpscli.cli.output import Output, pairs
from hpscli.cli.preparing.results import above

if TYPE_CHECKING:
    from hpscli.data.motion.poses import PoseReport
    from hpscli.hooks import DatasetSpec

NAMED = 10  # bad motions named in the story; all of them are in index.json


def prepare_motions(
    show: Output,
    spec: "DatasetSpec",
    root: Path,
    split: str,
    place: Path | str,
    *,
    options: dict[str, Any],
    limit: int,
    force: bool,
    check: bool,
    dry_run: bool,
    allow_bad: float,
) -> None:
    """Motions -> files of poses; `check`: read all, write nothing; `dry_run`: count them."""
    from hpscli.data.motion import poses
    from hpscli.errors import UsageError

    if "://" in str(place):
        raise UsageError(f"poses are written to a folder, not to {place}.", "--out DIR")
    out = Path(place)
    count, _ = poses.open_motions(spec, root, split, options)
    total = min(count, limit) if limit else count
    show.say(spec.name, f"{split}  {total} motions")
    if dry_run:
        document = {"dry_run": True, "dataset": spec.name, "split": split, "motions": total}
        document["out"] = str(out)
        show.result("prepare", document, lambda: pairs([*document.items()][1:]))
        show.say("dry run", "nothing was written")
        return
    call = partial(poses.prepare_poses, spec, root, split, out, options=options, limit=limit)
    with show.progress("checking" if check else "writing", total, "motions") as advance:
        report = call(force=force, write=not check, advance=advance)
    _tell(show, spec, split, report, check, allow_bad)


def _tell(
    show: Output,
    spec: "DatasetSpec",
    split: str,
    report: "PoseReport",
    check: bool,
    allow_bad: float,
) -> None:
    from hpscli.errors import CheckFailed, InvalidData

    if report.bad:
        show.say("bad", f"{len(report.bad)} of {report.motions} motions left out")
        for record in report.bad[:NAMED]:
            show.say("", str(record["problem"]))
    if report.already_complete:
        show.say("complete", "these poses were finished before; nothing was written")
    elif report.resumed:
        show.say("resumed", f"the first {report.resumed} motions were read by an earlier run")
    document = {
        "dataset": spec.name,
        "split": split,
        "out": None if check else report.out,
        "poses": report.poses,
        "motions": report.motions - len(report.bad),
        "bad": {"count": len(report.bad), "records": report.bad},
        "files": len(report.files),
        "resumed": report.resumed,
        "already_complete": report.already_complete,
    }
    motions = "motion" if document["motions"] == 1 else "motions"
    line = f"{report.poses} poses of {document['motions']} {motions}"
    line += "" if check else f", {report.out / 'index.json'}"
    show.result("prepare", document, lambda: pairs([("sound" if check else "done", line)]))
    if check and report.bad:
        raise CheckFailed(
            f"{len(report.bad)} motions of '{spec.name}' are bad.",
            "They are named above; without --check they are left out.",
        )
    share = len(report.bad) / max(report.motions, 1)
    if share > allow_bad:
        raise InvalidData(
            f"{len(report.bad)} of {report.motions} motions are bad ({share:.1%}), more than "
            f"--allow-bad {allow_bad:g}. The poses in {report.out} are whole, of the sound motions.",
            "Bad motions are named in index.json. Mend the files and repeat with --force, "
            f"or accept it: --allow-bad {above(share)}",
        )
