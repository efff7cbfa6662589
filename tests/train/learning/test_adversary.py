"""The adversary: who learns when, from which poses, and that a broken run goes on exactly."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hps_datasets.synthetic.free_poses import motions
from hps_models.hmr.discriminator import Discriminator
from hps_models.hmr2.discriminator import Discriminator as LateDiscriminator
from hpscli.data.motion.poses import prepare_poses
from hpscli.data.motion.real_poses import RealPoses, check_real_poses, real_poses
from hpscli.errors import InvalidData, MissingError, UsageError
from hpscli.nn.files import read_tensors
from hpscli.recipe import Recipe
from hpscli.records import Prediction
from hpscli.registry import get_registry
from hpscli.train.keeping.state import load
from hpscli.train.learning.adversary import Contest, Critic
from hpscli.train.loop import train
from hpscli.train.plan import check_recipe, check_shards, makeable
from tests.train.labelled import labelled_people, small_recipe
from tests.train.test_loop import lines


@pytest.fixture(scope="module")
def poses(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("poses") / "free"
    spec = get_registry().dataset("free-poses")
    prepare_poses(spec, Path(), "train", out, options=spec.options)
    return out


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labelled_people(tmp_path_factory.mktemp("people") / "train", 16, split="train")


def with_adversary(people: Path, poses: Path, **changes: Any) -> Recipe:
    adversary = {"poses": str(poses), "lr": 1e-3, "weight": 0.5, **changes.pop("adversary", {})}
    return small_recipe(people, adversary=adversary, **changes)


def some(count: int, seed: int = 0) -> Prediction:
    draw = torch.Generator().manual_seed(seed)
    return Prediction(
        camera=torch.zeros(count, 3),
        parameters={
            "body_pose": torch.randn(count, 23, 3, 3, generator=draw).requires_grad_(),
            "betas": torch.randn(count, 10, generator=draw).requires_grad_(),
        },
    )


def contest(critic: Critic, poses: Path | RealPoses, lr: float = 1e-2, **changes: Any) -> Contest:
    given = poses if isinstance(poses, RealPoses) else real_poses(str(poses))
    optimizer = torch.optim.SGD(critic.parameters(), lr)
    return Contest(critic, optimizer, given, **{"weight": 1.0, "seed": 3, **changes})


def copied(critic: Critic) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in critic.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


def test_free_poses_are_real_poses_without_any_file(poses: Path) -> None:
    found = real_poses(str(poses))
    assert check_real_poses(str(poses)) == len(found) == 2000
    assert found.body_pose.shape == (2000, 69)
    assert 0.5 < np.abs(found.betas).max() <= 2.0
    count, read = motions(Path(), "train", copies=2, seed=0)
    assert count == 2
    assert not np.array_equal(read(0)["betas"], read(1)["betas"])


def test_the_critic_of_hmr_learns_before_it_judges(poses: Path) -> None:
    torch.manual_seed(0)
    played = contest(Discriminator(), poses)
    before, prediction = copied(played.critic), some(4)
    term = played.judge(prediction, step=0)
    assert not same(before, copied(played.critic))
    after = played.critic(prediction.parameters["body_pose"], prediction.parameters["betas"])
    assert torch.equal(term, (after - 1).square().mean())


def test_the_critic_of_hmr2_learns_after_the_model(poses: Path) -> None:
    torch.manual_seed(0)
    played = contest(LateDiscriminator(), poses)
    before = copied(played.critic)
    played.judge(some(4), step=0).backward()  # type: ignore[no-untyped-call]
    assert same(before, copied(played.critic))
    played.finish()
    assert not same(before, copied(played.critic))


def test_the_models_term_teaches_the_model_and_not_the_critic(poses: Path) -> None:
    torch.manual_seed(0)
    played, prediction = contest(LateDiscriminator(), poses), some(4)
    term = played.judge(prediction, step=0)
    learnt = [p.grad.clone() for p in played.critic.parameters() if p.grad is not None]
    term.backward()  # type: ignore[no-untyped-call]
    again = [p.grad for p in played.critic.parameters() if p.grad is not None]
    assert all(map(torch.equal, learnt, again))
    assert prediction.parameters["body_pose"].grad is not None
    assert float(prediction.parameters["body_pose"].grad.abs().sum()) > 0


def test_what_is_real_depends_on_seed_and_step_alone(poses: Path) -> None:
    device = torch.device("cpu")
    one = contest(Discriminator(), poses).draw(8, 5, 0, device)
    other = contest(Discriminator(), poses).draw(8, 5, 0, device)
    assert torch.equal(one[0], other[0])
    assert not torch.equal(one[0], contest(Discriminator(), poses).draw(8, 6, 0, device)[0])
    changed = contest(Discriminator(), poses, seed=4).draw(8, 5, 0, device)
    assert not torch.equal(one[0], changed[0])


def test_processes_and_parts_of_a_batch_share_one_draw(poses: Path) -> None:
    device = torch.device("cpu")
    whole = contest(Discriminator(), poses).draw(8, 2, 0, device)[1]
    parts = [
        contest(Discriminator(), poses, rank=rank, world=2, accumulate=2).draw(2, 2, micro, device)
        for micro in range(2)
        for rank in range(2)
    ]
    assert torch.equal(whole, torch.cat([betas for _, betas in parts]))


def test_accumulated_parts_teach_the_critic_as_one_batch(poses: Path) -> None:
    torch.manual_seed(0)
    start = Discriminator()
    whole, parts = Discriminator(), Discriminator()
    whole.load_state_dict(start.state_dict())
    parts.load_state_dict(start.state_dict())
    people = some(4)
    halves = [
        Prediction(
            camera=people.camera[rows],
            parameters={name: value[rows] for name, value in people.parameters.items()},
        )
        for rows in (slice(2), slice(2, 4))
    ]
    contest(whole, poses).judge(people, 0)
    played = contest(parts, poses, accumulate=2)
    for micro, half in enumerate(halves):
        played.judge(half, 0, micro)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_processes_average_the_gradients_of_the_critic(poses: Path) -> None:
    """Two processes with half of the people each step as one with all of them."""
    torch.manual_seed(0)
    start, people = Discriminator(), some(4)
    sent: list[torch.Tensor] = []

    def collect(values: torch.Tensor) -> torch.Tensor:
        sent.append(values)
        return values

    def mean(values: torch.Tensor) -> torch.Tensor:
        return torch.stack(sent).mean(dim=0)

    def learnt(rows: slice, **changes: Any) -> Critic:
        critic = Discriminator()
        critic.load_state_dict(start.state_dict())
        part = {name: value[rows] for name, value in people.parameters.items()}
        prediction = Prediction(camera=people.camera[rows], parameters=part)
        contest(critic, poses, **changes).judge(prediction, 0)
        return critic

    halves = [slice(2), slice(2, 4)]
    for average in (collect, mean):
        ranks = [
            learnt(rows, rank=rank, world=2, average=average) for rank, rows in enumerate(halves)
        ]
    whole = learnt(slice(4))
    for critic in ranks:
        for one, other in zip(whole.parameters(), critic.parameters(), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


def test_a_critic_that_learns_tells_predictions_from_poses(poses: Path) -> None:
    torch.manual_seed(0)
    played = contest(Discriminator(), poses)
    played.optimizer = torch.optim.Adam(played.critic.parameters(), 1e-3)  # as trainings have it
    played.judge(some(16), 0)
    first = sum(played.values().values())
    for step in range(1, 40):
        played.judge(some(16), step)
    assert sum(played.values().values()) < 0.7 * first


def test_a_gradient_of_the_critic_that_is_not_finite_is_told_with_its_losses(poses: Path) -> None:
    played = contest(LateDiscriminator(), poses)
    for infinite in (False, True):
        played.judge(some(4), 0)
        gradient = next(p.grad for p in played.critic.parameters() if p.grad is not None)
        gradient.view(-1)[0] += float("inf") if infinite else 0.0
        played.finish()
        assert ("critic's gradient norm" in played.values()) is infinite


def test_a_training_with_an_adversary_logs_both_sides(
    people: Path, poses: Path, tmp_path: Path
) -> None:
    run = train(with_adversary(people, poses, train__epochs=1), tmp_path / "run")
    names = set(lines(run)[-1]["losses"])
    assert {"adversary", "disc_real", "disc_fake"} <= names


def test_the_adversary_changes_what_the_model_learns(
    people: Path, poses: Path, tmp_path: Path
) -> None:
    last = "checkpoints/last.safetensors"
    judged = train(with_adversary(people, poses, train__epochs=1), tmp_path / "judged")
    off = with_adversary(people, tmp_path / "nowhere", train__epochs=1, adversary={"weight": 0})
    alone = train(off, tmp_path / "alone")
    plain = train(small_recipe(people, train__epochs=1), tmp_path / "plain")
    weights = [read_tensors(run / last) for run in (judged, alone, plain)]
    assert not same(weights[0], weights[1])
    assert same(weights[1], weights[2])


@pytest.mark.parametrize("scheduled", [True, False])
def test_the_critics_rate_falls_with_the_models_where_the_recipe_says_so(
    people: Path, poses: Path, tmp_path: Path, scheduled: bool
) -> None:
    recipe = with_adversary(
        people,
        poses,
        adversary={"scheduled": scheduled},
        optim__schedule="step",
        optim__step_epochs=[1],
        train__epochs=2,
    )
    run = train(recipe, tmp_path / "run")
    *_, state = load(run)
    [group] = state["adversary"]["optimizer"]["param_groups"]
    assert group["lr"] == pytest.approx(1e-4 if scheduled else 1e-3)


def test_a_broken_run_with_an_adversary_goes_on_exactly(
    people: Path, poses: Path, tmp_path: Path
) -> None:
    recipe = with_adversary(people, poses, optim__accumulate=2, train__epochs=3)
    unbroken = train(recipe, tmp_path / "unbroken")

    def kill(label: str, text: object) -> None:
        if label.startswith("4/"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path / "broken", say=kill)
    train(recipe, tmp_path / "broken", resume=True)
    logged = [
        [(line["step"], line["losses"]) for line in lines(run) if "losses" in line]
        for run in (unbroken, tmp_path / "broken")
    ]
    assert logged[0] == logged[1]


def test_missing_poses_are_named_with_what_makes_them(people: Path, tmp_path: Path) -> None:
    recipe = with_adversary(people, tmp_path / "none", adversary={"prepare": "free-poses"})
    part = check_shards(recipe)[-1]
    assert isinstance(part.problem, MissingError)
    assert f"hps prepare free-poses --out {tmp_path / 'none'}" in part.problem.fix
    assert "adversary.weight=0" in part.problem.fix
    assert makeable(part)


def test_poses_of_an_asset_are_asked_for_by_their_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPS_HOME", str(tmp_path))
    with pytest.raises(MissingError, match=r"was not imported") as caught:
        check_real_poses("poses-cmu-mosh")
    assert "hps assets import" in caught.value.fix


def test_a_model_without_a_critic_is_refused(people: Path, poses: Path) -> None:
    recipe = with_adversary(
        people, poses, model={"name": "metro", "preset": "tiny"}, loss={"token_joints3d": 1.0}
    )
    with pytest.raises(UsageError, match="model 'metro' has no adversary"):
        check_recipe(recipe, 1, keep_lr=False, scale_lr=False)


def test_poses_of_another_shape_are_refused(tmp_path: Path) -> None:
    spec = get_registry().dataset("free-poses")

    class Other:
        poses = f"{__name__}:other_poses"
        name, licence = spec.name, ""

    prepare_poses(Other, Path(), "train", tmp_path / "out", options={})  # type: ignore[arg-type]
    with pytest.raises(InvalidData, match=r"an adversary wants \(N,69\)"):
        real_poses(str(tmp_path / "out"))


def other_poses(root: Path, split: str) -> tuple[int, Any]:
    return 1, lambda number: {"body_pose": np.zeros((3, 63)), "betas": np.zeros((3, 10))}
