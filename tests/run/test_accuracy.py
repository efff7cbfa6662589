"""The matrix of published numbers: models are asked as their authors asked them."""

from hps_benchmarks.bodies.published import tables
from hpscli.nn.options import typed_options
from hpscli.nn.weights.sources import split_options
from hpscli.registry import get_registry
from hpscli.run.accuracy import asked_as


def test_a_model_is_named_with_the_options_of_its_published_number() -> None:
    rows = [row for table in tables() for row in table["rows"] if row.get("options")]
    assert len(rows) == 2
    for row in rows:
        source, words = split_options(asked_as(row["model"], row["options"]))
        assert source == row["model"]
        spec = get_registry().model(row["model"].partition(".")[0])
        assert typed_options(spec, words) == row["options"] == {"parametric": True}


def test_options_with_values_and_no_options() -> None:
    assert asked_as("metro.3dpw", {}) == "metro.3dpw"
    assert asked_as("metro.3dpw", {"layers": 2}) == "metro.3dpw+layers=2"
