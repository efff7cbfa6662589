"""What this plugin registers."""

from hpscli.hooks import ModelSpec, Weights, hookimpl

HMR = ModelSpec(
    name="hmr",
    build="hps_models.hmr.network:build",
    summary="Any timm backbone, or a tiny one, and an iterative regressor of SMPL parameters.",
    body="smpl",
    input_size=(224, 224),
    licence="Apache-2.0",
    outputs=("camera", "parameters"),
    defaults={
        "backbone": "resnet50",  # any name of timm, or "tiny"
        "head": "iterative",  # or "direct": one pass with a hidden layer
        "iterations": 3,
        "hidden": 1024,
        "dropout": 0.5,
    },
    presets={
        "resnet50": {},
        "resnet18": {"backbone": "resnet18"},
        "hrnet_w32": {"backbone": "hrnet_w32"},
        "vit_base": {"backbone": "vit_base_patch16_224"},
        "tiny": {"backbone": "tiny", "head": "direct", "hidden": 512, "dropout": 0.0},
    },
    weights=(
        Weights(
            tag="tiny",
            file="hps_models.hmr:checkpoints/tiny.safetensors",
            sha256="b60847b88cd73a437a07bb929680066306e883d4e224ef30e3dd8ce517da45dd",
            licence="CC0-1.0",
            note="40000 synthetic free people, `hps train tiny_shipped`; a toy: not for photographs.",
            results={  # mm, 600 people of the test split; the mean person has 222.13 and 143.96
                "synthetic/test@smpl24-v1 MPJPE": 114.27,
                "synthetic/test@smpl24-v1 PA-MPJPE": 78.88,
            },
        ),
    ),
    convert="hps_models.hmr.weights:convert",
    paper="Kanazawa et al., End-to-end Recovery of Human Shape and Pose, CVPR 2018",
)


@hookimpl
def hps_models() -> list[ModelSpec]:
    """-> HMR; how it differs from the published code is in README.md beside this file."""
    return [HMR]
