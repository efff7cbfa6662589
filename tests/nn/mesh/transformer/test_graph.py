"""Graph convolutions between the vertices of a mesh."""

import torch
from torch.nn import functional

from hpscli.nn.mesh.transformer.graph import GraphBlock, GraphConvolution


def test_a_vertex_gets_what_its_row_of_the_adjacency_says() -> None:
    convolution = GraphConvolution(2, 2)
    with torch.no_grad():
        convolution.weight.copy_(torch.eye(2))
        convolution.bias.zero_()
    vertices = torch.tensor([[[1.0, 0.0], [0.0, 1.0], [4.0, 4.0]]])
    adjacency = torch.tensor([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])
    expected = torch.tensor([[[0.5, 0.5], [0.0, 1.0], [2.25, 2.25]]])
    assert torch.allclose(convolution(vertices, adjacency), expected)


def test_the_weight_of_a_convolution_is_stored_from_input_to_output() -> None:
    convolution = GraphConvolution(3, 5)
    assert convolution.weight.shape == (3, 5)
    vertices = torch.randn(1, 4, 3)
    expected = vertices @ convolution.weight + convolution.bias
    assert torch.allclose(convolution(vertices, torch.eye(4)), expected, atol=1e-6)


def test_a_block_is_norm_then_relu_then_layer_three_times_and_the_identity() -> None:
    torch.manual_seed(0)
    block = GraphBlock(8)
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    vertices, adjacency = torch.randn(2, 6, 8), torch.rand(6, 6)
    inner = block.reduce(functional.relu(block.norm(vertices)))
    inner = functional.relu(block.reduced_norm(inner)) @ block.convolution.weight
    inner = adjacency @ inner + block.convolution.bias
    expected = vertices + block.expand(functional.relu(block.convolved_norm(inner)))
    assert torch.allclose(block(vertices, adjacency), expected, atol=1e-5)
