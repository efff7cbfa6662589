"""Losses of METRO and Mesh Graphormer, and what FastMETRO shares with them."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hpscli.body.layer import load_body
from hpscli.errors import InvalidData, UsageError
from hpscli.nn.mesh.losses import METRO, labelled_mean, metro_losses
from hpscli.nn.mesh.weightings import METRO as WEIGHTS
from hpscli.records import Prediction
from tests.nn.mesh.people import Truth, batch_of, spoilt, truth

NAMES = {"smpl": tuple(WEIGHTS["body"]), "mano": tuple(WEIGHTS["hand"])}
ONLY_ANNOTATED = ("token_joints2d", "mesh_joints2d")


@pytest.fixture(scope="module", params=["smpl", "mano"])
def right(request: pytest.FixtureRequest) -> Truth:
    return truth(request.param)


def names(right: Truth) -> tuple[str, ...]:
    return NAMES[right.space.target.kind]


def test_the_truth_costs_nothing(right: Truth) -> None:
    losses = metro_losses(right.prediction, right.batch, right.body, names(right))
    # The middle finger's tip is another vertex in labels than in joints of the mesh.
    allowed = 1e-3 if right.space.target.kind == "mano" else 1e-9
    assert set(losses) == set(names(right))
    assert all(float(value) < allowed for value in losses.values())


def test_every_term_sees_an_error(right: Truth) -> None:
    losses = metro_losses(spoilt(right.prediction), right.batch, right.body, names(right))
    assert all(float(value) > 5e-4 for value in losses.values()), losses


def test_a_person_without_labels_changes_no_term(right: Truth) -> None:
    prediction = spoilt(right.prediction)
    flags = torch.tensor([True, False, True])
    present = {name: flags for name in right.batch.present}
    targets = {name: value.clone() for name, value in right.batch.targets.items()}
    for name, value in targets.items():
        value[1] = 0.0 if name.startswith("keypoints2d") else 7.0
    blank = {name: value.clone() for name, value in right.batch.targets.items()}
    for value in blank.values():
        value[1] = 0.0
    given_other, given_blank = (
        metro_losses(
            prediction, replace(right.batch, present=present, targets=t), right.body, names(right)
        )
        for t in (targets, blank)
    )
    for name in names(right):
        assert float(given_other[name]) == pytest.approx(float(given_blank[name]), rel=1e-6)


def test_terms_of_labelled_people_do_not_depend_on_how_many_others_there_are(right: Truth) -> None:
    prediction = spoilt(right.prediction)
    one = {name: torch.tensor([True, False, False]) for name in right.batch.present}
    many = metro_losses(prediction, replace(right.batch, present=one), right.body, names(right))
    first = Prediction(
        camera=prediction.camera[:1],
        levels=tuple(level[:1] for level in prediction.levels),
        extras={name: value[:1] for name, value in prediction.extras.items()},
    )
    alone = replace(
        right.batch,
        keys=("a",),
        image=right.batch.image[:1],
        targets={name: value[:1] for name, value in right.batch.targets.items()},
        present={name: value[:1] for name, value in one.items()},
    )
    few = metro_losses(first, alone, right.body, names(right))
    for name in set(names(right)) - set(ONLY_ANNOTATED):
        assert float(many[name]) == pytest.approx(float(few[name]), rel=1e-5)


def test_without_any_label_every_term_is_zero_and_keeps_its_gradient(right: Truth) -> None:
    prediction = spoilt(right.prediction)
    leaves = [prediction.camera, *prediction.levels, prediction.extras["joint_tokens"]]
    for leaf in leaves:
        leaf.requires_grad_()
    losses = metro_losses(prediction, batch_of({}), right.body, names(right))
    assert all(float(value.detach()) == 0.0 for value in losses.values())
    torch.stack(list(losses.values())).sum().backward()
    for leaf in leaves:
        assert leaf.grad is not None and bool((leaf.grad == 0).all())


def test_in_2d_confidence_tells_who_is_labelled_and_everybody_counts(right: Truth) -> None:
    prediction = spoilt(right.prediction)
    name = next(n for n in right.batch.targets if n.startswith("keypoints2d"))
    flags = {**right.batch.present, name: torch.zeros(3, dtype=torch.bool)}
    whole = metro_losses(prediction, right.batch, right.body, ONLY_ANNOTATED)
    flagged = metro_losses(
        prediction, replace(right.batch, present=flags), right.body, ONLY_ANNOTATED
    )
    assert {n: float(v) for n, v in whole.items()} == {n: float(v) for n, v in flagged.items()}
    targets = {n: v.clone() for n, v in right.batch.targets.items()}
    targets[name][:, :, 2] = 0.5
    half = metro_losses(
        prediction, replace(right.batch, targets=targets), right.body, ONLY_ANNOTATED
    )
    for term in ONLY_ANNOTATED:
        assert float(half[term]) == pytest.approx(float(whole[term]) / 2, rel=1e-5)


def test_predicted_meshes_are_taken_where_they_are(right: Truth) -> None:
    moved = replace(
        right.prediction, levels=tuple(level + 0.1 for level in right.prediction.levels)
    )
    vertices = [name for name in names(right) if name.startswith("vertices")]
    for value in metro_losses(moved, right.batch, right.body, vertices).values():
        assert float(value) == pytest.approx(0.1, rel=1e-3)


def test_a_place_of_all_joints_costs_nothing_in_3d(right: Truth) -> None:
    tokens = right.prediction.extras["joint_tokens"]
    moved = replace(right.prediction, extras={"joint_tokens": tokens + 3.0})
    loss = metro_losses(moved, right.batch, right.body, ["token_joints3d"])["token_joints3d"]
    assert float(loss) < 1e-10


def test_unmarked_joints_weigh_nothing_but_count() -> None:
    right = truth("smpl")
    prediction = right.prediction
    tokens = prediction.extras["joint_tokens"].clone()
    tokens[:, [0, 1, 4, 5]] += 0.2  # neither hip
    wrong = replace(prediction, extras={"joint_tokens": tokens})
    term = ["token_joints3d"]
    whole = metro_losses(wrong, right.batch, right.body, term)[term[0]]
    assert float(whole) == pytest.approx(4 / 14 * 0.2**2, rel=1e-4)
    marked = right.batch.targets["keypoints3d.h36m17"]
    marked[:, [3, 2], 3] = 0.0  # right ankle and knee
    half = metro_losses(wrong, right.batch, right.body, term)[term[0]]
    assert float(half) == pytest.approx(2 / 14 * 0.2**2, rel=1e-4)


def test_without_hips_there_is_no_centre_and_no_3d_term() -> None:
    right = truth("smpl")
    right.batch.targets["keypoints3d.h36m17"][:, [1, 4]] = 0.0
    terms = ["token_joints3d", "mesh_joints3d"]
    losses = metro_losses(spoilt(right.prediction), right.batch, right.body, terms)
    assert all(float(value) == 0.0 for value in losses.values())


def test_a_hand_has_no_middle_mesh() -> None:
    right = truth("mano")
    with pytest.raises(UsageError, match="no middle mesh.*vertices_middle"):
        metro_losses(right.prediction, right.batch, right.body, ["vertices_middle"])


def test_an_unknown_loss_is_named_with_the_nearest_one(right: Truth) -> None:
    with pytest.raises(UsageError, match="'vertices_fin'.*Did you mean 'vertices_fine'"):
        metro_losses(right.prediction, right.batch, right.body, ["vertices_fin"])


def test_a_model_without_joint_tokens_is_told_so(right: Truth) -> None:
    bare = replace(right.prediction, extras={})
    with pytest.raises(InvalidData, match="no joint tokens"):
        metro_losses(bare, right.batch, right.body, ["token_joints3d"])


def test_a_model_with_too_few_levels_is_told_so(right: Truth) -> None:
    bare = replace(right.prediction, levels=right.prediction.levels[:1])
    with pytest.raises(InvalidData, match="gives 1 mesh levels"):
        metro_losses(bare, right.batch, right.body, ["vertices_fine"])


def test_a_body_that_mesh_networks_do_not_know_is_refused() -> None:
    right = truth("mano")
    with pytest.raises(UsageError, match="smplx"):
        metro_losses(
            right.prediction, right.batch, load_body("smplx", source="free"), ["vertices_fine"]
        )


def test_every_weighting_names_losses_that_there_are() -> None:
    assert {name for weights in WEIGHTS.values() for name in weights} == set(METRO)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4)),
        min_size=1,
        max_size=6,
    )
)
def test_a_mean_over_labelled_people_is_the_mean_of_their_numbers(
    people: list[tuple[bool, list[float]]],
) -> None:
    values = torch.tensor([numbers for _, numbers in people], dtype=torch.float64)
    has = torch.tensor([known for known, _ in people])
    expected = float(values[has].mean()) if bool(has.any()) else 0.0
    assert float(labelled_mean(values, has)) == pytest.approx(expected, abs=1e-9)
