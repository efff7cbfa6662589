"""What is known of data sets as data: every one of the field has a card, and cards hold together."""

import json
from pathlib import Path

import pytest

from hpscli.body.joints import joint_set
from hpscli.cards import load_card
from hpscli.hooks import DatasetSpec
from hpscli.registry import get_registry, resolve

SPECS = [spec for spec in get_registry().all("dataset") if spec.card]
FORMS = ("humandata", "spin-npz", "osx-json", "tsv", "hmr2-tar", "bedlam-npz")
STATUS = ("reported", "verified")


@pytest.mark.parametrize("name", FORMS)
def test_every_pre_parsed_form_has_a_reader(name: str) -> None:
    assert get_registry().dataset(name).name == name


def test_every_data_set_of_the_field_has_a_reader_under_its_id(reference: Path) -> None:
    known = json.loads((reference / "datasets" / "datasets.json").read_text())["datasets"]
    names = {name for spec in SPECS for name in (spec.name, *spec.aliases)}
    assert sorted(set(known) - names) == []


def test_no_two_data_sets_answer_to_one_name() -> None:
    names = [name for spec in SPECS for name in (spec.name, *spec.aliases)]
    assert sorted({name for name in names if names.count(name) > 1}) == []


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_card_says_what_its_users_need(spec: DatasetSpec) -> None:
    card = load_card(spec.card)
    for entry in ("download", "tree", "frame", "box", "format"):
        assert str(card.get(entry, "")).strip(), f"{entry} is missing"
    assert card["format"] in ("run", "read") and card.get("files")
    for name in (*card.get("joints2d", ()), *card.get("joints3d", ())):
        joint_set(name)
    for entry in card["files"]:
        assert entry["glob"] and entry["what"]
        assert set(entry.get("splits", ())) <= set(spec.splits)
    for entry in card.get("counts", ()):
        assert entry["status"] in STATUS and entry["count"] > 0 and entry["source"]
    for entry in card.get("defects", ()):
        assert entry["id"] and entry["what"] and entry["ours"] and "reference" in entry


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_a_reader_can_be_imported(spec: DatasetSpec) -> None:
    assert callable(resolve(spec.people or spec.samples or spec.poses))
