"""The parts of OSX alone: expected places, boxes, cut features, attention, its pose conventions."""

import math

import pytest
import torch

from hps_models.osx.geometry import CELL_PX, FARTHEST, HAND_EXTENSION, PICTURE
from hps_models.osx.parts.boxes import square_boxes
from hps_models.osx.parts.decoder import Decoder, SelfAttention
from hps_models.osx.parts.deformable import DeformableAttention, sine_positions
from hps_models.osx.parts.position_nets import sample_points, soft_argmax2d, soft_argmax3d
from hps_models.osx.parts.roi import cut_hands, cut_out
from hps_models.osx.pose import (
    axis_angles,
    body_to_hand_cells,
    flat_hand,
    hand_to_body_cells,
    project,
    to_matrices,
    translation,
    unmirrored,
    weak_camera,
)
from hpscli.body.cameras import project_weak
from hpscli.body.rotations import axis_angle_to_matrix, matrix_to_rotation6d


def test_a_sharp_peak_is_found_where_it_is() -> None:
    logits = torch.zeros(1, 1, 16, 16, 12)
    logits[0, 0, 3, 5, 7] = 60.0
    volume, place = soft_argmax3d(logits)
    assert torch.allclose(place[0, 0], torch.tensor([7.0, 5.0, 3.0]), atol=1e-4)
    assert torch.isclose(volume.sum(), torch.tensor(1.0))


def test_a_flat_map_expects_the_middle() -> None:
    assert torch.allclose(soft_argmax2d(torch.zeros(1, 1, 16, 12)), torch.tensor([5.5, 7.5]))


def test_points_are_read_between_cells_and_are_zero_outside() -> None:
    features = torch.arange(20.0).view(1, 1, 4, 5)
    points = torch.tensor([[[1.0, 2.0], [1.5, 2.0], [-3.0, 0.0]]])
    read = sample_points(features, points)[0, :, 0]
    assert torch.allclose(read, torch.tensor([11.0, 11.5, 0.0]), atol=1e-5)


def test_boxes_are_squares_of_the_longer_side_even_when_sizes_are_negative() -> None:
    centres, sizes = torch.tensor([[6.0, 8.0]] * 2), torch.tensor([[2.0, 3.0], [-2.0, -3.0]])
    boxes = square_boxes(centres, sizes, HAND_EXTENSION)
    side = boxes[:, 2:] - boxes[:, :2]
    assert torch.allclose(side, CELL_PX * 2 * torch.tensor([[3.0, 3.0], [-2.0, -2.0]]))
    assert torch.allclose((boxes[:, 2:] + boxes[:, :2]) / 2, centres * CELL_PX)


def test_a_left_hand_is_cut_out_mirrored_and_lies_before_the_right() -> None:
    torch.manual_seed(0)
    features, box = torch.randn(2, 3, 16, 12), torch.tensor([[16.0, 32.0, 80.0, 96.0]] * 2)
    both = cut_hands(features, box, box, 1, 8)
    assert both.shape == (4, 3, 8, 8)
    assert torch.equal(both[:2].flip(3), both[2:])


def test_cutting_out_the_whole_map_averages_its_cells() -> None:
    features = torch.arange(16.0).view(1, 1, 4, 4)
    whole = torch.tensor([[0.0, 0.0, 4 * CELL_PX, 4 * CELL_PX]])
    # Without the half-pixel shift a cell's value lies at its corner: two samples, 0.5 apart.
    assert torch.allclose(cut_out(features, whole, 1, 4)[0, 0, 0, :2], torch.tensor([2.5, 3.5]))


def test_boxes_that_are_nonsense_are_cut_instead_of_sampled_forever() -> None:
    features = torch.ones(1, 2, 16, 12)
    for box in ([-1e10, -1e10, 1e10, 1e10], [float("nan")] * 4):
        assert torch.isfinite(cut_out(features, torch.tensor([box]), 4, 8)).all()


def test_attention_at_the_points_themselves_is_the_projected_feature() -> None:
    torch.manual_seed(0)
    module = DeformableAttention(64).eval()
    for parameter in module.parameters():
        torch.nn.init.zeros_(parameter)
    torch.nn.init.eye_(module.output.weight)
    value = torch.randn(64, 8)
    module.value_weight.data.copy_(value.repeat(8, 1))
    maps = [torch.randn(1, 64, size, size) for size in (8, 4, 2)]
    centre = torch.full((1, 1, 2), 0.5)  # between four cells of each map
    found = module(torch.zeros(1, 1, 64), torch.zeros(1, 64), maps, centre)
    middle = [
        m[0, :, s // 2 - 1 : s // 2 + 1, s // 2 - 1 : s // 2 + 1]
        for s, m in zip((8, 4, 2), maps, strict=True)
    ]
    expected = torch.stack([part.mean(dim=(1, 2)) for part in middle]).mean(dim=0) @ value
    assert torch.allclose(found.view(8, 8), expected.expand(8, 8), atol=1e-5)


def test_self_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = SelfAttention(64).eval(), torch.nn.MultiheadAttention(64, 8).eval()
    ours.projection.weight.data.copy_(theirs.in_proj_weight)
    ours.projection.bias.data.copy_(theirs.in_proj_bias)
    ours.output.load_state_dict(theirs.out_proj.state_dict())
    joints, position = torch.randn(2, 20, 64), torch.randn(20, 64)
    asked = (joints + position).transpose(0, 1)
    expected = theirs(asked, asked, joints.transpose(0, 1))[0].transpose(0, 1)
    assert torch.allclose(ours(joints, position), joints + expected, atol=1e-5)


def test_a_decoder_is_deterministic_at_rest_and_drops_in_training() -> None:
    torch.manual_seed(0)
    decoder = Decoder(64, 20, 8, width=32, hidden=64, layers=2)
    for parameter in decoder.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    maps = [torch.randn(1, 64 // d, 8 * d, 8 * d) for d in (4, 2, 1)]
    joints, reference = torch.randn(1, 20, 32), torch.rand(1, 20, 2)
    first, second = (decoder.eval()(maps, joints, reference) for _ in range(2))
    assert torch.equal(first, second)
    first, second = (decoder.train()(maps, joints, reference) for _ in range(2))
    assert not torch.equal(first, second)


def test_positions_of_a_map_are_sines_and_cosines_of_rows_then_columns() -> None:
    waves = sine_positions(256, 4, 8)
    angle = 1.5 / 4 * 2 * math.pi
    assert waves[0, 1, 3] == pytest.approx(math.sin(angle), abs=1e-5)
    assert waves[1, 1, 3] == pytest.approx(math.cos(angle), abs=1e-5)
    assert torch.equal(waves[:128, 1, 0], waves[:128, 1, 7])


def test_six_numbers_are_two_interleaved_columns() -> None:
    wanted = torch.randn(5, 3) * 0.7
    six = matrix_to_rotation6d(axis_angle_to_matrix(wanted), "interleaved")
    assert torch.allclose(axis_angles(six.flatten()[None]), wanted.flatten()[None], atol=1e-5)


def test_a_mirrored_rotation_turns_the_other_way_about_y_and_z() -> None:
    mirror = torch.diag(torch.tensor([-1.0, 1.0, 1.0]))
    turned = torch.randn(1, 45)
    expected = mirror @ to_matrices(turned) @ mirror
    assert torch.allclose(to_matrices(unmirrored(turned)), expected, atol=1e-5)


def test_a_hand_is_stored_from_the_flat_hand() -> None:
    turned, mean = 0.3 * torch.randn(1, 45), 0.2 * torch.randn(45)
    expected = axis_angle_to_matrix((turned + mean).view(1, 15, 3))
    assert torch.allclose(flat_hand(turned, mean), expected)


def test_cells_of_a_hand_and_of_the_body_are_inverses() -> None:
    joints, box = torch.rand(2, 20, 3) * 16, torch.tensor([[10.0, 20.0, 90.0, 100.0]] * 2)
    there = hand_to_body_cells(joints, box)
    assert torch.allclose(body_to_hand_cells(there, box), joints, atol=1e-4)
    assert torch.allclose(there[..., 0], 10 / 16 + joints[..., 0] / 16 * 5, atol=1e-5)


def test_a_box_without_any_size_divides_nothing_by_zero() -> None:
    joints, box = torch.rand(2, 20, 3) * 16, torch.tensor([[10.0, 20.0, 10.0, 20.0]] * 2)
    assert torch.isfinite(body_to_hand_cells(joints, box)).all()


def test_the_weak_camera_projects_as_osx_what_lies_at_the_origins_depth() -> None:
    moved = translation(torch.tensor([[0.1, -0.2, 0.3]]))
    assert 0 < float(moved[0, 2]) < FARTHEST
    points = torch.tensor([[[0.3, 0.5, 0.0], [-0.4, -0.9, 0.0]]])
    cells = project(points, moved)
    crop = torch.stack([cells[..., 0] / 12, cells[..., 1] / 16], dim=2) * 2 - 1
    assert torch.allclose(project_weak(points, weak_camera(moved), PICTURE), crop, atol=1e-5)
