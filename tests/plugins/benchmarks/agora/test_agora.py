"""AGORA's evaluation: matching, errors and averages, official and corrected."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hps_benchmarks.agora import speed
from hps_benchmarks.agora.averages import Outcome, corrected_averages, official_averages
from hps_benchmarks.agora.detections import taken
from hps_benchmarks.agora.errors import names, person_errors
from hps_benchmarks.agora.matching import (
    box_overlaps,
    match_corrected,
    match_official,
    matchable_people,
    pair_costs,
)
from hps_benchmarks.agora.posing import body_of
from hps_benchmarks.agora.rule import AgoraRule
from hps_benchmarks.agora.submission.naming import file_names, picture_stem, to_4k
from hps_datasets.rendered.agora import agora
from hpscli.body.layer import load_body
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.registry import get_registry
from hpscli.testing.goldens import ReplayOptions
from hpscli.testing.selfcheck import find, replay
from tests.plugins.benchmarks.agora.people import crowd

OPEN = np.ones(9, bool)


def person(x: float, y: float = 500.0, size: float = 100.0, joints: int = 24) -> np.ndarray:
    """-> joints (J,2) in a box of `size` px around a place."""
    draw = np.random.default_rng(3)
    points = draw.uniform(-0.5, 0.5, (joints, 2))
    points[:2] = [[-0.5, -0.5], [0.5, 0.5]]
    return np.array([x, y]) + size * points


@pytest.mark.parametrize("pattern", ["metrics/agora*", "osx/agora-export"])
def test_the_official_numbers_come_out(reference, pattern):
    folder = reference / ("osx" if pattern.startswith("osx") else "metrics")
    specs = find(folder, [pattern]).specs
    assert len(specs) == (1 if pattern.startswith("osx") else 7)
    for spec in specs:
        done = replay(spec, folder, ReplayOptions())
        assert done.ok, [check for check in done.checks if not check.ok][:3]


def test_the_nearest_pair_is_matched_first_and_boxes_must_overlap():
    matching = match_official([person(520), person(1500)], [person(500), person(900)], OPEN[:2])
    assert matching.pairs == ((0, 0),)
    assert matching.false_positives == (1,)
    assert matching.misses == (1,)


def test_the_cost_is_the_largest_singular_value():
    cost = pair_costs([person(520, 530)], [person(500)])
    assert cost[0, 0] == pytest.approx(np.sqrt(24 * (20**2 + 30**2)))
    stretched = person(500)
    stretched[:, 0] += np.linspace(-5, 5, 24)
    stretched[:, 1] += np.tile([3.0, -3.0], 12)
    apart = stretched - person(500)
    assert pair_costs([stretched], [person(500)])[0, 0] == pytest.approx(np.linalg.norm(apart, 2))
    assert np.linalg.norm(apart, 2) < 0.99 * np.linalg.norm(apart)  # not the root of all squares


def test_of_equal_costs_the_first_prediction_wins():
    same = [person(520), person(520), person(520)]
    assert match_official(same, [person(500), person(5000)], OPEN[:2]).pairs == ((0, 0),)


def test_pairs_that_overlap_too_little_use_up_the_budget():
    tiny = [person(500, size=4), person(503, size=4)]  # inside of person 0, IoU far below 0.1
    found = person(640, size=130)
    true = [person(600, size=130), person(2000, size=130)]
    official = match_official([*tiny, found], true, OPEN[:2])
    # each tiny box is struck twice, once for each person, before the good pair is looked at
    costs = pair_costs([*tiny, found], true)
    assert costs[2, 0] < costs[0, 0]
    assert official.pairs == ((2, 0),)
    near = [person(600, size=4), person(601, size=4)]
    true = [person(600, size=130), person(640, size=4000)]
    early = match_official([*near, person(760, 560, size=130)], true, OPEN[:2])
    assert early.pairs == ()
    assert match_corrected([*near, person(640, size=130)], true, OPEN[:2]).pairs != ()


def test_somebody_hidden_takes_no_prediction_and_is_missed():
    hidden = matchable_people([True, True, False, True], [95.0, 90.0, 0.0, -1.0])
    assert hidden.tolist() == [False, True, False, False]
    official = match_official([person(500)], [person(500)], hidden[:1])
    assert official.false_positives == (0,)
    assert official.invalid == (0, 0)  # twice, as the official list
    corrected = match_corrected([person(500)], [person(500)], hidden[:1])
    assert corrected.ignored == (0,)
    assert corrected.false_positives == ()


def test_without_predictions_or_people_there_is_nothing_to_match():
    assert match_official([], [person(0)], OPEN[:1]).misses == (0,)
    assert match_official([person(0)], [], OPEN[:0]).false_positives == (0,)
    assert match_corrected([], [], OPEN[:0]).pairs == ()


def test_nan_joints_end_the_matching_with_a_message():
    bad = person(500)
    bad[3] = np.nan
    with pytest.raises(InvalidData, match="NaN"):
        match_official([bad], [person(500)], OPEN[:1])


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(0, 6), st.integers(1, 5))
def test_everybody_is_matched_once_or_accounted_for(seed, predicted, people):
    draw = np.random.default_rng(seed)
    true = [person(*draw.uniform(0, 900, 2), draw.uniform(2, 400)) for _ in range(people)]
    said = [person(*draw.uniform(0, 900, 2), draw.uniform(2, 400)) for _ in range(predicted)]
    can = draw.random(people) < 0.8
    overlaps = box_overlaps(said, true) if predicted else np.zeros((0, people))
    for match in (match_official, match_corrected):
        found = match(said, true, can)
        matched = [p for p, _ in found.pairs]
        assert sorted([*matched, *found.false_positives, *found.ignored]) == list(range(predicted))
        assert sorted({*(g for _, g in found.pairs), *found.misses, *found.invalid}) == list(
            range(people)
        )
        assert all(overlaps[p, g] >= 0.1 and can[g] for p, g in found.pairs)
    corrected = match_corrected(said, true, can)
    left = [(p, g) for p in corrected.false_positives for g in corrected.misses]
    assert all(overlaps[p, g] < 0.1 for p, g in left)  # nothing good was passed over


def test_parts_are_measured_from_their_own_roots():
    draw = np.random.default_rng(0)
    true_joints, true_mesh = draw.normal(size=(2, 127, 3)), draw.normal(size=(2, 40, 3))
    joints, mesh = true_joints.copy(), true_mesh + 5.0
    joints += 5.0
    joints[0, 25] += [0.0, 0.0, 1.6]  # one of 16 joints of the left hand
    mesh[1, 7] += [3.0, 0.0, 0.0]
    chosen = {"body": np.arange(10), "lhand": np.arange(10, 20), "rhand": np.arange(20, 25)}
    found = person_errors(
        "smplx", joints, mesh, true_joints, true_mesh, {**chosen, "face": np.arange(25, 40)}
    )
    assert set(found) == set(names("smplx"))
    assert found["lhand-MPJPE"] == pytest.approx([0.1, 0])
    assert found["body-MPJPE"] == pytest.approx([0, 0])
    assert found["body-MVE"] == pytest.approx([0, 0.3])


def outcome(missed: list[bool], kid: list[bool], wrong: int = 0, **changed) -> Outcome:
    count = len(missed)
    errors = {name: np.where(missed, 0, 0.04 + 0.01 * np.arange(count)) for name in names("smplx")}
    whole = Outcome(
        image=np.zeros(count, np.int64),
        valid=np.ones(count, bool),
        matchable=np.ones(count, bool),
        kid=np.array(kid),
        missed=np.array(missed),
        errors=errors,
        false_positives=np.array([wrong]),
        predicted=np.array([True]),
        bfh=np.array([True]),
    )
    return replace(whole, **changed)


def test_misses_lower_the_official_hand_errors_and_not_the_corrected_ones():
    crowd_of_four = outcome([False, False, True, False], [False] * 4, wrong=1)
    official = official_averages("smplx", crowd_of_four)
    corrected = corrected_averages("smplx", crowd_of_four)
    assert official["body-MPJPE"] == 53.3  # of three people: 40, 50, 70 mm
    assert official["lhand-MPJPE"] == 40.0  # of four, one with 0
    assert corrected["lhand-MPJPE"] == pytest.approx(160 / 3)
    assert official["f1"] == 0.75
    assert official["body-NMJE"] == 71.1
    assert corrected["fullbody-MVE"] == pytest.approx(2 * 160 / 3)
    assert official["kid_f1"] == "nan"
    assert np.isnan(official["kid-face-MVE"])
    assert "kid_recall" not in corrected


def test_without_a_match_the_official_program_has_no_figures():
    nobody = outcome([True, True], [False, False], wrong=3)
    with pytest.raises(InvalidData, match="divides by zero"):
        official_averages("smplx", nobody)
    corrected = corrected_averages("smplx", nobody)
    assert corrected == {"recall": 0.0, "f1": 0.0, "precision": 0.0}
    with pytest.raises(InvalidData, match="no child of 1"):
        official_averages("smplx", outcome([True, False], [True, False]))


def test_the_official_rounding_is_kept():
    one = outcome([False], [True], wrong=2)
    found = official_averages("smplx", one)
    assert found["precision"] == 0.33
    assert found["kid_f1"] == 0.5
    assert found["body-NMVE"] == 80.0
    assert found["kid-fullbody-NMJE"] == found["fullbody-NMJE"]


def rule(kind: str, standing: str, body) -> AgoraRule:
    return AgoraRule(get_registry().protocol(f"agora/validation@{standing}-{kind}-v1"), body)


def test_a_whole_set_has_figures_tables_and_errors_of_each_person():
    people = crowd("smplx", [3, 2, 1])
    samples = list(people.samples)
    samples[0] = replace(samples[0], meta={**samples[0].meta, "occlusion": 95.0})
    samples[4] = replace(samples[4], meta={**samples[4].meta, "kid": True})
    predictions = taken(people.predictions, [0, 1, 2, 4, 5])
    official = rule("smplx", "official", people.body).score(predictions, samples)
    assert official.metrics["recall"].value == 0.67  # hidden: missed; not predicted: missed
    assert official.metrics["precision"].value == 0.8
    assert official.official_text.startswith("{'precision': 0.8, 'recall': 0.67")
    corrected = rule("smplx", "corrected", people.body).score(predictions, samples)
    assert corrected.metrics["recall"].value == pytest.approx(4 / 5)
    assert corrected.metrics["precision"].value == 1.0
    shares = corrected.errors["body_mpjpe"]
    assert np.isnan(shares).tolist() == [True, False, False, True, False, False]
    assert np.nanmean(shares) == pytest.approx(corrected.metrics["body_mpjpe"].value)
    assert np.nanmean(corrected.errors["recall"]) == pytest.approx(4 / 5)
    assert list(corrected.tables) == ["detection", "lists", "occlusion"]
    assert corrected.tables["occlusion"].rows[0][:2] == ("10-20 %", 5)
    assert corrected.metrics["kid_recall"].value == 1.0


def test_the_order_of_predictions_and_people_does_not_matter():
    people = crowd("smpl", [4, 3])
    chosen = rule("smpl", "corrected", people.body)
    first = chosen.score(people.predictions, people.samples)
    order = [6, 2, 0, 5, 1, 3, 4]
    again = chosen.score(taken(people.predictions, order[::-1]), [people.samples[i] for i in order])
    for name, figure in first.metrics.items():
        assert again.metrics[name].value == pytest.approx(figure.value), name
    np.testing.assert_allclose(again.errors["body_mve"], first.errors["body_mve"][order])


def test_nan_predictions_are_named():
    people = crowd("smplx", [2])
    arrays = {name: values.copy() for name, values in people.predictions.arrays.items()}
    arrays["parameters.body_pose"][1, 3] = np.nan
    bad = replace(people.predictions, arrays=arrays)
    for standing in ("official", "corrected"):
        with pytest.raises(InvalidData, match="ag_validationset_bfh_00000_personId_1.pkl"):
            rule("smplx", standing, people.body).score(bad, people.samples)


def test_predictions_on_the_boxes_of_invalid_people_are_left_out():
    people = crowd("smpl", [3])
    samples = list(people.samples)
    samples[2] = replace(samples[2], meta={**samples[2].meta, "is_valid": False})
    predictions = replace(people.predictions, meta=tuple(sample.meta for sample in samples))
    found = rule("smpl", "official", people.body).score(predictions, samples)
    assert found.metrics["precision"].value == 1.0
    assert found.metrics["recall"].n == 2
    assert any("invalid" in note for note in found.notes)


def test_pictures_without_hands_can_be_left_out():
    people = crowd("smplx", [2, 2])
    renamed = [
        replace(s, meta={**s.meta, "image_path": s.meta["image_path"].replace("bfh_00001", "x")})
        for s in people.samples
    ]
    predictions = replace(people.predictions, meta=tuple(s.meta for s in renamed))
    spec = get_registry().protocol("agora/validation@corrected-smplx-bfh-v1")
    found = AgoraRule(spec, people.body).score(predictions, renamed)
    assert found.metrics["f1"].n == 2
    assert np.isnan(found.errors["body_mve"]).tolist() == [False, False, True, True]


def test_an_imported_body_needs_agoras_lists_of_vertices():
    body = load_body("smplx", source="free")
    body.source = "imported"
    with pytest.raises(MissingError, match="body vertices of AGORA"):
        rule("smplx", "official", body)


def test_names_and_pixels_are_those_of_the_large_pictures():
    assert picture_stem("images/test/ag_a_00001_1280x720.png") == "ag_a_00001"
    assert picture_stem("data/3840x2160/x_crop/ag_a_00001_ann_id_17.png") == "ag_a_00001"
    assert file_names(["a", "b", "a"]) == [
        "a_personId_0.pkl",
        "b_personId_0.pkl",
        "a_personId_1.pkl",
    ]
    small = {"image_path": "a_1280x720.png", "image_size_px": [720, 1280]}
    np.testing.assert_allclose(to_4k(np.array([[100.0, 50.0]]), small), [[300.0, 150.0]])
    affine = {"from_4k": [[0.5, 0, 10], [0, 0.5, 20]]}
    np.testing.assert_allclose(to_4k(np.array([[60.0, 70.0]]), affine), [[100.0, 100.0]])
    with pytest.raises(InvalidData, match="is a crop"):
        to_4k(np.zeros((1, 2)), {"image_path": "ag_a_00001_pid_3.png"})


def test_people_of_the_owners_tables_can_all_be_kept(reference):
    root = reference / "datasets" / "fixtures" / "agora"
    options = {"reference": "", "body": "smplx", "resolution": "auto"}
    valid = list(agora(root, "validation", **options))
    everybody = list(agora(root, "validation", invalid="keep", **options))
    assert [p.key for p in everybody if p.meta.get("is_valid", True)] == [p.key for p in valid]
    assert [p.key[-2:] for p in everybody if not p.meta.get("is_valid", True)] == ["-1"]
    stems = {picture_stem(person.image) for person in everybody}
    assert "ag_validationset_fix_arch_00002" in stems
    with pytest.raises(UsageError, match="invalid=maybe"):
        next(agora(root, "validation", invalid="maybe", **options))


def test_girls_have_the_neutral_child_and_smpl_is_always_neutral():
    assert body_of("smplx", {"gender": "female", "kid": True}) == ("neutral", "kid")
    assert body_of("smplx", {"gender": "male", "kid": True}) == ("male", "kid")
    assert body_of("smplx", {"gender": "female"}) == ("female", "adult")
    assert body_of("smpl", {"gender": "female"}) == ("neutral", "adult")


def test_the_plain_loop_gives_the_same():
    inputs = speed.make()
    ours, plain = speed.ours(inputs), speed.plain(inputs)
    assert set(ours) == set(plain)
    for name, value in plain.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
