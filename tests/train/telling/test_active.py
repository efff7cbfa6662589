"""The table of terms: what each member of a mix can teach, found out on its own people."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpscli.nn.checkpoints import build_model
from hpscli.train.loop import train
from hpscli.train.telling.active import WIDTH, ActiveTerms, Row, active_terms, active_terms_of
from tests.run.people import write_people
from tests.train.labelled import keypoints, labelled_people, small_recipe


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(tmp_path_factory.mktemp("whole") / "train", 10, split="train")


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People with 2D joints of COCO and nothing else."""
    points = np.concatenate([np.full((17, 2), 40.0), np.ones((17, 1))], axis=1)
    extra = {n: {"keypoints2d.coco17": points.astype(np.float32)} for n in range(6)}
    folder = tmp_path_factory.mktemp("flat") / "train"
    return write_people(folder, 6, extra=extra, drop=("smpl.",))


def mixed(whole: Path, flat: Path, **changes: Any) -> Any:
    recipe = small_recipe(whole, **changes)
    raw = recipe.model_dump(exclude_none=True)
    raw["data"]["mix"]["flat"] = {"shards": str(flat), "weight": 3.0}
    from hpscli.recipe import validated

    return validated(raw, "the test")


def test_a_member_with_every_label_teaches_every_term(whole: Path) -> None:
    found = active_terms_of(small_recipe(whole))
    assert [set(row.terms.values()) for row in found.rows] == [{""}]
    assert found.idle() == []


def test_a_member_says_which_label_each_idle_term_lacks(whole: Path, flat: Path) -> None:
    found = active_terms_of(mixed(whole, flat))
    row = found.rows[1]
    assert (row.member, row.share) == ("flat", 0.75)
    assert row.terms == {
        "keypoints3d": "no 3D joints",
        "keypoints2d": "",
        "pose": "no SMPL",
        "betas": "no SMPL shape",
    }
    assert found.idle() == []


def test_a_term_that_nobody_teaches_is_idle(flat: Path) -> None:
    assert active_terms_of(small_recipe(flat)).idle() == ["keypoints3d", "pose", "betas"]


def test_labels_that_a_recipe_leaves_out_teach_nothing(whole: Path) -> None:
    found = active_terms_of(
        small_recipe(whole, data__mix={"people": {"shards": str(whole), "without": ["smpl.*"]}})
    )
    assert found.rows[0].terms["pose"] == "no SMPL"
    assert found.rows[0].terms["keypoints3d"] == ""


def test_people_without_3d_joints_teach_those_of_their_bodies_where_a_recipe_says_so(
    tmp_path: Path,
) -> None:
    people = str(write_people(tmp_path / "people", 8))
    for said, reason in (("labels", "no 3D joints"), ("body", "")):
        mix = {"people": {"shards": people, "joints3d": said}}
        [row] = active_terms_of(small_recipe(tmp_path, data__mix=mix)).rows
        assert row.terms["keypoints3d"] == reason, said


def test_joints_without_a_root_are_called_unfit(tmp_path: Path) -> None:
    points = {"keypoints3d.coco17": np.ones((17, 4), np.float32)}
    people = write_people(tmp_path / "people", 8, extra=dict.fromkeys(range(8), points))
    assert active_terms_of(small_recipe(people)).rows[0].terms["keypoints3d"] == "3D joints unfit"


def test_a_member_that_is_not_there_is_shown_as_such(whole: Path, tmp_path: Path) -> None:
    found = active_terms_of(mixed(whole, tmp_path / "nowhere"))
    assert found.rows[1].terms == {}
    assert found.lines()[-1] == "not there: flat"
    assert found.idle() == []


def test_without_anybody_there_are_the_terms_and_no_table(tmp_path: Path) -> None:
    found = active_terms_of(mixed(tmp_path / "nobody", tmp_path / "nowhere"))
    assert found.lines()[0].startswith("keypoints3d ") and "betas" in found.lines()[0]
    assert len(found.lines()) == 2


def test_shares_of_a_concatenation_are_those_of_its_people(whole: Path, flat: Path) -> None:
    both = active_terms_of(mixed(whole, flat, data__mixing="concatenation"))
    assert [row.share for row in both.rows] == [10 / 16, 6 / 16]
    one = active_terms_of(mixed(whole, flat / "nowhere", data__mixing="concatenation"))
    assert [row.share for row in one.rows] == [None, None]


def test_the_model_is_left_as_it_was(whole: Path) -> None:
    recipe = small_recipe(whole)
    module, spec, _ = build_model("hmr", options=recipe.model.options)
    module.eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.get_rng_state()
    active_terms(recipe, module, spec)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert not module.training


def test_a_wide_table_is_broken_into_blocks_with_every_member() -> None:
    weights = {f"term_number_{n}": 1.0 for n in range(12)}
    rows = tuple(Row(name, 0.5, dict.fromkeys(weights, "")) for name in ("one", "two"))
    lines = ActiveTerms(weights, rows).lines()
    assert all(len(line) <= WIDTH for line in lines)
    assert sum("one 0.50" in line for line in lines) == len(lines) / 3 > 1
    assert sum(line.count("term_number_") for line in lines) == 12


def test_a_run_begins_with_the_table(whole: Path, flat: Path, tmp_path: Path) -> None:
    run = train(mixed(whole, flat, train__epochs=1), tmp_path / "run")
    text = (run / "log.txt").read_text()
    assert "flat 0.75    no 3D joints" in text
    first = json.loads((run / "log.jsonl").read_text().splitlines()[0])
    assert first["terms"][1]["terms"]["pose"] == {"weight": 1.0, "active": False, "why": "no SMPL"}


def test_labels_of_a_few_people_are_enough(tmp_path: Path) -> None:
    people = write_people(tmp_path / "people", 6, extra={4: keypoints(4)}, drop=("smpl.",))
    found = active_terms_of(small_recipe(people))
    assert found.rows[0].terms["keypoints3d"] == ""
    assert found.rows[0].terms["pose"] == "no SMPL"
