"""The vision transformer of ViTPose, on which HMR2.0 and OSX stand, built from timm's.

Its patches overlap the border by two pixels, its sequence has no class token, and its position
table keeps the row that a class token once had: that row is added to every patch. OSX lays learned
task tokens before the patches, to which no position is added.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from hpscli.errors import UsageError
from hpscli.nn.layouts import Row, rows_from_module

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

PATCH_PX, PADDING_PX = 16, 2
NORM_EPSILON = 1e-6
STEMS = ("patches", "convolutions")  # how pixels become tokens; official networks: patches
TOKEN_DEVIATION = 0.02  # of task tokens at the start, as official OSX
FOLDED = "row 0 of the table is added to all others, as the forward pass does"


def padded_vit(
    size: tuple[int, int],
    dim: int,
    depth: int,
    heads: int,
    drop_path: float,
    task_tokens: int = 0,
    stem: str = STEMS[0],
) -> "VisionTransformer":
    """(height, width) px, width, layers, heads -> the transformer with random weights.

    `tokens_and_map` runs it. drop_path grows linearly over the layers up to this probability.
    stem: one of STEMS; a small transformer that starts from nothing learns from few people only
    behind convolutions (Xiao et al., Early Convolutions Help Transformers See Better, 2021).
    """
    from timm.models.vision_transformer import VisionTransformer

    from hpscli.nn.stems import ConvolutionPatches

    if size[0] % PATCH_PX or size[1] % PATCH_PX or min(size) < PATCH_PX:
        raise UsageError(
            f"a picture of {size[0]}x{size[1]} px has no whole number of patches.",
            f"Height and width must be multiples of {PATCH_PX}.",
        )
    if stem not in STEMS:
        raise UsageError(f"no stem '{stem}' of a transformer.", f"One of: {', '.join(STEMS)}.")
    if heads < 1 or dim % heads:
        raise UsageError(f"width {dim} cannot be split into {heads} heads.")
    vit = VisionTransformer(
        img_size=size,
        patch_size=PATCH_PX,
        embed_dim=dim,
        depth=depth,
        num_heads=heads,
        mlp_ratio=4.0,
        qkv_bias=True,
        class_token=False,
        reg_tokens=task_tokens,
        no_embed_class=True,
        global_pool="",
        num_classes=0,
        drop_path_rate=drop_path,
        norm_layer=lambda width, **where: torch.nn.LayerNorm(width, eps=NORM_EPSILON, **where),
        **({"embed_layer": ConvolutionPatches} if stem == "convolutions" else {}),
    )
    if stem == "patches":
        # (size + 2 * 2 - 16) // 16 + 1 patches a side: as many as without padding
        vit.patch_embed.proj.padding = (PADDING_PX, PADDING_PX)
    if task_tokens:  # as OSX; timm's start of 1e-6 would make them all the same token
        torch.nn.init.trunc_normal_(vit.reg_token, std=TOKEN_DEVIATION)
    return vit


def tokens_and_map(vit: "VisionTransformer", image: Tensor) -> tuple[Tensor, Tensor]:
    """image (B,3,H,W) -> task tokens (B,T,C), feature map (B,C,H/16,W/16), both normalised."""
    sequence: Tensor = vit.forward_features(image)
    tasks = int(vit.num_prefix_tokens)
    height, width = vit.patch_embed.grid_size
    patches = sequence[:, tasks:].transpose(1, 2)
    return sequence[:, :tasks], patches.reshape(*patches.shape[:2], height, width)


def fold_positions(table: Tensor) -> Tensor:
    """(1,1+N,C), whose row 0 was a class token's -> (1,N,C)."""
    return table[:, 1:] + table[:, :1]


def unfold_positions(table: Tensor) -> Tensor:
    """(1,N,C) -> (1,1+N,C) with zeros in row 0: the same forward pass."""
    return torch.cat([torch.zeros_like(table[:, :1]), table], dim=1)


def vit_rows(vit: "VisionTransformer", *, ours: str, theirs: str) -> list[Row]:
    """Transformer, the prefixes of its keys -> how ViTPose, HMR2.0 and OSX name its tensors."""
    rows = []
    for row in rows_from_module(vit, _their_name):
        theirs_key, ours_key = theirs + row.theirs, ours + row.ours
        if row.ours == "pos_embed":
            batch, patches, width = row.shape
            shape = (batch, patches + 1, width)
            row = Row(
                theirs_key,
                shape,
                ours_key,
                why=FOLDED,
                read=fold_positions,
                write=unfold_positions,
            )
        else:
            row = Row(theirs_key, row.shape, ours_key, row.parameter)
        rows.append(row)
    return rows


def _their_name(key: str) -> str:
    if key == "reg_token":
        return "task_tokens"
    return f"last_{key}" if key.startswith("norm.") else key
