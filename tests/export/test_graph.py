"""Exported graphs: which outputs they have, and when a check says no."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from hpscli.body.layer import load_body
from hpscli.errors import CheckFailed
from hpscli.export.graph import Graph, differences, example_image, worst_of
from hpscli.records import Prediction


class Small(nn.Module):
    """image (B,3,H,W) -> camera and SMPL parameters, nearly at rest."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 13, 8, stride=8)

    def forward(self, image: Tensor) -> Prediction:
        numbers = self.layer(image).mean(dim=(2, 3))
        rest = torch.eye(3).expand(len(image), 24, 3, 3)
        return Prediction(
            camera=numbers[:, :3],
            parameters={
                "global_orient": rest[:, 0],
                "body_pose": rest[:, 1:],
                "betas": numbers[:, 3:],
            },
            extras={"secret": numbers},
        )


def small_graph(*, body: bool = False) -> Graph:
    torch.manual_seed(0)
    return Graph(Small(), example_image((16, 16), 1), load_body("smpl") if body else None)


def test_a_graph_gives_what_the_model_says_without_its_extras() -> None:
    assert small_graph().names == [
        "camera",
        "parameters.global_orient",
        "parameters.body_pose",
        "parameters.betas",
    ]


def test_with_a_body_a_graph_also_gives_the_mesh_and_its_joints() -> None:
    graph = small_graph(body=True)
    outputs = dict(zip(graph.names, graph(example_image((16, 16), 2)), strict=True))
    assert outputs["vertices"].shape == (2, 6890, 3)
    assert outputs["joints.smpl24"].shape == (2, 24, 3)


def test_example_images_are_always_the_same() -> None:
    assert torch.equal(example_image((4, 6), 2), example_image((4, 6), 2))


def test_a_difference_above_the_tolerance_is_not_ok() -> None:
    ours = [torch.ones(2, 3)]
    close, far = np.full((2, 3), 1.00005, np.float32), np.full((2, 3), 1.001, np.float32)
    assert differences(["camera"], ours, [close])[0].ok
    assert not differences(["camera"], ours, [far])[0].ok


def test_the_tolerance_grows_with_large_numbers_only() -> None:
    small, large = differences(
        ["a", "b"],
        [torch.full((1,), 0.001), torch.full((1,), 1000.0)],
        [np.full(1, 0.001, np.float32), np.full(1, 1000.0, np.float32)],
    )
    assert small.tolerance == pytest.approx(1e-4)
    assert large.tolerance == pytest.approx(0.1)


def test_nan_is_never_ok() -> None:
    found = differences(["camera"], [torch.ones(1)], [np.full(1, np.nan, np.float32)])
    assert not found[0].ok
    assert not worst_of([differences(["camera"], [torch.ones(1)], [np.ones(1)]), found])[0].ok


def test_another_number_of_outputs_or_another_shape_is_refused() -> None:
    with pytest.raises(CheckFailed, match="2 outputs, not 1"):
        differences(["camera"], [torch.ones(1)], [np.ones(1), np.ones(1)])
    with pytest.raises(CheckFailed, match="'camera' has shape"):
        differences(["camera"], [torch.ones(1)], [np.ones(2)])
