"""Kernels that give the same bits in every run, where PyTorch has such; on a CPU all of ours do."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

WORKSPACE = "CUBLAS_WORKSPACE_CONFIG"  # cuBLAS reads it when its first product is computed
SIZES = ":4096:8"  # of the two that cuBLAS repeats itself with, the faster one


@contextmanager
def repeatable(wanted: bool) -> Iterator[None]:
    """Within it a GPU repeats itself; an operation that has no such kernel is taken with a warning."""
    if not wanted:
        yield
        return
    mode, searching = torch.get_deterministic_debug_mode(), torch.backends.cudnn.benchmark
    given = os.environ.get(WORKSPACE)
    os.environ.setdefault(WORKSPACE, SIZES)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False  # it may find another kernel the fastest
    try:
        yield
    finally:
        torch.set_deterministic_debug_mode(mode)
        torch.backends.cudnn.benchmark = searching
        if given is None:
            del os.environ[WORKSPACE]
