"""Weights of other programs -> ours: only the names differ."""

from collections.abc import Mapping

from torch import Tensor

REGRESSOR = (
    "fc1.",
    "fc2.",
    "decpose.",
    "decshape.",
    "deccam.",
    "init_pose",
    "init_shape",
    "init_cam",
)


def convert(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """SPIN's `model` dictionary (torchvision names, regressor at top level) -> our state dict."""
    return {
        ("regressor." if key.startswith(REGRESSOR) else "backbone.") + key: value
        for key, value in state.items()
    }
