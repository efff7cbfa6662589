"""The authors' names of the tensors of METRO and Mesh Graphormer: their files <-> our module.

Their encoders are BERT classes whose word embeddings and pooler nobody calls, and their HRNet has a
classifier that nobody calls; all of it is in the files.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import torch
from torch import Tensor

from hpscli.nn.layouts import Row, rows_from_module
from hpscli.nn.mesh.transformer.network import MeshTransformer, Method

WORDS, WORD_TYPES, MOST_POSITIONS = 30522, 2, 512  # of BERT, as the authors built it
CLASSES = 1000  # of ImageNet
RESNET_INDEX = {"conv1": 0, "bn1": 1, "layer1": 4, "layer2": 5, "layer3": 6, "layer4": 7}

ENCODER = (
    # ours, below "encoders.0.layers.0." -> theirs, below "trans_encoder.0.bert.encoder.layer.0."
    ("attention.query.", "attention.self.query."),
    ("attention.key.", "attention.self.key."),
    ("attention.value.", "attention.self.value."),
    ("attention.output.", "attention.output.dense."),
    ("attention_norm.", "attention.output.LayerNorm."),
    ("graph.norm.", "graph_conv.pre_norm."),
    ("graph.reduced_norm.", "graph_conv.norm1."),
    ("graph.convolved_norm.", "graph_conv.norm2."),
    ("graph.reduce.weight", "graph_conv.lin1.W"),
    ("graph.reduce.bias", "graph_conv.lin1.b"),
    ("graph.convolution.", "graph_conv.conv."),
    ("graph.expand.weight", "graph_conv.lin2.W"),
    ("graph.expand.bias", "graph_conv.lin2.b"),
    ("widen.", "intermediate.dense."),
    ("narrow.", "output.dense."),
    ("norm.", "output.LayerNorm."),
)
ENCODER_ENDS = (
    ("position", "bert.position_embeddings.weight"),
    ("embed.", "bert.img_embedding."),
    ("head.", "cls_head."),
    ("residual.", "residual."),
)
HEADS = (
    ("upsampling.steps.0.", "upsampling."),
    ("upsampling.steps.1.", "upsampling2."),
    ("mixing.", "conv_learn_tokens."),
    ("camera.per_point.", "cam_param_fc."),
    ("camera.inner.", "cam_param_fc2."),
    ("camera.output.", "cam_param_fc3."),
    ("grid_embedding.", "grid_feat_dim."),
)


def official_rows(build: Callable[[], MeshTransformer]) -> list[Row]:
    """How the network is built -> every tensor of its authors' file, in about their order."""
    with torch.device("meta"):
        module = build()
    resnet = module.method.backbone.startswith("resnet")
    rows = rows_from_module(module, lambda key: official_key(key, resnet=resnet))
    rows = [_mixing(row) if row.ours == "mixing.weight" else row for row in rows]
    if module.method.backbone.startswith(("hrnet", "resnet")):  # others nobody else has built
        rows += list(_never_used(module.method, classifier=_classified(module)))
    return sorted(rows, key=lambda row: _place(row.theirs))


def official_key(key: str, *, resnet: bool) -> str:
    """Our key -> the authors'."""
    if key.startswith("backbone."):
        first, _, rest = key.removeprefix("backbone.").partition(".")
        return f"backbone.{RESNET_INDEX.get(first, first)}.{rest}" if resnet else key
    if not key.startswith("encoders."):
        return _renamed(key, HEADS)
    _, number, rest = key.split(".", 2)
    if not rest.startswith("layers."):
        return f"trans_encoder.{number}." + _renamed(rest, ENCODER_ENDS)
    _, layer, inner = rest.split(".", 2)
    return f"trans_encoder.{number}.bert.encoder.layer.{layer}." + _renamed(inner, ENCODER)


def _renamed(key: str, table: Sequence[tuple[str, str]]) -> str:
    for ours, theirs in table:
        if key.startswith(ours):
            return theirs + key.removeprefix(ours)
    return key


def _mixing(row: Row) -> Row:
    """Theirs is a convolution of one cell, ours a matrix."""
    return Row(
        row.theirs,
        (*row.shape, 1),
        row.ours,
        why="a convolution over one cell is a matrix",
        read=_without_last,
        write=_with_last,
    )


def _without_last(tensor: Tensor) -> Tensor:
    return tensor.squeeze(-1)


def _with_last(tensor: Tensor) -> Tensor:
    return tensor.unsqueeze(-1)


def _classified(module: MeshTransformer) -> int:
    """-> channels that the authors' unused classifier reads, 0 where there is none."""
    if not module.method.backbone.startswith("hrnet"):
        return 0
    return int(module.backbone.get_parameter("final_layer.0.weight").shape[0])


def _never_used(method: Method, *, classifier: int) -> Iterator[Row]:
    if classifier:
        why = "ImageNet classifier of HRNet, which no mesh network calls"
        yield Row("backbone.classifier.weight", (CLASSES, classifier), why=why)
        yield Row("backbone.classifier.bias", (CLASSES,), why=why)
    for number, (width, graph) in enumerate(zip(method.widths, method.graph, strict=True)):
        bert = f"trans_encoder.{number}.bert"
        why = "BERT's embeddings of words, which are never looked up"
        for name, shape in {
            "word_embeddings.weight": (WORDS, width),
            "position_embeddings.weight": (MOST_POSITIONS, width),
            "token_type_embeddings.weight": (WORD_TYPES, width),
            "LayerNorm.weight": (width,),
            "LayerNorm.bias": (width,),
        }.items():
            yield Row(f"{bert}.embeddings.{name}", shape, why=why)
        why = "BERT's pooler, whose output is thrown away"
        yield Row(f"{bert}.pooler.dense.weight", (width, width), why=why)
        yield Row(f"{bert}.pooler.dense.bias", (width,), why=why)
        for layer in range(method.layers if graph else 0):
            skip = f"{bert}.encoder.layer.{layer}.graph_conv.skip_conv"
            why = "a way around the graph block that is the identity in practice"
            yield Row(f"{skip}.W", (width, width), why=why)
            yield Row(f"{skip}.b", (width,), why=why)


ORDER = (
    "backbone.",
    *(
        f"trans_encoder.{number}.{part}"
        for number in range(3)
        for part in ("bert.embeddings.", "bert.encoder.", "bert.pooler.")
        + ("bert.position_embeddings.", "bert.img_embedding.", "cls_head.", "residual.")
    ),
    *(theirs for _, theirs in HEADS),
)


def _place(key: str) -> int:
    return next((i for i, start in enumerate(ORDER) if key.startswith(start)), len(ORDER))


def is_family(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Keys of a file -> whether its encoders are those of METRO or Mesh Graphormer.

    Also the first half of such a file, which is a backbone and nothing else.
    """
    if any(re.match(r"trans_encoder\.\d+\.(bert|cls_head|residual)\b", key) for key in shapes):
        return True
    begins = "backbone.0.weight" in shapes or "backbone.transition1.0.0.weight" in shapes
    return begins and all(key.startswith("backbone.") for key in shapes)


def has_graph(shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """-> whether it is Mesh Graphormer rather than METRO, also of a part of a file."""
    if "conv_learn_tokens.weight" in shapes:
        return False
    if any("graph_conv" in key or key.startswith("grid_feat_dim") for key in shapes):
        return True
    # METRO is 3 or 4 times as wide between its layers as inside, Graphormer 2 times.
    widths = [shape for key, shape in shapes.items() if key.endswith(".intermediate.dense.weight")]
    return any(len(shape) == 2 and shape[0] == 2 * shape[1] for shape in widths)


def guessed_target(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """-> "body" or "hand", by the rows of the last layers, also of a part of a file."""
    if "upsampling2.weight" in shapes or "conv_learn_tokens.weight" in shapes:
        return "body"
    inner = shapes.get("cam_param_fc2.weight", ())
    if inner:
        return "hand" if inner[0] < BODY_CAMERA else "body"
    fine = shapes.get("upsampling.weight", ())
    if fine:
        return "hand" if fine[0] == HAND_VERTICES else "body"
    first = shapes.get("trans_encoder.0.bert.encoder.layer.0.intermediate.dense.weight", ())
    return "hand" if first and first[0] == HAND_FEED_FORWARD else "body"


BODY_CAMERA, HAND_VERTICES = 250, 778
HAND_FEED_FORWARD = 4096  # METRO's: of the body it is 3072


def guessed_backbone(shapes: Mapping[str, tuple[int, ...]]) -> str:
    """-> the name of the backbone in timm, by its keys and widths."""
    if "backbone.0.weight" in shapes or any(k.startswith("backbone.4.") for k in shapes):
        return "resnet50"
    width = shapes.get("backbone.transition1.0.0.weight", (64,))[0]
    return f"hrnet_w{width}"
