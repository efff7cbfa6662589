"""hps: 3D human pose and shape estimation in one tool."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hpscli.body.layer import load_body
    from hpscli.data.evalset import EvalSet as open_shards
    from hpscli.nn.checkpoints import load_model
    from hpscli.run.evaluate import evaluate
    from hpscli.run.predict import predict_image as predict

__all__ = ["__version__", "evaluate", "load_body", "load_model", "open_shards", "predict"]

_WHERE = {
    "evaluate": ("hpscli.run.evaluate", "evaluate"),
    "load_body": ("hpscli.body.layer", "load_body"),
    "load_model": ("hpscli.nn.checkpoints", "load_model"),
    "open_shards": ("hpscli.data.evalset", "EvalSet"),
    "predict": ("hpscli.run.predict", "predict_image"),
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import hpscli` alone must not import torch."""
    if name not in _WHERE:
        raise AttributeError(f"module 'hpscli' has no attribute '{name}'")
    from importlib import import_module

    module, attribute = _WHERE[name]
    return getattr(import_module(module), attribute)
