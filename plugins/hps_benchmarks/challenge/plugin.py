"""The 3DPW challenge of ECCV 2020: its score, its file, and what its program returned."""

from hpscli.hooks import GoldenSpec, PredictionFileSpec, ProtocolSpec, WriterSpec, hookimpl

HERE = "hps_benchmarks.challenge"
LICENCE = "registration, non-commercial research only"
SOURCE = "the challenge's evaluation program, github.com/aymenmir1/3dpw-eval 2640f24"
SAYS = {
    "people": "every frame of every person whose camera is valid and whose 2D pose is not all zero; "
    "the program takes train, validation and test together, here it is who the shards hold",
    "joints": "24 joints of smpl24, the body's own, on both sides",
    "truth": "the body of the annotated gender, moved into the camera",
    "MPJPE": "mean over frames of the mean distance of 24 joints, mm",
    "alignment": "rotation without reflection, one scale, translation, by the 24 joints; a "
    "prediction without extent becomes the mean of the truth",
    "PA-MPJPE": "the same after this transform of each frame, mm",
    "PCK": "percent of 12 joints (hips to ankles, shoulders to wrists) at most 50 mm off, unaligned",
    "rotations": "9 parts (root, upper and lower legs, upper and lower arms) in the camera",
    "PA-MPJAE": "mean angle of the parts after the rotation of each frame's transform, degrees",
}


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> the rule as it is, and without what is wrong with it."""
    official, corrected = "3dpw/test@challenge-v1", "3dpw/test@challenge-corrected-v1"
    return [
        _protocol(
            official,
            corrected,
            standing="official",
            strict=False,
            summary="The 3DPW challenge's scores: 24 SMPL joints from the root, 9 part rotations.",
            says={
                **SAYS,
                "AUC": "area under PCK over thresholds 0 to 199 mm, by adaptive quadrature",
                "MPJAE": "mean angle of the parts; a rotation with NaN counts as right (0 degrees)",
            },
        ),
        _protocol(
            corrected,
            official,
            standing="corrected",
            strict=True,
            summary="The challenge's scores with exact areas, refusing rotations that are none.",
            says={
                **SAYS,
                "AUC": "area under PCK over thresholds 0 to 199 mm, by trapezoids",
                "MPJAE": "mean angle of the parts; NaN, singular and mirrored ones are refused",
            },
        ),
    ]


def _protocol(
    name: str, beside: str, *, standing: str, strict: bool, summary: str, says: dict[str, str]
) -> ProtocolSpec:
    return ProtocolSpec(
        name=name,
        testset="3dpw",
        split="test",
        summary=summary,
        body="smpl",
        joints="smpl24",
        root=("pelvis",),
        metrics=("mpjpe", "pa_mpjpe"),
        gender="annotated",
        rule=f"{HERE}.rule:ChallengeRule",
        options={"strict": strict},
        standing=standing,
        beside=beside,
        says=says,
        source=SOURCE,
        licence=LICENCE,
    )


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what the program returned."""
    return [
        GoldenSpec(
            name="metrics/pw3d-challenge-functions",
            files=("goldens/pw3d_challenge_50.npz", "goldens/pw3d_challenge_50.json"),
            replay=f"{HERE}.goldens:replay_functions",
            summary="Its metric functions on 50 frames.",
            source="reference/metrics/SPEC.md, 4 and 12",
            inputs=("gt_*", "pred_*"),
        ),
        GoldenSpec(
            name="metrics/pw3d-challenge",
            files=("goldens/pw3d_challenge_full.npz", "goldens/pw3d_challenge_full.json"),
            replay=f"{HERE}.goldens:replay_program",
            summary="The whole program on 87 people in 60 sequences.",
            source="reference/metrics/SPEC.md, 4 and 12",
            options={"body_seed": 7},
            inputs=("*",),  # only the scores are results
        ),
    ]


@hookimpl
def hps_writers() -> list[WriterSpec]:
    """-> the challenge's file."""
    return [
        WriterSpec(
            name="3dpw-challenge",
            write=f"{HERE}.submission.write:write",
            check=f"{HERE}.submission.check:check",
            summary="A zip of train, validation and test: a pickle for each of 60 sequences, "
            "with joints and part rotations of 87 people.",
            homepage="https://virtualhumans.mpi-inf.mpg.de/3DPW_Challenge/",
            testset="3dpw",
            split="train,validation,test",  # evaluated together
            bodies=("smpl",),
            file_name="{writer}-pred.zip",
            keeps=(
                "joints.smpl24",
                "parameters.global_orient",
                "parameters.body_pose",
                "extras.part_rotations",
            ),
            options={"split": "test", "also": "", "ground_truth": ""},
            check_options={"ground_truth": ""},
            licence=LICENCE,
            source=SOURCE,
        )
    ]


@hookimpl
def hps_prediction_files() -> list[PredictionFileSpec]:
    """-> the same file, read."""
    return [
        PredictionFileSpec(
            name="3dpw-challenge",
            recognise=f"{HERE}.submission.files:recognise",
            read=f"{HERE}.submission.files:read",
            summary="The 3DPW challenge's zip: pickles in train, validation and test.",
            suffixes=(".zip",),
        )
    ]
