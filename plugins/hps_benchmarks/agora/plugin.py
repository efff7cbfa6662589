"""AGORA: people matched in the picture, then measured; its goldens."""

from hpscli.hooks import GoldenSpec, hookimpl

HERE = "hps_benchmarks.agora"
SOURCE = "reference/metrics/SPEC.md, 3 and 12; agora_evaluation 8c9dece"
EVALUATIONS = {
    "agora_smplx": "SMPL-X track, eleven pictures with every quirk of the matching.",
    "agora_smpl": "SMPL track of the same kind of pictures.",
    "agora_smplx_nokid": "SMPL-X track without children.",
}
SUBMISSIONS = {
    "agora_params_smplx_axisangle": "SMPL-X, axis-angle: genders, children, mean hands.",
    "agora_params_smplx_rotmat": "SMPL-X, rotation matrices.",
    "agora_params_smpl_axisangle": "SMPL, axis-angle.",
    "agora_params_smpl_rotmat": "SMPL, rotation matrices.",
}


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what the official evaluation returned."""
    return [
        GoldenSpec(
            name=f"metrics/{name}",
            files=(f"goldens/{name}.npz", f"goldens/{name}.json"),
            replay=f"{HERE}.goldens.evaluation:replay",
            summary=f"AGORA's official evaluation: {summary}",
            source=SOURCE,
            inputs=("img*", "pred/*", "indices/*"),
            case={"name": name},
        )
        for name, summary in EVALUATIONS.items()
    ] + [
        GoldenSpec(
            name=f"metrics/{name}",
            files=(f"goldens/{name}.npz", f"goldens/{name}.json"),
            replay=f"{HERE}.goldens.parameters:replay",
            summary=f"AGORA's official evaluation of parameters: {summary}",
            source=SOURCE,
            options={"body_seed": 11 if "smplx" in name else 7},
            inputs=("pred/*", "gt_joints_2d"),
            case={"name": name},
        )
        for name, summary in SUBMISSIONS.items()
    ]
