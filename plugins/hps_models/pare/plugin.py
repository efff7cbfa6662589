"""What this plugin registers."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpscli.errors import UsageError, did_you_mean
from hpscli.hooks import GoldenSpec, Layout, ModelSpec, Start, Weights, hookimpl

HERE = "hps_models.pare"
TINY_PX = 64
OFFICIAL_LICENCE = "MPI, non-commercial research only (LICENSE of mkocabas/PARE)"
CROPS = {
    # option -> image preparation
    "spin": "hpscli.data.preparation:SPIN",  # of the authors' evaluation
    "mmhuman3d": "hpscli.data.preparation:MMHUMAN3D",
}
TRAINER = "of the trainer, not of the model: its own SMPL, camera, renderer, regressors"
LICENSED = "arrays of the licensed SMPL model"
LAYOUTS = (
    Layout(
        name="official",
        summary="PARE's Lightning checkpoint, as in pare_checkpoint.ckpt",
        guess=f"{HERE}.weights:guess_official",
        rows=f"{HERE}.weights:rows_official",
        container="state_dict/model.",
        ignored={
            # registered by PARETrainer; its model lies below `model.`
            "smpl.*": TRAINER,
            "smpl_native.*": TRAINER,
            "J_regressor*": TRAINER,
            "K": TRAINER,
            "R": TRAINER,
            "smpl_faces": TRAINER,
            "part_label_bins": TRAINER,
            "renderer.*": TRAINER,
            "neural_renderer.*": TRAINER,
            "loss_fn.*": TRAINER,
        },
    ),
    Layout(
        name="mmhuman3d",
        summary="mmhuman3d's PARE, as in hrnet_w32_conv_pare.pth",
        guess=f"{HERE}.weights:guess_mmhuman3d",
        rows=f"{HERE}.weights:rows",
        container="state_dict/",
        ignored={
            "body_model_train.*": LICENSED,
            "body_model_test.*": LICENSED,
            "smpl.*": LICENSED,
            "J_regressor*": TRAINER,
            "disc.*": "the adversary of training",
        },
    ),
    Layout(
        name="course",
        summary="ETH's course project's PARE, a Lightning checkpoint",
        guess=f"{HERE}.weights:guess",
        rows=f"{HERE}.weights:rows",
        container="state_dict/model.",  # what tells it from mmhuman3d's: its crop is the authors'
        ignored={"smpl.*": LICENSED, "J_regressor*": TRAINER},
    ),
    Layout(
        name="pose-hrnet",
        summary="an HRNet-W32 for 2D pose or classes, as in pose_hrnet_w32_256x192.pth",
        guess=f"{HERE}.weights:guess_backbone",
        rows=f"{HERE}.weights:rows_backbone",
        ignored=dict.fromkeys(
            ("final_layer.*", "classifier.*", "incre_modules.*", "downsamp_modules.*"),
            "the end of another task's network",
        ),
        prefixes=("backbone.",),
        partial=True,
    ),
)
README = "README of mkocabas/PARE"
MMHUMAN3D = "configs/pare/README.md of open-mmlab/mmhuman3d"
WEIGHTS = (
    Weights(
        tag="official",
        preset="hrnet-w32",
        official_file="pare_checkpoint.ckpt",
        licence=OFFICIAL_LICENCE,
        homepage="https://pare.is.tue.mpg.de",
        results={"3dpw MPJPE": 82.0, "3dpw PA-MPJPE": 50.9, "3dpw PVE": 97.9},
        source=README,
    ),
    Weights(
        tag="official-3dpw",
        preset="hrnet-w32",
        official_file="pare_w_3dpw_checkpoint.ckpt",
        licence=OFFICIAL_LICENCE,
        homepage="https://pare.is.tue.mpg.de",
        note="trained on 3DPW too",
        results={"3dpw MPJPE": 74.5, "3dpw PA-MPJPE": 46.5, "3dpw PVE": 88.6},
        source=README,
    ),
    Weights(
        tag="mmhuman3d-mosh",
        preset="hrnet-w32-mmhuman3d",
        official_file="hrnet_w32_conv_pare_mosh.pth",
        licence="not stated for the weights; code Apache-2.0, SMPL non-commercial",
        note="trained with MoShed Human3.6M",
        results={"3dpw MPJPE": 81.79, "3dpw PA-MPJPE": 49.35},
        source=MMHUMAN3D,
    ),
    Weights(
        tag="mmhuman3d",
        preset="hrnet-w32-mmhuman3d",
        official_file="hrnet_w32_conv_pare.pth",
        licence="not stated for the weights; code Apache-2.0, SMPL non-commercial",
        results={"3dpw MPJPE": 81.81, "3dpw PA-MPJPE": 50.78},
        source=MMHUMAN3D,
    ),
)
PARE = ModelSpec(
    name="pare",
    build=f"{HERE}.network:build",
    summary="PARE: attention on body parts, a regressor for each joint.",
    body="smpl",
    input_size=(224, 224),
    licence="Apache-2.0",
    outputs=("camera", "parameters"),
    losses=f"{HERE}.losses:pare_losses",
    defaults={
        "backbone": "hrnet-w32",  # or resnet50, resnet101, resnet152, small
        "maps": "parts",  # or attention, softargmax, argmax
        "growth": "none",  # or deconv, upsample: maps double in every layer
        "layers": 2,
        "width": 128,
        "features": 64,
        "crop": "spin",  # image preparation: one of CROPS
    },
    presets={
        "hrnet-w32": {},
        "hrnet-w32-mmhuman3d": {"crop": "mmhuman3d"},
        "resnet50": {
            "backbone": "resnet50",
            "maps": "softargmax",
            "growth": "deconv",
            "layers": 3,
            "width": 256,
        },
        "tiny": {"backbone": "small", "growth": "deconv", "width": 64, "features": 16},
    },
    adapt=f"{HERE}.plugin:adapt",
    raw=f"{HERE}.outputs:raw",
    starts=(
        Start(
            options={"backbone": "hrnet-w32"},
            file="pose_hrnet_w32_256x192.pth",
            page="https://github.com/leoxiaobin/deep-high-resolution-net.pytorch",
            library="hrnet_w32.ms_in1k",
            note="published with weights of 2D pose; ImageNet's are no more than near to them",
        ),
        *(
            Start(
                options={"backbone": name},
                file=f"{name}-{digest}.pth",
                page="https://download.pytorch.org/models/",
                library=f"{name}.tv_in1k",
            )
            for name, digest in (
                ("resnet50", "19c8e357"),
                ("resnet101", "5d3b4d8f"),
                ("resnet152", "b121ed2d"),
            )
        ),
    ),
    crop=CROPS["spin"],
    layouts=LAYOUTS,
    weights=WEIGHTS,
    assets=("smpl-neutral", "regressor-extra", "regressor-h36m"),
    paper="Kocabas et al., PARE: Part Attention Regressor for 3D Human Body Estimation, ICCV 2021",
)
SOURCE = "reference/hmr/SPEC.md, 8 (tolerances)"
BODY_SEEDS = {"body_seed": 7, "regressor_extra_seed": 13, "regressor_h36m_seed": 14}


def adapt(spec: ModelSpec, options: Mapping[str, Any]) -> ModelSpec:
    """-> the record with the crop of these options; the small network looks at small pictures of ours."""
    crop = str(options["crop"])
    if crop not in CROPS:
        raise UsageError(
            f"pare: crop '{crop}' is not known.",
            did_you_mean(crop, CROPS) or f"One of: {', '.join(CROPS)}.",
        )
    if options["backbone"] != "small":
        return replace(spec, crop=CROPS[crop])
    return replace(spec, input_size=(TINY_PX, TINY_PX), crop="fast", assets=())


@hookimpl
def hps_models() -> list[ModelSpec]:
    """-> PARE."""
    return [PARE]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> networks and losses of PARE."""
    networks = {
        "hrnet-w32": ("pare_hrnet_w32", "Official PARE, and with sharper attention."),
        "mmhuman3d": ("pare_mmhuman3d", "mmhuman3d's PARE."),
        "resnet50-softargmax": ("pare_resnet50_softargmax", "PARE that samples points."),
    }
    keys = {"pare_mmhuman3d": "mmhuman3d_pare_hrnet_w32"}
    return [
        *(
            GoldenSpec(
                name=f"pare/{name}",
                files=(f"goldens/{file}.npz", f"keys/{keys.get(file, file)}.json"),
                replay=f"{HERE}.goldens:replay_{file}",
                summary=summary,
                source=SOURCE,
                options={"image_seed": 0, **BODY_SEEDS},
            )
            for name, (file, summary) in networks.items()
        ),
        GoldenSpec(
            name="pare/losses",
            files=("goldens/loss_pare.npz", "goldens/loss_spin.npz"),
            replay=f"{HERE}.goldens:replay_losses",
            summary="PARE's losses on SPIN's inputs and random part labels.",
            source=SOURCE,
            options=BODY_SEEDS,
            inputs=("*_seed",),
        ),
    ]
