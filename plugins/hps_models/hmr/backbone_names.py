"""How OpenMMLab's code, on which mmhuman3d and hmr-benchmarks stand, names the tensors of backbones.

Only names differ, but for Swin: its merging of 2x2 patches takes the numbers in another order.
Source: reference hmr, 1.4.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from torch import Tensor, nn

from hpscli.nn.layouts import Row, renamed, rows_from_module

FEED_FORWARD = (("mlp.fc1.", "ffn.layers.0.0."), ("mlp.fc2.", "ffn.layers.1."))
MERGE_ORDER = (0, 2, 1, 3)  # of four neighbours: ours run down the columns, theirs along the rows
REORDERED = "the four merged patches are put in our order"
WINDOW = 49  # tokens of a window of 7 x 7
# Of EfficientNet: our stages that their code counts as one, by their layer.
EFFICIENT_STAGES = ((0,), (1,), (2,), (3, 4), (5, 6))


def backbone_rows(name: str, module: nn.Module) -> list[Row]:
    """Name of a backbone, the backbone on the meta device -> a row for each tensor of theirs."""
    if name == "efficientnet-b5":
        table = efficientnet_names(module)
        return rows_from_module(module, lambda key: table[key])
    rows = rows_from_module(module, _RENAMES.get(name, _bare))
    if name == "hrnet-w32":
        unused = "never used: maps of 24 joints that no head reads"
        return [
            *rows,
            Row("final_layer.weight", (24, 32, 1, 1), why=unused),
            Row("final_layer.bias", (24,), why=unused),
        ]
    return _swin_rows(rows) if name == "swin-t" else rows


def _bare(key: str) -> str:
    return key.removeprefix("trunk.")


def _replaced(key: str, table: Sequence[tuple[str, str]]) -> str:
    for ours, theirs in table:
        key = key.replace(ours, theirs)
    return key


def _twins(key: str) -> str:
    key = _replaced(_bare(key), FEED_FORWARD)
    key = renamed(key, (("blocks.", "stages."), ("norm.", "norm_after_stage3.")))
    key = re.sub(r"^pos_block\.(\d+)\.proj\.0\.", r"position_encodings.\1.proj.", key)
    return re.sub(r"^(patch_embeds\.\d+)\.proj\.", r"\1.projection.", key)


def _vit(key: str) -> str:
    key = renamed(
        _bare(key), (("patch_embed.proj.", "patch_embed.projection."), ("blocks.", "layers."))
    )
    return _replaced(
        key,
        (
            (".norm1.", ".ln1."),
            (".norm2.", ".ln2."),
            (".attn.qkv.", ".attn.attn.in_proj_"),
            (".attn.proj.", ".attn.attn.out_proj."),
            *FEED_FORWARD,
        ),
    )


def _swin(key: str) -> str:
    key = renamed(
        _replaced(_bare(key), ((".attn.", ".attn.w_msa."), *FEED_FORWARD)),
        (("patch_embed.proj.", "patch_embed.projection."),),
    )
    stage = re.match(r"^layers\.(\d+)\.(blocks|downsample)\.", key)
    if not stage:
        return key
    # theirs merge at the end of a stage, ours at the beginning of the next
    index = int(stage[1]) - (stage[2] == "downsample")
    return f"stages.{index}." + key[len(f"layers.{stage[1]}.") :]


_RENAMES: Mapping[str, Callable[[str], str]] = {
    "twins-svt": _twins,
    "twins-pcpvt": _twins,
    "vit-b": _vit,
    "swin-t": _swin,
}


def _swin_rows(rows: list[Row]) -> list[Row]:
    """Reorder what merges patches, and add the tables of positions that they store."""
    result = []
    for row in rows:
        if ".downsample." in row.theirs:
            row = replace(row, why=REORDERED, read=from_unfolded, write=to_unfolded)
        result.append(row)
        if row.theirs.endswith("relative_position_bias_table"):
            key = row.theirs.replace("bias_table", "index")
            why = "which pair of a window has which distance: worked out here"
            result.append(Row(key, (WINDOW, WINDOW), parameter=False, why=why))
    return result


def from_unfolded(values: Tensor) -> Tensor:
    """(...,4C) as unfolded, index 4c+q -> (...,4C) patch after patch, index pC+c."""
    by_patch = values.reshape(*values.shape[:-1], -1, len(MERGE_ORDER)).transpose(-1, -2)
    return by_patch[..., list(MERGE_ORDER), :].reshape(values.shape)


def to_unfolded(values: Tensor) -> Tensor:
    """The way back: (...,4C) index pC+c -> (...,4C) index 4c+q."""
    by_patch = values.reshape(*values.shape[:-1], len(MERGE_ORDER), -1)
    place = sorted(range(len(MERGE_ORDER)), key=lambda patch: MERGE_ORDER[patch])
    return by_patch[..., place, :].transpose(-1, -2).reshape(values.shape)


def efficientnet_names(module: nn.Module) -> dict[str, str]:
    """timm's EfficientNet -> our key -> their key."""
    names = {}
    first = {  # the first block of stage 0 has no expansion
        "conv_dw.": "depthwise_conv.conv.",
        "bn1.": "depthwise_conv.bn.",
        "conv_pw.": "linear_conv.conv.",
        "bn2.": "linear_conv.bn.",
    }
    other = {
        "conv_pw.": "expand_conv.conv.",
        "bn1.": "expand_conv.bn.",
        "conv_dw.": "depthwise_conv.conv.",
        "bn2.": "depthwise_conv.bn.",
        "conv_pwl.": "linear_conv.conv.",
        "bn3.": "linear_conv.bn.",
    }
    squeeze = {"se.conv_reduce.": "se.conv1.conv.", "se.conv_expand.": "se.conv2.conv."}
    places = _efficient_places(module)
    last = len(EFFICIENT_STAGES) + 1
    ends = (
        ("conv_stem.", "layers.0.conv."),
        ("bn1.", "layers.0.bn."),
        ("conv_head.", f"layers.{last}.conv."),
        ("bn2.", f"layers.{last}.bn."),
    )
    for key in module.state_dict():
        block = re.match(r"^blocks\.(\d+)\.(\d+)\.(.*)$", key)
        if not block:
            names[key] = renamed(key, ends)
            continue
        table = {**(first if block[1] == "0" else other), **squeeze}
        layer, index = places[int(block[1]), int(block[2])]
        names[key] = f"layers.{layer}.{index}." + renamed(block[3], tuple(table.items()))
    return names


def _efficient_places(module: nn.Module) -> dict[tuple[int, int], tuple[int, int]]:
    """-> (our stage, block) -> (their layer, block)."""
    sizes: dict[int, int] = {}
    for key in module.state_dict():
        if found := re.match(r"^blocks\.(\d+)\.(\d+)\.", key):
            stage = int(found[1])
            sizes[stage] = max(sizes.get(stage, 0), int(found[2]) + 1)
    places = {}
    for layer, stages in enumerate(EFFICIENT_STAGES, start=1):
        blocks = [(stage, block) for stage in stages for block in range(sizes[stage])]
        places.update({pair: (layer, index) for index, pair in enumerate(blocks)})
    return places
