"""The network that METRO and Mesh Graphormer share, in its small size."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from hpscli.body.kit import BodyKit, body_kit
from hpscli.errors import UsageError
from hpscli.nn.mesh.target import mesh_target, template
from hpscli.nn.mesh.transformer.masking import HIDDEN_VALUE
from hpscli.nn.mesh.transformer.network import MeshTransformer, Method, project_raw

METRO = Method(
    target="hand",
    backbone="small",
    input_px=64,
    values="pooled",
    grid_tokens=False,
    graph=(False, False, False),
    widths=(32, 16, 16),
    outputs=(24, 16, 3),
    feed_forward=(32, 16, 16),
    layers=1,
    heads=2,
    dropout=0.1,
    upsampling="learned",
)
MIXED = replace(METRO, target="body", values="mixed", upsampling="matrices")
GRAPHORMER = replace(METRO, grid_tokens=True, graph=(False, False, True))


def kit_of(method: Method) -> BodyKit:
    return body_kit(mesh_target(method.target).kind, "free")


def network(method: Method) -> MeshTransformer:
    torch.manual_seed(0)
    return MeshTransformer(method, kit_of(method)).eval()


def pictures(count: int = 2, side: int = 64) -> Tensor:
    return torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("method", [METRO, MIXED, GRAPHORMER])
def test_a_query_is_its_place_in_the_template_and_what_the_picture_says(method: Method) -> None:
    made = network(method)
    raw = made(pictures()).raw
    places = torch.cat(template(made.target, kit_of(method)))
    queries = raw["tokens_in"][:, : len(places)]
    assert torch.equal(queries[0, :, :3], places)
    if method.values == "pooled":
        pooled = raw["featmap"].mean(dim=(2, 3))
        assert torch.allclose(queries[:, :, 3:], pooled[:, None].expand_as(queries[:, :, 3:]))
    else:
        assert made.mixing is not None
        cells = raw["featmap"].flatten(2).transpose(1, 2)
        mixed = made.mixing.weight @ cells + made.mixing.bias[:, None]
        assert torch.allclose(queries[:, :, 3:], mixed, atol=1e-5)


def test_cells_of_the_grid_follow_the_queries_row_by_row() -> None:
    made = network(GRAPHORMER)
    raw = made(pictures()).raw
    assert made.grid_embedding is not None
    grid = raw["grid_feature"]
    count = len(made.template_joints) + len(made.template_vertices)
    cell = made.grid_embedding(grid[:, :, 1, 2])
    assert torch.allclose(raw["tokens_in"][:, count + grid.shape[3] + 2], cell, atol=1e-5)


@pytest.mark.parametrize("method", [METRO, MIXED, GRAPHORMER])
def test_joints_and_levels_come_out_in_order(method: Method) -> None:
    made, kit = network(method), kit_of(method)
    said = made(pictures())
    sizes = [level.shape[1] for level in said.levels]
    assert sizes == list(reversed(kit.hierarchy().sizes))
    joints, coarse = len(made.template_joints), sizes[0]
    last = said.raw["encoder2_out"]
    assert torch.equal(said.extras["joint_tokens"], last[:, :joints])
    assert torch.equal(said.levels[0], last[:, joints : joints + coarse])
    assert said.vertices is said.levels[-1]
    regressed = kit.body().regress(said.vertices, made.target.mesh_set)
    assert torch.allclose(said.joints[made.target.mesh_set], regressed, atol=1e-5)


def test_the_camera_of_a_body_reads_vertices_alone_and_that_of_a_hand_joints_too() -> None:
    body, hand = network(MIXED), network(METRO)
    assert body.camera.inner.in_features == len(body.template_vertices)
    both = len(hand.template_joints) + len(hand.template_vertices)
    assert hand.camera.inner.in_features == both


def test_given_masks_hide_queries_and_never_cells() -> None:
    made = network(GRAPHORMER)
    joints, vertices = len(made.template_joints), len(made.template_vertices)
    joint_mask, vertex_mask = torch.ones(2, joints, 1), torch.ones(2, vertices, 1)
    joint_mask[0, 4] = vertex_mask[1, 7] = 0
    hidden = made(pictures(), joint_mask, vertex_mask).raw["tokens_in"]
    plain = made(pictures()).raw["tokens_in"]
    assert (hidden[0, 4] == HIDDEN_VALUE).all()
    assert (hidden[1, joints + 7] == HIDDEN_VALUE).all()
    changed = (hidden != plain).any(dim=2).nonzero().tolist()
    assert changed == [[0, 4], [1, joints + 7]]


def seen_in_training(made: MeshTransformer) -> Tensor:
    """-> which queries held the hidden value in a training step (B,N)."""
    found: list[Tensor] = []
    made.encoders[0].register_forward_pre_hook(lambda _, args: found.append(args[0]))
    made.train()
    made(pictures(8))
    return (found[0] == HIDDEN_VALUE).all(dim=2)


def test_training_hides_queries_of_bodies() -> None:
    torch.manual_seed(2)
    hidden = seen_in_training(network(replace(MIXED, grid_tokens=True)))
    queries = 14 + 431
    assert 0 < int(hidden.sum()) < 0.3 * 8 * queries
    assert not hidden[:, queries:].any()
    assert len({int(row.sum()) for row in hidden}) > 1  # each person has an own share


def test_training_hides_nothing_of_hands() -> None:
    assert not seen_in_training(network(METRO)).any()


def test_raw_outputs_are_for_looking_at_and_not_made_in_training() -> None:
    made = network(METRO)
    said = made(pictures())
    assert {"camera", "joints3d", "vertices_195", "vertices_778", "tokens_in"} <= set(said.raw)
    projected = project_raw(said, kit_of(METRO))
    scale, offset = said.camera[:, None, :1], said.camera[:, None, 1:]
    expected = scale * (said.extras["joint_tokens"][..., :2] + offset)
    assert torch.allclose(projected["joints2d"], expected)
    assert projected["joints2d_from_mesh"].shape == (2, 21, 2)
    assert not made.train()(pictures()).raw


def test_what_follows_from_the_body_is_not_saved() -> None:
    made = network(GRAPHORMER)
    saved = set(made.state_dict())
    assert not saved & {"template_joints", "template_vertices", "joint_regressor", "adjacency"}
    assert made.adjacency is not None
    assert torch.allclose(made.adjacency.sum(dim=1), torch.ones(len(made.adjacency)))


def test_a_picture_of_another_size_is_refused_where_cells_are_counted() -> None:
    with pytest.raises(UsageError, match="96x96 px has 36 cells, the network knows 16"):
        network(GRAPHORMER)(pictures(side=96))
    network(METRO)(pictures(side=96))  # a mean is a mean


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"widths": (32, 16)}, "one number per encoder"),
        ({"outputs": (24, 16, 4)}, "last output is 3"),
        ({"widths": (32, 16, 15)}, "multiples of heads"),
        ({"layers": 0}, "layers at least 1"),
        ({"dropout": 1.0}, "dropout in"),
        ({"upsampling": "guessed"}, "learned, matrices"),
        ({"deviation": 0.0}, "A number above 0"),
        ({"target": "foot"}, "body or hand"),
    ],
)
def test_options_that_make_no_network_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        MeshTransformer(replace(METRO, **changes), kit_of(METRO))  # type: ignore[arg-type]


def test_random_weights_of_the_encoders_have_the_deviation_that_is_asked_for() -> None:
    for method, wanted in ((GRAPHORMER, 0.02), (replace(GRAPHORMER, deviation=0.1), 0.1)):
        position = network(method).get_parameter("encoders.0.position")
        assert position.std().item() == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("method", [METRO, MIXED, GRAPHORMER])
def test_mixed_precision_rounds_no_points(method: Method) -> None:
    made = network(method)
    with torch.no_grad():
        exact = made(pictures())
        with torch.autocast("cpu", torch.bfloat16):
            mixed = made(pictures())
    for said in (mixed.camera, mixed.vertices, *mixed.levels, *mixed.joints.values()):
        assert said is not None and said.dtype == torch.float32
        assert not torch.equal(said, said.bfloat16().float())
    assert torch.allclose(mixed.camera, exact.camera, atol=0.02)


def test_a_network_works_in_double_precision() -> None:
    made = network(GRAPHORMER).double()
    with torch.no_grad():
        said = made(pictures().double())
    assert said.vertices is not None and said.vertices.dtype == torch.float64


@pytest.mark.parametrize("method", [MIXED, GRAPHORMER])
def test_a_network_can_be_built_and_run_without_numbers(method: Method) -> None:
    with torch.device("meta"):
        made = MeshTransformer(method, kit_of(method)).eval()
        said = made(torch.empty(1, 3, 64, 64))
    assert said.camera.device.type == "meta"
    assert not any(tensor.device.type != "meta" for tensor in made.state_dict().values())
    kit = kit_of(method)
    assert kit.hierarchy().down_index(0).device.type == "cpu"
    assert template(made.target, kit)[0].device.type == "cpu"
