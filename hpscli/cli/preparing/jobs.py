"""hps prepare NAME --slurm ...: the job list goes to a cluster."""

from typing import TYPE_CHECKING, Any

from hpscli.cli.output import Output, pairs

if TYPE_CHECKING:
    from hpscli.data.sources import Source


def hand_over(
    show: Output,
    source: "Source",
    out: str,
    order: dict[str, Any],
    words: str,
    *,
    wait: bool,
    force: bool,
) -> bool:
    """Submit the jobs -> whether they have ended, so that this process writes the index."""
    from pathlib import Path

    from hpscli.data.preparing.jobs import Order, cluster_of, count_people, submit, wait_for
    from hpscli.data.preparing.places import clear, place_of
    from hpscli.data.remote import is_remote
    from hpscli.data.shards import INDEX

    cluster = cluster_of(words)
    target = out if is_remote(out) else str(Path(out).absolute())
    whole = Order(spec=source.spec, root=source.root, split=source.split, out=target, **order)
    place = place_of(target)
    if force:
        clear(place)
    finished = place.size(INDEX) >= 0
    place.close()
    if finished:
        return True
    with show.progress("counting", 0, "people") as advance:
        people = count_people(source, whole.limit, advance)
    handed = submit(whole, cluster, people, wait=wait)
    ids = [str(job.job_id) for job in handed.jobs]
    show.say(
        "jobs", f"{len(ids)} for {people} people: {' '.join(ids[:4])}{' ...' * (len(ids) > 4)}"
    )
    show.say("logs", handed.logs)
    if handed.last is None:
        with show.progress("jobs", people, "people") as advance:
            wait_for(handed, advance)
        return True
    document = {
        "dataset": source.spec.name,
        "split": source.split,
        "out": target,
        "people": people,
        "jobs": ids,
        "last_job": str(handed.last.job_id),
        "logs": handed.logs,
    }
    show.result("prepare-jobs", document, lambda: pairs([("submitted", f"{len(ids)} jobs")]))
    show.say("then", f"job {handed.last.job_id} makes what is missing and writes the index")
    show.next(
        "squeue --me   and at the end the same command without --slurm, which tells the result"
    )
    return False
