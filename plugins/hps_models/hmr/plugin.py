"""What this plugin registers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hps_models.hmr.released import RELEASED
from hps_models.hmr.starts import STARTS
from hpscli.errors import UsageError, did_you_mean
from hpscli.hooks import GoldenSpec, Layout, ModelSpec, Weights, hookimpl

CROPS = {
    # option -> image preparation
    "fast": "fast",
    "spin-scipy": "hpscli.data.preparation:SPIN_SCIPY",  # of SPIN's published numbers
    "spin": "hpscli.data.preparation:SPIN",  # of all its later code
    "mmhuman3d": "hpscli.data.preparation:MMHUMAN3D",
}
LOSSES = {
    # option -> definitions of the terms
    "standard": ModelSpec.losses,
    "spin": "hps_models.hmr.losses:spin_losses",
    "mmhuman3d": "hps_models.hmr.losses:mmhuman3d_losses",
    "mmhuman3d-l1": "hps_models.hmr.losses:mmhuman3d_l1_losses",
    "mmhuman3d-mse": "hps_models.hmr.losses:mmhuman3d_mse_losses",
}
_MMHUMAN3D = {"crop": "mmhuman3d", "losses": "mmhuman3d"}
_CHUNKED = {"feature_width": 2048, **_MMHUMAN3D}  # of maps with other numbers of channels
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "spin": {"crop": "spin-scipy", "losses": "spin"},
    "resnet50": _MMHUMAN3D,
    **{
        name: {"backbone": name, **_MMHUMAN3D}
        for name in ("resnet101", "resnet152", "resnext101", "efficientnet-b5")
    },
    **{name: {"backbone": name, **_CHUNKED} for name in ("hrnet-w32", "vit-b", "swin-t")},
    **{name: {"backbone": name, **_MMHUMAN3D} for name in ("twins-svt", "twins-pcpvt")},
    "resnet18": {"backbone": "resnet18"},
    "tiny": {"backbone": "tiny", "head": "direct", "hidden": 512, "dropout": 0.0},
    "hand-tiny": {
        "target": "hand",
        "backbone": "hand-tiny",
        "head": "direct",
        "hidden": 48,
        "dropout": 0.0,
    },
}
_LICENSED = "SMPL's own arrays, under its licence: the body comes from the asset store"
_NO_HEAD = {
    # of classifiers and pose networks
    **dict.fromkeys(("fc.*", "head.*", "classifier.*", "pre_logits.*"), "a classifier"),
    **dict.fromkeys(("incre_modules.*", "downsamp_modules.*"), "a classifier"),
    **dict.fromkeys(("deconv_layers.*", "keypoint_head.*", "final_layer.*"), "a pose head"),
    **dict.fromkeys(("norm.*", "fc_norm.*", "norm_after_stage[012].*"), "a norm that is not used"),
    **dict.fromkeys(("*.attn_mask", "*.relative_position_index"), "worked out here"),
}

HMR = ModelSpec(
    name="hmr",
    build="hps_models.hmr.network:build",
    adapt="hps_models.hmr.plugin:adapt",
    raw="hps_models.hmr.raw:body_outputs",
    adversary="hps_models.hmr.discriminator:critic",
    starts=STARTS,
    summary="HMR, SPIN and HMR+: a backbone and an iterative regressor of SMPL parameters.",
    body="smpl",
    input_size=(224, 224),
    licence="Apache-2.0",
    outputs=("camera", "parameters"),
    defaults={
        "backbone": "resnet50",  # any of hpscli.nn.backbones.MAPS, any name of timm, "tiny", "hand-tiny"
        "head": "iterative",  # or "direct": one pass with a hidden layer
        "iterations": 3,
        "hidden": 1024,
        "dropout": 0.5,
        "feature_width": 0,  # chunks whose means the head reads; 0: the average over the map
        "crop": "fast",  # image preparation: one of CROPS
        "target": "body",  # or "hand": the right one, MANO's parameters
        "losses": "standard",  # definitions of the loss terms: one of LOSSES
    },
    presets=PRESETS,
    layouts=(
        Layout(
            name="spin",
            summary="SPIN's model_checkpoint.pt",
            guess="hps_models.hmr.weights:guess_spin",
            rows="hps_models.hmr.weights:rows_spin",
            container="model/",
        ),
        Layout(
            name="mmhuman3d",
            summary="a checkpoint of mmhuman3d or hmr-benchmarks",
            guess="hps_models.hmr.weights:guess_mmhuman3d",
            rows="hps_models.hmr.weights:rows_mmhuman3d",
            container="state_dict/",
            ignored={"body_model_*": _LICENSED},
        ),
        Layout(
            name="backbone-timm",
            summary="a backbone in the names of torchvision, timm and HRNet's authors",
            guess="hps_models.hmr.initial:guess_timm",
            rows="hps_models.hmr.initial:rows_timm",
            ignored=_NO_HEAD,
            prefixes=("backbone.",),
            partial=True,
        ),
        Layout(
            name="backbone-openmmlab",
            summary="a backbone in the names of OpenMMLab (mmcls, mmpose)",
            guess="hps_models.hmr.initial:guess_openmmlab",
            rows="hps_models.hmr.initial:rows_openmmlab",
            ignored=_NO_HEAD,
            prefixes=("backbone.",),
            partial=True,
        ),
        Layout(
            name="backbone-swin",
            summary="Swin-T as its authors published it",
            guess="hps_models.hmr.initial:guess_swin",
            rows="hps_models.hmr.initial:rows_swin",
            ignored=_NO_HEAD,
            partial=True,
        ),
    ),
    assets=("smpl-neutral", "regressor-h36m", "regressor-extra"),
    weights=(
        Weights(
            tag="tiny",
            preset="tiny",
            file="hps_models.hmr:checkpoints/tiny.safetensors",
            sha256="b60847b88cd73a437a07bb929680066306e883d4e224ef30e3dd8ce517da45dd",
            licence="CC0-1.0",
            note="40000 synthetic free people, `hps train tiny_shipped`; a toy: not for photographs.",
            results={  # mm, 600 people of the test split; the mean person has 222.13 and 143.96
                "synthetic/test@smpl24-v1 MPJPE": 114.27,
                "synthetic/test@smpl24-v1 PA-MPJPE": 78.88,
            },
        ),
        Weights(
            tag="hand-tiny",
            preset="hand-tiny",
            file="hps_models.hmr:checkpoints/hand_tiny.safetensors",
            sha256="a6e1245ee8e535ce4b76f6ae4d98f4d04794cced24f523b353fe6d1f4ee23f1d",
            licence="CC0-1.0",
            note="8000 synthetic free right hands, `hps train tiny_hand`; a toy: not for photographs.",
            results={  # mm, 600 hands of the test split; the mean hand has 80.40 and 35.23
                "synthetic-hands/test@mano21-v1 MPJPE": 43.24,
                "synthetic-hands/test@mano21-v1 PA-MPJPE": 14.99,
            },
        ),
        *RELEASED,
    ),
    paper="Kanazawa et al., End-to-end Recovery of Human Shape and Pose, CVPR 2018",
)


def adapt(spec: ModelSpec, options: Mapping[str, Any]) -> ModelSpec:
    """Complete options -> the record with the crop, the losses and the body that they name."""
    if options["target"] == "hand":
        spec = replace(spec, body="mano", raw="", adversary="", assets=("mano-right",))
    return replace(
        spec,
        crop=_chosen("crop", options["crop"], CROPS),
        losses=_chosen("losses", options["losses"], LOSSES),
    )


def _chosen(option: str, name: str, table: Mapping[str, str]) -> str:
    if name not in table:
        raise UsageError(
            f"hmr: {option} '{name}' is not known.",
            did_you_mean(name, table) or f"One of: {', '.join(table)}.",
        )
    return table[name]


INPUTS = ("pred_*", "gt_*", "target_*", "has_*", "valid_fit", "adv_real_*")  # of losses


@hookimpl
def hps_models() -> list[ModelSpec]:
    """-> HMR; how it differs from the published code is in README.md beside this file."""
    return [HMR]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> the losses; networks, crops and measures are in the plugin hmr-goldens."""
    source = "reference/hmr/SPEC.md, 8 (tolerances), 3.1 and 3.3 (losses)"
    seeds = {"body_seed": 7, "regressor_extra_seed": 13}
    return [
        GoldenSpec(
            name="hmr/loss-mmhuman3d",
            files=("goldens/loss_hmr_mmhuman3d.npz", "keys/mmhuman3d_hmr_resnet50.json"),
            replay="hps_models.hmr.goldens:replay_mmhuman3d",
            summary="mmhuman3d's losses in three families, their gradients, the discriminator.",
            source=source,
            options=seeds,
            inputs=INPUTS,
        ),
        GoldenSpec(
            name="hmr/loss-spin",
            files=("goldens/loss_spin.npz",),
            replay="hps_models.hmr.goldens:replay_spin",
            summary="SPIN's losses and their gradients.",
            source=source,
            options=seeds,
            inputs=INPUTS,
        ),
    ]
