"""Test-time augmentation: what a model says about many crops of the same people."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from hpscli.body.layer import load_body
from hpscli.data.evalset import EvalSet
from hpscli.errors import UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.nn.checkpoints import build_model
from hpscli.nn.files import CheckpointInfo
from hpscli.nn.loaded import LoadedModel
from hpscli.records import Prediction, Sample
from hpscli.run.fusion import fuse, views
from hpscli.run.hands.freihand import HAND_JOINTS, MESH_JOINTS
from hpscli.run.tta import check_tta, predict_views, predicted_views
from tests.run.people import oracle_model, parameters, write_people

PROTOCOL = ProtocolSpec(
    name="freihand/test@tta-v1",
    testset="freihand",
    split="test",
    summary="hands",
    body="mano",
    joints=HAND_JOINTS,
    root=(),
)


class Turned(torch.nn.Module):
    """Says one hand, turned and scaled as the crop of its number is; plus what is not alike."""

    def __init__(self, vertices: torch.Tensor, noise: float = 0.0) -> None:
        super().__init__()
        self.vertices, self.noise, self.calls = vertices, noise, 0
        self.images: list[torch.Tensor] = []

    def forward(self, image: torch.Tensor) -> Prediction:
        scale, degrees = list(views())[self.calls]
        torch.manual_seed(self.calls)
        self.calls += 1
        self.images.append(image)
        angle = np.deg2rad(-degrees)
        turn = torch.tensor(
            [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]],
            dtype=torch.float32,
        )
        mesh = scale * self.vertices[: len(image)] @ turn.T
        mesh = mesh + self.noise * torch.randn_like(mesh)
        return Prediction(camera=torch.full((len(image), 3), scale), vertices=mesh)


def hands(folder: Path, count: int = 2) -> list[Sample]:
    return list(EvalSet(write_people(folder, count, kind="mano", shards=1)))


def model_of(module: torch.nn.Module) -> LoadedModel:
    return oracle_model("mano", []).but(module=module)


def mesh(count: int = 2) -> torch.Tensor:
    body = load_body("mano", source="free")
    shapes = torch.randn(count, 1, 3, generator=torch.Generator().manual_seed(0)) * 0.05
    return body.template[None] + shapes


def test_a_hand_that_turns_with_its_crop_is_said_as_the_usual_crop_says_it(tmp_path: Path) -> None:
    truth = mesh()
    found = predict_views(model_of(Turned(truth)), hands(tmp_path), PROTOCOL)
    assert found.vertices is not None and not found.parameters
    assert torch.allclose(found.vertices, truth, atol=1e-6)
    regressed = load_body("mano", source="free").regress(truth, MESH_JOINTS)
    assert torch.allclose(found.joints[HAND_JOINTS], regressed, atol=1e-6)
    assert torch.equal(found.camera, torch.ones(2, 3))  # of scale 1, rotation 0


def test_joints_and_vertices_are_fused_separately(tmp_path: Path) -> None:
    people, truth = hands(tmp_path), mesh()
    found = predict_views(model_of(Turned(truth, 0.01)), people, PROTOCOL)
    runs = dict(predicted_views(model_of(Turned(truth, 0.01)), people, PROTOCOL))
    body = load_body("mano", source="free")
    vertices = {
        view: run.vertices.numpy() for view, run in runs.items() if run.vertices is not None
    }
    joints = {view: body.regress(run.vertices, MESH_JOINTS).numpy() for view, run in runs.items()}
    assert found.vertices is not None and len(runs) == 95
    for got, every in ((found.vertices, vertices), (found.joints[HAND_JOINTS], joints)):
        wanted = fuse(every[1.0, 0], every.values())
        assert np.allclose(got.numpy(), wanted, atol=1e-7)
    from_fused = body.regress(found.vertices, MESH_JOINTS)
    assert not torch.allclose(from_fused, found.joints[HAND_JOINTS], atol=1e-5)


@pytest.mark.parametrize("crop", ["official", "fast"])
def test_crops_turn_counter_clockwise_and_shrink_with_the_box(tmp_path: Path, crop: str) -> None:
    module = Turned(mesh())
    spec = replace(model_of(module).spec, crop="hpscli.data.preparation:METRO")
    model = model_of(module).but(spec=spec)
    for _ in predicted_views(model, hands(tmp_path), PROTOCOL, crop=crop):
        pass
    images: dict[Any, torch.Tensor] = dict(zip(views(), module.images, strict=True))
    usual = images[1.0, 0]
    quarter = torch.rot90(usual, 1, (2, 3))  # counter-clockwise, for rows count downwards
    inner = slice(12, 20)
    gap = (images[1.0, 90] - quarter)[..., inner, inner].abs().mean()
    other = (images[1.0, -90] - quarter)[..., inner, inner].abs().mean()
    assert gap < 0.5 * other
    small = torch.nn.functional.interpolate(images[0.7, 0], scale_factor=0.7, mode="area")
    start = (32 - small.shape[-1]) // 2
    middle = usual[..., start : start + small.shape[-1], start : start + small.shape[-1]]
    assert (small - middle).abs().mean() < 0.35 * (small - middle.flip(-1)).abs().mean()


def test_a_network_answers_95_crops_of_one_hand(tmp_path: Path) -> None:
    body = load_body("mano", source="free")
    torch.manual_seed(0)
    module, spec, options = build_model("graphormer", preset="hand-tiny", body_source="free")
    info = CheckpointInfo(
        model=spec.name, options=options, input_size=(64, 64), body=body.describe()
    )
    model = model_of(module).but(
        spec=spec, options=options, info=info, body=body, input_size=(64, 64)
    )
    found = predict_views(model, hands(tmp_path, 1), PROTOCOL, crop="fast")
    assert found.vertices is not None and found.vertices.shape == (1, 778, 3)
    assert found.joints[HAND_JOINTS].shape == (1, 21, 3)
    assert bool(torch.isfinite(found.vertices).all())


def test_bodies_are_fused_in_the_joints_of_their_protocol(tmp_path: Path) -> None:
    people = list(EvalSet(write_people(tmp_path, 1, shards=1)))
    answer = parameters("smpl", 3)
    model = oracle_model("smpl", [answer] * 95)
    protocol = replace(PROTOCOL, body="smpl", joints="smpl24")
    found = predict_views(model, people, protocol)
    assert found.joints["smpl24"].shape == (1, 24, 3) and found.vertices is not None
    alone = next(iter(predicted_views(oracle_model("smpl", [answer]), people, protocol)))[1]
    assert alone.vertices is not None
    assert torch.allclose(found.vertices, alone.vertices, atol=1e-5)


def test_an_unknown_word_is_told_the_nearest_one() -> None:
    check_tta("")
    check_tta("multiscale")
    with pytest.raises(UsageError, match="multiscale"):
        check_tta("multi-scale")
