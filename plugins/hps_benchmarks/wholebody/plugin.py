"""Protocols and goldens of whole bodies: EHF, AGORA's validation people, UBody, 3DPW, Human3.6M."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from hps_benchmarks.wholebody.published import PUBLISHED
from hpscli.hooks import GoldenSpec, ProtocolSpec, hookimpl

HERE = "hps_benchmarks.wholebody"
OSX = "IDEA-Research/OSX 14b1cb4"
SMPLERX = "caizhongang/SMPLer-X d3e3c10"
HAND4WHOLE = "mks0601/Hand4Whole_RELEASE c949086"
EVALUATION_SEEDS = {  # of the two samples of each evaluation, and of the surrogate bodies
    "ehf_seed": 100,
    "agora_val_seed": 200,
    "agora_test_seed": 300,
    "pw3d_seed": 450,
    "ubody_seed": 800,
    "body_seed": 11,
    "smpl_seed": 7,
    "body_joints_seed": 14,
    "parts_seed": 15,
}
# EHF's meshes stand in the world of its one camera: its rotation, axis-angle; osx/SPEC.md 8.1
EHF_ROTATION = (-2.98747896, 0.01172457, -0.05704687)
LICENCES = {
    "ehf": "SMPL-X licence: non-commercial research",
    "agora": "AGORA licence: non-commercial research",
    "ubody": "UBody: non-commercial research",
    "3dpw": "3DPW: non-commercial research",
    "h36m": "Human3.6M: academic use, after registration",
}
ALIGNED = (
    "each part by its own similarity transform: rotation without reflection, scale, translation"
)
PARTS = "vertices of SMPL-X; hands are MANO's 778 each, the face FLAME's 5023"
ROOTS = (
    "the mesh is moved by its pelvis, each hand by its wrist, the face by its neck, regressed from "
    "the whole mesh by SMPL-X's own regressor"
)
MEAN = "mean over people of each person's mean, mm; hands are the mean of left and right"
WITHOUT_NUMBER = (
    "a prediction without extent has no official number, and one such person ends the evaluation"
)
WITH_NUMBER = "a prediction without extent lands on the middle of the truth; float64"
FIELDS: Mapping[str, Any] = {"body": "smplx", "joints": "smplx55", "root": (), "metrics": ()}


def _says(**more: str) -> dict[str, str]:
    said = {"joints": PARTS, "root": ROOTS, "alignment": ALIGNED, "mean": MEAN}
    return {**said, **more}


def _pair(name: str, corrected: str, official: ProtocolSpec, **changed: Any) -> list[ProtocolSpec]:
    """An official protocol -> itself, and beside it the one that has a number for everybody."""
    before = official.name.partition("@")[0]
    other = f"{before}@{corrected}"
    says = {**official.says, "mean": f"{MEAN}; {WITH_NUMBER}", **changed.pop("says", {})}
    fields = {"models": (), "published": (), "default": False, **changed}
    partner = replace(
        official,
        name=other,
        beside=official.name,
        standing="corrected",
        options={**official.options, "corrected": True},
        summary=f"{name}, with a number for everybody.",
        says=says,
        **fields,
    )
    said = {**official.says, "mean": f"{MEAN}; {WITHOUT_NUMBER}"}
    return [replace(official, beside=other, says=said), partner]


def ehf() -> list[ProtocolSpec]:
    """-> EHF by OSX's rule, and by SMPLer-X's, which adds each hand."""
    common: dict[str, Any] = {
        **FIELDS,
        "testset": "ehf",
        "split": "test",
        "samples": 100,
        "rule": f"{HERE}.rule:PartsRule",
        "standing": "official",
        "licence": LICENCES["ehf"],
        "says": _says(truth="annotated meshes, turned into the camera"),
    }
    osx = ProtocolSpec(
        name="ehf/test@osx-v1",
        summary="EHF as OSX and Hand4Whole measure it: errors of mesh, hands, face, and joints.",
        default=True,
        models=("osx",),
        options={"joints": True, "turn": EHF_ROTATION},
        published=PUBLISHED["ehf"],
        source=f"{OSX} and {HAND4WHOLE}, data/EHF/EHF.py",
        **common,
    )
    smplerx = ProtocolSpec(
        name="ehf/test@smplerx-v1",
        summary="EHF as SMPLer-X measures it: OSX's figures, and each hand alone.",
        options={"joints": True, "sides": True, "turn": EHF_ROTATION},
        source=f"{SMPLERX}, data/EHF/EHF.py",
        beside="ehf/test@osx-corrected-v1",
        **common,
    )
    return [*_pair("EHF by parts", "osx-corrected-v1", osx), smplerx]


def agora() -> list[ProtocolSpec]:
    """-> AGORA's validation people, one crop each, nobody missed: no leaderboard's figures."""
    common: dict[str, Any] = {
        **FIELDS,
        "testset": "agora",
        "split": "validation",
        "gender": "annotated",
        "rule": f"{HERE}.rule:PartsRule",
        "standing": "official",
        "licence": LICENCES["agora"],
        "says": _says(truth="stored meshes, or the annotated body of its gender and age"),
    }
    osx = ProtocolSpec(
        name="agora/validation@osx-v1",
        summary="AGORA's validation people as OSX and Hand4Whole measure them: one crop each, nobody "
        "is missed; not comparable with the leaderboard.",
        models=("osx",),
        published=PUBLISHED["agora"],
        source=f"{OSX} and {HAND4WHOLE}, data/AGORA/AGORA.py",
        **common,
    )
    smplerx = ProtocolSpec(
        name="agora/validation@smplerx-v1",
        summary="AGORA's validation people as SMPLer-X measures them: OSX's figures, and each hand.",
        options={"sides": True},
        source=f"{SMPLERX}, data/AGORA/AGORA.py",
        beside="agora/validation@osx-corrected-v1",
        **common,
    )
    return [*_pair("AGORA's validation people by parts", "osx-corrected-v1", osx), smplerx]


def ubody() -> list[ProtocolSpec]:
    """-> UBody: what lies inside the picture, through OSX's patch or the annotated lens."""
    osx = ProtocolSpec(
        **FIELDS,
        name="ubody/test@osx-v1",
        testset="ubody",
        split="test",
        summary="UBody as OSX and SMPLer-X measure it: fits as truth, only what the patch's camera "
        "sees inside the picture counts.",
        models=("osx",),
        options={"joints": True},
        rule=f"{HERE}.ubody:UBodyRule",
        standing="official",
        licence=LICENCES["ubody"],
        source=f"{OSX} and {SMPLERX}, data/UBody/UBody.py",
        says=_says(
            truth="SMPL-X fits; a shape with a number beyond 3 becomes the mean shape, a hand without "
            "a fit the mean hand",
            visible="points of the truth inside the picture, through a lens of 5000 px in the 192x256 "
            "patch of the person; hands and faces without any are left out",
        ),
    )
    return _pair(
        "UBody through the annotated lens",
        "lens-v1",
        osx,
        default=True,
        says={
            "truth": "SMPL-X fits as they are; hands and faces without a fit do not count",
            "visible": "points of the truth inside the picture, through the annotated lens",
        },
    )


def pw3d() -> list[ProtocolSpec]:
    """-> 3DPW for SMPL-X models."""
    smplerx = ProtocolSpec(
        **FIELDS,
        name="3dpw/test@smplerx-v1",
        testset="3dpw",
        split="test",
        truth_body="smpl",
        gender="annotated",
        summary="3DPW as SMPLer-X measures SMPL-X meshes: 14 joints that both bodies have.",
        models=("osx",),
        rule=f"{HERE}.smplerx_3dpw:SharedJointsRule",
        standing="official",
        published=PUBLISHED["3dpw"],
        licence=LICENCES["3dpw"],
        source=f"{SMPLERX}, data/PW3D/PW3D.py",
        says={
            "joints": "hips, knees, ankles, neck, head, shoulders, elbows, wrists: rows 1 2 4 5 7 8 12 "
            "15 to 21 of each body's own regressor",
            "truth": "the SMPL body of the annotated gender, joints by the neutral body's regressor",
            "root": "both sides are moved so that their pelvis is the origin",
        },
    )
    official, corrected = _pair("3DPW for SMPL-X by shared joints", "smplerx-corrected-v1", smplerx)
    return [official, corrected, _to_choose_by(corrected)]


def _to_choose_by(rule: ProtocolSpec) -> ProtocolSpec:
    """-> a rule of 3DPW's test on its validation people."""
    return replace(
        rule,
        name="3dpw/validation@by-smplerx-v1",
        split="validation",
        summary="SMPLer-X's rule on 3DPW's validation people, to choose a checkpoint by.",
        standing="ours",
        beside="",
    )


def h36m() -> list[ProtocolSpec]:
    """-> Human3.6M for SMPL-X models, which nobody can run as released."""
    return [
        ProtocolSpec(
            **{**FIELDS, "joints": "h36m17", "metrics": ("mpjpe", "pa_mpjpe")},
            name="h36m/validation-p1@hand4whole-v1",
            testset="h36m",
            split="validation-p1",
            truth_body="smpl",
            joints_from="mesh",
            summary="Human3.6M as Hand4Whole means to measure SMPL-X meshes: 14 of 17 regressed joints.",
            rule=f"{HERE}.hand4whole_h36m:Hand4WholeRule",
            standing="reconstruction",
            licence=LICENCES["h36m"],
            source=f"{HAND4WHOLE}, data/Human36M/Human36M.py (reads an output that is never written)",
            says={
                "people": "every 64th frame of S9 and S11, four cameras: prepare with every=64",
                "joints": "14 joints regressed from the SMPL-X mesh, without pelvis, torso and nose",
                "root": "both sides are moved so that the pelvis is the origin",
                "truth": "annotated joints",
            },
        )
    ]


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> the protocols."""
    return [*ehf(), *agora(), *ubody(), *pw3d(), *h36m()]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what official evaluations returned on surrogate meshes."""
    return [
        GoldenSpec(
            name="metrics/wholebody",
            files=("goldens/ehf_agoraval.npz", "goldens/ehf_agoraval.json"),
            replay=f"{HERE}.goldens.parts:replay_parts",
            summary="EHF and AGORA's validation people by OSX, Hand4Whole and SMPLer-X.",
            source="reference/metrics/SPEC.md, 12",
            inputs=("gt_verts", "pred_verts", "R_cam", "*_regressor", "*_idx", "*_tips"),
        ),
        GoldenSpec(
            name="osx/evaluation",
            files=("goldens/evaluation.npz",),
            replay=f"{HERE}.goldens.osx:replay_evaluation",
            summary="EHF, AGORA and UBody by OSX, 3DPW by SMPLer-X, on meshes of full size.",
            source="reference/osx/SPEC.md, 8",
            options=EVALUATION_SEEDS,
            inputs=("*_in/*",),
        ),
    ]
