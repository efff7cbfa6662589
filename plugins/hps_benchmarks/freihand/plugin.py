"""FreiHAND: its score, its file, and what its program returned."""

from typing import Any

from hpscli.hooks import (
    GoldenSpec,
    PredictionFileSpec,
    ProtocolSpec,
    Published,
    SpeedSpec,
    WriterSpec,
    hookimpl,
)

HERE = "hps_benchmarks.freihand"
LICENCE = "research only (FreiHAND)"
SOURCE = "the evaluation program of FreiHAND, github.com/lmb-freiburg/freihand 5ea4ab9"
COUNT = 3960
SAYS = {
    "joints": "21 joints in FreiHAND's order; predicted ones are regressed from the mesh by METRO's "
    "rows (middle tip: vertex 445), unless a file gives them",
    "truth": "annotated joints and vertices in the camera, else the annotated pose of the hand",
    "root": "nothing is moved: predictions that count from the wrist have aligned figures only",
    "means": "mean over joints, or vertices, and over hands, cm",
    "AUC": "area under the share of errors <= t, 100 thresholds from 0 to 50 mm, by trapezoids",
    "F-score": "2ab/(a+b), a: true vertices with a predicted one nearer than 5 or 15 mm, b: the same "
    "the other way round",
}
REFLECTS = (
    "per hand: scale, translation, and an orthogonal matrix that may be a reflection, joints and "
    "vertices each by themselves; a mirrored hand has no error"
)
OTHER_MESH = "a mesh without 778 vertices is moved by the transform of its joints"


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> the rule as it is, and without what is wrong with it."""
    official, corrected = "freihand/test@official-v1", "freihand/test@corrected-v1"
    return [
        _protocol(
            official,
            corrected,
            standing="official",
            default=True,
            published=published(),
            summary="FreiHAND's twelve numbers: joints, mesh and surfaces, plain and aligned",
            says={
                **SAYS,
                "alignment": REFLECTS,
                "other meshes": f"{OTHER_MESH}, but not divided by the prediction's size",
            },
        ),
        _protocol(
            corrected,
            official,
            standing="corrected",
            options={"corrected": True},
            summary="the same, where hands are never mirrored and other meshes scaled rightly",
            says={
                **SAYS,
                "alignment": "per hand: scale, translation and a proper rotation, joints and "
                "vertices each by themselves",
                "other meshes": OTHER_MESH,
            },
        ),
        to_choose_by(),
    ]


def to_choose_by() -> ProtocolSpec:
    """-> hands that were held out of the training, measured joint by joint."""
    return ProtocolSpec(
        name="freihand/validation@joints-v1",
        testset="freihand",
        split="validation",
        summary="poses held out of FreiHAND's training (held_out=), to choose a checkpoint by",
        body="mano",
        joints="mano21",
        root=("right_wrist",),
        metrics=("pa_mpjpe", "pa_pve", "mpjpe", "pve"),
        source="ours",
        licence=LICENCE,
    )


def _protocol(name: str, beside: str, **fields: Any) -> ProtocolSpec:
    return ProtocolSpec(
        name=name,
        testset="freihand",
        split="test",
        body="mano",
        joints="freihand21",
        root=(),
        metrics=(),
        samples=COUNT,
        rule=f"{HERE}.score:FreihandRule",
        source=SOURCE,
        licence=LICENCE,
        beside=beside,
        **fields,
    )


README = "README and docs/EXP.md of its repository; FreiHAND's leaderboard"
VIEWS = {"": "one crop", "multiscale": "95 crops joined (--tta multiscale)"}
RELATIVE = "the network predicts from the wrist: this says where the camera was"


def published() -> tuple[Published, ...]:
    """-> aligned numbers of METRO's family, each with the augmentation it was made with."""
    rows = (
        # model, augmentation, KP cm, KP AUC, mesh cm, mesh AUC, F@5, F@15 (all aligned), source
        ("metro.freihand", "", 0.66, 0.869, 0.67, 0.866, 0.721, 0.981, "MeshTransformer"),
        ("metro.freihand", "multiscale", 0.62, 0.876, 0.63, 0.874, 0.743, 0.984, "MeshTransformer"),
        (
            "graphormer.freihand",
            "multiscale",
            *(0.59, 0.883, 0.60, 0.880, 0.764, 0.986),
            "MeshGraphormer",
        ),
        (
            "fastmetro.hand-l-hrnet-w64-freihand",
            "",
            0.65,
            0.871,
            0.71,
            0.858,
            0.687,
            0.983,
            "FastMETRO",
        ),
    )
    names = ("xyz_al_mean3d", "xyz_al_auc3d", "mesh_al_mean3d", "mesh_al_auc3d")
    figures = (*names, "f_al_score_5", "f_al_score_15")
    found = [
        Published(model=model, metric=name, value=value, tta=tta, source=f"{repository}: {README}")
        for model, tta, *values, repository in rows
        for name, value in zip(figures, values, strict=True)
    ]
    unaligned = {"xyz_mean3d": 71.48, "xyz_auc3d": 0.0, "mesh_mean3d": 71.47, "mesh_auc3d": 0.0}
    unaligned |= {"f_score_5": 0.0, "f_score_15": 0.0}
    found += [
        Published(
            model="graphormer.freihand",
            metric=name,
            value=value,
            tta="multiscale",
            label=VIEWS["multiscale"],
            source=f"MeshGraphormer: {README}",
            doubt=RELATIVE,
        )
        for name, value in unaligned.items()
    ]
    return tuple(found)


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what the program returned."""
    return [
        GoldenSpec(
            name="metrics/freihand",
            files=("goldens/freihand_40.npz", "goldens/freihand_40.json"),
            replay=f"{HERE}.goldens:replay_mano",
            summary="The whole program on 40 hands: mirrored, zero, perfect, in another unit.",
            source="reference/metrics/SPEC.md, 0.3, 1 and 12",
            inputs=("gt_*", "pred_*"),
        ),
        GoldenSpec(
            name="metrics/freihand-other-mesh",
            files=("goldens/freihand_nonmano_6.npz", "goldens/freihand_nonmano_6.json"),
            replay=f"{HERE}.goldens:replay_other",
            summary="The whole program on 6 hands whose mesh is not MANO's.",
            source="reference/metrics/SPEC.md, 1 and 12",
            inputs=("gt_*", "pred_*"),
        ),
    ]


@hookimpl
def hps_writers() -> list[WriterSpec]:
    """-> the leaderboard's file."""
    return [
        WriterSpec(
            name="freihand",
            write=f"{HERE}.files:write",
            check=f"{HERE}.files:check",
            summary="a zip with pred.json: [joints, vertices] of 3960 hands, metres",
            homepage="https://codalab.lisn.upsaclay.fr/competitions/4318",
            testset="freihand",
            split="test",
            bodies=("mano",),
            file_name="ckpt{epoch}-{views}-pred.zip",
            keeps=("vertices", "joints.freihand21"),
            samples=COUNT,
            options={"root": "wrist"},
            check_options={"mesh": "mano"},
            licence=LICENCE,
            source="microsoft/MeshGraphormer, src/tools/run_gphmer_handmesh.py; metrics/submissions",
        )
    ]


@hookimpl
def hps_prediction_files() -> list[PredictionFileSpec]:
    """-> such files of other programs."""
    return [
        PredictionFileSpec(
            name="freihand",
            recognise=f"{HERE}.files:recognise",
            read=f"{HERE}.files:read",
            summary="a file for FreiHAND's leaderboard: pred.json, or a zip with it",
            suffixes=(".zip", ".json"),
        )
    ]


@hookimpl
def hps_speeds() -> list[SpeedSpec]:
    """-> the whole evaluation of FreiHAND's test set."""
    return [
        SpeedSpec(
            name="freihand",
            make=f"{HERE}.speed:make",
            ours=f"{HERE}.speed:ours",
            plain=f"{HERE}.speed:plain",
            people=COUNT,
            at_least=25.0,
            summary="FreiHAND's twelve numbers of 3960 hands beside a loop with trees of neighbours",
            official="112 s with reading, for 3960 hands (metrics/PERF.md, one thread)",
        )
    ]
