"""Damaged downloads: whatever happened to a file, a reader says so in one line and goes on."""

import json
import os
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest

from hpscli.registry import get_registry

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="limits need a POSIX system")

WORKER = Path(__file__).with_name("fuzz_worker.py")
OF_GOLDENS = ("dataset", "fixture", "split", "file", "form", "boxes", "tolerances", "left_out")
EVERY = 3  # of the data sets is damaged in the quick tests, once
SLOW = 40  # damaged copies of each data set
PARTS = 2  # processes that share them


def tries(seeds: int) -> list[dict[str, Any]]:
    """-> each data set that has a fixture, its split and options, and seeds of damages."""
    found: dict[str, dict[str, Any]] = {}
    for golden in get_registry().all("golden"):
        case = dict(golden.case)
        if not {"dataset", "fixture", "split"} <= set(case):
            continue
        spec = get_registry().dataset(case["dataset"])
        options = {k: v for k, v in case.items() if k not in OF_GOLDENS and k in spec.options}
        for reference in {"", case.get("reference", "")}:
            one = {
                "dataset": spec.name,
                "fixture": case["fixture"],
                "split": case["split"],
                "options": options | ({"reference": reference} if spec.references else {}),
            }
            found[json.dumps(one, sort_keys=True)] = one
    named: dict[str, list[str]] = {}
    for word in sorted(found):
        named.setdefault(found[word]["dataset"], []).append(word)
    chosen = []
    for words in named.values():  # the seeds of a data set are shared by its splits and options
        for number in range(seeds):
            word = words[number % len(words)]
            chosen.append({**found[word], "seeds": [zlib.crc32(f"{word}{number}".encode())]})
    return chosen


def fuzz(fixtures: Path, wanted: list[dict[str, Any]]) -> list[str]:
    """-> what went wrong, each with what is needed to see it again (its seed among it)."""
    done = subprocess.run(
        [sys.executable, str(WORKER)],
        input=json.dumps({"fixtures": str(fixtures), "tries": wanted}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.splitlines()


BAD_READERS = """
from hpscli.hooks import DatasetSpec, hookimpl

@hookimpl
def hps_datasets():
    return [
        DatasetSpec(
            name=f"bad-{name}", splits=("train",), summary="A bad one.", licence="none",
            access="open", homepage="none", people=f"bad_readers:{name}",
        )
        for name in ("stumbles", "hoards", "hangs", "rambles", "dies", "reads")
    ]

def stumbles(root, split):
    yield {}["a"]

def hoards(root, split):
    yield bytearray(1 << 34)

def hangs(root, split):
    while True:
        yield from ()

def rambles(root, split):
    from hpscli.errors import InvalidData
    yield InvalidData("a\\nb")

def dies(root, split):
    import os
    yield os.abort()

def reads(root, split):
    (root / "a.txt").read_text()
    yield from ()
"""


def test_readers_that_misbehave_are_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = tmp_path / "bad_readers.py"
    plugin.write_text(BAD_READERS)
    (tmp_path / "fixtures" / "some").mkdir(parents=True)
    (tmp_path / "fixtures" / "some" / "a.txt").write_text("a b c")
    monkeypatch.setenv("HPS_PLUGINS", str(plugin))
    monkeypatch.setenv("FUZZ_SECONDS", "1")
    kinds = {
        "stumbles": "KeyError: 'a'",
        "hoards": "more memory than is sensible",
        "hangs": "longer than is sensible",
        "rambles": "not one clear line",
        "dies": "killed by SIGABRT",
        "reads": "Error: ",  # when the file is gone, is a folder, or is no text
    }
    wanted = [
        {"dataset": f"bad-{k}", "fixture": "some", "split": "train", "options": {}, "seeds": [n]}
        for k in kinds
        for n in range(6 if k == "reads" else 1)
    ]
    found = [json.loads(line) for line in fuzz(tmp_path / "fixtures", wanted)]
    for kind, why in kinds.items():
        told = [one["why"] for one in found if one["dataset"] == f"bad-{kind}"]
        assert told, kind
        assert why in told[0]


def test_damaged_files_give_one_line_each_and_no_traceback(reference: Path) -> None:
    assert fuzz(reference / "datasets" / "fixtures", tries(1)[::EVERY]) == []


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_many_damaged_files_give_one_line_each_and_no_traceback(reference: Path, part: int) -> None:
    assert fuzz(reference / "datasets" / "fixtures", tries(SLOW)[part::PARTS]) == []
