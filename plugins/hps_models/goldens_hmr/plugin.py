"""Kinds of golden of the HMR family: network, rotations, metrics, crops."""

from hpscli.hooks import GoldenSpec, hookimpl

SOURCE = "reference/hmr/SPEC.md, 8 (tolerances), 4 (crops), 6.1 (metrics)"
BODY_SEEDS = {
    # surrogate arrays stand for licensed files; each is drawn from a seed of its own
    "body_seed": 7,
    "regressor_extra_seed": 13,
    "regressor_h36m_seed": 14,
}
MEAN_SEEDS = {"mean_pose_seed": 15, "mean_shape_seed": 16}
NETWORKS = {
    # kind: golden, key manifest, replay, what it is
    "spin": (
        "hmr_spin",
        "spin_hmr_resnet50",
        "replay_spin",
        "HMR with ResNet-50 as SPIN, from image to vertices and joints.",
    ),
    "mmhuman3d": (
        "hmr_mmhuman3d",
        "mmhuman3d_hmr_resnet50",
        "replay_mmhuman3d",
        "HMR with ResNet-50 as mmhuman3d, from image to vertices and joints.",
    ),
    "plus-twins-svt": (
        "hmr_plus_twins_svt",
        "hmr_plus_twins_svt_base",
        "replay_twins_svt",
        "HMR+ with Twins-SVT, from image to vertices and joints.",
    ),
    "plus-hrnet-w32": (
        "hmr_plus_hrnet_w32",
        "hmr_plus_hrnet_w32",
        "replay_hrnet_w32",
        "HMR+ with HRNet-W32 and the chunked mean, from image to vertices and joints.",
    ),
}
CROPS = {
    # kind: what it is, which of its arrays are given
    "spin": ("SPIN's training crop, in both published versions.", ("cases_json", "*_in")),
    "spin_demo": ("SPIN's demo crop, with a box and without.", ("bbox_xywh",)),
    "mmhuman3d": (
        "mmhuman3d's crop with channel noise, flip, rotation.",
        ("cases_json", "*_in", "bbox_xywhs", "case*_channel_noise_bgr"),
    ),
    "hmr2": ("HMR2's crop with its anti-aliasing blur.", ("boxes_xyxy",)),
    "pare_demo": ("PARE's demo crop.", ("bbox_cxcywh",)),
}
MEASURED = (
    *("gt", "pred", "mask_partial", "verts_gt", "verts_pred", "h36m_gt17"),
    *("pw3d_gt_pose", "pw3d_gt_betas", "pw3d_gender", "pw3d_pred_pose6d_spin", "pw3d_pred_betas"),
)


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> the kinds that need nothing but the core and the model `hmr`."""
    here = "hps_models.goldens_hmr"
    return [
        *(
            GoldenSpec(
                name=f"hmr/{kind}",
                files=(f"goldens/{golden}.npz", f"keys/{keys}.json"),
                replay=f"{here}.network:{replay}",
                summary=summary,
                source=SOURCE,
                options={"image_seed": 0, **BODY_SEEDS, **MEAN_SEEDS},
            )
            for kind, (golden, keys, replay, summary) in NETWORKS.items()
        ),
        GoldenSpec(
            name="hmr/eth-submission",
            files=(
                "goldens/eth_test_pred_joints_example.csv",
                "keys/spin_hmr_resnet50.json",
            ),
            replay=f"{here}.network:replay_submission",
            summary="The 49 joints of SPIN as the rows of the ETH course's submission file.",
            source="reference/hmr/SPEC.md, 7 and 8",
            options={"image_seed": 0, **BODY_SEEDS, **MEAN_SEEDS},
        ),
        GoldenSpec(
            name="hmr/augmentations",
            files=("goldens/augmentations.npz",),
            replay=f"{here}.augmentations:replay",
            summary="Erasing, mixing, dropout, occluders, colours, random crop of hmr-benchmarks.",
            source="reference/hmr/SPEC.md, 5: the same random numbers, so exactly the same",
            options={"center_x": 50, "center_y": 45, "box_size": 80},
            inputs=("image_bgr*", "occluder*", "keypoints2d"),
        ),
        GoldenSpec(
            name="hmr/rotations",
            files=("goldens/rotations.npz",),
            replay=f"{here}.geometry:replay_rotations",
            summary="6D in both layouts, axis-angle, the translation that fits 2D joints.",
            source=SOURCE,
            inputs=("six", "axis_angle", "est_S", "est_joints2d", "est_conf"),
        ),
        GoldenSpec(
            name="hmr/metrics",
            files=("goldens/metrics.npz",),
            replay=f"{here}.measures:replay_metrics",
            summary="MPJPE, PA-MPJPE, PVE, PCK, AUC of mmhuman3d, SPIN and HMR2.",
            source=SOURCE,
            options={**BODY_SEEDS, "male_seed": 17, "female_seed": 18},
            inputs=MEASURED,
        ),
        *(
            GoldenSpec(
                name=f"hmr/crop-{name.replace('_', '-')}",
                files=(f"goldens/preprocess_{name}.npz", "goldens/synth_480x640.png"),
                replay=f"{here}.crops:replay_{name}",
                summary=summary,
                source=SOURCE,
                options={"draw_size": 100} if name == "mmhuman3d" else {},
                inputs=inputs,
            )
            for name, (summary, inputs) in CROPS.items()
        ),
    ]
