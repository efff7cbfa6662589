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
}


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> whatever is in reference/metro_graphormer/goldens that the core cannot replay itself."""
    return [
        GoldenSpec(
            name=name.replace("_", "-").replace("-", "/", 1),
            files=(f"goldens/{name}.npz", f"keys/{name}.json"),
            replay=f"{HERE}.networks:replay_{name.replace('-', '_')}",
            summary=f"{summary} Pictures A and B, hidden tokens, what lies between the layers.",
            source=SOURCE,
            options={"image_seed": 0, "block_seed": 1, **SEEDS},
        )
        for name, summary in NETWORKS.items()
    ]
