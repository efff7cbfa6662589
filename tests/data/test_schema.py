import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hpscli.body.joints import joint_set_names
from hpscli.data.sample import KEY_PATTERN, MESHES, REQUIRED, SHAPES, expected_shape
from hpscli.data.shards import SCHEMA, TABLE_SCHEMA
from tests.data.people import make_shards, person

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return json.loads((ROOT / "shards" / "schema.json").read_text())


def test_the_published_schema_has_the_shapes_that_the_program_checks(
    schema: dict[str, Any],
) -> None:
    arrays = schema["$defs"]["arrays"]
    published = {name: tuple(entry["shape"]) for name, entry in arrays["properties"].items()}
    assert published == {**SHAPES, **{name: (count, 3) for name, count in MESHES.items()}}
    assert tuple(arrays["required"]) == REQUIRED
    patterns = [re.compile(pattern) for pattern in arrays["patternProperties"]]
    for name in joint_set_names():
        for group in ("keypoints2d", "keypoints3d"):
            assert any(pattern.match(f"{group}.{name}") for pattern in patterns)
            assert expected_shape(f"{group}.{name}")[1] == int(group[9]) + 1


def test_the_published_schema_names_the_versions_that_are_written(schema: dict[str, Any]) -> None:
    parts = schema["$defs"]
    assert parts["index"]["properties"]["schema"]["const"] == SCHEMA == schema["$id"]
    assert parts["table"]["properties"]["schema"]["const"] == TABLE_SCHEMA
    assert parts["sample"]["properties"]["key"]["pattern"].strip("^$") == KEY_PATTERN.pattern


def test_what_is_written_has_the_fields_of_the_schema_and_no_others(
    schema: dict[str, Any], tmp_path: Path
) -> None:
    folder = make_shards(tmp_path / "shards", 9, options={"broken": "4:cut"})
    for name, part in {"index.json": "index", "000000.json": "table"}.items():
        document = json.loads((folder / name).read_text())
        definition = schema["$defs"][part]
        assert set(document) == set(definition["required"]) == set(definition["properties"])
    assert set(person(1).meta) <= set(schema["$defs"]["meta"]["properties"])


def test_every_array_of_the_page_is_in_the_schema_and_the_other_way_round(
    schema: dict[str, Any],
) -> None:
    page = (ROOT / "shards" / "README.md").read_text()
    named: set[str] = set()
    for line in page.splitlines():
        if line.startswith("| `") and "." in line.split("|")[1]:
            body = ""
            for word in re.findall(r"`([^`]+)`", line.split("|")[1]):
                body = word.split(".")[0] or body
                named.add(body + word[word.index(".") :])
    fixed = set(schema["$defs"]["arrays"]["properties"])
    assert named - {"keypoints2d.SET", "keypoints3d.SET", "extra.ANYTHING"} == fixed


def test_shapes_are_those_of_float_arrays() -> None:
    assert all(np.prod(shape) > 0 for shape in SHAPES.values())
