"""The ETH course project (Machine Perception 2022): its score and its file."""

from hpscli.hooks import PredictionFileSpec, ProtocolSpec, WriterSpec, hookimpl

HERE = "hps_benchmarks.course"
TESTSET, SPLIT = "mp2022", "test"
SOURCE = "a public copy of the course's scoring script; the server itself is not public"
LICENCE = "3DPW: registration, non-commercial research only"
SAYS = {
    "people": "everybody of 3dpw_test_subset_cleaned.npz, in its order",
    "joints": "the last 24 of SPIN's 49 joints, from the mesh, on both sides",
    "truth": "the neutral body posed by the annotation, where it stands without translation",
    "root": "nothing is moved",
}


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> the public formula, and what the README says that it is."""
    public, true = f"{TESTSET}/{SPLIT}@public-v1", f"{TESTSET}/{SPLIT}@mpjpe-v1"
    return [
        _protocol(
            public,
            true,
            formula="coordinates",
            standing="official",
            summary="The public scorer's mean absolute difference of a coordinate, called MPJPE.",
            says={
                **SAYS,
                "public score": "mean over people of the mean |difference| of 72 coordinates, mm",
            },
        ),
        _protocol(
            true,
            public,
            formula="distances",
            standing="corrected",
            summary="The course's joints by MPJPE as its README defines it.",
            says={**SAYS, "MPJPE": "mean over people of the mean distance of 24 joints, mm"},
        ),
    ]


def _protocol(
    name: str, beside: str, *, formula: str, standing: str, summary: str, says: dict[str, str]
) -> ProtocolSpec:
    return ProtocolSpec(
        name=name,
        testset=TESTSET,
        split=SPLIT,
        summary=summary,
        body="smpl",
        joints="spin49",
        root=(),
        metrics=("mpjpe", "pa_mpjpe"),
        default=formula == "coordinates",
        rule=f"{HERE}.rule:CourseRule",
        options={"formula": formula},
        standing=standing,
        beside=beside,
        says=says,
        source=SOURCE,
        licence=LICENCE,
    )


@hookimpl
def hps_writers() -> list[WriterSpec]:
    """-> the course's file."""
    return [
        WriterSpec(
            name="mp2022",
            write=f"{HERE}.files:write",
            check=f"{HERE}.check:check",
            summary="test_pred_joints.csv: a row of 147 numbers (49 joints, metres) each person.",
            homepage="the course's evaluation server",
            testset=TESTSET,
            split=SPLIT,
            bodies=("smpl",),
            file_name="test_pred_joints.csv",
            keeps=("vertices", "joints.smpl24", "joints.spin49", "joints.smpl49"),
            check_options={"samples": 0, "ground_truth": ""},
            licence=LICENCE,
            source="reference/metrics/submissions/README.md",
        )
    ]


@hookimpl
def hps_prediction_files() -> list[PredictionFileSpec]:
    """-> the same file, read."""
    return [
        PredictionFileSpec(
            name="mp2022",
            recognise=f"{HERE}.files:recognise",
            read=f"{HERE}.files:read",
            summary="The course project's CSV: 49 joints of SPIN for each row.",
            suffixes=(".csv",),
        )
    ]
