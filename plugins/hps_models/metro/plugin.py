"""What this plugin registers. Light: torch is imported when a network is built."""

from hpscli.hooks import Layout, ModelSpec, Weights, hookimpl
from hpscli.nn.mesh.starts import IMAGENET_STARTS

# The repository is MIT; of the weights it says nothing, of the bodies and data that they need a lot.
LICENCE = "none stated; made with bodies and data for non-commercial research only"
PAPER = "Lin et al., End-to-End Human Pose and Mesh Reconstruction with Transformers, CVPR 2021"
HOMEPAGE = "https://github.com/microsoft/MeshTransformer"
TINY = {
    "backbone": "small",
    "input_px": 64,
    "widths": [64, 32, 16],
    "outputs": [48, 24, 3],
    "feed_forward": [128, 64, 32],
    "layers": 2,
}

METRO = ModelSpec(
    name="metro",
    build="hps_models.metro.network:build",
    summary="METRO: a transformer whose tokens are joints and coarse vertices of a body or hand.",
    body="smpl",
    input_size=(224, 224),
    licence="Apache-2.0",
    outputs=("camera", "vertices", "joints", "levels"),
    losses="hpscli.nn.mesh.losses:metro_losses",
    defaults={
        "target": "body",  # or "hand": the right one
        "backbone": "hrnet_w64",  # hrnet_* or resnet* of timm, or "small"
        "input_px": 224,
        "widths": [],  # of the encoders; empty: the authors' for this target
        "outputs": [512, 128, 3],  # numbers of a token behind each encoder
        "feed_forward": [],  # between the layers; empty: the authors' for this target
        "layers": 4,
        "heads": 4,
        "dropout": 0.1,
        "upsampling": "learned",  # or "matrices": those of the mesh levels
    },
    presets={
        "hrnet-w64": {},
        "hrnet-w40": {"backbone": "hrnet_w40"},
        "resnet50": {"backbone": "resnet50"},
        "hand-hrnet-w64": {"target": "hand"},
        "hand-hrnet-w40": {"target": "hand", "backbone": "hrnet_w40"},
        "hand-resnet50": {"target": "hand", "backbone": "resnet50"},
        # Learned upsampling of the body alone has 13 M parameters.
        "tiny": {**TINY, "upsampling": "matrices"},
        "hand-tiny": {**TINY, "target": "hand"},
    },
    adapt="hpscli.nn.mesh.adapting:adapt",
    takes_kit=True,
    starts=IMAGENET_STARTS,
    raw="hpscli.nn.mesh.transformer.network:project_raw",
    crop="hpscli.data.preparation:METRO",
    assets=("smpl-neutral", "sampling-smpl", "regressor-h36m"),
    layouts=(
        Layout(
            name="official",
            summary="METRO's own state dict, as in metro_*_state_dict.bin",
            guess="hps_models.metro.weights:guess",
            rows="hps_models.metro.weights:rows",
        ),
    ),
    weights=(
        Weights(
            tag="h36m",
            preset="hrnet-w64",
            official_file="metro_h36m_state_dict.bin",
            licence=LICENCE,
            homepage=HOMEPAGE,
            note="Trained on Human3.6M, COCO, MuCo, UP-3D and MPII; the authors' storage is gone.",
            results={"Human3.6M P2 MPJPE": 54.04, "Human3.6M P2 PA-MPJPE": 36.75},
            source="microsoft/MeshTransformer README and paper",
        ),
        Weights(
            tag="3dpw",
            preset="hrnet-w64",
            official_file="metro_3dpw_state_dict.bin",
            licence=LICENCE,
            homepage=HOMEPAGE,
            note="Fine-tuned on 3DPW; ground truth is the neutral body, whatever the gender.",
            results={"3DPW PVE": 88.28, "3DPW MPJPE": 77.10, "3DPW PA-MPJPE": 47.90},
            source="microsoft/MeshTransformer README and paper",
        ),
        Weights(
            tag="freihand",
            preset="hand-hrnet-w64",
            official_file="metro_hand_state_dict.bin",
            licence=LICENCE,
            homepage=HOMEPAGE,
            note="Errors in mm; with 95 rotated and scaled crops 6.3, 6.2, 0.743, 0.984.",
            results={
                "FreiHAND PA-PVE": 6.7,
                "FreiHAND PA-MPJPE": 6.6,
                "FreiHAND F@5": 0.721,
                "FreiHAND F@15": 0.981,
            },
            source="microsoft/MeshTransformer README, FreiHAND leaderboard",
        ),
    ),
    paper=PAPER,
)


@hookimpl
def hps_models() -> list[ModelSpec]:
    """-> METRO; what differs from the published code is in README.md beside this file."""
    return [METRO]
