"""What this plugin registers. Light: torch is imported when a network is built."""

from hpscli.hooks import Layout, ModelSpec, Weights, hookimpl
from hpscli.nn.mesh.starts import IMAGENET_STARTS

# The repository is MIT; of the weights it says nothing, of the bodies and data that they need a lot.
LICENCE = "none stated; made with bodies and data for non-commercial research only"
HOMEPAGE = "https://github.com/microsoft/MeshGraphormer"
TINY = {
    "backbone": "small",
    "input_px": 64,
    "widths": [64, 32, 16],
    "outputs": [48, 24, 3],
    "feed_forward": [128, 64, 32],
    "layers": 2,
}

GRAPHORMER = ModelSpec(
    name="graphormer",
    build="hps_models.graphormer.network:build",
    summary="Mesh Graphormer: joints, coarse vertices and cells of the picture as tokens, with graph convolutions.",
    body="smpl",
    input_size=(224, 224),
    licence="Apache-2.0",
    outputs=("camera", "vertices", "joints", "levels"),
    losses="hpscli.nn.mesh.losses:metro_losses",
    defaults={
        "target": "body",  # or "hand": the right one
        "backbone": "hrnet_w64",  # hrnet_* or resnet* of timm, or "small"
        "input_px": 224,
        "widths": [1024, 256, 64],  # of the encoders
        "outputs": [512, 128, 3],  # numbers of a token behind each encoder
        "feed_forward": [2048, 512, 128],  # between the layers
        "graph": [0, 0, 1],  # which encoders have graph convolutions, in all their layers
        "layers": 4,
        "heads": 4,
        "dropout": 0.1,
        "upsampling": "learned",  # or "matrices": those of the mesh levels
        "deviation": 0.02,  # of the encoders' random weights; narrow ones need more to see anything
    },
    presets={
        "hrnet-w64": {},
        "hrnet-w40": {"backbone": "hrnet_w40"},
        "resnet50": {"backbone": "resnet50"},  # ours: the authors' cannot run
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
            summary="Mesh Graphormer's own state dict, as in graphormer_*_state_dict.bin",
            guess="hps_models.graphormer.weights:guess",
            rows="hps_models.graphormer.weights:rows",
        ),
    ),
    weights=(
        Weights(
            tag="h36m",
            preset="hrnet-w64",
            official_file="graphormer_h36m_state_dict.bin",
            licence=LICENCE,
            homepage=HOMEPAGE,
            note="Trained on Human3.6M, COCO, MuCo, UP-3D and MPII; the authors' storage is gone.",
            results={"Human3.6M P2 MPJPE": 51.20, "Human3.6M P2 PA-MPJPE": 34.55},
            source="microsoft/MeshGraphormer README and paper",
        ),
        Weights(
            tag="3dpw",
            preset="hrnet-w64",
            official_file="graphormer_3dpw_state_dict.bin",
            licence=LICENCE,
            homepage=HOMEPAGE,
            note="Fine-tuned on 3DPW; ground truth is the neutral body, whatever the gender.",
            results={"3DPW PVE": 87.57, "3DPW MPJPE": 73.98, "3DPW PA-MPJPE": 45.35},
            source="microsoft/MeshGraphormer README and paper",
        ),
        Weights(
            tag="freihand",
            preset="hand-hrnet-w64",
            official_file="graphormer_hand_state_dict.bin",
            licence=LICENCE,
            homepage=HOMEPAGE,
            note="Errors in mm, of 95 rotated and scaled crops joined; of one crop none is published.",
            results={
                "FreiHAND TTA PA-PVE": 6.0,
                "FreiHAND TTA PA-MPJPE": 5.9,
                "FreiHAND TTA F@5": 0.764,
                "FreiHAND TTA F@15": 0.986,
            },
            source="microsoft/MeshGraphormer README, FreiHAND leaderboard",
        ),
    ),
    paper="Lin et al., Mesh Graphormer, ICCV 2021",
)


@hookimpl
def hps_models() -> list[ModelSpec]:
    """-> Mesh Graphormer; what differs from the published code is in README.md beside this file."""
    return [GRAPHORMER]
