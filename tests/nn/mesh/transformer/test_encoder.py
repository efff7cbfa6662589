"""Encoders of METRO and Mesh Graphormer against their formulas, written out once more."""

import math

import torch
from torch import Tensor

from hpscli.nn.mesh.transformer.encoder import MOST_TOKENS, EncoderLayer, MeshEncoder

HEADS, WIDTH = 4, 16


def encoder(*, graph: bool = False, tokens: int = 9, dropout: float = 0.1) -> MeshEncoder:
    torch.manual_seed(0)
    made = MeshEncoder(
        before=10,
        width=WIDTH,
        after=5,
        feed_forward=32,
        layers=2,
        heads=HEADS,
        dropout=dropout,
        tokens=tokens,
        graph=graph,
    )
    for parameter in made.parameters():  # no zero biases, which would hide mistakes
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def normed(values: Tensor, norm: torch.nn.LayerNorm) -> Tensor:
    middle = values.mean(-1, keepdim=True)
    spread = (values - middle).square().mean(-1, keepdim=True)
    return (values - middle) / torch.sqrt(spread + 1e-12) * norm.weight + norm.bias


def written_out(layer: EncoderLayer, tokens: Tensor) -> Tensor:
    attention, size = layer.attention, WIDTH // HEADS
    heads = []
    for head in range(HEADS):
        part = slice(head * size, (head + 1) * size)
        query, key, value = (
            linear(tokens)[..., part]
            for linear in (attention.query, attention.key, attention.value)
        )
        scores = torch.softmax(query @ key.transpose(1, 2) / math.sqrt(size), dim=-1)
        heads.append(scores @ value)
    tokens = normed(attention.output(torch.cat(heads, dim=-1)) + tokens, layer.attention_norm)
    wide = layer.widen(tokens)
    exact = wide * 0.5 * (1 + torch.erf(wide / math.sqrt(2)))
    return normed(layer.narrow(exact) + tokens, layer.norm)


def test_an_encoder_is_post_norm_layers_behind_a_position_table_and_a_way_around() -> None:
    made, tokens = encoder(), torch.randn(2, 9, 10)
    inner = made.embed(tokens) + made.position[:9]
    for layer in made.layers:
        assert isinstance(layer, EncoderLayer)
        inner = written_out(layer, inner)
    expected = made.head(inner) + made.residual(tokens)
    assert torch.allclose(made(tokens), expected, atol=1e-5)


def test_norms_use_the_epsilon_of_bert() -> None:
    norms = [m for m in encoder(graph=True).modules() if isinstance(m, torch.nn.LayerNorm)]
    assert len(norms) == 2 * (2 + 3)
    assert {norm.eps for norm in norms} == {1e-12}


def test_the_position_table_has_the_rows_of_bert_unless_there_are_more_tokens() -> None:
    assert len(encoder().position) == MOST_TOKENS
    assert len(encoder(tokens=MOST_TOKENS + 3).position) == MOST_TOKENS + 3


def test_a_graph_block_changes_vertices_alone() -> None:
    layer = encoder(graph=True).layers[0]
    tokens, joints, adjacency = torch.randn(2, 9, WIDTH), 3, torch.eye(4)
    with_graph = layer(tokens, adjacency, joints)
    without = layer(tokens, None, joints)
    changed = (with_graph - without).abs().amax(dim=(0, 2)) > 1e-4
    assert changed.tolist() == [False] * 3 + [True] * 4 + [False] * 2


def test_an_encoder_starts_as_bert_and_its_graph_blocks_nearly_idle() -> None:
    torch.manual_seed(0)
    made = MeshEncoder(
        64, 64, 64, feed_forward=64, layers=1, heads=4, dropout=0.0, tokens=4, graph=True
    )
    assert 0.018 < made.embed.weight.std() < 0.022
    assert made.embed.bias.abs().max() == 0
    assert 0.018 < made.position.std() < 0.022
    block = made.layers[0].get_submodule("graph")
    assert block.get_parameter("expand.weight").abs().max() <= 1 / (32 * 64)
    assert block.get_parameter("convolution.weight").abs().max() > 0.5


def test_dropout_works_in_training_only() -> None:
    made, tokens = encoder(), torch.randn(2, 9, 10)
    assert torch.equal(made(tokens), made(tokens))
    made.train()
    assert not torch.equal(made(tokens), made(tokens))
    still = encoder(dropout=0.0).train()
    assert torch.equal(still(tokens), made.eval()(tokens))
