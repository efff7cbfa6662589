"""The papers' evaluations of bodies: what each does, as options of the rule and in English."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

REGRESSED = "14 joints regressed from the predicted mesh by Human3.6M's regressor"
SAME = "the same 14 joints regressed from the true mesh"
NO_EXTENT = (
    "a prediction whose joints lie in one point has no aligned figures (0 / 0), and then nor has the "
    "set"
)
EXTENT_DEFINED = "a prediction whose joints lie in one point lands on the mean of the truth"


@dataclass(frozen=True, kw_only=True)
class Family:
    """One evaluation code: its rule on 3DPW, what changes on Human3.6M, and where it was read."""

    name: str  # "spin": protocols are called spin-v1 and spin-corrected-v1
    title: str  # "SPIN's"
    source: str
    models: tuple[str, ...]  # models and presets whose own protocol it is
    joints: str  # joint set of the prediction
    root: tuple[str, ...]  # in it
    metrics: tuple[str, ...]
    gender: str  # of the true body
    options: Mapping[str, Any]
    says: Mapping[str, str]
    studio: Mapping[str, Any]  # options that differ on Human3.6M
    studio_says: Mapping[str, str]
    studio_metrics: tuple[str, ...] = ("mpjpe", "pa_mpjpe")
    corrected: Mapping[str, Any] = field(default_factory=dict)  # options of the corrected protocol
    corrected_says: Mapping[str, str] = field(default_factory=dict)


ALL = ("mpjpe", "pa_mpjpe", "pck", "pa_pck", "auc", "pa_auc")
LABELS = ("metro24", "spin_gt24", "h36m17_lfirst", "human_data")
MID_HIP = ("right_hip", "left_hip")
METRO_SAYS = {
    "joints": REGRESSED,
    "truth": "the annotated 24 joints of METRO's tables, 14 of them; where a person has none, these "
    "24 regressed from the neutral body; the mesh is the neutral body with the annotated pose and "
    "shape, whatever the gender",
    "root": "both sides are moved to the middle of the two hips (first to the pelvis, which the "
    "second move undoes)",
    "mesh": "each mesh is moved to its own pelvis, regressed from it",
    "average": "mean of batches of 30 people, weighted by the people of each that have 3D joints; "
    "PA-MPJPE of a batch is a mean over all its people, those without 3D joints enter with 0",
    "one point": NO_EXTENT,
}
METRO_CORRECTED = {
    "average": "mean over the people that have 3D joints",
    "one point": EXTENT_DEFINED,
}
METRO = Family(
    name="metro",
    title="METRO's and Mesh Graphormer's",
    source="microsoft/MeshTransformer cefc4af, metro/tools/run_metro_bodymesh.py: run_validate",
    models=("metro", "graphormer"),
    joints="h36m17",
    root=MID_HIP,
    metrics=("pve", "mpjpe", "pa_mpjpe"),
    gender="neutral",
    options={
        "labels": ("metro24", "spin_gt24"),
        "otherwise": "metro24",
        "root": "mid_hip",
        "average": "batches",
    },
    says=METRO_SAYS,
    studio={"labels": LABELS, "otherwise": ""},
    studio_says={
        "truth": "the annotated joints; METRO's tables of Human3.6M have no meshes, its program then "
        "prints an mPVE of 0.00, which is none",
    },
    corrected={"average": "people", "strict": False},
    corrected_says=METRO_CORRECTED,
)
FASTMETRO = Family(
    name="fastmetro",
    title="FastMETRO's",
    source="postech-ami/FastMETRO c5ae206, src/tools/run_fastmetro_bodymesh.py: run_validate",
    models=("fastmetro",),
    joints="h36m17",
    root=MID_HIP,
    metrics=("pve", "mpjpe", "pa_mpjpe"),
    gender="neutral",
    options=METRO.options,
    says={**METRO_SAYS, "people": "the list test_has_gender; the gender in it is read by nobody"},
    studio=METRO.studio,
    studio_says={**METRO.studio_says, "people": "every fifth frame of S9 and S11"},
    corrected=METRO.corrected,
    corrected_says=METRO_CORRECTED,
)
SPIN = Family(
    name="spin",
    title="SPIN's",
    source="nkolot/SPIN 2476c43, eval.py: run_evaluation",
    models=("hmr.spin",),
    joints="h36m17",
    root=("pelvis",),
    metrics=("mpjpe", "pa_mpjpe"),
    gender="annotated",
    options={"otherwise": "h36m17", "unknown_gender": "male"},
    says={
        "joints": REGRESSED,
        "truth": f"{SAME}; it is the body of the annotated gender, male where nobody says",
        "root": "both sides are moved to the pelvis of the 17",
        "average": "mean over people of each person's mean",
        "one point": NO_EXTENT,
    },
    studio={"labels": ("spin_gt24", *LABELS[::2], "human_data"), "otherwise": "", "root": "stored"},
    studio_says={
        "truth": "the annotated joints as they are stored, from the pelvis",
        "root": "the prediction is moved to its pelvis; the truth stays as it is stored",
    },
    corrected={"strict": False, "unknown_gender": "neutral"},
    corrected_says={
        "truth": f"{SAME}; it is the body of the annotated gender, neutral where nobody says",
        "one point": EXTENT_DEFINED,
    },
)
PARE = Family(
    name="pare",
    title="PARE's",
    source="mkocabas/PARE f848b2f, pare/core/trainer.py: validation_step",
    models=("pare",),
    joints="h36m17",
    root=("pelvis",),
    metrics=("mpjpe", "pa_mpjpe", "pve"),
    gender="annotated",
    options={"otherwise": "h36m17", "unknown_gender": "male", "centred_mesh": False},
    says={
        **SPIN.says,
        "mesh": "true body of the annotated gender against the neutral prediction; neither is moved: "
        "the distance of the bodies' origins is part of it",
    },
    studio=SPIN.studio,
    studio_says=SPIN.studio_says,
    corrected=SPIN.corrected,
    corrected_says=SPIN.corrected_says,
)
MMHUMAN3D = Family(
    name="mmhuman3d",
    title="mmhuman3d's and hmr-benchmarks'",
    source="open-mmlab/mmhuman3d 8c95747 and smplbody/hmr-benchmarks 6d782f0, "
    "mmhuman3d/data/datasets/human_image_dataset.py: evaluate",
    models=("hmr",),
    joints="h36m17",
    root=("pelvis",),
    metrics=(*ALL, "pve", "pa_pve"),
    gender="annotated",
    options={
        "otherwise": "h36m17",
        "unknown_gender": "female",
        "centred_mesh": False,
        "reposed": True,
        "average": "joints",
    },
    says={
        "joints": REGRESSED,
        "truth": f"{SAME}; it is the body of the annotated gender, female where nobody says",
        "root": "both sides are moved to the pelvis of the 17",
        "mesh": "the predicted parameters are posed again with the body of the true gender; neither "
        "mesh is moved; a model without parameters has no PVE",
        "average": "one mean over all joints of all people",
        "one point": NO_EXTENT,
    },
    studio={"labels": ("h36m17_lfirst", "human_data", "spin_gt24", "metro24"), "otherwise": ""},
    studio_says={"truth": "the 17 annotated joints"},
    studio_metrics=ALL,
    corrected={"strict": False, "unknown_gender": "neutral", "average": "people"},
    corrected_says={
        "truth": f"{SAME}; it is the body of the annotated gender, neutral where nobody says",
        "average": "mean over people of each person's mean, so that people with more joints do not "
        "weigh more",
        "one point": EXTENT_DEFINED,
    },
)
HMR2 = Family(
    name="hmr2",
    title="HMR 2.0's",
    source="shubham-goel/4D-Humans 6ec7965, hmr2/utils/pose_utils.py: Evaluator",
    models=("hmr2",),
    joints="hmr2_44",
    root=("Pelvis (MPII)",),
    metrics=("mpjpe", "pa_mpjpe", "pve"),
    gender="annotated",
    options={"labels": ("hmr2_44", *LABELS[:2]), "otherwise": "hmr2_44"},
    says={
        "joints": "14 of its 44 joints (25 to 37 and 43), regressed from the predicted mesh",
        "truth": "the same of the annotated 44; where a person has none, those of the body of the "
        "annotated gender",
        "root": "both sides are moved to joint 39, the annotators' pelvis",
        "PVE": "its released evaluator measures no mesh; later papers print a PVE of it, not saying how: "
        "here the true gender against the neutral prediction, each moved to joint 39, mm",
        "average": "mean over people of each person's mean",
        "one point": NO_EXTENT,
    },
    studio={"labels": ("hmr2_44", *LABELS), "otherwise": ""},
    studio_says={"truth": "the same of the annotated 44"},
    corrected={"strict": False},
    corrected_says={"one point": EXTENT_DEFINED},
)
FAMILIES = (METRO, FASTMETRO, SPIN, PARE, MMHUMAN3D, HMR2)
