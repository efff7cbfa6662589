"""A small example on which protocols are compared: made-up people with free bodies, the same each time.

How large an effect is depends on bodies and predictions; that there is one, and which way it goes,
does not. Men and women are the free body a little larger and smaller.
"""

from dataclasses import replace
from functools import cache

import numpy as np
import torch

from hpscli.body.assets.loading import choose_make, read_make
from hpscli.body.layer import Body, complete
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.data.labels import labels_of
from hpscli.errors import UsageError
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.rules import Measured, Metric, People, Totals, is_set_rule, rule_of
from hpscli.metrics.truth import Truth
from hpscli.records import Prediction, Sample

PEOPLE = 32
WITHOUT_TRUTH, WITHOUT_GENDER = 3, 5  # one person each
STUDIO = ("h36m", "mpi-inf-3dhp")  # test sets whose truth is joints, not bodies
SIZES = {"male": 1.04, "female": 0.96, "neutral": 1.0}  # of the neutral body
POSE, BEND = 0.25, 0.08  # radians, of the true pose, and of the prediction from it
PELVIS = 14  # of spin_gt24
PELVIS_ROW, TORSO_ROW, ABOVE = 0, 7, 0.2  # of h36m17; how far from the one to the other
SEED = 0
PICTURE_PX = 256


def example_values(spec: ProtocolSpec) -> dict[str, Metric]:
    """-> the figures of the example under a protocol of SMPL bodies."""
    return dict(measured_example(spec)[1].metrics)


def measured_example(spec: ProtocolSpec) -> tuple[Measured, Totals]:
    """-> what a protocol's rule says about the example, and its figures."""
    refuse(spec)
    rule = rule_of(spec, example_body("neutral"))
    if is_set_rule(rule) or not isinstance(getattr(rule, "truth", None), Truth):
        raise UsageError(f"the example has no people for the rule of protocol '{spec.name}'.")
    rule.truth.bodies.update({(gender, "adult"): example_body(gender) for gender in SIZES})
    people = example_people(spec)
    found = Measured(keys=people.keys, values=rule.measure(people), meta=people.meta)
    return found, rule.total(found)


def has_example(spec: ProtocolSpec) -> bool:
    """-> whether the example says something about a protocol: joints or meshes of SMPL bodies."""
    return spec.body == "smpl" and bool({"mpjpe", "pa_mpjpe", "pve"} & set(spec.metrics))


def refuse(spec: ProtocolSpec) -> None:
    """Raise for protocols that the example says nothing about."""
    if not has_example(spec):
        raise UsageError(
            f"the example is of SMPL bodies and distances, protocol '{spec.name}' is not.",
            f"What it says: hps protocols show {spec.name}",
        )


@cache
def example_body(gender: str) -> Body:
    """-> the free body, a little larger for men and smaller for women.

    Its pelvis of Human3.6M lies a little above the middle of the hips, as that of the real one.
    """
    make = choose_make("smpl", gender=gender, source="free", age="adult", hand="right")
    arrays, about = read_make(make)
    regressors = {name: np.array(matrix) for name, matrix in about["regressors"].items()}
    h36m = regressors["h36m17"]
    h36m[PELVIS_ROW] = (1 - ABOVE) * h36m[PELVIS_ROW] + ABOVE * h36m[TORSO_ROW]
    sized = {**arrays, "v_template": arrays["v_template"] * SIZES[gender]}
    return Body("smpl", sized, **{**about, "gender": gender, "regressors": regressors})


def example_people(spec: ProtocolSpec) -> People:
    """-> the people, with a prediction for each, as a rule sees them."""
    samples = [_sample(spec, row) for row in range(PEOPLE)]
    targets, present = labels_of(samples, spec.joints)
    return People(
        keys=tuple(sample.key for sample in samples),
        prediction=_prediction(),
        targets=targets,
        present=present,
        meta=tuple(sample.meta for sample in samples),
        affine=torch.eye(3)[:2].repeat(PEOPLE, 1, 1),
        samples=tuple(samples),
    )


@cache
def _poses() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """-> true and predicted pose (N,72), true and predicted shape (N,10)."""
    random = np.random.RandomState(SEED)
    pose = POSE * random.standard_normal((PEOPLE, 72))
    said = pose + BEND * random.standard_normal(pose.shape)
    shape = random.standard_normal((PEOPLE, 10))
    return pose, said, shape, 0.5 * shape


def _sample(spec: ProtocolSpec, row: int) -> Sample:
    gender = "" if row == WITHOUT_GENDER else ("male", "female")[row % 2]
    meta = {"sequence": f"walk-{row // 8}", "frame": row % 8, "person": 0, "action": "walking"}
    meta["image_size_px"] = [PICTURE_PX, PICTURE_PX]
    arrays = {"keypoints2d.pw3d18": np.full((18, 3), 100.0, np.float32)}
    if row != WITHOUT_TRUTH:
        arrays |= _studio(row) if spec.testset in STUDIO else _posed(row)
    return Sample(
        key=f"example-{row:02d}",
        image=b"",
        arrays=arrays,
        meta={**meta, **({"gender": gender} if gender else {})},
    )


def _posed(row: int) -> dict[str, np.ndarray]:
    pose, _, shape, _ = _poses()
    return {
        "smpl.global_orient": pose[row, :3].astype(np.float32),
        "smpl.body_pose": pose[row, 3:].astype(np.float32),
        "smpl.betas": shape[row].astype(np.float32),
    }


@cache
def _studio_joints() -> dict[str, np.ndarray]:
    """-> joints as markers give them: 24 of SPIN, 17 of MPI-INF-3DHP's test, from the pelvis."""
    pose, _, shape, _ = _poses()
    body = example_body("neutral")
    vertices = body(_parameters(pose, shape)).vertices
    found = {}
    for name, source in (("spin_gt24", "smpl49"), ("mpi_inf_3dhp17_test", "smpl49")):
        points = body.regress(vertices, source)[:, 25:]
        points = points - points[:, [PELVIS]]
        if name == "mpi_inf_3dhp17_test":
            points = points[:, list(INF_3DHP)]
        sure = torch.ones(*points.shape[:2], 1)
        found[f"keypoints3d.{name}"] = torch.cat([points, sure], dim=-1).numpy()
    return found


# of SPIN's 24 joints: head top, neck, right arm, left arm, right leg, left leg, pelvis, spine, head
INF_3DHP = (13, 12, 8, 7, 6, 9, 10, 11, 2, 1, 0, 3, 4, 5, 14, 16, 18)


def _studio(row: int) -> dict[str, np.ndarray]:
    return {name: values[row] for name, values in _studio_joints().items()}


def _parameters(pose: np.ndarray, shape: np.ndarray) -> dict[str, torch.Tensor]:
    turned = axis_angle_to_matrix(torch.from_numpy(pose.astype(np.float32)).view(-1, 24, 3))
    betas = torch.from_numpy(shape.astype(np.float32))
    return {"global_orient": turned[:, 0], "body_pose": turned[:, 1:], "betas": betas}


@cache
def _prediction() -> Prediction:
    _, pose, _, shape = _poses()
    bare = Prediction(camera=torch.zeros(PEOPLE, 3), parameters=_parameters(pose, shape))
    return complete(bare, example_body("neutral"), vertices=True)


def changed(spec: ProtocolSpec, field: str, other: ProtocolSpec) -> ProtocolSpec:
    """A protocol with one field ("gender", "options.root") as another has it."""
    group, _, option = field.partition(".")
    if not option:
        return replace(spec, **{group: getattr(other, group)})
    options = {k: v for k, v in spec.options.items() if k != option}
    if option in other.options:
        options[option] = other.options[option]
    return replace(spec, options=options)
