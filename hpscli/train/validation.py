"""The end of an epoch: how good is the model on people that it does not learn from?"""

from contextlib import nullcontext

from hpscli.nn.checkpoints import LoadedModel
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.train.job import Job
from hpscli.train.saving import describe


def validate_epoch(job: Job) -> bool:
    """Measure the model under the recipe's protocol -> whether it is the best so far.

    Best is the lowest value of the first metric of the protocol.
    """
    wanted = job.recipe.data.validation
    if wanted is None:
        return False
    job.processes.same_buffers(job.module)
    protocol = get_registry().protocol(wanted.protocol)
    with job.average.applied() if job.average is not None else nullcontext():
        model = LoadedModel(
            module=job.module,
            spec=job.spec,
            options=job.options,
            input_size=describe(job).input_size,
            body=job.body,
            info=describe(job),
            sha256="",
            name=job.recipe.name,
        )
        result = evaluate(model, wanted.shards, protocol, batch=wanted.batch, limit=wanted.limit)
    job.metrics = {name: float(metric.value) for name, metric in result.metrics.items()}
    epoch = job.step // job.steps.per_epoch
    shown = "  ".join(f"{n} {m.value:.2f} {m.unit}" for n, m in result.metrics.items())
    job.diary.record({"step": job.step, "epoch": epoch, "validation": job.metrics})
    job.processes.accelerator.log(
        {f"validation/{name}": value for name, value in job.metrics.items()}, step=job.step
    )
    leading = job.metrics[next(n for n in protocol.metrics if n in job.metrics)]
    best = leading < job.best
    job.best = min(leading, job.best)
    job.diary.say(f"epoch {epoch}", f"{shown}   {result.protocol['name']}" + "   best" * best)
    return best
