"""Leaving a training when its job is asked to stop: all processes together, with everything saved.

A step is short, and its end is where they agree. A validation or an export may take longer than the
warning of a cluster; a continued run does it again, so it is left between two batches. Processes have
different numbers of batches, so they meet once only: when they have left their share, or have done it.
"""

from dataclasses import dataclass

from hpscli.errors import Interrupted
from hpscli.train.scaling.processes import Processes
from hpscli.train.scaling.stopping import Stop


@dataclass(frozen=True)
class Share:
    """This process's share of a work that can be done again; `when`: "in the validation ..."."""

    processes: Processes
    stop: Stop
    when: str

    def advance(self, count: int) -> None:
        """After a batch: leave the rest, if this process was asked to stop."""
        if self.stop.now():
            self._meet(leaving=True)

    def meet(self) -> None:
        """After the last batch, before anything is exchanged: leave, if another one has."""
        self._meet(leaving=False)

    def _meet(self, leaving: bool) -> None:
        if any(self.processes.gather(leaving)):
            raise stopped(self.processes, self.stop, self.when)


def stopped(processes: Processes, stop: Stop, when: str) -> Interrupted:
    """-> the error of a training that was asked to stop; every process hears what signals others got."""
    for numbers in processes.gather(sorted(stop.signals)):
        stop.hear(numbers)
    return Interrupted(
        f"stopped {when}; everything is saved.",
        f"Continue: hps train --resume {processes.run}{processes.flag}",
    )
