"""What this plugin registers. Light: torch is imported when a network is built."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hpscli.hooks import GoldenSpec, Layout, ModelSpec, Weights, hookimpl
from hpscli.nn.mesh import adapting
from hpscli.nn.mesh.starts import IMAGENET_STARTS

SIZES = {"s": 1, "m": 2, "l": 3}  # layers of encoder and decoder, in each of the two transformers
BACKBONES = {"resnet50": "resnet50", "hrnet-w64": "hrnet_w64"}
HAND = {"target": "hand"}
SMPL = {"smpl_parameters": True}
TINY = {
    "backbone": "small",
    "width": 64,
    "second_width": 32,
    "heads": 4,
    "dropout": 0.0,
    "input_px": 64,
}
# The repository is MIT; of the weights it says nothing, of the bodies and data that they need a lot.
LICENCE = "none stated; made with bodies and data for non-commercial research only"
SOURCE = "postech-ami/FastMETRO README and documents"
HOMEPAGE = "https://github.com/postech-ami/FastMETRO"


def presets() -> dict[str, Mapping[str, Any]]:
    """-> S, M, L x backbone for body, hand, and body with SMPL parameters, and two for tests."""
    found: dict[str, Mapping[str, Any]] = {}
    for before, after, more in (("", "", {}), ("hand-", "", HAND), ("", "-smpl", SMPL)):
        for size, layers in SIZES.items():
            for word, backbone in BACKBONES.items():
                options = {"backbone": backbone, "layers": layers, **more}
                found[f"{before}{size}-{word}{after}"] = options
    return {**found, "tiny": TINY, "hand-tiny": {**TINY, **HAND}}


def adapt(spec: ModelSpec, options: Mapping[str, Any]) -> ModelSpec:
    """-> the record at these options: body or hand, size of the image, what comes out."""
    more = ("parameters",) if options["smpl_parameters"] else ()
    return replace(adapting.adapt(spec, options), outputs=(*spec.outputs, *more))


def released(tag: str, preset: str, file: str, results: Mapping[str, float], note: str) -> Weights:
    """-> one of the authors' files, which the user brings."""
    return Weights(
        tag=tag,
        preset=preset,
        official_file=file,
        results=results,
        source=SOURCE,
        note=note,
        licence=LICENCE,
        homepage=HOMEPAGE,
    )


MESH = "mesh that the network gives; 14 joints regressed from it"
PARAMETRIC = "mesh of the regressed SMPL parameters: NAME+parametric"
WEIGHTS = (
    released(
        "s-resnet50-h36m",
        "s-resnet50",
        "FastMETRO-S-R50_h36m_state_dict.bin",
        {"Human3.6M P2 PA-MPJPE": 38.8},
        MESH,
    ),
    released(
        "s-resnet50-3dpw",
        "s-resnet50",
        "FastMETRO-S-R50_3dpw_state_dict.bin",
        {"3DPW PA-MPJPE": 49.1},
        MESH,
    ),
    released(
        "l-hrnet-w64-h36m",
        "l-hrnet-w64",
        "FastMETRO-L-H64_h36m_state_dict.bin",
        {"Human3.6M P2 MPJPE": 52.96, "Human3.6M P2 PA-MPJPE": 33.58},
        MESH,
    ),
    released(
        "l-hrnet-w64-3dpw",
        "l-hrnet-w64",
        "FastMETRO-L-H64_3dpw_state_dict.bin",
        {"3DPW PVE": 82.95, "3DPW MPJPE": 73.54, "3DPW PA-MPJPE": 44.58},
        MESH,
    ),
    released(
        "hand-l-hrnet-w64-freihand",
        "hand-l-hrnet-w64",
        "FastMETRO-L-H64_freihand_state_dict.bin",
        {
            "FreiHAND PA-PVE": 7.1,
            "FreiHAND PA-MPJPE": 6.5,
            "FreiHAND F@5": 0.687,
            "FreiHAND F@15": 0.983,
        },
        "errors in mm, without augmentation at test time",
    ),
    released(
        "l-hrnet-w64-smpl-h36m",
        "l-hrnet-w64-smpl",
        "FastMETRO-L-H64_smpl_h36m_state_dict.bin",
        {"Human3.6M P2 PA-MPJPE": 36.1},
        PARAMETRIC,
    ),
    released(
        "l-hrnet-w64-smpl-3dpw",
        "l-hrnet-w64-smpl",
        "FastMETRO-L-H64_smpl_3dpw_state_dict.bin",
        {"3DPW PA-MPJPE": 51.0},
        PARAMETRIC,
    ),
)

FASTMETRO = ModelSpec(
    name="fastmetro",
    build="hps_models.fastmetro.network:build",
    summary="Encoder-decoder transformers that give the vertices of a body or a hand.",
    body="smpl",
    input_size=(224, 224),
    licence="Apache-2.0",
    outputs=("camera", "vertices", "joints", "levels"),
    losses="hps_models.fastmetro.losses:fastmetro_losses",
    defaults={
        "target": "body",  # or "hand"
        "backbone": "resnet50",  # or hrnet_w64, others of timm, "small"
        "layers": 1,  # of encoder and decoder, in each of the two transformers: S 1, M 2, L 3
        "width": 512,  # of the first transformer
        "second_width": 128,  # of the second transformer
        "heads": 8,
        "dropout": 0.1,
        "input_px": 224,
        "smpl_parameters": False,  # regress them from the mesh
        "regressor_hidden": 1024,
        "parametric": False,  # answer with the mesh of the parameters, not with the network's
    },
    presets=presets(),
    weights=WEIGHTS,
    layouts=(
        Layout(
            name="official",
            summary="FastMETRO's state dict, as in FastMETRO-*_state_dict.bin",
            guess="hps_models.fastmetro.weights:guess",
            rows="hps_models.fastmetro.weights:rows",
        ),
    ),
    adapt="hps_models.fastmetro.plugin:adapt",
    takes_kit=True,
    starts=IMAGENET_STARTS,
    added=("smpl_parameter_regressor",),
    raw="hps_models.fastmetro.outputs:raw_outputs",
    crop="hpscli.data.preparation:METRO",
    assets=adapting.ASSETS["body"],
    paper="Cho et al., Cross-Attention of Disentangled Modalities for 3D Human Mesh Recovery with "
    "Transformers, ECCV 2022",
)


@hookimpl
def hps_models() -> list[ModelSpec]:
    """-> FastMETRO; how it differs from the published code is in README.md beside this file."""
    return [FASTMETRO]


GOLDENS = {
    "S-R50-body": "ResNet-50, one layer: camera, tokens, meshes, every stage between.",
    "M-R50-body": "ResNet-50, two layers.",
    "L-H64-body": "HRNet-W64, three layers.",
    "L-H64-hand": "HRNet-W64, three layers, the hand.",
    "L-H64-body-smpl": "HRNet-W64, three layers, with SMPL parameters out of the mesh.",
    # Layouts without a golden in the reference, for folders that were made elsewhere.
    "S-R50-hand": "ResNet-50, one layer, the hand.",
    "S-R50-body-smpl": "ResNet-50, one layer, with SMPL parameters out of the mesh.",
    "L-R50-body": "ResNet-50, three layers.",
    "S-H64-body": "HRNet-W64, one layer.",
    "M-H64-body": "HRNet-W64, two layers.",
}


MEASURED = {  # file, module and function of its replay, what it holds
    "loss_body": ("goldens_losses:replay_body", "The losses of the body, one step of training."),
    "loss_hand": ("goldens_losses:replay_hand", "The losses of the hand, labels, FreiHAND's file."),
    "metrics_body": ("goldens_measures:replay_metrics", "The official validation."),
    "train_step_S-R50": ("goldens_training:replay_train_step", "Two steps of the whole network."),
}
SEEDS = {"body_seed": 7, "hand_seed": 9, "hands_mean_seed": 13}  # of surrogate bodies, SPEC 8.1


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> the kinds of golden of networks, masks and codes, losses, validation, training."""
    here, source = "hps_models.fastmetro", "reference/fastmetro/SPEC.md, 8.3"
    pictures = {"noise_seed": 0, "blocks_seed": 1}
    return [
        *(
            GoldenSpec(
                name=f"fastmetro/{name.lower()}",
                files=(
                    f"goldens/FastMETRO-{name}.npz",
                    f"keys/FastMETRO-{name}.json",
                    "goldens/floors.json",
                ),
                replay=f"{here}.goldens:replay_{name.lower().replace('-', '_')}",
                summary=summary,
                source=source,
                options={**pictures, **SEEDS},
                inputs=("*__stride",),
            )
            for name, summary in GOLDENS.items()
        ),
        GoldenSpec(
            name="fastmetro/masks",
            files=("goldens/masks_posenc.npz",),
            replay=f"{here}.goldens:replay_masks",
            summary="Who may attend to whom, and the 2-D sine codes of image tokens.",
            source=source,
            inputs=("mask_*_shape",),
        ),
        GoldenSpec(
            name="fastmetro/pictures",
            files=("goldens/render_pyrender.npz",),
            replay=f"{here}.goldens_pictures:replay_pictures",
            summary="Strips of tiles, and the silhouette in each; colours are not compared.",
            source=source,
            inputs=("vertices*", "faces", "cam", "image"),
        ),
        *(
            GoldenSpec(
                name=f"fastmetro/{name.lower().replace('_', '-')}",
                files=(f"goldens/{name}.npz",),
                replay=f"{here}.{replay}",
                summary=summary,
                source=source,
                options={"blocks_seed": 1, "label_seed": 100, **SEEDS},
                inputs=("in__*",),
            )
            for name, (replay, summary) in MEASURED.items()
        ),
    ]
