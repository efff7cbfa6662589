"""Test-time augmentation: the same people cropped several times, and one prediction out of all.

`multiscale` is Mesh Graphormer's for hands: 95 crops, joints and vertices aligned to the usual crop and
averaged. `flip` is the mean with the mirrored crop and lies in inference.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hpscli.data.official_crops.batch import prepared_batch
from hpscli.data.placing import seen_by
from hpscli.errors import UsageError, did_you_mean
from hpscli.hooks import ProtocolSpec
from hpscli.metrics.truth import predicted_points
from hpscli.nn.checkpoints import LoadedModel
from hpscli.records import Prediction, Sample
from hpscli.run.fusion import REFERENCE, fuse, views
from hpscli.run.hands.freihand import HAND_JOINTS, hand_joints
from hpscli.run.inference import Dtype, mesh_of, predict_batch, preparation_of

AUGMENTATIONS = {
    "multiscale": "5 scales x 19 rotations, each aligned to the usual crop, then their mean",
    "flip": "the mean with the mirrored crop",
}

Points = NDArray[np.float32]


def check_tta(name: str) -> None:
    """Raise for a word that --tta does not know; "" is none."""
    if name and name not in AUGMENTATIONS:
        fix = did_you_mean(name, AUGMENTATIONS) or f"--tta {' or --tta '.join(AUGMENTATIONS)}"
        raise UsageError(f"no test-time augmentation '{name}'.", fix)


def predict_views(
    model: LoadedModel,
    samples: Sequence[Sample],
    protocol: ProtocolSpec,
    *,
    crop: str = "",
    dtype: Dtype = "fp32",
) -> Prediction:
    """B people -> what 95 crops of each say together: vertices (B,V,3), joints, camera of the usual crop.

    Joints are those that the protocol looks at (of a hand the 21 of FreiHAND, regressed from the mesh
    of every crop); they and the vertices are fused separately. There are no parameters any more.
    """
    name = joint_set_of(model, protocol)
    found: dict[tuple[float, int], tuple[Points, Points]] = {}
    camera = torch.empty(0)
    for view, prediction in predicted_views(model, samples, protocol, crop=crop, dtype=dtype):
        joints = view_joints(model, protocol, prediction)
        found[view] = _numbers(joints), _numbers(mesh_of(prediction))
        if view == REFERENCE:
            camera = prediction.camera
    joints, vertices = (
        torch.from_numpy(fuse(found[REFERENCE][part], (run[part] for run in found.values()))).to(
            camera.device, torch.float32
        )
        for part in (0, 1)
    )
    return Prediction(camera=camera, vertices=vertices, joints={name: joints})


def predicted_views(
    model: LoadedModel,
    samples: Sequence[Sample],
    protocol: ProtocolSpec,
    *,
    crop: str = "",
    dtype: Dtype = "fp32",
) -> Iterator[tuple[tuple[float, int], Prediction]]:
    """-> scale of the box and degrees of every crop, and what the model says about B people in it."""
    preparation = preparation_of(model, crop, measuring=True)
    for scale, degrees in views():
        batch = prepared_batch(
            samples,
            model.input_size,
            protocol.joints,
            preparation,
            crop_scale=protocol.crop_scale * scale,
            rotation_degrees=degrees,
            seen=seen_by(model.spec.crop),
        )
        yield (scale, degrees), predict_batch(model, batch, dtype=dtype)


def joint_set_of(model: LoadedModel, protocol: ProtocolSpec) -> str:
    """-> the name under which fused joints are found in the prediction."""
    return HAND_JOINTS if model.body.kind == "mano" else protocol.joints


def view_joints(model: LoadedModel, protocol: ProtocolSpec, prediction: Prediction) -> Tensor:
    """A complete prediction -> the joints (B,J,3) that are fused."""
    if model.body.kind == "mano":
        return hand_joints(prediction, model.body)
    return torch.from_numpy(predicted_points(protocol, model.body, prediction).joints)


def _numbers(points: Tensor) -> Points:
    return np.asarray(points.float().cpu().numpy(), np.float32)
