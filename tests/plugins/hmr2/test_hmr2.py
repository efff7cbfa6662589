"""HMR2.0: its decoder's arithmetic, its losses and measure, and that all of it learns."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hps_models.hmr2.decoder import HEAD_WIDTH, DecoderHead
from hps_models.hmr2.discriminator import Discriminator, discriminator_losses, generator_loss
from hps_models.hmr2.losses import hmr2_losses
from hpscli.body.layer import Body, load_body, matrices, mean_parameters
from hpscli.body.rotations import rotation6d_to_matrix
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model
from hpscli.records import Prediction
from tests.plugins.family_people import batch_of

HEADS, WIDTH, CONTEXT = 2, 24, 20


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("smpl", source="free")


def tiny(**options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("hmr2", preset="tiny", options=options)[0]


def plain_decoder(state: dict[str, Tensor], context: Tensor, depth: int) -> Tensor:
    """The decoder as its paper describes it, in the official names of tensors."""

    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q, k, v = (x.view(len(x), -1, HEADS, HEAD_WIDTH).transpose(1, 2) for x in (q, k, v))
        weights = (q @ k.transpose(-1, -2) / HEAD_WIDTH**0.5).softmax(-1)
        mixed: Tensor = (weights @ v).transpose(1, 2)
        return mixed.flatten(2)

    def norm(x: Tensor, name: str) -> Tensor:
        weight, bias = state[f"{name}.norm.weight"], state[f"{name}.norm.bias"]
        return functional.layer_norm(x, (WIDTH,), weight, bias, 1e-5)

    def linear(x: Tensor, name: str) -> Tensor:
        return functional.linear(x, state[f"{name}.weight"], state.get(f"{name}.bias"))

    start = state["transformer.to_token_embedding.bias"] + state["transformer.pos_embedding"]
    x = start.expand(len(context), 1, -1)
    for i in range(depth):
        layer = f"transformer.transformer.layers.{i}"
        q, k, v = linear(norm(x, f"{layer}.0"), f"{layer}.0.fn.to_qkv").chunk(3, -1)
        x = x + linear(attention(q, k, v), f"{layer}.0.fn.to_out.0")
        k, v = linear(context, f"{layer}.1.fn.to_kv").chunk(2, -1)
        q = linear(norm(x, f"{layer}.1"), f"{layer}.1.fn.to_q")
        x = x + linear(attention(q, k, v), f"{layer}.1.fn.to_out.0")
        hidden = functional.gelu(linear(norm(x, f"{layer}.2"), f"{layer}.2.fn.net.0"))
        x = x + linear(hidden, f"{layer}.2.fn.net.3")
    asked: Tensor = x[:, 0]
    return asked


def test_one_token_asks_the_patches_as_the_paper_says() -> None:
    torch.manual_seed(0)
    head = DecoderHead(context_width=CONTEXT, width=WIDTH, depth=2, heads=HEADS, hidden=30).eval()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    features = torch.randn(2, CONTEXT, 4, 3)
    state = head.state_dict()
    token = plain_decoder(state, features.flatten(2).transpose(1, 2), 2)
    with torch.no_grad():
        found = head(features)
    pose = functional.linear(token, state["decpose.weight"], state["decpose.bias"])
    assert torch.allclose(found.pose, pose + state["init_body_pose"], atol=1e-4)


def test_the_mean_pose_is_laid_out_for_concatenated_rotations() -> None:
    head = DecoderHead(context_width=CONTEXT, width=WIDTH, depth=1, heads=1, hidden=8)
    mean = torch.as_tensor(mean_parameters("smpl")["pose6d"]).view(24, 6)
    expected = rotation6d_to_matrix(mean, "interleaved")
    found = rotation6d_to_matrix(head.init_body_pose.view(24, 6), "concatenated")
    assert torch.allclose(found, expected, atol=1e-6)


def test_an_eighth_of_the_columns_on_either_side_is_not_looked_at() -> None:
    module = tiny().eval()
    image = torch.randn(1, 3, 64, 64)
    other = image.clone()
    other[..., :8], other[..., 56:] = 7.0, -7.0
    with torch.no_grad():
        assert torch.equal(module(image).camera, module(other).camera)
        other[..., 8] += 1.0
        assert not torch.equal(module(image).camera, module(other).camera)


def test_keypoint_losses_are_sums_relative_to_the_pelvis(body: Body) -> None:
    image = torch.zeros(2, 3, 256, 256)
    random = torch.Generator().manual_seed(0)
    joints = torch.randn(2, 44, 3, generator=random)
    target = torch.randn(2, 44, 3, generator=random)
    confidence = torch.rand(2, 44, 1, generator=random)
    prediction = Prediction(camera=torch.tensor([[0.9, 0.1, 0.2]] * 2), joints={"hmr2_44": joints})
    batch = batch_of(image, {"keypoints3d.hmr2_44": torch.cat([target, confidence], 2)})
    found = hmr2_losses(prediction, batch, body, ["keypoints3d"])["keypoints3d"]
    error = (joints - joints[:, 39:40]) - (target - target[:, 39:40])
    wanted = 48 / len(batch) * (confidence * error.abs()).sum()
    assert float(found) == pytest.approx(float(wanted), rel=1e-5)


def test_labels_without_the_pelvis_teach_nothing_in_3d(body: Body) -> None:
    prediction = tiny()(torch.rand(2, 3, 64, 64))
    target = torch.rand(2, 44, 4, generator=torch.Generator().manual_seed(0)) + 0.5
    target[:, 39] = 0
    batch = batch_of(torch.rand(2, 3, 64, 64), {"keypoints3d.hmr2_44": target})
    loss = hmr2_losses(prediction, batch, body, ["keypoints3d"])["keypoints3d"]
    assert loss.item() == 0


def test_points_where_they_are_projected_cost_nothing(body: Body) -> None:
    joints = 0.3 * torch.randn(1, 24, 3)
    camera = torch.tensor([[0.9, 0.1, 0.2]])
    depth = joints[..., 2:] + 2 * 5000 / (256 * 0.9)
    seen = 2 * (5000 / 256) * (joints[..., :2] + camera[:, None, 1:]) / depth
    target = torch.cat([seen, torch.ones(1, 24, 1)], 2)
    prediction = Prediction(camera=camera, joints={"smpl24": joints})
    batch = batch_of(torch.zeros(1, 3, 256, 256), {"keypoints2d.smpl24": target})
    found = hmr2_losses(prediction, batch, body, ["keypoints2d"])["keypoints2d"]
    assert float(found) == pytest.approx(0, abs=1e-4)


def test_people_without_parameters_do_not_count(body: Body) -> None:
    image = torch.zeros(2, 3, 64, 64)
    poses = torch.randn(2, 69)
    found = matrices({"body_pose": torch.randn(2, 69)})
    prediction = Prediction(camera=torch.ones(2, 3), parameters=found)
    batch = batch_of(image, {"smpl.body_pose": poses}, torch.tensor([True, False]))
    loss = hmr2_losses(prediction, batch, body, ["body_pose"])["body_pose"]
    error = found["body_pose"] - matrices({"body_pose": poses})["body_pose"]
    assert float(loss) == pytest.approx(24 * float(error[0].square().sum()), rel=1e-5)


def test_a_batch_of_any_size_weighs_as_48_people(body: Body) -> None:
    """The adversary's term is a mean: beside a sum over other batches it would weigh otherwise."""
    poses = torch.randn(1, 69)
    wanted = matrices({"body_pose": poses})["body_pose"]
    found = matrices({"body_pose": torch.randn(1, 69)})["body_pose"]
    for people in (1, 48, 96):
        prediction = Prediction(
            camera=torch.ones(people, 3), parameters={"body_pose": found.expand(people, -1, -1, -1)}
        )
        batch = batch_of(
            torch.zeros(people, 3, 64, 64), {"smpl.body_pose": poses.expand(people, -1)}
        )
        loss = hmr2_losses(prediction, batch, body, ["body_pose"])["body_pose"]
        assert float(loss) == pytest.approx(48 * float((found - wanted).square().sum()), rel=1e-4)


def test_an_unknown_loss_is_named_with_the_nearest_one(body: Body) -> None:
    batch = batch_of(torch.zeros(1, 3, 8, 8), {})
    with pytest.raises(UsageError, match=r"no loss named 'beta'.*betas"):
        hmr2_losses(Prediction(camera=torch.ones(1, 3)), batch, body, ["beta"])


def test_the_adversary_learns_to_tell_captured_from_made_up() -> None:
    torch.manual_seed(0)
    judge = Discriminator()
    real = matrices({"body_pose": 0.1 * torch.randn(16, 69)})["body_pose"], torch.zeros(16, 10)
    made = matrices({"body_pose": torch.randn(16, 69)})["body_pose"], torch.randn(16, 10)
    assert judge(*real).shape == (16, 25)
    optimizer = torch.optim.Adam(judge.parameters(), lr=1e-3)
    losses = []
    for _ in range(20):
        optimizer.zero_grad()
        loss = torch.stack([*discriminator_losses(judge(*real), judge(*made)).values()]).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
    assert float(judge(*real).mean().detach()) > float(judge(*made).mean().detach())


def test_the_adversarys_terms_are_sums_of_scores_per_person() -> None:
    scores = torch.tensor([[1.0, 0.0], [0.5, 2.0]])
    assert float(generator_loss(scores)) == pytest.approx((0 + 1 + 0.25 + 1) / 2)
    found = discriminator_losses(torch.cat([scores, scores]), scores)  # two real for each
    assert float(found["disc_fake"]) == pytest.approx(5.25 / 2)
    assert float(found["disc_real"]) == pytest.approx(2 * 2.25 / 2)


@pytest.mark.parametrize("option", [{"size": 100}, {"depth": 0}, {"drop_path": 1.0}])
def test_options_that_make_no_network_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="hmr2:"):
        tiny(**option)
