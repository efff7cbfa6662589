"""What is METRO's own: how the body reads the picture, and widths that follow the target."""

import torch

from hpscli.nn.checkpoints import build_model


def test_the_body_mixes_cells_and_the_hand_takes_their_mean() -> None:
    body, _, _ = build_model("metro", preset="tiny", body_source="free")
    hand, _, _ = build_model("metro", preset="hand-tiny", body_source="free")
    assert isinstance(body.mixing, torch.nn.Linear)
    assert body.mixing.weight.shape == (14 + 431, 16)
    assert hand.mixing is None


def test_widths_follow_the_target_unless_they_are_given() -> None:
    with torch.device("meta"):
        made = {
            preset: build_model("metro", preset=preset, body_source="free")[0].method
            for preset in ("resnet50", "hand-resnet50", "hand-tiny")
        }
    assert made["resnet50"].widths == (1024, 256, 128)
    assert made["resnet50"].feed_forward == (3072, 3072, 3072)
    assert made["hand-resnet50"].widths == (1024, 256, 64)
    assert made["hand-resnet50"].feed_forward == (4096, 1024, 256)
    assert made["hand-tiny"].widths == (64, 32, 16)
