"""AGORA: people matched in the picture, then measured; its goldens."""

from collections.abc import Mapping
from typing import Any

from hpscli.hooks import (
    GoldenSpec,
    PredictionFileSpec,
    ProtocolSpec,
    SpeedSpec,
    WriterSpec,
    hookimpl,
)

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

CODE = "pixelite1201/agora_evaluation 8c9dece"
LICENCE = "AGORA licence: non-commercial research"
TRACKS = {"smplx": "agora127", "smpl": "smpl45"}
SAYS: Mapping[str, str] = {
    "people": "every person of agora/validation; a prediction may be of anybody",
    "matching": "in each picture of 4K, greedily by the first 24 joints; boxes overlap by 0.1 or more",
    "truth": "the annotated body of each person's gender and age",
    "root": "body: the middle of the hips; hands: the wrist; face: the neck",
    "NMJE, NMVE": "errors divided by F1",
}
SMPL_SAYS = {"joints": "24 joints of the body", "vertices": "4010 of the body, by AGORA's list"}
SMPLX_SAYS = {
    "joints": "22 of the body, 16 of each hand, 52 of the face; the root of a part counts with 0",
    "vertices": "4010 of the body by AGORA's list, 778 of each hand (MANO), 5023 of the face (FLAME)",
    "fullbody": "body + (left hand + right hand + face) / 3: no error over all vertices",
}
OFFICIAL = {
    "false positives": "raised by each pair that overlaps too little, so the loop may stop early",
    "occlusion": "who is hidden by more than 90 % cannot be matched, and counts as missed",
    "misses": "in hands and face a missed person counts with an error of 0",
    "children": "share the false positives of all",
    "rounding": "errors to 0.1 mm and shares to 0.01, at every step",
}
CORRECTED = {
    "false positives": "each prediction once, when nobody is left whom it overlaps",
    "occlusion": "who is hidden by more than 90 % does not count, nor does a prediction of them",
    "misses": "errors are of matched people, in all parts",
    "children": "have a recall and errors; NMJE and NMVE with the F1 of all",
    "rounding": "none; without a match F1 is 0 and there are no errors",
}


@hookimpl
def hps_protocols() -> list[ProtocolSpec]:
    """-> both tracks as the server measures them, and put right; of SMPL-X also the bfh pictures."""
    return [
        _protocol(track, images, corrected)
        for track, images in (("smplx", "all"), ("smplx", "bfh"), ("smpl", "all"))
        for corrected in (False, True)
    ]


def _protocol(track: str, images: str, corrected: bool) -> ProtocolSpec:
    ending = f"{track}-bfh-v1" if images == "bfh" else f"{track}-v1"
    names = [f"agora/validation@{kind}-{ending}" for kind in ("official", "corrected")]
    told = f"AGORA, {'SMPL-X' if track == 'smplx' else 'SMPL'} track: people matched in the picture, then measured"
    part = ", pictures with hands and faces (bfh) alone" if images == "bfh" else ""
    return ProtocolSpec(
        name=names[corrected],
        beside=names[not corrected],
        testset="agora",
        split="validation",
        summary=f"{told}{part}{'; misses, hidden people and rounding put right' * corrected}.",
        body=track,
        joints=TRACKS[track],
        root=(),
        metrics=(),
        gender="annotated" if track == "smplx" else "neutral",
        default=images == "all" and not corrected,
        rule=f"{HERE}.rule:AgoraRule",
        options={"corrected": corrected, "images": images},
        standing="corrected" if corrected else "official",
        says={
            **SAYS,
            **(SMPLX_SAYS if track == "smplx" else SMPL_SAYS),
            **(CORRECTED if corrected else OFFICIAL),
        },
        source=CODE,
        licence=LICENCE,
    )


@hookimpl
def hps_writers() -> list[WriterSpec]:
    """-> the leaderboard's file."""
    options: dict[str, Any] = {"content": "auto", "rotations": "axis-angle", "layout": "checker"}
    return [
        WriterSpec(
            name="agora",
            write=f"{HERE}.submission.writer:write",
            check=f"{HERE}.submission.check:check",
            summary="predictions.zip: predictions/<image>_personId_<number>.pkl, one for each person",
            homepage="https://agora.is.tue.mpg.de",
            testset="agora",
            split="test",
            bodies=("smplx", "smpl"),
            file_name="predictions.zip",
            keeps=("vertices", "joints.*", "joints2d.*", "parameters.*", "from_mean.*"),
            options={"track": "auto", **options},
            check_options={"track": "auto", "images": "", "layout": "checker"},
            licence=LICENCE,
            source=f"{CODE}, check_pred_format.py; OSX's AGORA.py",
        )
    ]


@hookimpl
def hps_prediction_files() -> list[PredictionFileSpec]:
    """-> submissions, as a zip or as its folder."""
    return [
        PredictionFileSpec(
            name="agora-zip",
            recognise=f"{HERE}.submission.reading:recognise",
            read=f"{HERE}.submission.reading:read",
            summary="AGORA's predictions.zip, or the folder predictions in it",
            suffixes=(".zip", "/"),
        )
    ]


@hookimpl
def hps_speeds() -> list[SpeedSpec]:
    """-> matching and errors of crowds."""
    return [
        SpeedSpec(
            name="agora",
            make=f"{HERE}.speed:make",
            ours=f"{HERE}.speed:ours",
            plain=f"{HERE}.speed:plain",
            people=84,
            at_least=10.0,
            summary="AGORA, SMPL-X with meshes: matching, errors of all parts, averages",
            official="75 ms for a picture of 7 people (reference/metrics/PERF.md)",
        )
    ]


@hookimpl
def hps_goldens() -> list[GoldenSpec]:
    """-> what the official evaluation returned."""
    return (
        [
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
        ]
        + [
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
        + [
            GoldenSpec(
                name="osx/agora-export",
                files=("goldens/agora_export.json", "goldens/evaluation.npz"),
                replay=f"{HERE}.goldens.osx_export:replay",
                summary="OSX's pickles for AGORA: names, dtypes, shapes and numbers.",
                source="reference/osx/SPEC.md, 8.3",
                options={"agora_val_seed": 200, "agora_test_seed": 300},
                inputs=("agora_*_in/*/bb2img_trans",),
            )
        ]
    )
