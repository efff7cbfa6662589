"""Body parameters: which there are, axis-angle to matrices, and a whole prediction out of them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from hpscli.body.free import free_poses
from hpscli.body.joints import conversion_index, convert, joint_set
from hpscli.body.rotations import axis_angle_to_matrix
from hpscli.errors import InvalidData, UsageError, did_you_mean, unknown_name
from hpscli.records import Prediction

if TYPE_CHECKING:
    from hpscli.body.layer import Body

Array = np.ndarray[Any, np.dtype[Any]]

# How many rotations each parameter holds, in the order of the joints of the kind.
PARAMETERS: dict[str, dict[str, int]] = {
    "smpl": {"global_orient": 1, "body_pose": 23},
    "smplx": {
        "global_orient": 1,
        "body_pose": 21,
        "jaw_pose": 1,
        "leye_pose": 1,
        "reye_pose": 1,
        "left_hand_pose": 15,
        "right_hand_pose": 15,
    },
    "mano": {"global_orient": 1, "hand_pose": 15},
}
# Coefficients of shape and, for SMPL-X, of expression.
COEFFICIENTS: dict[str, dict[str, int]] = {
    "smpl": {"betas": 10},
    "smplx": {"betas": 10, "expression": 10},
    "mano": {"betas": 10},
}
ROTATIONS = frozenset(name for names in PARAMETERS.values() for name in names)
SINGLE = frozenset(n for names in PARAMETERS.values() for n, count in names.items() if count == 1)


def check_kind(kind: str) -> str:
    """-> the kind, if there is such a body."""
    if kind not in PARAMETERS:
        raise unknown_name("kind of body", kind, PARAMETERS, "hps info formats")
    return kind


def matrices(parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Axis-angle (B,3n) by name -> rotation matrices (B,n,3,3), or (B,3,3) for single rotations.

    Betas, expression and transl pass as they are.
    """
    result = dict(parameters)
    for name in ROTATIONS & result.keys():
        vectors = result[name]
        turned = axis_angle_to_matrix(vectors.reshape(vectors.shape[0], -1, 3))
        result[name] = turned[:, 0] if name in SINGLE else turned
    return result


def mean_parameters(kind: str, *, source: str = "") -> dict[str, Array]:
    """-> pose6d (6 numbers a joint) interleaved, betas (10,), camera (3,): where regression starts.

    Bodies start from the imported mean (else the free one), hands and faces from rest.
    """
    rotations = sum(PARAMETERS[check_kind(kind)].values())
    mean = _imported_mean() if source != "free" else None
    if mean is None:
        if source == "imported":
            from hpscli.body.assets.files import missing_asset

            raise missing_asset("mean-params")
        free = free_poses()
        mean = {
            "pose6d": free["mean_pose_6d"],
            "betas": free["mean_shape"],
            "camera": free["mean_cam"],
        }
    pose = np.tile(np.array([1, 0, 0, 1, 0, 0], dtype=np.float32), rotations)
    if kind == "mano":
        return {"pose6d": pose, "betas": np.zeros(10, np.float32), "camera": mean["camera"]}
    shared = 6 * min(22, rotations) if kind == "smplx" else 6 * rotations
    pose[:shared] = mean["pose6d"][:shared]
    betas = mean["betas"] if kind == "smpl" else np.zeros(10, np.float32)
    return {"pose6d": pose, "betas": betas, "camera": mean["camera"]}


def _imported_mean() -> dict[str, Array] | None:
    from hpscli.body.assets.files import have_asset, read_asset

    if not have_asset("mean-params"):
        return None
    arrays, _ = read_asset("mean-params")
    return {k: np.asarray(arrays[k], dtype=np.float32) for k in ("pose6d", "betas", "camera")}


def check_names(kind: str, parameters: Mapping[str, Tensor]) -> None:
    """Raise for a parameter that this kind of body does not have, or for none at all."""
    known = [*PARAMETERS[kind], *COEFFICIENTS[kind], "transl"]
    for name in parameters:
        if name not in known:
            raise InvalidData(
                f"a {kind} body has no parameter '{name}'.",
                did_you_mean(name, known) or f"It takes {', '.join(known)}.",
            )
    if not parameters:
        raise InvalidData(f"no parameters for the {kind} body.", f"It takes {', '.join(known)}.")


def check_rotations(name: str, value: Tensor, count: int) -> None:
    """Raise unless `value` is (B,count,3,3), or (B,3,3) for one."""
    if value.shape[-2:] != (3, 3) or value[0].numel() != count * 9:
        raise InvalidData(
            f"parameters['{name}'] has shape {tuple(value.shape)}, expected (B,{count},3,3).",
            "Axis-angle parameters go through hpscli.body.layer.matrices first.",
        )


def complete(
    prediction: Prediction, body: Body, *, vertices: bool, joint_sets: Collection[str] = ()
) -> Prediction:
    """-> the prediction with the body's own joints, and with vertices and joint sets if asked for.

    What the model gave stays. The rest comes from its vertices, else from its parameters, else
    from joints that it did give under other names.
    """
    given = {joint_set(name).name: points for name, points in prediction.joints.items()}
    wanted = [joint_set(name).name for name in (body.joint_set, *joint_sets)]
    missing = [name for name in dict.fromkeys(wanted) if name not in given]
    mesh = prediction.vertices
    if not missing and (mesh is not None or not vertices):
        return prediction
    own = given.get(body.joint_set)
    parameters = prediction.parameters
    if mesh is None and parameters:
        if vertices or any(name != body.joint_set for name in missing):
            mesh, posed = body(parameters)
        else:
            posed = body.kinematics(parameters)
        own = posed if own is None else own
        given[body.joint_set] = own
    for name in missing:
        if name not in given:
            given[name] = _joints(name, body, mesh, own, parameters, prediction)
    if vertices and mesh is None:
        raise InvalidData(
            "the model gave neither vertices nor parameters, so there is no mesh.",
            f"It gave {', '.join(prediction.named_tensors())}.",
        )
    return replace(prediction, vertices=mesh, joints=given)


def _joints(
    name: str,
    body: Body,
    mesh: Tensor | None,
    own: Tensor | None,
    parameters: Mapping[str, Tensor],
    prediction: Prediction,
) -> Tensor:
    if mesh is not None:
        return body.regress(mesh, name, joints=own, parameters=parameters or None)
    for source, points in prediction.joints.items():
        if (conversion_index(source, name) >= 0).all():
            return convert(points, source, name)[0]
    raise UsageError(
        f"the model gives no vertices, no parameters, and no joints that convert to '{name}'.",
        f"It gives {', '.join(prediction.joints) or 'no joints'}. See: hps info joints {name}",
    )
