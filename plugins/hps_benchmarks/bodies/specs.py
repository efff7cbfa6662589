"""The records of this benchmark: every family on every test set, official and corrected."""

from dataclasses import replace
from typing import Any

from hps_benchmarks.bodies.families import ALL, FAMILIES, LABELS, MMHUMAN3D, SPIN, Family
from hps_benchmarks.bodies.published import published
from hpscli.hooks import GoldenSpec, ProtocolSpec, SpeedSpec

HERE = "hps_benchmarks.bodies"
RULE = f"{HERE}.rule:BodyRule"
ACADEMIC = "registration, non-commercial research only"
PW3D_PEOPLE = 35515  # valid frames, each person separately; METRO's log counts 35520 on 8 GPUs
H36M = {
    "validation-p1": "every fifth frame of S9 and S11, all four cameras (protocol 1)",
    "validation-p2": "every fifth frame of S9 and S11, camera 60457274 (protocol 2)",
}
EFT = {  # split and people of EFT's own lists
    "eft-coco": ("validation", 10510, "EFT-COCO-val"),
    "eft-lspet": ("test", 2433, "EFT-LSPET-test"),
    "eft-ochuman": ("test", 1783, "EFT-OCHuman-test"),
}
SKELETON = "univ_annot3, the joints scaled to a common body height, from the pelvis"
NOT_RUN = "the released evaluate of hmr-benchmarks cannot run this list"


def protocols() -> list[ProtocolSpec]:
    """-> all of them; the first of a test set that names a model is that model's own."""
    found = []
    for family in FAMILIES:
        found += _pair(family, "3dpw", "test", PW3D_PEOPLE, default=family is SPIN)
    found += [_to_choose_by(family) for family in FAMILIES]
    found += _key_points()
    for split in H36M:
        for family in FAMILIES:
            default = family is SPIN and split == "validation-p2"
            found += _pair(family, "h36m", split, 0, studio=True, default=default)
    return [*found, _ours(), *_inf_3dhp(), *_eft()]


def _pair(
    family: Family,
    testset: str,
    split: str,
    people: int,
    *,
    studio: bool = False,
    default: bool = False,
    suffix: str = "",
) -> list[ProtocolSpec]:
    """-> the official protocol and the corrected one beside it."""
    before = f"{testset}/{split}@{family.name}{suffix}"
    names = f"{before}-v1", f"{before}-corrected-v1"
    options = {**family.options, **(family.studio if studio else {})}
    says = {**family.says, **(family.studio_says if studio else {})}
    if studio:
        says.pop("mesh", None)
        says.pop("PVE", None)
        says["people"] = H36M[split]
    own: dict[str, Any] = {
        "testset": testset,
        "split": split,
        "body": "smpl",
        "joints": family.joints,
        "root": family.root,
        "metrics": family.studio_metrics if studio else family.metrics,
        "joints_from": "mesh",
        "gender": family.gender,
        "samples": people,
        "rule": RULE,
        "source": family.source,
        "licence": ACADEMIC,
    }
    truth = {} if not studio else {"truth": says["truth"]}
    return [
        ProtocolSpec(
            name=names[0],
            summary=f"{family.title} own evaluation.",
            options=options,
            says=says,
            standing="official",
            models=() if suffix else family.models,
            default=default,
            beside=names[1],
            published=published(names[0]),
            **own,
        ),
        ProtocolSpec(
            name=names[1],
            summary=f"{family.title} evaluation with a value for every prediction.",
            options={**options, **family.corrected},
            says={**says, **family.corrected_says, **truth},
            standing="corrected",
            beside=names[0],
            **own,
        ),
    ]


def _to_choose_by(family: Family) -> ProtocolSpec:
    """-> the rule with a value for everybody, on people that are no test: to choose checkpoints by."""
    rule = _pair(family, "3dpw", "validation", 0)[1]
    return replace(
        rule,
        name=f"3dpw/validation@by-{family.name}-v1",
        summary=f"{family.title} rule on 3DPW's validation people, to choose a checkpoint by.",
        standing="ours",
        beside="",
    )


def _key_points() -> list[ProtocolSpec]:
    """-> mmhuman3d with its 24 key points (or the last 24 of 49) in place of Human3.6M's."""
    says = {
        **MMHUMAN3D.says,
        "joints": "14 of mmhuman3d's 24 key points (smpl_24), from the predicted mesh",
        "truth": "the same of the true mesh of the annotated gender, female where nobody says",
        "root": "both sides are moved to the middle of the two hips",
    }
    options = {**MMHUMAN3D.options, "otherwise": "smpl49", "root": "mid_hip"}
    spec = Family(
        **{
            **vars(MMHUMAN3D),
            "options": options,
            "says": says,
            "joints": "smpl49",
            "root": ("right_hip_extra", "left_hip_extra"),
            "corrected_says": {
                **MMHUMAN3D.corrected_says,
                "truth": "the same of the true mesh, of the neutral body where nobody says",
            },
        }
    )
    return _pair(spec, "3dpw", "test", PW3D_PEOPLE, suffix="-24kp")


def _ours() -> ProtocolSpec:
    """-> every measure there is, of the true gender, defined for every prediction."""
    return ProtocolSpec(
        name="3dpw/test@hps-v1",
        testset="3dpw",
        split="test",
        summary="SPIN's 14 joints with every measure: scaled, aligned, of the mesh, in motion.",
        body="smpl",
        joints="h36m17",
        root=("pelvis",),
        metrics=(
            *("mpjpe", "pa_mpjpe", "n_mpjpe", "st_mpjpe", "pve", "pa_pve"),
            *("pck", "pa_pck", "auc", "pa_auc"),
        ),
        joints_from="mesh",
        gender="annotated",
        samples=PW3D_PEOPLE,
        rule=RULE,
        options={"otherwise": "h36m17", "strict": False, "in_motion": True},
        says={
            **{k: v for k, v in SPIN.says.items() if k in ("joints", "root", "average")},
            **SPIN.corrected_says,
            "mesh": "each mesh is moved to its own pelvis, regressed from it",
            "ACCEL": "neighbouring frames of a person, one sampling step apart, mm per frame^2",
        },
        licence=ACADEMIC,
    )


def _inf_3dhp() -> list[ProtocolSpec]:
    """-> SPIN's 17 joints, and mmhuman3d's measures, of MPI-INF-3DHP's test frames."""
    spin = {
        **vars(SPIN),
        "options": {
            "count": 17,
            "labels": ("spin_gt24", "mpi_inf_3dhp17_test"),
            "root": "stored",
            "inside_picture": True,
            "universal": True,
        },
        "says": {
            **SPIN.says,
            "people": "valid frames of TS1 to TS6 with all 17 joints inside of the picture",
            "joints": "17 joints regressed from the predicted mesh by Human3.6M's regressor",
            "truth": SKELETON,
            "root": SPIN.studio_says["root"],
        },
        "corrected": {"strict": False},
        "corrected_says": {"one point": SPIN.corrected_says["one point"]},
    }
    mm = {
        **vars(MMHUMAN3D),
        "metrics": ALL,
        "options": {
            "labels": ("mpi_inf_3dhp17_test", *LABELS[1:]),
            "average": "joints",
            "universal": True,
            "strict": False,
        },
        "says": {
            **{k: v for k, v in MMHUMAN3D.says.items() if k != "mesh"},
            "people": "valid frames of TS1 to TS6",
            "truth": SKELETON,
            "one point": MMHUMAN3D.corrected_says["one point"],
            "standing": "mmhuman3d's evaluate knows only pw3d, h36m and humman",
        },
        "models": (),
    }
    official = _pair(Family(**spin), "mpi-inf-3dhp", "test", 0)
    rebuilt = _pair(Family(**mm), "mpi-inf-3dhp", "test", 0)[0]
    return [
        *official,
        replace(
            rebuilt,
            summary="mmhuman3d's measures of 14 joints, on a test set that its program refuses.",
            standing="reconstruction",
            beside="",
            source=f"{MMHUMAN3D.source}; it refuses this data set",
        ),
    ]


def _eft() -> list[ProtocolSpec]:
    """-> what hmr-benchmarks' README means by its EFT lists; nobody can run it as released."""
    found = []
    for testset, (split, people, title) in EFT.items():
        found.append(
            ProtocolSpec(
                name=f"{testset}/{split}@hmr-benchmarks-v1",
                testset=testset,
                split=split,
                summary=f"{title} as hmr-benchmarks means it: EFT's fit is the truth.",
                body="smpl",
                joints="h36m17",
                root=("pelvis",),
                metrics=("pa_mpjpe", "mpjpe"),
                joints_from="mesh",
                gender="neutral",
                samples=people,
                default=True,
                models=("hmr",),
                rule=RULE,
                options={"otherwise": "h36m17", "strict": False},
                standing="reconstruction",
                says={
                    "joints": MMHUMAN3D.says["joints"],
                    "truth": "the same 14 joints of EFT's fit, a neutral body: no measured truth",
                    "root": "both sides are moved to the pelvis of the 17",
                    "average": "mean over people of each person's mean",
                    "standing": f"{NOT_RUN}; this is what its README and configurations suggest",
                },
                source="smplbody/hmr-benchmarks 6d782f0, README and the configurations of branch readme",
                licence="fits CC-BY-NC 4.0; pictures as their owners say",
            )
        )
    return found


def goldens() -> list[GoldenSpec]:
    """-> what the papers' programs returned."""
    return [
        GoldenSpec(
            name="metrics/body-protocols",
            files=("goldens/body_protocols.npz", "goldens/body_protocols.json"),
            replay=f"{HERE}.goldens:replay_protocols",
            summary="METRO, Graphormer, FastMETRO, SPIN, PARE, mmhuman3d, HMR 2.0, the challenge.",
            source="reference/metrics/SPEC.md, 5 and 12",
            inputs=("gt_verts_*", "pred_verts_*", "gender", "J_regressor_*"),
        ),
        GoldenSpec(
            name="metrics/mmhuman3d-functions",
            files=("goldens/mmhuman3d_functions.npz", "goldens/mmhuman3d_functions.json"),
            replay=f"{HERE}.goldens:replay_functions",
            summary="mmhuman3d's functions under three alignments, and HMR 2.0's 2D PCK.",
            source="reference/metrics/SPEC.md, 8, 9 and 12",
            inputs=("gt_*", "pred_*", "mask", "frame_mask", "conf_2d", "box_size", "scale"),
        ),
    ]


def speeds() -> list[SpeedSpec]:
    """-> the similarity transform of a whole test set."""
    return [
        SpeedSpec(
            name="pa-mpjpe",
            make=f"{HERE}.speed:people",
            ours=f"{HERE}.speed:ours",
            plain=f"{HERE}.speed:plain",
            people=PW3D_PEOPLE,
            at_least=25.0,
            summary="PA-MPJPE of 3DPW's test people, 14 joints",
            official="2.2 s for METRO's loop (reference/metrics/PERF.md, one core)",
        )
    ]
