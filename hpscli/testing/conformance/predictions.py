"""Is a prediction what its model declares, in the shapes and units of the records?"""

from hpscli.hooks import ModelSpec
from hpscli.records import Prediction

ROTATION_TOLERANCE = 1e-3  # of R R^T = 1; float32 gives 1e-6, half precision inside 1e-3
LONGEST = 50.0  # metres that an untrained network may draw; millimetres give hundreds


def output_complaint(spec: ModelSpec, prediction: Prediction, batch: int) -> str:
    """-> how a prediction differs from what its model declares."""
    import torch

    given = {"camera"}
    given |= {"vertices"} if prediction.vertices is not None else set()
    given |= {n for n in ("joints", "parameters", "levels") if getattr(prediction, n)}
    if missing := [name for name in spec.outputs if name not in given]:
        return f"declares {missing[0]}, but does not give it"
    if extra := sorted(given - set(spec.outputs)):
        return f"gives {extra[0]}, but does not declare it"
    for name, tensor in prediction.named_tensors().items():
        if not name.startswith("extras.") and len(tensor) != batch:
            return f"{name} has {len(tensor)} rows for {batch} images"
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            return f"{name} has numbers that are not finite"
    return shape_complaint(spec, prediction)


def shape_complaint(spec: ModelSpec, prediction: Prediction) -> str:
    """-> the first tensor whose shape is not that of the records."""
    from hpscli.body.joints import joint_set
    from hpscli.body.layer import COEFFICIENTS, PARAMETERS, load_body

    if prediction.camera.shape[1:] != (3,):
        return f"camera is {tuple(prediction.camera.shape)}, not (B,3)"
    for name, points in prediction.joints.items():
        if points.shape[1:] != (len(joint_set(name).joints), 3):
            return (
                f"joints.{name} is {tuple(points.shape)}, not (B,{len(joint_set(name).joints)},3)"
            )
    for name, value in prediction.parameters.items():
        count = PARAMETERS[spec.body].get(name)
        wanted = () if count is None else (3, 3) if count == 1 else (count, 3, 3)
        if wanted and value.shape[1:] != wanted:
            return f"parameters.{name} is {tuple(value.shape)}, not (B,{str(wanted)[1:-1]})"
    for name, size in COEFFICIENTS[spec.body].items():
        if name in prediction.parameters and prediction.parameters[name].shape[1:] != (size,):
            given = tuple(prediction.parameters[name].shape)
            return f"parameters.{name} is {given}, not (B,{size})"
    needed = (*PARAMETERS[spec.body], *COEFFICIENTS[spec.body])
    lacking = [name for name in needed if name not in prediction.parameters]
    if prediction.parameters and lacking:
        return f"parameters lack {lacking[0]}, which {spec.body} needs"
    if prediction.vertices is not None:
        vertices = len(load_body(spec.body, source="free").get_buffer("v_template"))
        if prediction.vertices.shape[1:] != (vertices, 3):
            return f"vertices is {tuple(prediction.vertices.shape)}, not (B,{vertices},3)"
    return ""


def unit_complaint(spec: ModelSpec, prediction: Prediction) -> str:
    """-> rotations that are none, lengths that cannot be metres."""
    import torch

    from hpscli.body.layer import PARAMETERS

    for name in PARAMETERS[spec.body]:
        if name in prediction.parameters:
            rotation = prediction.parameters[name].double()
            error = (rotation @ rotation.mT - torch.eye(3, dtype=torch.float64)).abs().max()
            if error > ROTATION_TOLERANCE or (torch.linalg.det(rotation) < 0).any():
                return f"parameters.{name} are no rotation matrices (R R^T is off by {error:.2g})"
    lengths = dict(prediction.joints)
    if prediction.vertices is not None:
        lengths["vertices"] = prediction.vertices
    for name, points in lengths.items():
        extent = float((points.amax(dim=1) - points.amin(dim=1)).max())
        if extent > LONGEST:
            return f"{name} spans {extent:.0f} m; is it in millimetres?"
    return ""
