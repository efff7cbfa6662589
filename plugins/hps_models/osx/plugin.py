"""What this plugin registers: OSX and the goldens of its authors' code."""

from hpscli.hooks import GoldenSpec, Layout, ModelSpec, Start, Weights, hookimpl

HERE = "hps_models.osx"
SOURCE = "reference/osx/goldens/README.md (networks, losses, units)"
LICENCE = "not stated by its authors for the weights; the code is under the MIT licence"
PAGE = "https://osx-ubody.github.io"
OLD_NAMES = (  # as the official loader renames them
    ("backbone.", "encoder."),
    ("body_rotation_net.", "body_regressor."),
    ("hand_rotation_net.", "hand_regressor."),
)
LARGE = {"channels": 1024, "depth": 24, "heads": 16, "drop_path": 0.5}
OFFICIAL = Layout(
    name="official",
    summary="OSX's network, as in osx_*.pth.tar",
    guess=f"{HERE}.weights:guess",
    rows=f"{HERE}.weights:rows",
    container="network/module.",
    renames=OLD_NAMES,
    ignored={"smplx_layer.*": "arrays of the licensed body, which its authors leave out too"},
)
ENCODER = Layout(
    name="encoder",
    summary="the encoder alone, as in osx_vit_*.pth and in ViTPose's files",
    guess=f"{HERE}.weights:guess_encoder",
    rows=f"{HERE}.weights:encoder_rows",
    partial=True,
)


def _released(tag: str, preset: str, file: str, note: str) -> Weights:
    return Weights(
        tag=tag, preset=preset, official_file=file, note=note, licence=LICENCE, homepage=PAGE
    )


OSX = ModelSpec(
    name="osx",
    build=f"{HERE}.network:build",
    summary="One transformer for body, hands and face: SMPL-X with expression, from one picture.",
    body="smplx",
    input_size=(512, 384),
    licence="Apache-2.0",
    outputs=("camera", "parameters"),
    losses=f"{HERE}.losses:osx_losses",
    defaults={
        "channels": 768,
        "depth": 12,
        "heads": 12,
        "drop_path": 0.3,  # of the deepest layer, in training
        "stem": "patches",  # how pixels become tokens; "convolutions": for networks from nothing
        "decoder": "both",  # "hand": the face from two tokens; "none": the hands from their features
        "regressor_width": 512,
        "box_width": 256,
        "decoder_width": 256,
        "feed_forward": 1024,  # of the decoders
        "layers": 6,
    },
    presets={
        "b": {},
        "b-wo-face-decoder": {"decoder": "hand"},
        "b-wo-decoder": {"decoder": "none"},
        "l": LARGE,
        "l-wo-face-decoder": {**LARGE, "decoder": "hand"},
        "l-wo-decoder": {**LARGE, "decoder": "none"},
        "tiny": {
            "channels": 64,
            "depth": 2,
            "heads": 4,
            "drop_path": 0.1,
            "stem": "convolutions",
            "regressor_width": 32,
            "box_width": 16,
            "decoder_width": 32,
            "feed_forward": 64,
            "layers": 2,
        },
    },
    weights=(
        _released("l", "l", "osx_l.pth.tar", "the whole network; the default of its demo"),
        _released("l-agora", "l-wo-decoder", "osx_l_agora.pth.tar", "trained on AGORA"),
        _released("l-wo-decoder", "l-wo-decoder", "osx_l_wo_decoder.pth.tar", "for EHF and UBody"),
        _released(
            "l-wo-face-decoder",
            "l-wo-face-decoder",
            "osx_l_wo_face_decoder.pth.tar",
            "default of its test script; no public page names it",
        ),
        _released("vit-l", "l", "osx_vit_l.pth", "encoder only: ViTPose-L, a start for training"),
        _released("vit-b", "b", "osx_vit_b.pth", "encoder only: ViTPose-B, a start for training"),
    ),
    layouts=(OFFICIAL, ENCODER),
    starts=tuple(
        Start(
            options={"channels": channels, "depth": depth},
            file=f"osx_vit_{size}.pth",
            page=PAGE,
            note=f"its encoder comes from ViTPose-{size.upper()}, trained for 2D pose",
        )
        for size, channels, depth in (("b", 768, 12), ("l", 1024, 24))
    ),
    takes_kit=True,
    raw=f"{HERE}.mesh:raw",
    crop="hpscli.data.preparation:OSX",
    assets=("smplx-neutral",),
    mean=(0.0, 0.0, 0.0),  # pixels are divided by 255 and no more
    std=(1.0, 1.0, 1.0),
    paper="Lin et al., One-Stage 3D Whole-Body Mesh Recovery with Component Aware Transformer, CVPR 2023",
)

VARIANTS = ("", "_wo_decoder", "_wo_face_decoder")
NETWORKS = tuple(f"osx_{size}{variant}" for size in "bl" for variant in VARIANTS)
HOW_IT_WAS_MADE = ("image_seed", "key_xor")
BODY_SEEDS = {"body_seed": 11, "landmark_seed": 13}


@hookimpl
def hps_models() -> list[ModelSpec]:
    """-> OSX; how it differs from its paper is in README.md beside this file."""
    return [OSX]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> networks, losses with gradients, single functions, crops."""
    return [*_networks(), *_functions(), *_pictures()]


def _networks() -> list[GoldenSpec]:
    """-> whole networks, their noise, their losses."""
    whole = [
        GoldenSpec(
            name=f"osx/{name.replace('_', '-')}",
            files=(f"goldens/net_{name}.npz", f"keys/{name}.json"),
            replay=f"{HERE}.goldens.networks:replay_{name}",
            summary="The whole network, from the picture to projected joints.",
            source=SOURCE,
            options={"image_seed": 0, **BODY_SEEDS},
            inputs=HOW_IT_WAS_MADE,
        )
        for name in NETWORKS
    ]
    return [
        *whole,
        GoldenSpec(
            name="osx/noise",
            files=(
                "goldens/float32_noise_osx_b.json",
                "goldens/net_osx_b.npz",
                "keys/osx_b.json",
            ),
            replay=f"{HERE}.goldens.noise:replay_noise",
            summary="Our distance from the official network beside its own rounding.",
            source=SOURCE,
            options={"image_seed": 0, **BODY_SEEDS},
        ),
        GoldenSpec(
            name="osx/losses",
            files=("goldens/loss.npz", "keys/osx_b.json", "keys/osx_b_wo_decoder.json"),
            replay=f"{HERE}.goldens.training:replay_losses",
            summary="Every loss term of two variants, and the gradients of their sum.",
            source=SOURCE,
            options={"image_seed": 0, **BODY_SEEDS},
            inputs=("*/in/*", *HOW_IT_WAS_MADE),
        ),
    ]


def _functions() -> list[GoldenSpec]:
    """-> what networks are made of, one by one."""
    return [
        GoldenSpec(
            name="osx/units",
            files=("goldens/units.npz",),
            replay=f"{HERE}.goldens.units:replay_units",
            summary="Deformable attention, soft-argmax, boxes, rotations, camera, mean hands.",
            source=SOURCE,
            options={
                "attention_seed": 50,
                "volume_seed": 51,
                "map_seed": 151,
                "features_seed": 54,
                "roi_seed": 56,
                "hand_means_seed": 16,
                **BODY_SEEDS,
            },
            inputs=("*_in", "*_in_*", "msda_ref", "restore_center", "restore_size", "roi_boxes"),
        ),
    ]


def _pictures() -> list[GoldenSpec]:
    """-> crops, and what the authors' loaders make of data sets."""
    return [
        GoldenSpec(
            name="osx/preprocess",
            files=("goldens/preprocess.npz",),
            replay=f"{HERE}.goldens.crops:replay_crops",
            summary="Boxes, patches with and without changes, the order of random draws.",
            source=SOURCE,
            options={"draw_seed": 0},
            inputs=("image_uint8", "process_bbox_in", "aug*_params", "aug*_bbox", "test_bbox"),
        ),
        GoldenSpec(
            name="osx/loaders",
            files=("goldens/datasets.npz",),
            replay=f"{HERE}.goldens.loaders:replay_loaders",
            summary="Patches, targets and masks of every sample of nine tiny data sets.",
            source=SOURCE,
            options={"smpl_seed": 7, **BODY_SEEDS},
        ),
        GoldenSpec(
            name="osx/lists",
            files=("goldens/datasets_index.json",),
            replay=f"{HERE}.goldens.loaders:replay_lists",
            summary="How many people each data set lists, and their boxes.",
            source=SOURCE,
        ),
    ]
