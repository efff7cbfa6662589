"""Published numbers of bodies: every row of the tables once, and the doubtful ones marked."""

import json
from collections import Counter
from pathlib import Path

import pytest

from hps_benchmarks.bodies.published import published, tables
from hpscli.registry import get_registry

BENCHMARKS = "3dpw/test@mmhuman3d-v1"  # the protocol of hmr-benchmarks and mmhuman3d


@pytest.fixture(scope="module")
def rows(request: pytest.FixtureRequest) -> list[dict]:
    file: Path = request.getfixturevalue("reference") / "hmr" / "tables" / "results.json"
    return json.loads(file.read_text())["rows"]


def of_group(group: str) -> list[dict]:
    """-> the published rows of one table of hmr-benchmarks or mmhuman3d."""
    ending = "table of algorithms" if group == "algorithms" else f"configs/{group}"
    found = [t for t in tables() if t["protocol"] == BENCHMARKS and t["source"].endswith(ending)]
    return [row for table in found for row in table["rows"]]


def values(row: dict) -> dict[str, float]:
    """-> the numbers of a row of results.json under our names."""
    known = {"pa_mpjpe": row["pa_mpjpe"], "mpjpe": row["mpjpe"]}
    return {name: value for name, value in known.items() if value is not None}


def test_every_row_of_the_tables_is_published_exactly_once(rows: list[dict]) -> None:
    for group, count in Counter(row["group"] for row in rows).items():
        ours = of_group(group)
        theirs = [row for row in rows if row["group"] == group]
        assert len(ours) == len(theirs) == count
        for mine, given in zip(ours, theirs, strict=True):
            assert mine["label"].startswith(given["label"])
            assert (given["config"] or "") in mine["label"]
            assert mine["values"] == values(given)


def test_rows_that_cannot_be_trusted_are_no_targets(rows: list[dict]) -> None:
    for group in {row["group"] for row in rows}:
        for mine, given in zip(
            of_group(group), [r for r in rows if r["group"] == group], strict=True
        ):
            flags = " ".join(given["flags"])
            if "UNTRUSTWORTHY" in flags or "swapped" in flags or "vs" in flags:
                assert mine["doubt"], given
            elif given["flags"]:
                assert mine["note"], given
    assert len([row for row in of_group("augmentation") if row["doubt"]]) == 20


def test_the_number_that_is_printed_for_two_trainings_is_doubted() -> None:
    (row,) = [r for r in of_group("combine") if "resnet50_hmr_mix1_coco_l1" in r["label"]]
    assert "51.80" in row["doubt"]


def test_released_weights_say_the_numbers_of_the_tables() -> None:
    """What a model's own record says of its weights is what is published here."""
    names = {"MPJPE": "mpjpe", "PA-MPJPE": "pa_mpjpe", "PVE": "pve"}
    here = {
        (entry.model, entry.metric, spec.partition("/")[0]): entry.value
        for spec in {table["protocol"] for table in tables()}
        for entry in published(spec)
        if entry.model
    }
    wrong, seen = [], 0
    for model in get_registry().all("model"):
        for weights in model.weights:
            for said, value in weights.results.items():
                testset = "3dpw" if said.lower().startswith("3dpw ") else ""
                testset = "h36m" if said.startswith("Human3.6M P2 ") else testset
                if testset:
                    key = (f"{model.name}.{weights.tag}", names[said.split()[-1]], testset)
                    seen += 1
                    if here.get(key) != value:
                        wrong.append((key, value, here.get(key)))
    assert not wrong and seen > 40


def test_nothing_was_published_under_an_unknown_name() -> None:
    assert published("3dpw/test@nobody-v1") == ()
    assert {p.metric for p in published("3dpw/test@metro-v1")} == {"pve", "mpjpe", "pa_mpjpe"}


def test_every_table_belongs_to_a_protocol_that_has_its_figures() -> None:
    specs = {spec.name: spec for spec in get_registry().all("protocol")}
    for table in tables():
        spec = specs[table["protocol"]]
        assert set(published(spec.name)) <= set(spec.published), spec.name


def test_every_published_figure_is_one_that_its_protocol_measures() -> None:
    wrong = [
        (spec.name, entry.metric, entry.label)
        for spec in get_registry().all("protocol")
        for entry in spec.published
        if spec.metrics and entry.metric not in spec.metrics
    ]
    assert not wrong
