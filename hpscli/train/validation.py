"""The end of an epoch: how good is the model on people that it does not learn from?"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import nn

from hpscli.body.kit import body_kit
from hpscli.errors import UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.nn.checkpoints import LoadedModel, build_model
from hpscli.nn.meta import without_random_numbers
from hpscli.recipe import Validation
from hpscli.registry import get_registry
from hpscli.run.evaluate import evaluate
from hpscli.train.job import Job
from hpscli.train.keeping.saving import describe
from hpscli.train.plan import AS_PUBLISHED, selection
from hpscli.train.scaling.leaving import Share
from hpscli.train.scaling.sharding import whole
from hpscli.train.telling.exhausted import measuring_told


@contextmanager
def as_measured(job: Job) -> Iterator[nn.Module]:
    """Yield the model that is measured and drawn: averaged weights if there are any, in float32.

    Weights that are shared out are put together in a second model, for processes measure different
    numbers of people, and none may wait for the others.
    """
    job.processes.same_buffers(job.module)
    averaged = job.average.applied() if job.average is not None else nullcontext()
    if not job.processes.sharded:
        with averaged, as_evaluated(job.module):
            yield job.module
        return
    with averaged:
        weights = whole(job.module.state_dict())
    kit = body_kit(job.spec.body, given=job.body) if job.spec.takes_kit else None
    with without_random_numbers(), torch.random.fork_rng():
        module, _, _ = build_model(job.spec.name, options=job.options, kit=kit)
    module.load_state_dict(weights)
    yield module.to(job.processes.device)


@contextmanager
def as_evaluated(module: nn.Module) -> Iterator[None]:
    """Within it a model computes in float32, as `hps eval` does by default.

    Accelerate puts a call in half precision in place of the model's own, unless it is compiled or
    shared out; the best checkpoint is to be best by figures that can be had again.
    """
    halved = vars(module).pop("forward", None)
    try:
        yield
    finally:
        if halved is not None:
            vars(module)["forward"] = halved


def deciding(wanted: Validation, protocol: ProtocolSpec, measured: Sequence[str]) -> str:
    """-> the figure that chooses the best: the recipe's, else the first of the protocol."""
    if wanted.metric and wanted.metric not in measured:
        raise UsageError(
            f"validation by '{wanted.metric}': protocol '{protocol.name}' has no such figure here.",
            f"One of: {', '.join(measured)}.",
        )
    named = [wanted.metric] if wanted.metric else [n for n in protocol.metrics if n in measured]
    return named[0] if named else measured[0]


def validate_epoch(job: Job, module: nn.Module, share: Share) -> bool:
    """Measure the model under the recipe's protocol -> whether it is the best so far."""
    wanted = selection(job.recipe)
    if wanted is None:
        return False
    protocol = get_registry().protocol(wanted.protocol)
    info = describe(job)
    model = LoadedModel(
        module=module,
        spec=job.spec,
        options=job.options,
        input_size=info.input_size,
        body=job.body,
        info=info,
        sha256="",
        name=job.recipe.name,
    )
    with measuring_told(job.recipe, wanted.batch, job.processes):
        result = evaluate(
            model,
            wanted.shards,
            protocol,
            batch=wanted.batch,
            limit=wanted.limit,
            advance=share.advance,
            meet=share.meet,
        )
    job.metrics = {name: float(metric.value) for name, metric in result.metrics.items()}
    epoch = job.steps.epoch(job.step)
    shown = "  ".join(f"{n} {m.value:.2f} {m.unit}" for n, m in result.metrics.items())
    mark = {"selected": AS_PUBLISHED} if job.recipe.train.as_published else {}
    said = {
        "units": {name: metric.unit for name, metric in result.metrics.items()},
        "smaller_is_better": {name: m.smaller_is_better for name, m in result.metrics.items()},
    }
    job.diary.record({"step": job.step, "epoch": epoch, "validation": job.metrics, **said, **mark})
    job.processes.accelerator.log(
        {f"validation/{name}": value for name, value in job.metrics.items()}, step=job.step
    )
    figure = result.metrics[deciding(wanted, protocol, list(result.metrics))]
    score = float(figure.value) * (1 if figure.smaller_is_better else -1)
    best = note(job, score)
    told = f"{shown}   {result.protocol['name']}" + "   best" * best
    job.diary.say(f"epoch {epoch}", told + (f"   {AS_PUBLISHED}" if mark else ""))
    return best


def note(job: Job, score: float) -> bool:
    """Keep the score of a validation, lower is better -> whether it is the best; NaN never is."""
    best = score < job.best
    if best:
        job.best = score
    job.stale = 0 if best else job.stale + 1
    return best
