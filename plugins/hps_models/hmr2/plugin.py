"""What this plugin registers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpscli.hooks import GoldenSpec, Layout, ModelSpec, Start, Weights, hookimpl

HERE = "hps_models.hmr2"
OFFICIAL_PX = 256
LAYOUT = Layout(
    name="official",
    summary="the Lightning checkpoint of 4D-Humans, as in epoch=35-step=1000000.ckpt",
    guess=f"{HERE}.weights:guess",
    rows=f"{HERE}.weights:rows",
    container="state_dict/",
    # Lightning asks for these before it looks at the weights.
    entries={"epoch": 0, "global_step": 0, "pytorch-lightning_version": "1.8.1"},
    ignored={"smpl.*": "arrays of the licensed SMPL model", "discriminator.*": "the adversary"},
)
ENCODER = Layout(
    name="vitpose",
    summary="an encoder of ViTPose, as in vitpose_backbone.pth",
    guess=f"{HERE}.weights:guess_backbone",
    rows=f"{HERE}.weights:rows_backbone",
    ignored={
        "keypoint_head.*": "heat maps of 2D pose",
        "associate_keypoint_heads.*": "heat maps of 2D pose",
    },
    prefixes=("backbone.",),
    partial=True,
)
RESTATED = "comparison tables of later papers, which restate it; for orientation"
LICENCE = "MIT (4D-Humans); SMPL, which the file carries, is non-commercial"
WEIGHTS = (
    Weights(
        tag="hmr2a",
        preset="vit-h",
        official_file="hmr2a_model.tar.gz: the .ckpt in it",
        licence=LICENCE,
        homepage="https://shubham-goel.github.io/4dhumans/",
        note="the paper's HMR2.0a",
        results={"3dpw PA-MPJPE": 44.4, "3dpw MPJPE": 69.8, "3dpw PVE": 82.2},
        source=RESTATED,
    ),
    Weights(
        tag="hmr2b",
        preset="vit-h",
        official_file="epoch=35-step=1000000.ckpt",
        licence=LICENCE,
        homepage="https://shubham-goel.github.io/4dhumans/",
        note="the paper's HMR2.0b, which 4D-Humans downloads by itself",
        results={"3dpw PA-MPJPE": 54.3},
        source=RESTATED,
    ),
)
HMR2 = ModelSpec(
    name="hmr2",
    build=f"{HERE}.network:build",
    summary="HMR2.0: a vision transformer and a transformer decoder with one token.",
    body="smpl",
    input_size=(OFFICIAL_PX, OFFICIAL_PX),
    licence="Apache-2.0",
    outputs=("camera", "parameters"),
    losses=f"{HERE}.losses:hmr2_losses",
    defaults={
        "size": OFFICIAL_PX,  # px of the square crop; the middle three quarters are seen
        "width": 1280,
        "depth": 32,
        "heads": 16,
        "drop_path": 0.55,  # in training, of the last layer
        "stem": "patches",  # how pixels become tokens; "convolutions": for networks from nothing
        "decoder_width": 1024,
        "decoder_depth": 6,
        "decoder_heads": 8,  # of 64 channels
        "decoder_hidden": 1024,
    },
    presets={
        "vit-h": {},
        "tiny": {
            "size": 64,
            "width": 128,
            "depth": 3,
            "heads": 2,
            "drop_path": 0.0,
            "stem": "convolutions",
            "decoder_width": 128,
            "decoder_depth": 2,
            "decoder_heads": 2,
            "decoder_hidden": 128,
        },
    },
    adapt=f"{HERE}.plugin:adapt",
    raw=f"{HERE}.outputs:raw",
    starts=(
        Start(
            options={"width": 1280, "depth": 32},
            file="vitpose_backbone.pth",
            page="https://github.com/shubham-goel/4D-Humans, fetch_training_data.sh",
            note="its encoder comes from ViTPose-H, trained for 2D pose",
        ),
    ),
    adversary=f"{HERE}.discriminator:critic",
    crop="hpscli.data.preparation:HMR2",
    layouts=(LAYOUT, ENCODER),
    weights=WEIGHTS,
    assets=("smpl-neutral", "regressor-j19", "regressor-h36m"),
    paper="Goel et al., Humans in 4D: Reconstructing and Tracking Humans with Transformers, "
    "ICCV 2023",
)
SOURCE = "reference/hmr/SPEC.md, 8 (tolerances)"
KEYS = "keys/hmr2.json"
BODY_SEEDS = {"body_seed": 7, "regressor_extra_seed": 13, "regressor_j19_seed": 19}
SEEDS = {**BODY_SEEDS, "mean_pose_seed": 15, "mean_shape_seed": 16}


def adapt(spec: ModelSpec, options: Mapping[str, Any]) -> ModelSpec:
    """-> the record at these options: other sizes of picture get our own crop."""
    size = int(options["size"])
    if size == OFFICIAL_PX:
        return spec
    return replace(spec, input_size=(size, size), crop="fast", assets=())


@hookimpl
def hps_models() -> list[ModelSpec]:
    """-> HMR2.0."""
    return [HMR2]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> networks, losses and a measure of HMR2.0."""
    return [
        GoldenSpec(
            name="hmr2/full",
            files=("goldens/hmr2_full_vit_h.npz", KEYS),
            replay=f"{HERE}.goldens:replay_full",
            summary="HMR2.0 with ViT-H, from image to vertices; needs 7 GB of memory.",
            source=SOURCE,
            options={"image_seed": 0, **SEEDS},
        ),
        GoldenSpec(
            name="hmr2/head",
            files=("goldens/hmr2_head.npz", KEYS),
            replay=f"{HERE}.goldens:replay_head",
            summary="The decoder alone, on random features.",
            source=SOURCE,
            options=SEEDS,
            inputs=("feature_seed",),
        ),
        GoldenSpec(
            name="hmr2/losses",
            files=("goldens/loss_hmr2.npz",),
            replay=f"{HERE}.goldens:replay_losses",
            summary="HMR2.0's losses on random people.",
            source=SOURCE,
            inputs=("pred_*", "gt_*", "has_param"),
        ),
        GoldenSpec(
            name="hmr2/pck",
            files=("goldens/metrics_hmr2_pck.npz",),
            replay=f"{HERE}.goldens:replay_pck",
            summary="The share of 2D joints near the truth, as HMR2.0 counts it.",
            source=SOURCE,
            inputs=("pred_*", "gt_*", "box_size", "scale"),
        ),
    ]
