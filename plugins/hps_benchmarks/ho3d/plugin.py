"""HO-3D, versions 2 and 3: its score, its file, and what its program returned."""

from typing import Any

from hpscli.hooks import (
    GoldenSpec,
    PredictionFileSpec,
    ProtocolSpec,
    SpeedSpec,
    WriterSpec,
    hookimpl,
)

HERE = "hps_benchmarks.ho3d"
LICENCE = "research only (HO-3D)"
SOURCE = "the evaluation program of HO-3D, github.com/shreyashampali/ho3d 2fd6ee1"
COUNTS = {"v2": 11524, "v3": 20137}
SAYS = {
    "joints": "21 joints in MANO's order, the tips from the thumb on; predicted ones are those of "
    "the mesh, unless a file gives them",
    "truth": "annotated joints and vertices in the camera, else the annotated pose of the hand",
    "root": "nothing is moved: predictions that count from the wrist have aligned figures only",
    "means": "mean over joints, or vertices, and over hands, cm",
    "scale and translation": "each hand gets the true distance from the wrist to the base of the "
    "middle finger, and the true wrist",
    "AUC": "area under the share of errors <= t, 100 thresholds from 0 to 50 mm, by trapezoids",
    "F-score": "2ab/(a+b), a: true vertices with a predicted one nearer than 5 or 15 mm, b: the same "
    "the other way round",
}
REFLECTS = (
    "per hand: scale, translation, and an orthogonal matrix that may be a reflection, joints and "
    "vertices each by themselves; a mirrored hand has no error"
)


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> the rule on both versions, and without what is wrong with it."""
    found = []
    for version, count in COUNTS.items():
        official, corrected = (f"ho3d/test@{version}-{word}v1" for word in ("", "corrected-"))
        found += [
            _protocol(
                official,
                corrected,
                standing="official",
                samples=count,
                default=version == "v2",
                summary=f"HO-3D {version}: joints, mesh and surfaces, plain and aligned",
                says={**SAYS, "alignment": REFLECTS},
            ),
            _protocol(
                corrected,
                official,
                standing="corrected",
                samples=count,
                options={"corrected": True},
                summary=f"the same on HO-3D {version}, where hands are never mirrored",
                says={
                    **SAYS,
                    "alignment": "per hand: scale, translation and a proper rotation, joints and "
                    "vertices each by themselves",
                },
            ),
        ]
    return found


def _protocol(name: str, beside: str, **fields: Any) -> ProtocolSpec:
    return ProtocolSpec(
        name=name,
        testset="ho3d",
        split="test",
        body="mano",
        joints="mano21",
        root=(),
        metrics=(),
        rule=f"{HERE}.score:Ho3dRule",
        source=SOURCE,
        licence=LICENCE,
        beside=beside,
        **fields,
    )


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what the program returned."""
    return [
        GoldenSpec(
            name="metrics/ho3d",
            files=("goldens/ho3d_8.npz", "goldens/ho3d_8.json"),
            replay=f"{HERE}.goldens:replay",
            summary="The whole program on 8 hands, one of them all zero.",
            source="reference/metrics/SPEC.md, 2 and 12",
            inputs=("gt_*", "pred_*"),
        ),
    ]


@hookimpl
def hps_writers() -> list[WriterSpec]:
    """-> the leaderboards' file."""
    return [
        WriterSpec(
            name="ho3d",
            write=f"{HERE}.files:write",
            check=f"{HERE}.files:check",
            summary="a zip with pred.json: [joints, vertices] of 11524 (v2) or 20137 (v3) hands, "
            "metres, axes of OpenGL, joints in MANO's order",
            homepage="https://github.com/shreyashampali/ho3d",
            testset="ho3d",
            split="test",
            bodies=("mano",),
            file_name="ho3d-ckpt{epoch}-{views}-pred.zip",
            keeps=("vertices", "joints.mano21"),
            options={"version": "v2", "root": "wrist"},
            check_options={"version": "", "mesh": "mano"},
            licence=LICENCE,
            source=f"pred.py beside {SOURCE}; metrics/submissions",
        )
    ]


@hookimpl
def hps_prediction_files() -> list[PredictionFileSpec]:
    """-> such files of other programs."""
    return [
        PredictionFileSpec(
            name="ho3d",
            recognise=f"{HERE}.files:recognise",
            read=f"{HERE}.files:read",
            summary="a file for HO-3D's leaderboards: pred.json, or a zip with it, axes of OpenGL",
            suffixes=(".zip", ".json"),
        )
    ]


@hookimpl
def hps_speeds() -> list[SpeedSpec]:
    """-> the evaluation of HO-3D's test sets."""
    return [
        SpeedSpec(
            name="ho3d",
            make=f"{HERE}.speed:make",
            ours=f"{HERE}.speed:ours",
            plain=f"{HERE}.speed:plain",
            people=512,
            at_least=100.0,
            share=1 / 64,
            summary="HO-3D's fourteen numbers of 512 hands beside a loop over all pairs of points",
            official="0.9 to 1.5 s per hand (metrics/PERF.md, one thread)",
        )
    ]
