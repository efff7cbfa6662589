"""What every official step needs: gradients, whatever ran before."""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def gradients_on() -> Iterator[None]:
    with torch.inference_mode(False), torch.enable_grad():
        yield
