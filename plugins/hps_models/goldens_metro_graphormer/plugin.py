"""Kinds of golden of METRO and Mesh Graphormer: networks, losses, training, fusion of crops."""

from hpscli.hooks import GoldenSpec, hookimpl

HERE = "hps_models.goldens_metro_graphormer"
SOURCE = "reference/metro_graphormer/SPEC.md, 9"
SEEDS = {"body_seed": 7, "hand_seed": 9}  # of the surrogate arrays
NETWORKS = {
    "graphormer-body-hrnet_w64": "Mesh Graphormer of the body, HRNet-W64.",
    "graphormer-hand-hrnet_w64": "Mesh Graphormer of the hand, HRNet-W64.",
    "metro-body-hrnet_w64": "METRO of the body, HRNet-W64.",
    "metro-body-resnet50": "METRO of the body, ResNet-50.",
    "metro-hand-hrnet_w64": "METRO of the hand, HRNet-W64.",
    "metro-hand-resnet50": "METRO of the hand, ResNet-50.",
    # Layouts without a golden in the reference, for folders that were made elsewhere.
    "graphormer-body-hrnet_w40": "Mesh Graphormer of the body, HRNet-W40.",
    "graphormer-hand-hrnet_w40": "Mesh Graphormer of the hand, HRNet-W40.",
    "metro-body-hrnet_w40": "METRO of the body, HRNet-W40.",
    "metro-hand-hrnet_w40": "METRO of the hand, HRNet-W40.",
}
KEYS = tuple(f"keys/{name}.json" for name in NETWORKS if name.endswith("hrnet_w64"))
OTHERS = (
    GoldenSpec(
        name="metro-graphormer/losses",
        files=("goldens/losses_fixed_preds.npz",),
        replay=f"{HERE}.losses:replay_fixed",
        summary="Every term of the losses on fixed predictions, body and hand, and their labels.",
        source=f"{SOURCE}; 3.1, 3.2",
        options={"body_prediction_seed": 31, "hand_prediction_seed": 33, **SEEDS},
        inputs=("*_in_*", "*_pred_*"),
    ),
    GoldenSpec(
        name="metro-graphormer/losses-end-to-end",
        files=("goldens/losses_end_to_end.npz", *KEYS),
        replay=f"{HERE}.training:replay_end_to_end",
        summary="Losses of four whole networks with hidden tokens, and their gradients.",
        source=SOURCE,
        options={"image_seed": 0, **SEEDS},
        inputs=("*_in_*",),
    ),
    GoldenSpec(
        name="metro-graphormer/train-step",
        files=("goldens/train_step_dropout0.npz", "goldens/losses_end_to_end.npz", *KEYS),
        replay=f"{HERE}.training:replay_train_step",
        summary="Train mode without dropout: losses, running statistics, one step of Adam.",
        source=SOURCE,
        options={"image_seed": 0, **SEEDS},
    ),
    GoldenSpec(
        name="metro-graphormer/metrics",
        files=("goldens/eval_metrics.npz",),
        replay=f"{HERE}.measures:replay_metrics",
        summary="The official validation: mPVE, MPJPE, PA-MPJPE with its averages; Procrustes.",
        source="reference/fastmetro/SPEC.md, 8.3, of the same validation",
        options=SEEDS,
        inputs=("body_in_*", "body_*_has_*", "procrustes_S1", "procrustes_S2"),
    ),
    GoldenSpec(
        name="metro-graphormer/fusion",
        files=("goldens/multiscale_fusion.npz",),
        replay=f"{HERE}.fusion:replay_fusion",
        summary="95 scales and rotations of two hands, aligned and averaged.",
        source=f"{SOURCE}; 6.3",
        options={"fusion_seed": 62},
    ),
    *(
        GoldenSpec(
            name=f"metro-graphormer/freihand-{name}",
            files=(f"goldens/freihand_pred_{name}.zip", "goldens/freihand_pred_inputs.npz"),
            replay=f"{HERE}.fusion:replay_{name}",
            summary=f"The file of predictions for FreiHAND, {what}.",
            source=f"{SOURCE}; 6.2",
            options=SEEDS,
        )
        for name, what in (("local", "from the wrist"), ("aml", "as the network gives them"))
    ),
)


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> whatever is in reference/metro_graphormer/goldens that the core cannot replay itself."""
    return [
        *OTHERS,
        *(
            GoldenSpec(
                name=name.replace("_", "-").replace("-", "/", 1),
                files=(f"goldens/{name}.npz", f"keys/{name}.json"),
                replay=f"{HERE}.networks:replay_{name.replace('-', '_')}",
                summary=f"{summary} Pictures A and B, hidden tokens, what lies between the layers.",
                source=SOURCE,
                options={"image_seed": 0, "block_seed": 1, **SEEDS},
                inputs=("mask_*",),
            )
            for name, summary in NETWORKS.items()
        ),
    ]
