"""OSX's losses: their means, masks and gradients, and that training lowers them."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from hps_models.osx.losses import TERMS, masked, osx_losses
from hpscli.body.layer import Body, load_body
from hpscli.errors import UsageError
from hpscli.nn.checkpoints import build_model
from tests.plugins.osx.osx_people import people

EVERYTHING = [name for name in TERMS if name != "joint_proj_camera"]


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body("smplx", source="free")


def tiny(**options: object) -> nn.Module:
    torch.manual_seed(0)
    return build_model("osx", preset="tiny", options=options, body_source="free")[0].train()


def test_what_is_not_labelled_weighs_nothing(body: Body) -> None:
    batch = people(body)
    bare = replace(batch, targets={}, present={})
    losses = osx_losses(tiny()(batch.image), bare, body, EVERYTHING)
    assert all(float(loss.detach()) == 0 for loss in losses.values())
    sum(losses.values()).backward()  # type: ignore[union-attr]


def test_means_are_over_all_elements() -> None:
    predicted, target = torch.ones(2, 4), torch.zeros(2, 4)
    valid = torch.tensor([[1.0], [0.0]])
    assert masked(predicted, target, valid).mean() == 0.5


def test_the_camera_alone_learns_from_projections_that_say_so(body: Body) -> None:
    batch, module = people(body), tiny()
    osx_losses(module(batch.image), batch, body, ["joint_proj_camera"])[
        "joint_proj_camera"
    ].backward()
    numbers = module.get_submodule("body_regressor")
    assert numbers.get_parameter("camera.weight").grad is not None
    assert numbers.get_parameter("body.weight").grad is None


def test_standard_losses_may_be_mixed_in(body: Body) -> None:
    batch = people(body)
    losses = osx_losses(tiny()(batch.image), batch, body, ["betas", "smplx_expr"])
    assert set(losses) == {"betas", "smplx_expr"}


def test_unknown_losses_and_those_of_absent_parts_are_refused(body: Body) -> None:
    batch = people(body)
    with pytest.raises(UsageError, match="joint_image"):
        osx_losses(tiny()(batch.image), batch, body, ["joint_image"])
    with pytest.raises(UsageError, match="no face decoder"):
        osx_losses(tiny(decoder="hand")(batch.image), batch, body, ["joint_img_face"])


@pytest.mark.parametrize(
    "decoder",
    ["both", "none"],
)
def test_training_steps_lower_the_losses(body: Body, decoder: str) -> None:
    names = [name for name in EVERYTHING if decoder == "both" or name != "joint_img_face"]
    batch = people(body)
    torch.manual_seed(0)
    options = {"decoder": decoder, "drop_path": 0.0}
    module, _, _ = build_model("osx", preset="tiny", options=options, body_source="free")
    optimizer = torch.optim.Adam(module.train().parameters(), lr=3e-3)
    totals, metres = [], []
    for _ in range(10):
        losses = osx_losses(module(batch.image), batch, body, names)
        total = torch.stack(list(losses.values())).sum()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        totals.append(float(total.detach()))
        metres.append(float(losses["joint_cam"].detach()))
    assert min(totals[-2:]) < 0.95 * totals[0]
    assert min(metres[-2:]) < 0.9 * metres[0]
