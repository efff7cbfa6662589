"""Whether the parts of a recipe fit together, asked without any data before anybody trains."""

from hpscli.body.layer import load_body
from hpscli.data.epochs.plan import entries_of
from hpscli.data.epochs.rounds import side_sizes
from hpscli.errors import MissingError, UsageError, did_you_mean
from hpscli.hooks import ModelSpec, ProtocolSpec
from hpscli.metrics.rules import rule_of
from hpscli.recipe import Data, Optim, Validation
from hpscli.registry import get_registry


def check_sides(data: Data) -> None:
    """Raise for a member without a side where all need one."""
    if data.mixing == "balanced":
        side_sizes(entries_of(data.mix, dict.fromkeys(data.mix, 0)))


def check_schedule(optim: Optim) -> None:
    """Raise for rates that would not fall, though their schedule says so."""
    if optim.schedule == "step" and not optim.step_epochs:
        raise UsageError(
            'optim.schedule = "step" wants optim.step_epochs: without, the rate stays as it is.',
            "After which epochs it falls: 'optim.step_epochs=[30, 60]'; or: optim.schedule=constant",
        )
    if optim.schedule == "cosine" and optim.min_lr > optim.lr:
        raise UsageError(
            f"optim.min_lr = {optim.min_lr:g} is more than optim.lr = {optim.lr:g}: a cosine falls.",
            "optim.min_lr is where it ends; 0 unless it is said.",
        )


def check_validation(wanted: Validation, spec: ModelSpec) -> None:
    """Raise for a protocol of another body than the model's, and for a figure that it has not."""
    protocol = get_registry().protocol(wanted.protocol)
    if protocol.body != spec.body:
        raise UsageError(
            f"protocol '{protocol.name}' is for {protocol.body}, model '{spec.name}' predicts "
            f"{spec.body}.",
            "See: hps protocols list",
        )
    if not wanted.metric or wanted.metric in protocol.metrics:
        return
    known = figures(protocol)
    if known and wanted.metric not in known:
        raise UsageError(
            f"validation by '{wanted.metric}': protocol '{protocol.name}' has no such figure.",
            did_you_mean(wanted.metric, known) or f"One of: {', '.join(known)}.",
        )


def figures(protocol: ProtocolSpec) -> tuple[str, ...]:
    """-> the names of a protocol's figures; none where its rule wants arrays that are not here."""
    try:
        return tuple(rule_of(protocol, load_body(protocol.body, source="free")).figures)
    except MissingError:
        return tuple(protocol.metrics)
