"""The padded transformer, against the official encoder's formula in plain torch."""

import json
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from hpscli.errors import UsageError
from hpscli.nn.layouts import official_parameters
from hpscli.nn.vit import (
    STEMS,
    fold_positions,
    padded_vit,
    tokens_and_map,
    unfold_positions,
    vit_rows,
)

SIZE, GRID = (64, 48), (4, 3)
WIDTH, HEADS = 32, 4


def plain_forward(state: dict[str, Tensor], image: Tensor, depth: int, tasks: int) -> Tensor:
    """The encoder as its papers describe it, in the official names of tensors."""

    def norm(x: Tensor, name: str) -> Tensor:
        weight, bias = state[f"{name}.weight"], state[f"{name}.bias"]
        return functional.layer_norm(x, (WIDTH,), weight, bias, 1e-6)

    def linear(x: Tensor, name: str) -> Tensor:
        return functional.linear(x, state[f"{name}.weight"], state[f"{name}.bias"])

    patches = functional.conv2d(
        image, state["patch_embed.proj.weight"], state["patch_embed.proj.bias"], 16, 2
    )
    x = patches.flatten(2).transpose(1, 2)
    x = x + state["pos_embed"][:, 1:] + state["pos_embed"][:, :1]
    if tasks:
        x = torch.cat([state["task_tokens"].expand(len(x), -1, -1), x], dim=1)
    for i in range(depth):
        block = f"blocks.{i}"
        qkv = linear(norm(x, f"{block}.norm1"), f"{block}.attn.qkv")
        q, k, v = qkv.view(*qkv.shape[:2], 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-1, -2) / (WIDTH // HEADS) ** 0.5).softmax(-1)
        x = x + linear((attention @ v).transpose(1, 2).flatten(2), f"{block}.attn.proj")
        hidden = functional.gelu(linear(norm(x, f"{block}.norm2"), f"{block}.mlp.fc1"))
        x = x + linear(hidden, f"{block}.mlp.fc2")
    return norm(x, "last_norm")


@pytest.mark.parametrize("tasks", [0, 5])
def test_forward_is_that_of_the_official_encoder(tasks: int) -> None:
    torch.manual_seed(0)
    vit = padded_vit(SIZE, WIDTH, 2, HEADS, 0.0, tasks).eval()
    rows = vit_rows(vit, ours="", theirs="")
    official = {row.theirs: torch.randn(row.shape) * 0.2 for row in rows}
    ours = {row.ours: (row.read or (lambda t: t))(official[row.theirs]) for row in rows}
    vit.load_state_dict(ours)
    image = torch.randn(2, 3, *SIZE)
    with torch.no_grad():
        tokens, features = tokens_and_map(vit, image)
        expected = plain_forward(official, image, 2, tasks)
    assert tokens.shape == (2, tasks, WIDTH)
    assert features.shape == (2, WIDTH, *GRID)
    assert torch.allclose(tokens, expected[:, :tasks], atol=1e-5)
    assert torch.allclose(features.flatten(2).transpose(1, 2), expected[:, tasks:], atol=1e-5)


def test_written_positions_are_read_back_bit_for_bit() -> None:
    table = torch.randn(1, 12, WIDTH)
    written = unfold_positions(table)
    assert written.shape == (1, 13, WIDTH)
    assert not written[:, 0].any()
    assert torch.equal(fold_positions(written), table)


def test_rows_are_those_of_the_published_vit_h(reference: Path) -> None:
    keys = json.loads((reference / "hmr/keys/hmr2.json").read_text())["keys"]
    expected = {k: tuple(v["shape"]) for k, v in keys.items() if k.startswith("backbone.")}
    with torch.device("meta"):
        vit = padded_vit((256, 192), 1280, 32, 16, 0.55)
    rows = vit_rows(vit, ours="vit.", theirs="backbone.")
    assert {row.theirs: row.shape for row in rows} == expected
    assert official_parameters(rows) == sum(math.prod(shape) for shape in expected.values())
    assert {row.ours for row in rows} == {f"vit.{key}" for key in vit.state_dict()}


def test_drop_path_acts_in_training_only() -> None:
    torch.manual_seed(0)
    vit = padded_vit(SIZE, WIDTH, 2, HEADS, 0.5)
    image = torch.randn(8, 3, *SIZE)
    with torch.no_grad():
        vit.train()
        assert not torch.equal(tokens_and_map(vit, image)[1], tokens_and_map(vit, image)[1])
        vit.eval()
        assert torch.equal(tokens_and_map(vit, image)[1], tokens_and_map(vit, image)[1])


def test_drop_path_grows_linearly_to_its_rate() -> None:
    blocks = padded_vit(SIZE, WIDTH, 5, HEADS, 0.5).blocks
    rates = [
        getattr(part, "drop_prob", 0.0) for b in blocks for part in (b.drop_path1, b.drop_path2)
    ]
    assert rates == pytest.approx([0, 0, 0.125, 0.125, 0.25, 0.25, 0.375, 0.375, 0.5, 0.5])


def test_task_tokens_start_as_different_ones() -> None:
    torch.manual_seed(0)
    tokens = padded_vit(SIZE, 256, 1, HEADS, 0.0, 31).reg_token
    assert tokens is not None
    assert 0.015 < float(tokens.detach().std()) < 0.025


def test_a_size_without_whole_patches_is_refused() -> None:
    with pytest.raises(UsageError, match="no whole number of patches"):
        padded_vit((250, 192), WIDTH, 1, HEADS, 0.0)


def test_convolutions_make_as_many_tokens_as_patches_do() -> None:
    image = torch.rand(2, 3, 64, 48)
    networks = [padded_vit((64, 48), 32, 1, 2, 0.0, stem=stem) for stem in STEMS]
    patches, convolutions = (tokens_and_map(vit.eval(), image)[1] for vit in networks)
    assert patches.shape == convolutions.shape == (2, 32, 4, 3)
    with pytest.raises(UsageError, match="no stem"):
        padded_vit((64, 48), 32, 1, 2, 0.0, stem="pooling")
