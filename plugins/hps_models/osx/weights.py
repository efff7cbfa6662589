"""How the authors' files name the tensors: `osx_*.pth.tar`, and the encoder files `osx_vit_*.pth`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hps_models.osx.dead import dead_rows
from hps_models.osx.geometry import BODY_GRID, BODY_JOINTS, FACE_JOINTS, HAND_JOINTS
from hpscli.nn.layouts import Row, on_meta, rows_from_module
from hpscli.nn.vit import vit_rows

Shapes = Mapping[str, tuple[int, ...]]

HEADS = {768: 12, 1024: 16}  # of ViT-B and ViT-L; else 16 channels each
DROP_PATH = {768: 0.3, 1024: 0.5}  # in training
TRANSFORMER = r"\1_decoder.keypoint_head.transformer."
LAYER = TRANSFORMER + r"decoder.layers.\2."
FOLDED_BOXES = (
    BODY_JOINTS * BODY_GRID[0]
)  # channels of the box network's input besides the encoder's

# Our beginning of a key -> theirs. `hands` and `face` have the same parts.
NAMES: Sequence[tuple[str, str]] = (
    (r"body_position\.volume\.", "body_position_net.conv.0."),
    (r"body_regressor\.joints\.", "body_regressor.body_conv.0."),
    (r"body_regressor\.root\.", "body_regressor.root_pose_out.0."),
    (r"body_regressor\.body\.", "body_regressor.body_pose_out.0."),
    (r"body_regressor\.betas\.", "body_regressor.shape_out.0."),
    (r"body_regressor\.camera\.", "body_regressor.cam_out.0."),
    (r"boxes\.deconvolve\.", "box_net.deconv."),
    (r"boxes\.centres\.", "box_net.bbox_center.0."),
    (r"boxes\.left_hand\.", "box_net.lhand_size."),
    (r"boxes\.right_hand\.", "box_net.rhand_size."),
    (r"boxes\.face\.", "box_net.face_size."),
    (r"(hand|face)s?\.pyramid\.(?:levels|deconvolve)\.", r"\1_roi_net.deconv."),
    (r"(hand)s\.pyramid\.widen\.", r"\1_roi_net.conv.0."),
    (r"(hand|face)s?\.position\.volume\.", r"\1_position_net.conv.0."),
    (r"(hand|face)s?\.position\.sampled\.", r"\1_position_net.\1_conv."),
    (r"(hand|face)s?\.decoder\.neck\.(\d)\.0\.", r"\1_decoder.neck.convs.\2.conv."),
    (r"(hand|face)s?\.decoder\.neck\.(\d)\.1\.", r"\1_decoder.neck.convs.\2.gn."),
    (r"(hand|face)s?\.decoder\.level_embedding$", TRANSFORMER + "level_embeds"),
    (r"(hand|face)s?\.decoder\.position$", TRANSFORMER + "pos_embed.weight"),
    (
        r"(hand|face)s?\.decoder\.layers\.(\d+)\.joints\.projection\.",
        LAYER + "attentions.0.attn.in_proj_",
    ),
    (
        r"(hand|face)s?\.decoder\.layers\.(\d+)\.joints\.output\.",
        LAYER + "attentions.0.attn.out_proj.",
    ),
    (
        r"(hand|face)s?\.decoder\.layers\.(\d+)\.maps\.offsets\.",
        LAYER + "attentions.1.sampling_offsets.",
    ),
    (
        r"(hand|face)s?\.decoder\.layers\.(\d+)\.maps\.weights\.",
        LAYER + "attentions.1.attention_weights.",
    ),
    (
        r"(hand|face)s?\.decoder\.layers\.(\d+)\.maps\.value_(weight|bias)$",
        LAYER + r"attentions.1.value_proj_\3.weight",
    ),
    (
        r"(hand|face)s?\.decoder\.layers\.(\d+)\.maps\.output\.",
        LAYER + "attentions.1.output_proj.",
    ),
    (
        r"(hand|face)s?\.decoder\.layers\.(\d+)\.feed_forward\.first\.",
        LAYER + "ffns.0.layers.0.0.",
    ),
    (
        r"(hand|face)s?\.decoder\.layers\.(\d+)\.feed_forward\.second\.",
        LAYER + "ffns.0.layers.1.",
    ),
    (r"(hand|face)s?\.decoder\.layers\.(\d+)\.norms\.", LAYER + "norms."),
    (r"hand_regressor\.joints\.", "hand_regressor.hand_conv.0."),
    (r"hand_regressor\.features\.", "hand_regressor.hand_conv."),
    (r"hand_regressor\.rotations\.", "hand_regressor.hand_pose_out.0."),
    (r"face_regressor\.image\.", "face_regressor.conv.0."),
    (r"face_regressor\.joints\.", "face_regressor.joint_conv.0."),
    (r"face_regressor\.expression\.", "face_regressor.expr_out.0."),
    (r"face_regressor\.jaw\.", "face_regressor.jaw_pose_out.0."),
)
PARTS = ("body_position_net.", "body_regressor.", "box_net.", "hand_roi_net.", "hand_regressor.")
NO_TOKENS = "a ViTPose file has no task tokens: they keep their random start"
POSE_HEAD = "the head of 2D joints of the pose network that the encoder comes from"


def rows(options: Mapping[str, Any]) -> list[Row]:
    """Options -> every tensor of `osx_*.pth.tar`, keys without `module.`."""
    from hps_models.osx.network import build
    from hpscli.body.kit import body_kit

    kit = body_kit("smplx", "free")
    network = on_meta(lambda: build(**options, kit=kit))
    found = vit_rows(network.encoder, ours="encoder.", theirs="encoder.")
    found += [
        row for row in rows_from_module(network, their_name) if not row.ours.startswith("encoder.")
    ]
    decoder, width, layers = (options[k] for k in ("decoder", "decoder_width", "layers"))
    if decoder != "none":
        found += dead_rows("hand_decoder.", HAND_JOINTS, width, layers)
    if decoder == "both":
        found += dead_rows("face_decoder.", FACE_JOINTS, width, layers)
    return found


def their_name(key: str) -> str:
    """Our key -> the key in `osx_*.pth.tar`."""
    for ours, theirs in NAMES:
        if found := re.match(ours, key):
            return found.expand(theirs) + key[found.end() :]
    return key


def guess(shapes: Shapes) -> dict[str, Any] | None:
    """Keys and shapes -> options, None when they are not OSX's: its parts are there or its tokens."""
    if "encoder.task_tokens" not in shapes and not any(key.startswith(PARTS) for key in shapes):
        return None
    kind = "none"
    for part, name in (("hand_decoder.", "hand"), ("face_decoder.", "both")):
        if any(key.startswith(part) for key in shapes):
            kind = name
    transformer = "hand_decoder.keypoint_head.transformer."
    found = _encoder(shapes, "encoder.") | {
        "decoder": kind,
        "regressor_width": _size(shapes, "body_regressor.body_conv.0.weight", 0),
        "box_width": _size(shapes, "box_net.bbox_center.0.weight", 1),
        "decoder_width": _size(shapes, transformer + "level_embeds", 1),
        "feed_forward": _size(shapes, transformer + "decoder.layers.0.ffns.0.layers.0.0.weight", 0),
        "layers": _count(shapes, transformer + "decoder.layers."),
    }
    if not found.get("channels") and (width := _size(shapes, "box_net.deconv.0.weight", 0)):
        found |= _by_width(width - FOLDED_BOXES)
    return {name: value for name, value in found.items() if value is not None}


def guess_encoder(shapes: Shapes) -> dict[str, Any] | None:
    """Keys and shapes -> options of the encoder alone, None when they are no ViTPose file's."""
    if (
        "backbone.last_norm.weight" not in shapes
        or "backbone.patch_embed.proj.weight" not in shapes
    ):
        return None
    found = _encoder(shapes, "backbone.")
    return {name: value for name, value in found.items() if value is not None}


def encoder_rows(options: Mapping[str, Any]) -> list[Row]:
    """Options -> every tensor of `osx_vit_*.pth`: the encoder, task tokens, ViTPose's own head."""
    from hps_models.osx.geometry import PICTURE, TASK_TOKENS
    from hpscli.nn.vit import padded_vit

    width, depth, heads = (options[name] for name in ("channels", "depth", "heads"))
    stem = options["stem"]
    encoder = on_meta(lambda: padded_vit(PICTURE, width, depth, heads, 0.0, TASK_TOKENS, stem))
    found = []
    for row in vit_rows(encoder, ours="encoder.", theirs="backbone."):
        if row.theirs == "backbone.task_tokens":
            row = Row(row.theirs, row.shape, row.ours, why=NO_TOKENS, required=False)
        found.append(row)
    return [*found, *_pose_head(width)]


def _pose_head(width: int) -> Iterator[Row]:
    """-> ViTPose's head: two deconvolutions to 256 channels, 17 maps (COCO's joints)."""
    head, inner, joints = "keypoint_head.", 256, 17
    for index, before in ((0, width), (3, inner)):
        yield Row(f"{head}deconv_layers.{index}.weight", (before, inner, 4, 4), why=POSE_HEAD)
        norm = f"{head}deconv_layers.{index + 1}."
        for name in ("weight", "bias", "running_mean", "running_var"):
            learned = name in ("weight", "bias")
            yield Row(norm + name, (inner,), parameter=learned, why=POSE_HEAD)
        yield Row(norm + "num_batches_tracked", (), parameter=False, why=POSE_HEAD)
    yield Row(f"{head}final_layer.weight", (joints, inner, 1, 1), why=POSE_HEAD)
    yield Row(f"{head}final_layer.bias", (joints,), why=POSE_HEAD)


def _encoder(shapes: Shapes, prefix: str) -> dict[str, Any]:
    names = ("pos_embed", "last_norm.weight", "patch_embed.proj.bias", "task_tokens")
    widths = [shapes[prefix + name][-1] for name in names if prefix + name in shapes]
    found: dict[str, Any] = {"depth": _count(shapes, prefix + "blocks.")}
    if prefix + "patch_embed.stem.0.weight" in shapes:
        found["stem"] = "convolutions"
    return found | (_by_width(widths[0]) if widths else {})


def _by_width(channels: int) -> dict[str, Any]:
    heads = HEADS.get(channels, max(channels // 16, 1))
    found: dict[str, Any] = {"channels": channels, "heads": heads}
    return found | ({"drop_path": DROP_PATH[channels]} if channels in DROP_PATH else {})


def _size(shapes: Shapes, key: str, axis: int) -> int | None:
    return shapes[key][axis] if key in shapes and len(shapes[key]) > axis else None


def _count(shapes: Shapes, prefix: str) -> int | None:
    numbers = [key[len(prefix) :].split(".")[0] for key in shapes if key.startswith(prefix)]
    return max((int(n) + 1 for n in numbers if n.isdecimal()), default=None)
