"""Checkpoints that others released for these networks: who brings the file gets its numbers.

Published numbers are mm on the test set of 3DPW. None of these files was at hand here.
"""

from hpscli.hooks import Weights

RESEARCH = "no licence of its own is stated; trained on data for research only"
COMBINE = "smplbody/hmr-benchmarks, README of configs/combine (reference hmr, tables/results.json)"
NOTES = {
    # what is odd about a published row: reference hmr, 9
    "resnet50-mix1": "The README prints 51.66, which its table of algorithms gives for training "
    "with augmentation; without, that table has 51.80.",
    "no-config": "Its README names a configuration that is not in the repository.",
}


def _combine(
    tag: str, preset: str, config: str, number: float, note: str = "", target: bool = True
) -> Weights:
    return Weights(
        tag=tag,
        preset=preset,
        licence=RESEARCH,
        official_file=f"{config}.pth",
        homepage="https://github.com/smplbody/hmr-benchmarks",
        results={"3dpw PA-MPJPE": number} if target else {},
        source=COMBINE,
        note=note,
    )


RELEASED = (
    Weights(
        tag="spin",
        preset="spin",
        licence=RESEARCH,
        official_file="model_checkpoint.pt",
        homepage="https://github.com/nkolot/SPIN",
        results={"3dpw PA-MPJPE": 59.2},
        source="Kolotouros et al., Learning to Reconstruct 3D Human Pose and Shape via "
        "Model-fitting in the Loop, ICCV 2019",
        note="The number needs the crop that stretches contrast (crop=spin-scipy).",
    ),
    Weights(
        tag="mmhuman3d",
        preset="resnet50",
        licence=RESEARCH,
        official_file="resnet50_hmr_pw3d-04f40f58_20211201.pth",
        homepage="https://github.com/open-mmlab/mmhuman3d",
        results={"3dpw PA-MPJPE": 67.53, "3dpw MPJPE": 112.34},
        source="mmhuman3d, README of configs/hmr (reference hmr, tables/results.json)",
    ),
    Weights(
        tag="mmhuman3d-spin",
        preset="resnet50",
        licence=RESEARCH,
        official_file="resnet50_spin_pw3d-e1857270_20211201.pth",
        homepage="https://github.com/open-mmlab/mmhuman3d",
        results={"3dpw PA-MPJPE": 59.06, "3dpw MPJPE": 96.06},
        source="mmhuman3d, README of configs/spin (reference hmr, tables/results.json)",
    ),
    _combine(
        "resnet50-mix1",
        "resnet50",
        "resnet50_hmr_mix1_coco_l1",
        51.66,
        NOTES["resnet50-mix1"],
        target=False,
    ),
    _combine("hrnet-mix1", "hrnet-w32", "hrnet_hmr_mix1_coco_l1", 49.18, NOTES["no-config"]),
    _combine("twins-svt-mix1", "twins-svt", "twins_svt_hmr_mix1_coco_l1", 48.77),
    _combine("twins-svt-mix1-aug", "twins-svt", "twins_svt_hmr_mix1_coco_l1_aug", 47.70),
    _combine("hrnet-mix4-aug", "hrnet-w32", "hrnet_hmr_mix4_coco_l1_aug", 47.68),
    _combine("twins-svt-mix4", "twins-svt", "twins_svt_hmr_mix4_coco_l1", 47.31),
    _combine(
        "hrnet-mix2-aug", "hrnet-w32", "hrnet_hmr_mix2_coco_l1_aug", 48.08, NOTES["no-config"]
    ),
    _combine("twins-svt-mix2", "twins-svt", "twins_svt_hmr_mix2_coco_l1", 48.27),
    _combine(
        "twins-svt-mix6", "twins-svt", "twins_svt_hmr_mix6_coco_l1", 47.92, NOTES["no-config"]
    ),
)
