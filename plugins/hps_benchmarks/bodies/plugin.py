"""Bodies on 3DPW, Human3.6M, MPI-INF-3DHP and EFT's test lists, as the papers measure them."""

from hps_benchmarks.bodies.specs import goldens, protocols, speeds
from hpscli.hooks import GoldenSpec, ProtocolSpec, SpeedSpec, hookimpl


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> each paper's rule on each test set, and each without what is wrong or undefined in it."""
    return protocols()


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what the papers' programs returned."""
    return goldens()


@hookimpl
def hps_speeds() -> list[SpeedSpec]:
    """-> the similarity transform of a whole test set."""
    return speeds()
