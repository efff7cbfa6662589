"""Results that somebody edited or a disk damaged: an error that names the file, or a sound page."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from hpscli.errors import HpsError
from hpscli.metrics.results import read_result, write_result
from hpscli.metrics.results.comparison import compare
from hpscli.run.report import report_html
from hpscli.run.report.comparing import comparison_html
from tests.run.report.results import ACTIONS, CURVE, JOINTS, joints, result

ODD = (None, [], {}, "x", 1, -1.5, True, [1], {"a": 1}, "", [["a"]], 1e400, "../../etc/passwd")
ROUNDS = 80


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result with something in every field."""
    reference = {"mpjpe": {"value": 1.0, "source": "somebody", "difference": 2.0}}
    full = result(
        details={"joint_errors_mm": joints()},
        tables={"joints": JOINTS, "actions": ACTIONS},
        curves={"pck": CURVE},
        reference=reference,
        baseline={"shards": "x", "metrics": {"mpjpe": {"value": 3.0}}},
        sequences=tuple("ab"[number % 2] for number in range(40)),
        notes=("a note",),
    )
    return write_result(tmp_path_factory.mktemp("whole") / "r.json", full)


def places(node: Any, before: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """-> every place of a JSON document."""
    inner = node.items() if isinstance(node, dict) else enumerate(node)
    found = []
    for name, value in inner:
        found.append((*before, name))
        if isinstance(value, dict | list):
            found += places(value, (*before, name))
    return found


def used(file: Path, whole: Path) -> None:
    """Do everything with a result that commands do; only errors for users may come out."""
    try:
        found, first = read_result(file), read_result(whole)
        page = report_html(found, {})
        page += comparison_html(first, [found], [compare(first, found)])
    except HpsError as error:
        assert error.problem.strip()
    else:
        assert page.count("</html>") == 2


def test_a_document_with_anything_anywhere_gives_a_page_or_an_error(
    whole: Path, tmp_path: Path
) -> None:
    chance = random.Random(4)
    (tmp_path / "r.samples.npz").write_bytes(whole.with_name("r.samples.npz").read_bytes())
    for _ in range(ROUNDS):
        document = json.loads(whole.read_text())
        *path, last = chance.choice(places(document))
        node = document
        for name in path:
            node = node[name]
        if isinstance(node, dict) and chance.random() < 0.3:
            del node[last]
        else:
            node[last] = chance.choice(ODD)
        (tmp_path / "r.json").write_text(json.dumps(document))
        used(tmp_path / "r.json", whole)


def test_people_with_other_bytes_give_a_page_or_an_error(whole: Path, tmp_path: Path) -> None:
    chance = random.Random(5)
    (tmp_path / "r.json").write_text(whole.read_text())
    content = whole.with_name("r.samples.npz").read_bytes()
    for _ in range(ROUNDS):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 6)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        end = chance.randrange(len(damaged)) if chance.random() < 0.3 else len(damaged)
        (tmp_path / "r.samples.npz").write_bytes(bytes(damaged[:end]))
        used(tmp_path / "r.json", whole)


def test_the_error_names_the_field(whole: Path, tmp_path: Path) -> None:
    document = json.loads(whole.read_text())
    document["metrics"]["mpjpe"]["value"] = "fifty"
    (tmp_path / "r.json").write_text(json.dumps(document))
    with pytest.raises(HpsError, match=r"metrics\.mpjpe\.value"):
        read_result(tmp_path / "r.json")
