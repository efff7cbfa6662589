"""PARE: its head's arithmetic, its losses, and that all of it learns."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from hps_models.pare.head import JointLinear, attend, peaks, sample, soft_points
from hps_models.pare.losses import PARTS, pare_losses
from hpscli.body.cameras import project_perspective
from hpscli.body.layer import Body, load_body
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model
from hpscli.records import Batch, Prediction
from hpscli.train.losses.parts import UNKNOWN
from tests.plugins.family_people import batch_of

MAPS, HEIGHT, WIDTH = 3, 4, 6
WEIGHTS = {"keypoints2d": 5, "keypoints3d": 5, "pose": 1, "betas": 0.001, "camera": 1, "parts": 1}


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("smpl", source="free")


def tiny(**options: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model("pare", preset="tiny", options=options)[0]


def labelled(body: Body, image: Tensor) -> Batch:
    """Random people with every label that PARE learns from."""
    count = len(image)
    random = torch.Generator().manual_seed(1)
    pose = 0.3 * torch.randn(count, 72, generator=random)
    sure = torch.ones(count, 24, 1)
    parts = torch.randint(0, 25, (count, 4, 4), generator=random).float()
    joints = body.template.mean(0) + 0.3 * torch.randn(count, 24, 3, generator=random)
    return batch_of(
        image,
        {
            "smpl.global_orient": pose[:, :3],
            "smpl.body_pose": pose[:, 3:],
            "smpl.betas": torch.randn(count, 10, generator=random),
            "keypoints3d.smpl24": torch.cat([joints, sure], 2),
            "keypoints2d.smpl24": torch.cat([0.7 * joints[..., :2], sure], 2),
            PARTS: parts.repeat_interleave(8, 1).repeat_interleave(8, 2),
        },
    )


def weighted(terms: dict[str, Tensor]) -> Tensor:
    return torch.stack([WEIGHTS[name] * value for name, value in terms.items()]).sum()


def test_attention_is_a_weighted_mean_of_pixels() -> None:
    features = torch.randn(2, 5, HEIGHT, WIDTH)
    attention = torch.randn(2, MAPS, HEIGHT * WIDTH).softmax(-1)
    expected = torch.zeros(2, 5, MAPS)
    for joint in range(MAPS):
        for pixel in range(HEIGHT * WIDTH):
            y, x = divmod(pixel, WIDTH)
            expected[:, :, joint] += attention[:, joint, pixel, None] * features[:, :, y, x]
    assert torch.allclose(attend(features, attention), expected, atol=1e-6)


def test_a_sharp_map_peaks_where_its_largest_pixel_is() -> None:
    maps = torch.zeros(1, MAPS, HEIGHT, WIDTH)
    places = ((0, 0), (3, 5), (2, 1))
    for joint, (y, x) in enumerate(places):
        maps[0, joint, y, x] = 60.0
    expected = torch.tensor([[[2 * x / 5 - 1, 2 * y / 3 - 1] for y, x in places]])
    assert torch.allclose(soft_points(maps, torch.tensor(1.0)), expected, atol=1e-5)
    assert torch.allclose(peaks(maps), expected, atol=1e-6)


def test_a_map_without_positive_number_peaks_at_its_first_pixel() -> None:
    maps = -torch.rand(1, 1, HEIGHT, WIDTH) - 0.1
    assert peaks(maps).tolist() == [[[-1.0, -1.0]]]


def test_features_are_sampled_at_pixel_centres_with_aligned_corners() -> None:
    features = torch.arange(HEIGHT * WIDTH, dtype=torch.float32).view(1, 1, HEIGHT, WIDTH)
    points = torch.tensor([[[-1.0, -1.0], [1.0, 1.0], [-1.0, 1.0], [0.0, -1.0]]])
    expected = [0.0, 23.0, 18.0, 2.5]
    assert sample(features, points)[0, 0].tolist() == pytest.approx(expected)


def test_every_joint_has_a_linear_map_of_its_own() -> None:
    layer = JointLinear(5, 6, MAPS)
    features = torch.randn(2, 5, MAPS)
    expected = [features[:, :, j] @ layer.weight[0, :, :, j, 0, 0].T for j in range(MAPS)]
    assert torch.allclose(layer(features), torch.stack(expected, dim=1), atol=1e-6)


def test_part_maps_are_for_the_loss_in_training_and_for_looking_at_in_use() -> None:
    module, image = tiny(), torch.randn(2, 3, 64, 64)
    training = module.train()(image)
    assert training.extras["part_logits"].shape == (2, 25, 16, 16)
    assert not training.raw
    with torch.no_grad():
        used = module.eval()(image)
    assert not used.extras
    assert used.raw["segm_logits"].shape == (2, 25, 16, 16)
    assert torch.allclose(used.raw["part_attention_softmax"].sum(-1), torch.ones(2, 24), atol=1e-5)


@pytest.mark.parametrize("maps", ["attention", "softargmax", "argmax"])
@pytest.mark.parametrize("growth", ["none", "deconv", "upsample"])
def test_every_variant_of_the_head_says_a_body(maps: str, growth: str) -> None:
    module = tiny(maps=maps, growth=growth).eval()
    with torch.no_grad():
        prediction = module(torch.randn(1, 3, 64, 64))
    rotations = prediction.parameters["body_pose"]
    assert torch.allclose(rotations @ rotations.mT, torch.eye(3), atol=1e-4)


def test_parts_without_labels_are_a_zero_that_keeps_its_gradient_path(body: Body) -> None:
    image = torch.randn(2, 3, 64, 64)
    prediction = tiny().train()(image)
    terms = pare_losses(prediction, batch_of(image, {}), body, ["parts", "keypoints3d"])
    assert all(float(value.detach()) == 0 for value in terms.values())
    assert all(value.requires_grad for value in terms.values())


def test_unknown_pixels_and_people_without_labels_do_not_count(body: Body) -> None:
    logits = torch.randn(2, 25, 4, 4)
    labels = torch.randint(0, 25, (2, 4, 4)).float()
    labels[0, :2] = UNKNOWN
    prediction = Prediction(camera=torch.ones(2, 3), extras={"part_logits": logits})
    batch = batch_of(torch.zeros(2, 3, 16, 16), {PARTS: labels}, torch.tensor([True, False]))
    found = pare_losses(prediction, batch, body, ["parts"])["parts"]
    chosen = logits[0, :, 2:].flatten(1).T
    expected = torch.nn.functional.cross_entropy(chosen, labels[0, 2:].flatten().long())
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_openpose_joints_that_nobody_saw_make_no_difference_to_the_2d_term(body: Body) -> None:
    """EFT's code writes them so for COCO: no weight, or the same as all, is then one."""
    camera, joints = torch.tensor([[0.9, 0.0, 0.1]] * 2), 0.3 * torch.randn(2, 49, 3)
    labels = torch.cat([torch.rand(2, 49, 2), torch.ones(2, 49, 1)], dim=2)
    labels[:, :25, 2] = 0
    batch = batch_of(torch.zeros(2, 3, 224, 224), {"keypoints2d.smpl49": labels})
    prediction = Prediction(camera=camera, joints={"smpl49": joints})
    found = pare_losses(prediction, batch, body, ["keypoints2d"])["keypoints2d"]
    away = project_perspective(joints, camera, 5000.0, 224) / 112 - labels[..., :2]
    assert float(found) == pytest.approx(float((labels[..., 2:] * away.square()).mean()), rel=1e-5)


def test_a_body_behind_the_camera_costs_much(body: Body) -> None:
    prediction = Prediction(camera=torch.tensor([[-0.1, 0, 0], [0.1, 0, 0]]))
    found = pare_losses(prediction, batch_of(torch.zeros(2, 3, 8, 8), {}), body, ["camera"])
    assert float(found["camera"]) == pytest.approx((math.exp(2) + math.exp(-2)) / 2, rel=1e-5)


def test_an_unknown_loss_is_named_with_the_nearest_one(body: Body) -> None:
    batch = batch_of(torch.zeros(1, 3, 8, 8), {})
    with pytest.raises(UsageError, match=r"no loss named 'part'.*parts"):
        pare_losses(Prediction(camera=torch.ones(1, 3)), batch, body, ["part"])


@pytest.mark.parametrize("option", [{"maps": "heat"}, {"growth": "up"}, {"width": 0}])
def test_options_that_make_no_network_are_refused(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="pare:"):
        tiny(**option)


def steps(
    module: torch.nn.Module, batch: Batch, body: Body, rate: float, count: int
) -> list[float]:
    """-> the loss before each of `count` steps."""
    optimizer = torch.optim.Adam(module.parameters(), lr=rate)
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = weighted(pare_losses(module(batch.image), batch, body, list(WEIGHTS)))
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


def test_training_lowers_every_loss_of_the_tiny_preset(body: Body) -> None:
    module = tiny().train()
    batch = labelled(body, torch.randn(4, 3, 64, 64, generator=torch.Generator().manual_seed(2)))
    before = pare_losses(module(batch.image), batch, body, list(WEIGHTS))
    found = steps(module, batch, body, 1e-3, 15)
    after = pare_losses(module(batch.image), batch, body, list(WEIGHTS))
    assert found[-1] < 0.8 * found[0]
    for name in ("keypoints2d", "keypoints3d", "pose", "parts"):
        assert float(after[name].detach()) < float(before[name].detach()), name
