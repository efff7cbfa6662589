"""From predicted people to AGORA's file and back: the same figures, and a file that passes."""

import numpy as np
import pytest

from hps_benchmarks.agora.rule import AgoraRule
from hps_benchmarks.agora.submission.check import check
from hps_benchmarks.agora.submission.reading import read, recognise
from hps_benchmarks.agora.submission.writer import write
from hpscli.registry import get_registry
from tests.plugins.benchmarks.agora_people import crowd

PICTURES = [3, 1, 12]  # of the last one text sorts person 10 before person 2


def rule(kind, body, standing="official"):
    return AgoraRule(get_registry().protocol(f"agora/validation@{standing}-{kind}-v1"), body)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("smplx", {}),
        ("smplx", {"rotations": "matrices"}),
        ("smplx", {"content": "mesh"}),
        ("smplx", {"layout": "osx"}),
        ("smpl", {}),
        ("smpl", {"rotations": "matrices"}),
    ],
)
def test_scoring_the_file_is_scoring_the_run(tmp_path, kind, options):
    people = crowd(kind, PICTURES if kind == "smplx" else [2, 11])
    file = tmp_path / "predictions.zip"
    write(people.predictions, file, people.body, **options)
    assert [f for f in check(file, layout=options.get("layout", "checker")) if f.error] == []
    assert recognise(file)
    of_run = rule(kind, people.body).score(people.predictions, people.samples)
    of_file = rule(kind, people.body).score(read(file), people.samples)
    assert of_run.metrics["f1"].value == 1.0
    assert set(of_run.metrics) == set(of_file.metrics)
    for name, figure in of_run.metrics.items():
        assert of_file.metrics[name].value == pytest.approx(figure.value, abs=0.11), name
    for name, values in of_run.errors.items():
        np.testing.assert_allclose(of_file.errors[name], values, atol=2e-3, err_msg=name)
