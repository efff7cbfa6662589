"""Registers its data sets."""

from hpscli.hooks import DatasetSpec, hookimpl


@hookimpl
def hps_datasets() -> list[DatasetSpec]:
    """-> its data sets."""
    return []
