"""Sound benchmarks pass the kit; each thing that can be wrong with one is named."""

import io
import json
import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hpscli.errors import InvalidData, MissingError
from hpscli.hooks import PredictionFileSpec, ProtocolSpec, Published, WriterSpec
from hpscli.metrics.joint_rule import JointRule
from hpscli.metrics.rules import Measured, People, Totals
from hpscli.records import Finding, PredictionSet
from hpscli.testing import check_plugin, check_prediction_file, check_protocol, check_writer
from hpscli.testing.conformance.checks import Check

HERE = __name__


def write(predictions: PredictionSet, out: Path, body: object, digits: int = 6) -> None:
    joints = predictions.arrays["joints.smpl24"].round(digits)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(zipfile.ZipInfo("joints.json"), json.dumps(joints.tolist()))
    out.write_bytes(packed.getvalue())


def check(file: Path, samples: int = 9) -> list[Finding]:
    with zipfile.ZipFile(file) as archive:
        count = len(json.loads(archive.read("joints.json")))
    if count == samples:
        return []
    return [Finding(problem=f"{count} people, not {samples}", fix="Predict everybody.")]


def write_with_the_time(predictions: PredictionSet, out: Path, body: object, digits: int) -> None:
    out.write_bytes(np.random.bytes(20))


def write_nothing(predictions: PredictionSet, out: Path, body: object, digits: int) -> None:
    return


def write_wants_more(predictions: PredictionSet, out: Path, body: object, digits: int) -> None:
    raise InvalidData("nobody says which camera saw them.")


def write_stumbles(predictions: PredictionSet, out: Path, body: object, digits: int) -> None:
    predictions.arrays["joints.smpl23"]


def check_is_mute(file: Path, samples: int) -> list[Finding]:
    return [Finding(problem="something is wrong")]


def check_praises(file: Path, samples: int) -> list[Finding]:
    return []


def check_runs_pickles(file: Path, samples: int) -> list[Finding]:
    return [Finding(problem=str(pickle.loads(file.read_bytes())), fix="x")]


WRITER = WriterSpec(
    name="sound",
    write=f"{HERE}:write",
    check=f"{HERE}:check",
    summary="A zip of joints.json.",
    homepage="https://example.org",
    testset="synthetic",
    split="test",
    bodies=("smpl",),
    keeps=("joints.smpl24",),
    options={"digits": 6},
    check_options={"samples": 9},
)


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {c.name: c.says for c in checks if not c.ok}


def test_a_sound_writer_passes() -> None:
    checks = check_writer(WRITER)
    assert verdicts(checks) == {}
    said = {c.name: c.says for c in checks}
    assert "1 violations, 0 warnings for 3 made-up people" in said["smpl: is checked"]


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        ({"file_name": "{date}.zip"}, "names", "field 'date'"),
        ({"file_name": "predictions"}, "names", "no name of a file"),
        ({"homepage": " "}, "names", "homepage"),
        ({"bodies": ("star",)}, "names", "body 'star'"),
        ({"options": {}}, "options", "takes 'digits', which is not declared"),
        ({"check_options": {"samples": 9, "units": "m"}}, "options", "'units' is declared"),
        ({"write": f"{HERE}:write_with_the_time"}, "smpl: writes", "other bytes"),
        ({"write": f"{HERE}:write_nothing"}, "smpl: writes", "no file is there"),
        ({"write": f"{HERE}:write_stumbles"}, "smpl: writes", "KeyError"),
        ({"check": f"{HERE}:check_is_mute"}, "smpl: is checked", "does not say what to do"),
        ({"check": f"{HERE}:check_praises"}, "refuses junk", "finds nothing wrong"),
    ],
)
def test_what_is_wrong_with_a_writer_is_named(
    changes: Mapping[str, object], name: str, says: str
) -> None:
    found = verdicts(check_writer(replace(WRITER, **changes)))
    assert says in found[name]


def test_a_check_that_runs_what_a_file_names_fails() -> None:
    def refuse(*arguments: object) -> None:
        raise AssertionError("ran")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.system", refuse)
        patch.setattr("posix.system", refuse)
        found = verdicts(check_writer(replace(WRITER, check=f"{HERE}:check_runs_pickles")))
    assert "refuses junk" in found


def test_a_writer_that_wants_more_than_made_people_have_is_not_judged() -> None:
    checks = check_writer(replace(WRITER, write=f"{HERE}:write_wants_more"))
    assert [c.says for c in checks if not c.ran] == [
        "made-up people do not have what it wants: nobody says which camera saw them."
    ]


PROTOCOL = ProtocolSpec(
    name="synthetic/test@mine-v1",
    testset="synthetic",
    split="test",
    summary="Ours.",
    body="smpl",
    joints="smpl24",
    root=("pelvis",),
    metrics=("mpjpe", "pa_mpjpe"),
)


class Backwards(JointRule):
    def total(self, measured: Measured) -> Totals:
        flipped = {name: 100 - values for name, values in measured.values.items()}
        return super().total(replace(measured, values=flipped))


class LooksAtNeighbours(JointRule):
    def measure(self, people: People) -> dict[str, np.ndarray]:
        values = super().measure(people)
        return {name: value - value.mean() + len(value) for name, value in values.items()}


class NotANumber(JointRule):
    def total(self, measured: Measured) -> Totals:
        found = super().total(measured)
        broken = {n: replace(m, value=float("nan")) for n, m in found.metrics.items()}
        return replace(found, metrics=broken)


def test_a_sound_protocol_passes_and_perfect_people_have_no_error() -> None:
    checks = check_protocol(PROTOCOL)
    assert verdicts(checks) == {}
    (said,) = [c.says for c in checks if c.name == "measures"]
    assert said.startswith("mpjpe ") and float(said.split()[1].rstrip(",")) < 1e-3


@pytest.mark.parametrize(
    ("changes", "name", "says"),
    [
        ({"root": ("tail",)}, "names", "root 'tail'"),
        ({"name": "mine"}, "names", "NAME/SPLIT@RULE"),
        ({"beside": "synthetic/test@nothing"}, "names", "is no protocol"),
        ({"standing": "perhaps"}, "names", "standing"),
        ({"metrics": ("mpjp",)}, "rule", "no metric 'mpjp'"),
        ({"rule": f"{HERE}:Missing"}, "rule", "Missing"),
        (
            {"published": (Published(model="x", metric="pve", value=1.0, source="s"),)},
            "rule",
            "published 'pve' is no figure",
        ),
        ({"rule": f"{HERE}:Backwards"}, "measures", "for a perfect prediction"),
        ({"rule": f"{HERE}:NotANumber"}, "measures", "is nan"),
        ({"rule": f"{HERE}:LooksAtNeighbours"}, "independence", "depends on who else"),
    ],
)
def test_what_is_wrong_with_a_protocol_is_named(
    changes: Mapping[str, object], name: str, says: str
) -> None:
    assert says in verdicts(check_protocol(replace(PROTOCOL, **changes)))[name]


class WantsALicence(JointRule):
    def __init__(self, protocol: ProtocolSpec, body: object) -> None:
        raise MissingError("the free body has no such regressor.")


def test_a_rule_that_wants_licensed_arrays_is_not_judged() -> None:
    checks = check_protocol(replace(PROTOCOL, rule=f"{HERE}:WantsALicence"))
    assert verdicts(checks) == {}
    assert [c.says for c in checks if not c.ran] == ["the free body has no such regressor."]


def takes_all(file: Path) -> bool:
    return True


def raises(file: Path) -> bool:
    return bool(json.loads(file.read_text()))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"recognise": f"{HERE}:takes_all"}, "leaves others alone"),
        ({"recognise": f"{HERE}:raises"}, "leaves others alone"),
        ({"suffixes": ()}, "suffixes"),
        ({"suffixes": ("zip",)}, "suffixes"),
    ],
)
def test_what_is_wrong_with_a_reader_is_named(changes: Mapping[str, object], name: str) -> None:
    sound = PredictionFileSpec(
        name="spin-results",
        recognise="hps_benchmarks.outputs.spin:recognise",
        read="hps_benchmarks.outputs.spin:read",
        summary="SPIN's.",
        suffixes=(".npz",),
    )
    assert verdicts(check_prediction_file(sound)) == {}
    assert name in verdicts(check_prediction_file(replace(sound, **changes)))


def test_benchmarks_are_found_by_name() -> None:
    assert {c.subject for c in check_plugin("spin-results")} == {"prediction file spin-results"}
    checks = check_plugin("synthetic/test@smpl24-v1")
    assert verdicts(checks) == {}
