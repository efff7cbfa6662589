"""What a training asks of this machine, and would be refused for after its people are made."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from hpscli.cli.training.order import Order
from hpscli.errors import HpsError

if TYPE_CHECKING:
    from hpscli.recipe import Recipe
    from hpscli.train.scaling.slurm import Cluster


def refused_here(
    order: Order, recipe: "Recipe", cluster: "Cluster | None", *, start: bool
) -> list[HpsError]:
    """-> what is in the way: device, precision, GPUs, run folder, the programs of a cluster.

    start: whether it starts anew, in a folder of its own.
    """
    found: list[HpsError] = []
    for ask in _questions(order, recipe, cluster, start):
        try:
            ask()
        except HpsError as error:
            found.append(error)
    return found


def _questions(
    order: Order, recipe: "Recipe", cluster: "Cluster | None", start: bool
) -> Iterator[Callable[[], object]]:
    from hpscli.slurm import check_scheduler
    from hpscli.train.keeping.state import check_place
    from hpscli.train.scaling.launch import check_gpus, inside_job
    from hpscli.train.scaling.processes import check_device, check_device_name

    device = order.settings["device"]
    if cluster is not None:  # its nodes may have what this one has not
        yield partial(check_device_name, device)
        yield partial(check_scheduler, cluster.executor)
    else:
        yield partial(check_device, device, recipe.train.dtype)
    if order.gpus and device != "cpu" and not inside_job():
        yield partial(check_gpus, order.gpus)
    if start and order.out is not None and not inside_job():
        yield partial(check_place, order.out)
