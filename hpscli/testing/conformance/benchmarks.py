"""Conformance of what makes a benchmark: protocols, leaderboard files, readers of predictions."""

import string
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from hpscli.body.joints import joint_set
from hpscli.body.layer import load_body
from hpscli.errors import HpsError, MissingError
from hpscli.hooks import PredictionFileSpec, ProtocolSpec, WriterSpec
from hpscli.metrics.rules import Measured, PersonRule, Totals, is_set_rule, rule_of
from hpscli.records import Finding
from hpscli.registry import BODIES, get_registry, resolve
from hpscli.testing.conformance.checks import Check, Checks, option_complaint
from hpscli.testing.conformance.made_people import made_people, made_predictions, moved

PEOPLE = 3
WRITE_POSITIONAL, CHECK_POSITIONAL = 3, 1  # predictions, out, body; file
NAME_FIELDS = {"writer": "name", "model": "metro", "epoch": 200, "views": "sc10_rot0"}
SHIFT_METRES = 0.05
NOISE = 1e-3  # of an error, in its unit, for a perfect prediction in single precision
JUNK = {
    "empty": b"",
    "text": b"no predictions\n",
    "half a zip": b"PK\x03\x04" + bytes(40),
    "JSON": b'{"a": [1, {"b": null}]}',
    "a pickle that would run": b"\x80\x02cposix\nsystem\nU\x02idq\x00\x85R.",
}


def check_protocol(spec: ProtocolSpec) -> list[Check]:
    """A protocol -> what holds of its words, and of its rule on made-up people."""
    checks = Checks(f"protocol {spec.name}")
    checks.run("names", lambda: (_name_complaint(spec), f"{spec.joints}, {spec.body}"))
    rules: list[Any] = []

    def builds() -> tuple[str, str]:
        return _figure_complaint(spec, rules[0]), ", ".join(rules[0].figures)

    try:
        resolve(spec.rule)
    except HpsError as error:
        checks.add("rule", str(error))
        return list(checks)
    try:
        rules.append(rule_of(spec, load_body(spec.body, source="free")))
    except MissingError as error:  # of licensed arrays, which the free body has not
        checks.skip("rule", str(error))
        return list(checks)
    except Exception as error:  # plugin code may raise anything
        checks.add("rule", " ".join(f"{type(error).__name__}: {error}".split()))
        return list(checks)
    if not checks.run("rule", builds):
        return list(checks)
    if is_set_rule(rules[0]):
        checks.skip("measures", "the rule wants whole sets of its data set: see its own tests")
        return list(checks)
    _check_measuring(checks, spec, rules[0])
    return list(checks)


def _check_measuring(checks: Checks, spec: ProtocolSpec, rule: PersonRule) -> None:
    """A perfect prediction must not be worse than a moved one; people must not touch each other."""
    meta = {"dataset": spec.testset, "split": spec.split}
    try:
        people = made_people(spec.body, spec.joints, PEOPLE, meta)
        good = total_of(rule, [people])
    except HpsError as error:
        checks.skip("measures", f"made-up people do not have what it wants: {error.problem}")
        return
    except Exception as error:  # plugin code may raise anything
        checks.add("measures", " ".join(f"{type(error).__name__}: {error}".split()))
        return
    if not good.metrics:
        checks.skip("measures", "made-up people do not have what it wants")
        return
    shown = ", ".join(f"{n} {m.value:.3g}" for n, m in good.metrics.items())
    checks.run(
        "measures",
        lambda: (_order_complaint(good, total_of(rule, [moved(people, SHIFT_METRES)])), shown),
    )
    checks.run(
        "independence", lambda: (_batch_complaint(spec, rule, meta), "batches do not matter")
    )


def total_of(rule: PersonRule, parts: list[Any]) -> Totals:
    """A rule, batches of people -> the figures."""
    values = [rule.measure(part) for part in parts]
    return rule.total(
        Measured(
            keys=tuple(key for part in parts for key in part.keys),
            values={n: np.concatenate([value[n] for value in values]) for n in values[0]},
            meta=tuple(entry for part in parts for entry in part.meta),
        )
    )


def _order_complaint(good: Totals, worse: Totals) -> str:
    for name, metric in good.metrics.items():
        if not np.isfinite(metric.value):
            return f"{name} of a perfect prediction is {metric.value}"
        other = worse.metrics.get(name)
        if other is None:  # of rotations, which a moved mesh has not
            continue
        gain = (
            other.value - metric.value if metric.smaller_is_better else metric.value - other.value
        )
        if gain < -NOISE:
            return (
                f"{name} says {metric.value:.4g} for a perfect prediction, {other.value:.4g} when "
                f"joints are moved by {SHIFT_METRES * 1000:.0f} mm"
            )
    return ""


def _batch_complaint(spec: ProtocolSpec, rule: PersonRule, meta: dict[str, str]) -> str:
    whole = moved(made_people(spec.body, spec.joints, PEOPLE, meta), SHIFT_METRES)
    together = rule.measure(whole)
    alone = rule.measure(moved(made_people(spec.body, spec.joints, 1, meta), SHIFT_METRES))
    for name, values in together.items():
        if len(values) != PEOPLE:
            return f"'{name}' has {len(values)} rows for {PEOPLE} people"
        if not np.allclose(values[:1], alone[name], rtol=1e-4, atol=NOISE, equal_nan=True):
            return f"'{name}' of a person depends on who else is in the batch"
    return ""


def _name_complaint(spec: ProtocolSpec) -> str:
    joints = joint_set(spec.joints).joints
    if lacking := [name for name in spec.root if name not in joints]:
        return f"root '{lacking[0]}' is no joint of {spec.joints}"
    if spec.body not in BODIES:
        return f"body '{spec.body}' is none of {BODIES}"
    if "@" not in spec.name:
        return "the name says no rule: NAME/SPLIT@RULE-v1"
    if spec.beside and spec.beside not in get_registry().names("protocol"):
        return f"beside = '{spec.beside}' is no protocol"
    if spec.standing not in ("official", "corrected", "reconstruction", "ours"):
        return f"standing = {spec.standing!r}"
    return ""


def _figure_complaint(spec: ProtocolSpec, rule: Any) -> str:
    if not rule.figures:
        return "the rule has no figures"
    strange = [entry.metric for entry in spec.published if entry.metric not in rule.figures]
    return f"published '{strange[0]}' is no figure of the rule" if strange else ""


def check_writer(spec: WriterSpec) -> list[Check]:
    """A leaderboard's writer -> what holds of its words, of a file it writes, and of its check."""
    checks = Checks(f"writer {spec.name}")
    checks.run("names", lambda: (_writer_complaint(spec), ", ".join(spec.bodies)))
    checks.run("options", lambda: (_options_complaint(spec), ""))
    with tempfile.TemporaryDirectory(prefix="hps-writer-") as folder:
        place = Path(folder)
        for body in spec.bodies:
            _check_writing(checks, spec, body, place)
        checks.run("refuses junk", lambda: (_junk_complaint(spec, place), f"{len(JUNK)} files"))
    return list(checks)


def _check_writing(checks: Checks, spec: WriterSpec, body: str, place: Path) -> None:
    """Write a few people twice; look at what the check says about them."""
    meta = {"dataset": spec.testset, "split": spec.split.split(",")[0]}
    name = f"{body}: writes"
    files = [place / f"{body}-{turn}{Path(spec.file_name).suffix}" for turn in "ab"]
    try:
        for file in files:
            found = made_predictions(body, PEOPLE, meta)
            resolve(spec.write)(found, file, load_body(body, source="free"), **spec.options)
    except HpsError as error:
        checks.skip(name, f"made-up people do not have what it wants: {error.problem}")
        return
    except Exception as error:  # plugin code may raise anything
        checks.add(name, " ".join(f"{type(error).__name__}: {error}".split()))
        return
    size = files[0].stat().st_size if files[0].is_file() else 0
    same = size and files[0].read_bytes() == files[1].read_bytes()
    complaint = "" if same else "the same people give other bytes" if size else "no file is there"
    if checks.add(name, complaint, f"{size} bytes, twice the same"):
        checks.run(f"{body}: is checked", lambda: _checked(spec, files[0]))


def _checked(spec: WriterSpec, file: Path) -> tuple[str, str]:
    found = resolve(spec.check)(file, **spec.check_options)
    if strange := [entry for entry in found if not isinstance(entry, Finding)]:
        return f"the check gives a {type(strange[0]).__name__}, not a Finding", ""
    if mute := [entry for entry in found if entry.error and not entry.fix]:
        return f"it does not say what to do about: {mute[0].problem}", ""
    errors = sum(entry.error for entry in found)
    return "", f"{errors} violations, {len(found) - errors} warnings for {PEOPLE} made-up people"


def _writer_complaint(spec: WriterSpec) -> str:
    fields = [field for _, field, _, _ in string.Formatter().parse(spec.file_name) if field]
    if unknown := [field for field in fields if field not in NAME_FIELDS]:
        return f"file_name has the field '{unknown[0]}', known are {', '.join(NAME_FIELDS)}"
    if "/" in spec.file_name or not Path(spec.file_name).suffix:
        return f"file_name = {spec.file_name!r} is no name of a file"
    if unknown := [body for body in spec.bodies if body not in BODIES]:
        return f"body '{unknown[0]}' is none of {BODIES}"
    if not spec.bodies:
        return "it takes no body"
    return "" if spec.homepage.strip() else "homepage is not stated: where is the file uploaded?"


def _options_complaint(spec: WriterSpec) -> str:
    return option_complaint(spec.write, spec.options, WRITE_POSITIONAL) or option_complaint(
        spec.check, spec.check_options, CHECK_POSITIONAL
    )


def _junk_complaint(spec: WriterSpec, place: Path) -> str:
    """-> a file that is none, which the check praises or stumbles over."""
    for what, content in JUNK.items():
        file = place / f"junk{Path(spec.file_name).suffix}"
        file.write_bytes(content)
        try:
            found = resolve(spec.check)(file, **spec.check_options)
        except (HpsError, zipfile.BadZipFile):  # hps export-preds says the latter in its own words
            continue
        if not any(entry.error for entry in found):
            return f"the check finds nothing wrong with a file that is {what}"
    return ""


def check_prediction_file(spec: PredictionFileSpec) -> list[Check]:
    """A reader of predictions -> whether it leaves strangers' files alone."""
    checks = Checks(f"prediction file {spec.name}")
    lacking = not spec.suffixes or not all(s == "/" or s.startswith(".") for s in spec.suffixes)
    complaint = f"suffixes = {spec.suffixes!r} name no files" if lacking else ""
    checks.add("suffixes", complaint, " ".join(spec.suffixes))
    checks.run("leaves others alone", lambda: (_greedy_complaint(spec), f"{len(JUNK)} files"))
    return list(checks)


def _greedy_complaint(spec: PredictionFileSpec) -> str:
    recognise = resolve(spec.recognise)
    with tempfile.TemporaryDirectory(prefix="hps-reader-") as folder:
        for suffix in spec.suffixes:
            for what, content in JUNK.items():
                target = Path(folder) / f"junk{'' if suffix == '/' else suffix}"
                if suffix == "/":
                    target.mkdir(exist_ok=True)
                    (target / "1.json").write_bytes(content)
                else:
                    target.write_bytes(content)
                answer = recognise(target)
                if answer:
                    return f"it takes a file that is {what} for its own"
        if recognise(Path(folder) / "nothing"):
            return "it takes a file that is not there for its own"
    return ""
