"""Protocols of course."""

from hpscli.hooks import ProtocolSpec, hookimpl


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> the protocols."""
    return []
