"""MPI-INF-3DHP's own evaluation: PCK, AUC and MPJPE by sequence and by activity."""

from hpscli.hooks import GoldenSpec, ProtocolSpec, hookimpl

HERE = "hps_benchmarks.inf_3dhp"
FRAMES = 2929  # valid frames of TS1 to TS6
SAYS = {
    "joints": "17 joints of mpi_inf_3dhp17_test, regressed from the predicted mesh",
    "truth": "univ_annot3, the joints scaled to a common body height",
    "root": "both sides are moved so that the pelvis is the origin",
    "3DPCK": "percent of 14 joints, without spine, head and pelvis, strictly nearer than 150 mm, "
    "pooled over all frames",
    "3DAUC": "mean of that over the 31 thresholds 0, 5 ... 150 mm; at 0 it is always 0",
}


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> the rule as it is, and without the pelvis in the mean."""
    official, corrected = "mpi-inf-3dhp/test@official-v1", "mpi-inf-3dhp/test@corrected-v1"
    return [
        _protocol(
            official,
            corrected,
            root_counts=True,
            standing="official",
            summary="The authors' tables: PCK and AUC of 14 joints, MPJPE of 17 with the pelvis.",
            mean="mean over 17 joints; the distance of the pelvis is 0 and counts",
        ),
        _protocol(
            corrected,
            official,
            root_counts=False,
            standing="corrected",
            summary="The same with MPJPE over the 16 joints that can be wrong.",
            mean="mean over the 16 joints that are not the pelvis",
        ),
    ]


def _protocol(
    name: str, beside: str, *, root_counts: bool, standing: str, summary: str, mean: str
) -> ProtocolSpec:
    return ProtocolSpec(
        name=name,
        testset="mpi-inf-3dhp",
        split="test",
        summary=summary,
        body="smpl",
        joints="mpi_inf_3dhp17_test",
        root=("pelvis_extra",),
        metrics=("mpjpe", "pck", "auc"),
        samples=FRAMES,
        default=root_counts,
        rule=f"{HERE}.rule:Inf3dhpRule",
        options={"root_counts": root_counts},
        standing=standing,
        beside=beside,
        says={**SAYS, "MPJPE": mean},
        source="the test set's MATLAB functions, mpii_evaluate_errors and mpii_compute_3d_pck",
        licence="registration, non-commercial research only",
    )


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what the MATLAB functions returned."""
    return [
        GoldenSpec(
            name="metrics/mpi-inf-3dhp",
            files=("goldens/mpi_inf_3dhp.npz", "goldens/mpi_inf_3dhp.json"),
            replay=f"{HERE}.goldens:replay",
            summary="Distances, and every cell of the tables by sequence and by activity.",
            source="reference/metrics/SPEC.md, 6 and 12",
            inputs=("*/univ_annot3_mm", "*/pred_root_relative_mm", "*/activity"),
        )
    ]
