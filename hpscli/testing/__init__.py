"""For authors of plugins: conformance checks. Replays of goldens are in `goldens`.

from hpscli.testing import check_model, require

def test_the_model_conforms():
    require(check_model("mine"))
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hpscli.testing.conformance import (
        check_dataset,
        check_model,
        check_plugin,
        check_prediction_file,
        check_protocol,
        check_writer,
        require,
    )

__all__ = [
    "check_dataset",
    "check_model",
    "check_plugin",
    "check_prediction_file",
    "check_protocol",
    "check_writer",
    "require",
]


def __getattr__(name: str) -> Any:
    """Import the kit when it is used: `hps doctor --quick` reads this package without numpy."""
    if name not in __all__:
        raise AttributeError(name)
    from hpscli.testing import conformance

    return getattr(conformance, name)
