"""A network tried out on pictures of a size that somebody chose."""

from typing import Any

from torch import Tensor, nn

from hpscli.errors import HpsError, UsageError, in_words, lacks_memory


def tried(network: nn.Module, pictures: Tensor) -> Any:
    """Pictures (B,3,H,W) -> what the network makes of them; a size that it cannot take is told."""
    try:
        return network(pictures)
    except HpsError:
        raise
    except Exception as error:  # layers say anything of what is too small for them
        if lacks_memory(error):
            raise
        height, width = pictures.shape[-2:]
        raise UsageError(
            f"the network cannot look at pictures of {height}x{width} px: "
            f"{type(error).__name__}: {in_words(error)}.",
            "Another data.image_size; without one it is the model's own.",
        ) from error
